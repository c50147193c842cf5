#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Client: one question to a daemon after the other. See client.c. */

#include <jansson.h>

#include "cli/verb.h"
#include "common/base/flags.h"
#include "common/net/detector.h"
#include "common/net/http_fetch.h"

/* Another master leads; url as Client's. */
typedef void (*ClientMasterChanged)(const char *url, void *userdata);

typedef struct Client {
        sd_event *event;          /* owned */
        HttpFetcher *fetcher;     /* owned */
        char *master_url;         /* owned; "http://host:port", without a slash at the end */
        Detector *detector;       /* owned; NULL where the master was named by its address */
        char *next_url;           /* owned; of the leader since, for client_follow() */
        ClientMasterChanged master_changed;     /* may be NULL */
        void *userdata;           /* of master_changed */
} Client;

#define CLIENT_NULL ((Client) {})

/* Positive results come with a text for people in *reterr_message. */
enum {
        CLIENT_OK = 0,
        CLIENT_E_USAGE,           /* no master is named, or not as it should */
        CLIENT_E_UNREACHABLE,     /* nobody answers, or nobody leads */
        CLIENT_E_REFUSED,         /* the answer is not the one asked for */
};

int client_init(Client *c, const char *text, char **reterr_message);
void client_deinit(Client *c);

/* For those who ask more than once: master_url is the leader's of now. */
void client_follow(Client *c);

int client_get(Client *c, const char *base_url, const char *path, json_t **ret,
               char **reterr_message);
int client_post(Client *c, const char *base_url, const char *path, const char *json,
                char **reterr_message);

/* Sleeps, while what is under way goes on. */
int client_pause(Client *c, usec_t usec);

/* For verbs: parses flags; returns -1 to go on, else the exit code. Texts have been printed. */
int client_parse_flags(FlagTable *t, int argc, char **argv, char ***ret_args);

/* For verbs: prints the message of a failure and returns the exit code; frees neither. */
int client_report(int r, const char *message);

/* As asprintf(), into an error text that may be there already. Returns `code` or -ENOMEM. */
int client_fail(int code, char **reterr_message, const char *format, ...) _printf_(3, 4);
