/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Exit records
 *
 * The launcher is the only witness of how a container ended, and the agent may be away. So the
 * launcher writes down what it saw, durably, before it tells anyone:
 *
 *     <work_dir>/meta/exits/<container id>      written once; removed with the container
 *
 * The file is an envelope around an ExitRecord of launcher.proto:
 *
 *     "HFEXIT01"   8 bytes
 *     length       8 bytes, little endian
 *     checksum     8 bytes, little endian, of the message
 *     message      length bytes
 *
 * What doesn't hold together is EXIT_RECORD_E_CORRUPT, and the status then is unknown: nobody makes
 * one up. A missing file means the same.
 */

#include <endian.h>
#include <fcntl.h>

#include "common/base/file.h"
#include "launcher/exit_record.h"

#define MAGIC "HFEXIT01"
#define RECORD_VERSION 1

/* The texts in it are ours or file names. */
#define MAX_FILE_BYTES (64U << 10)

typedef struct _packed_ Envelope {
        char magic[8];
        uint64_t n_message_le;
        uint64_t checksum_le;
} Envelope;

void exit_record_deinit(ExitRecord *r) {
        free(r->container_id);
        free(r->step);
        free(r->message);
        free(r->limitation);
        *r = EXIT_RECORD_NULL;
}

/* FNV-1a: each step is a bijection, so that a single changed byte always shows. */
static uint64_t checksum(const uint8_t *data, size_t n) {
        uint64_t sum = UINT64_C(0xcbf29ce484222325);

        for (size_t i = 0; i < n; i++)
                sum = (sum ^ data[i]) * UINT64_C(0x100000001b3);

        return sum;
}

/* Borrows everything from the record. */
void exit_record_to_message(const ExitRecord *r, Holdfast__Launcher__ExitRecord *ret) {
        static const Holdfast__Launcher__ExitRecord__Kind kinds[] = {
                [EXIT_RECORD_NEVER_STARTED] = HOLDFAST__LAUNCHER__EXIT_RECORD__KIND__NEVER_STARTED,
                [EXIT_RECORD_FAILED] = HOLDFAST__LAUNCHER__EXIT_RECORD__KIND__FAILED,
                [EXIT_RECORD_EXITED] = HOLDFAST__LAUNCHER__EXIT_RECORD__KIND__EXITED,
        };

        holdfast__launcher__exit_record__init(ret);
        ret->has_version = true;
        ret->version = RECORD_VERSION;
        ret->kind = kinds[r->kind];
        ret->container_id = r->container_id;
        ret->boot_id = (char *) r->boot_id;
        ret->has_wait_status = r->status.known;
        ret->wait_status = r->status.wait_status;
        ret->step = r->step;
        ret->has_error = r->error != 0;
        ret->error = r->error;
        ret->message = r->message;
        ret->has_oom_killed = true;
        ret->oom_killed = r->oom_killed;
        ret->has_started_usec = r->started_usec != 0;
        ret->started_usec = r->started_usec;
        ret->has_ended_usec = r->ended_usec != 0;
        ret->ended_usec = r->ended_usec;
        ret->limitation = r->limitation;
        ret->has_memory_max_bytes = r->memory_max_bytes != 0;
        ret->memory_max_bytes = r->memory_max_bytes;
}

static int copy_text(const char *text, char **ret) {
        if (!text)
                return 0;

        *ret = strdup(text);
        return *ret ? 0 : -ENOMEM;
}

static int kind_from_message(Holdfast__Launcher__ExitRecord__Kind kind, ExitRecordKind *ret) {
        switch ((int) kind) {
        case HOLDFAST__LAUNCHER__EXIT_RECORD__KIND__NEVER_STARTED:
                *ret = EXIT_RECORD_NEVER_STARTED;
                return 0;
        case HOLDFAST__LAUNCHER__EXIT_RECORD__KIND__FAILED:
                *ret = EXIT_RECORD_FAILED;
                return 0;
        case HOLDFAST__LAUNCHER__EXIT_RECORD__KIND__EXITED:
                *ret = EXIT_RECORD_EXITED;
                return 0;
        default:
                return -EBADMSG;
        }
}

/* Returns 0, -EBADMSG for what says nothing we know, -ENOMEM. */
int exit_record_from_message(const Holdfast__Launcher__ExitRecord *m, ExitRecord *ret) {
        _cleanup_(exit_record_deinit) ExitRecord record = EXIT_RECORD_NULL;
        int r;

        r = kind_from_message(m->kind, &record.kind);
        if (r < 0)
                return r;

        if (strlen(m->boot_id) != sizeof(record.boot_id) - 1)
                return -EBADMSG;

        strcpy(record.boot_id, m->boot_id);
        record.status = (ExitStatus) { .known = m->has_wait_status, .wait_status = m->wait_status };
        record.error = m->error;
        record.oom_killed = m->oom_killed;
        record.started_usec = m->started_usec;
        record.ended_usec = m->ended_usec;
        record.memory_max_bytes = m->memory_max_bytes;

        r = copy_text(m->container_id, &record.container_id);
        if (r >= 0)
                r = copy_text(m->step, &record.step);
        if (r >= 0)
                r = copy_text(m->message, &record.message);
        if (r >= 0)
                r = copy_text(m->limitation, &record.limitation);
        if (r < 0)
                return r;

        *ret = record;
        record = EXIT_RECORD_NULL;
        return 0;
}

/* Puts the record in place durably, replacing one that is there. Returns 0 or a negative errno. */
int exit_record_write(int dir_fd, const char *path, const ExitRecord *r) {
        _cleanup_free_ uint8_t *data = NULL;
        Holdfast__Launcher__ExitRecord m;
        Envelope envelope;
        size_t n;

        exit_record_to_message(r, &m);
        n = holdfast__launcher__exit_record__get_packed_size(&m);
        if (n > MAX_FILE_BYTES - sizeof(envelope))
                return -E2BIG;

        data = malloc(sizeof(envelope) + n);
        if (!data)
                return -ENOMEM;

        (void) holdfast__launcher__exit_record__pack(&m, data + sizeof(envelope));
        memcpy(envelope.magic, MAGIC, sizeof(envelope.magic));
        envelope.n_message_le = htole64(n);
        envelope.checksum_le = htole64(checksum(data + sizeof(envelope), n));
        memcpy(data, &envelope, sizeof(envelope));

        return file_replace_at(dir_fd, path, data, sizeof(envelope) + n, 0600);
}

/* Returns EXIT_RECORD_OK, EXIT_RECORD_E_CORRUPT, -ENOENT when there is none, a negative errno. */
int exit_record_read(int dir_fd, const char *path, ExitRecord *ret) {
        Holdfast__Launcher__ExitRecord *m;
        _cleanup_free_ char *data = NULL;
        const uint8_t *message;
        Envelope envelope;
        size_t n;
        int r;

        r = file_read_at(dir_fd, path, MAX_FILE_BYTES, &data, &n);
        if (r < 0)
                return r == -EFBIG ? EXIT_RECORD_E_CORRUPT : r;

        if (n < sizeof(envelope))
                return EXIT_RECORD_E_CORRUPT;

        memcpy(&envelope, data, sizeof(envelope));
        message = (const uint8_t *) data + sizeof(envelope);
        n -= sizeof(envelope);
        if (memcmp(envelope.magic, MAGIC, sizeof(envelope.magic)) != 0 ||
            le64toh(envelope.n_message_le) != n ||
            le64toh(envelope.checksum_le) != checksum(message, n))
                return EXIT_RECORD_E_CORRUPT;

        m = holdfast__launcher__exit_record__unpack(NULL, n, message);
        if (!m)
                return EXIT_RECORD_E_CORRUPT;

        r = exit_record_from_message(m, ret);
        holdfast__launcher__exit_record__free_unpacked(m, NULL);
        return r == -EBADMSG ? EXIT_RECORD_E_CORRUPT : r;
}
