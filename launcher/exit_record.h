#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* ExitRecord: how a container ended, as its launcher saw it. See exit_record.c. */

#include "common/base/macro.h"
#include "common/base/process.h"
#include "common/base/usec.h"
#include "proto/launcher.pb-c.h"

typedef enum ExitRecordKind {
        EXIT_RECORD_NEVER_STARTED,   /* its agent left before it said go */
        EXIT_RECORD_FAILED,          /* the command was never executed */
        EXIT_RECORD_EXITED,
} ExitRecordKind;

typedef struct ExitRecord {
        ExitRecordKind kind;
        char *container_id;      /* owned, like all here */
        char boot_id[37];
        ExitStatus status;       /* of the command; in FAILED, of the fetcher if that was it */
        char *step;              /* FAILED: "fetch", "change user", …; else NULL */
        int error;               /* FAILED: a positive errno; 0: the step's program ended badly */
        char *message;           /* FAILED: for people, "Failed to execute '…': No such file …" */
        bool oom_killed;         /* the kernel killed something in the container for memory */
        usec_t started_usec;     /* CLOCK_REALTIME; 0: not known */
        usec_t ended_usec;
        char *limitation;        /* the limit that ended it, for people: "Memory limit exceeded: …"; else NULL */
        uint64_t memory_max_bytes;   /* with a limitation: of the container; 0: not known */
} ExitRecord;

#define EXIT_RECORD_NULL ((ExitRecord) {})

void exit_record_deinit(ExitRecord *r);

enum {
        EXIT_RECORD_OK = 0,
        EXIT_RECORD_E_CORRUPT,   /* torn or damaged: says nothing, so the status is unknown */
};

int exit_record_write(int dir_fd, const char *path, const ExitRecord *r);
int exit_record_read(int dir_fd, const char *path, ExitRecord *ret);

/* The same as a message: on the wire and in the file. */
void exit_record_to_message(const ExitRecord *r, Holdfast__Launcher__ExitRecord *ret);
int exit_record_from_message(const Holdfast__Launcher__ExitRecord *m, ExitRecord *ret);
