#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* What agent and launcher say to each other over their SOCK_SEQPACKET connection. See wire.c. */

#include <sys/types.h>

#include "common/base/macro.h"
#include "isolator/confinement.h"
#include "launcher/exit_record.h"

#define LAUNCHER_VERSION 2

/* Name of the socket in the plan's runtime directory. */
#define LAUNCHER_SOCKET_NAME "launcher.sock"

/* No message is larger; a larger one is the end of the connection. */
#define LAUNCHER_MESSAGE_MAX_BYTES (64U << 10)

/*
 * SIGTERM to a launcher means that its scope is being stopped. So long its container may take to
 * end by itself; then it is killed, and whoever stops the scope must wait a little longer still.
 */
#define LAUNCHER_STOP_GRACE_USEC (20 * USEC_PER_SEC)

typedef enum LauncherState {
        LAUNCHER_WAITING,    /* nothing is started before GO */
        LAUNCHER_FETCHING,
        LAUNCHER_RUNNING,
        LAUNCHER_ENDING,     /* the command has ended, its remains are being killed */
        LAUNCHER_ENDED,      /* nothing is left; the launcher exits when its record is safe */
} LauncherState;

const char *launcher_state_name(LauncherState s);

typedef struct LauncherHello {
        unsigned version;
        const char *container_id;
        char boot_id[37];
        pid_t pid;
        uint64_t start_time_ticks;
        LauncherState state;
        pid_t main_pid;                  /* 0: not started */
        uint64_t main_start_time_ticks;
        const char *cgroup;              /* as GO gave it, or NULL */
        const char *address;             /* in its own network, "10.88.0.5/16", or NULL */
        const ExitRecord *exit;          /* once the command has ended, or NULL */
        bool exit_recorded;              /* and that is safe on disk */
} LauncherHello;

typedef enum LauncherRequestKind {
        LAUNCHER_REQUEST_GO,
        LAUNCHER_REQUEST_KILL,
        LAUNCHER_REQUEST_STATUS,
        LAUNCHER_REQUEST_RELEASE,
        LAUNCHER_REQUEST_UPDATE,
        LAUNCHER_REQUEST_UNKNOWN,        /* of a later agent: answered with EOPNOTSUPP */
} LauncherRequestKind;

typedef struct LauncherRequest {
        uint32_t serial;
        LauncherRequestKind kind;
        const char *cgroup;              /* GO; NULL: none */
        int signal_number;               /* KILL */
        bool main_only;
        CgroupSetting **settings;        /* UPDATE */
        size_t n_settings;
        void *storage;                   /* what a decoded one points into */
} LauncherRequest;

typedef enum LauncherEventKind {
        LAUNCHER_EVENT_HELLO,
        LAUNCHER_EVENT_STARTED,
        LAUNCHER_EVENT_ENDED,
        LAUNCHER_EVENT_REPLY,
        LAUNCHER_EVENT_UNKNOWN,          /* of a later launcher: passed over */
} LauncherEventKind;

typedef struct LauncherEvent {
        LauncherEventKind kind;
        LauncherHello hello;             /* HELLO */
        pid_t pid;                       /* STARTED */
        uint64_t start_time_ticks;
        ExitRecord exit;                 /* ENDED, and what hello.exit points at */
        bool recorded;                   /* ENDED: safe on disk; else kept, and tried again */
        bool left_behind;                /* ENDED: something could not be killed in time */
        uint32_t serial;                 /* REPLY */
        int error;                       /* REPLY: positive errno, 0: accepted */
        void *storage;
} LauncherEvent;

/* Encoders give a malloc'ed message. Decoders return -EBADMSG for what is none; deinit what they
 * filled. */
int launcher_request_encode(const LauncherRequest *r, void **ret, size_t *ret_n);
int launcher_request_decode(const void *data, size_t n, LauncherRequest *ret);
void launcher_request_deinit(LauncherRequest *r);

int launcher_event_encode(const LauncherEvent *e, void **ret, size_t *ret_n);
int launcher_event_decode(const void *data, size_t n, LauncherEvent *ret);
void launcher_event_deinit(LauncherEvent *e);
