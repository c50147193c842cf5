#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* StatusStream: one task's status updates on their way to its framework. See status_stream.c. */

#include "common/base/macro.h"
#include "common/base/usec.h"

typedef struct StatusStream StatusStream;

/* An update as the stream holds it; valid until it is acknowledged or the stream is freed. */
typedef struct StatusUpdate {
        uint8_t uuid[16];
        bool terminal;
        size_t n_bytes;
        const void *bytes;     /* what the caller serialized; the stream never looks into it */
} StatusUpdate;

/*
 * What one task may have waiting. An executor that reports faster than its framework acknowledges
 * meets STATUS_STREAM_E_FULL; a first update of any size and the terminal one always fit.
 */
#define STATUS_STREAM_MAX_PENDING 1024
#define STATUS_STREAM_MAX_PENDING_BYTES (4 * 1024 * 1024)

/* How many acknowledged uuids are remembered: as many as can be in doubt at once. */
#define STATUS_STREAM_MAX_ACKED STATUS_STREAM_MAX_PENDING

#define STATUS_STREAM_RETRY_MIN_USEC (10 * USEC_PER_SEC)
#define STATUS_STREAM_RETRY_MAX_USEC (10 * USEC_PER_MINUTE)

enum {
        STATUS_STREAM_OK = 0,
        STATUS_STREAM_E_DUPLICATE,    /* received or acknowledged before: success to who sent it */
        STATUS_STREAM_E_TERMINATED,   /* after a terminal one: success to who sent it, not kept */
        STATUS_STREAM_E_FULL,         /* over the bound above: to be sent again later */
        STATUS_STREAM_E_UNEXPECTED,   /* acknowledges what is not in flight: to be ignored */
};

StatusStream *status_stream_new(void);
StatusStream *status_stream_free(StatusStream *s);
DEFINE_CLEANUP(StatusStream *, status_stream_free)

/* Both change the stream only if they return 0. To be durable first: ask _check, write, then do. */
int status_stream_update(StatusStream *s, const uint8_t uuid[static 16], bool terminal,
                         const void *bytes, size_t n_bytes);
int status_stream_ack(StatusStream *s, const uint8_t uuid[static 16]);

/* What the two above would return, without doing it. */
int status_stream_update_check(const StatusStream *s, const uint8_t uuid[static 16], bool terminal,
                               size_t n_bytes);
int status_stream_ack_check(const StatusStream *s, const uint8_t uuid[static 16]);

/* Replay of a log that keeps only the uuid of what was acknowledged; in the order of the log. */
int status_stream_replay_acked(StatusStream *s, const uint8_t uuid[static 16], bool terminal);

/* The oldest update not acknowledged: the only one that may be in flight. NULL: nothing to say. */
const StatusUpdate *status_stream_head(const StatusStream *s);

/*
 * The newest one, and the one after `u`; NULL where there is none. Oldest first: start at the
 * head.
 */
const StatusUpdate *status_stream_tail(const StatusStream *s);
const StatusUpdate *status_stream_next(const StatusUpdate *u);

/* When the head wants to be forwarded: 0 at once, USEC_INFINITY when nothing is pending. */
usec_t status_stream_next_due(const StatusStream *s);

/* The head was forwarded at that time; it is due again after 10 s, 20 s, … 10 min. */
void status_stream_forwarded(StatusStream *s, usec_t now_usec);

/* A new master or framework listens: the head is due at once, and its retries begin anew. */
void status_stream_restart(StatusStream *s);

size_t status_stream_n_pending(const StatusStream *s);

/* A terminal update was received: the task is over, whoever knows it already. */
bool status_stream_is_terminated(const StatusStream *s);

/*
 * A terminal update was acknowledged: nothing will happen here any more; free stream and records.
 */
bool status_stream_is_done(const StatusStream *s);
