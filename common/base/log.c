/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Logging
 *
 * Under systemd our stderr is a stream to the journal, which would keep only text: then entries go
 * to the journal's own socket, with their ids as fields, so that `journalctl TASK_ID=…` tells one
 * task's story across daemons. Anywhere else they are lines on stderr with a time and a level.
 *
 * The socket's protocol is spoken here directly (it is documented and frozen: KEY=value lines, or
 * KEY, newline, length in 64 bits, value for what has newlines). It is 30 lines, whereas
 * sd_journal_sendv() would bring libsystemd into the launcher, which stays by each container.
 *
 * Nothing here blocks: an entry for which the journal has no room at the moment is dropped.
 */

#include <endian.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "common/base/log.h"

#define MAX_MESSAGE_BYTES 4096
#define MAX_ENTRY_BYTES (2 * MAX_MESSAGE_BYTES)

/* The one global of the tree: where this process logs to. */
static struct {
        char identifier[32];
        int max_level;
        int journal_fd;
} logger = { .max_level = LOG_INFO, .journal_fd = -EBADF };

void log_set_max_level(int level) {
        logger.max_level = level;
}

int log_get_max_level(void) {
        return logger.max_level;
}

/* JOURNAL_STREAM names device and inode of the stream that systemd made; a redirected stderr differs. */
static bool stderr_is_journal(void) {
        const char *stream = getenv("JOURNAL_STREAM");
        char expected[64];
        struct stat st;

        if (!stream || fstat(STDERR_FILENO, &st) < 0)
                return false;

        snprintf(expected, sizeof(expected), "%ju:%ju", (uintmax_t) st.st_dev,
                 (uintmax_t) st.st_ino);
        return streq(stream, expected);
}

static int connect_journal(void) {
        static const struct sockaddr_un address = {
                .sun_family = AF_UNIX,
                .sun_path = "/run/systemd/journal/socket",
        };
        int fd;

        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;

        if (connect(fd, (const struct sockaddr *) &address, sizeof(address)) < 0) {
                close(fd);
                return -ENOENT;
        }

        return fd;
}

/* Before this, and where there is no journal, messages go to stderr. */
void log_open(const char *identifier) {
        snprintf(logger.identifier, sizeof(logger.identifier), "%s", identifier);

        if (logger.journal_fd < 0 && stderr_is_journal())
                logger.journal_fd = connect_journal();
}

/* For a process whose stderr leads nowhere: the journal, if this host has one. */
void log_open_journal(const char *identifier) {
        snprintf(logger.identifier, sizeof(logger.identifier), "%s", identifier);

        if (logger.journal_fd < 0)
                logger.journal_fd = connect_journal();
}

/* What an entry is written into; a field that does not fit is left out. */
typedef struct Entry {
        char *data;
        size_t n;
        size_t max;
} Entry;

static void entry_add_bytes(Entry *e, const void *data, size_t n) {
        memcpy(e->data + e->n, data, n);
        e->n += n;
}

static void entry_add(Entry *e, const char *key, const char *value) {
        size_t n_key = strlen(key), n_value;
        uint64_t length;

        if (!value)
                return;

        n_value = strlen(value);
        if (n_key + n_value + 2 + sizeof(length) > e->max - e->n)
                return;

        entry_add_bytes(e, key, n_key);
        if (strchr(value, '\n')) {
                length = htole64(n_value);
                entry_add_bytes(e, "\n", 1);
                entry_add_bytes(e, &length, sizeof(length));
        } else
                entry_add_bytes(e, "=", 1);
        entry_add_bytes(e, value, n_value);
        entry_add_bytes(e, "\n", 1);
}

/* One entry in the journal's native protocol; returns its length. */
size_t log_journal_entry(char *buf, size_t max, int level, int error, const LogContext *context,
                         const char *file, int line, const char *message) {
        static const LogContext nothing = {};
        const LogContext *c = context ? context : &nothing;
        Entry e = { .data = buf, .max = max };
        char number[16];

        /* First, so that an overlong id costs the id and not the text. */
        entry_add(&e, "MESSAGE", message);

        snprintf(number, sizeof(number), "%i", level);
        entry_add(&e, "PRIORITY", number);

        if (logger.identifier[0])
                entry_add(&e, "SYSLOG_IDENTIFIER", logger.identifier);

        entry_add(&e, "CODE_FILE", file);
        snprintf(number, sizeof(number), "%i", line);
        entry_add(&e, "CODE_LINE", number);

        if (error != 0) {
                snprintf(number, sizeof(number), "%i", abs(error));
                entry_add(&e, "ERRNO", number);
        }

        entry_add(&e, "MESSAGE_ID", c->message_id);
        entry_add(&e, "FRAMEWORK_ID", c->framework_id);
        entry_add(&e, "TASK_ID", c->task_id);
        entry_add(&e, "CONTAINER_ID", c->container_id);
        entry_add(&e, "AGENT_ID", c->agent_id);
        return e.n;
}

static const char *level_name(int level) {
        static const char *const names[] = {
                [LOG_EMERG] = "emergency", [LOG_ALERT] = "alert",   [LOG_CRIT] = "critical",
                [LOG_ERR] = "error",       [LOG_WARNING] = "warning", [LOG_NOTICE] = "notice",
                [LOG_INFO] = "info",       [LOG_DEBUG] = "debug",
        };

        return level >= 0 && level < (int) ELEMENTSOF(names) ? names[level] : "?";
}

/* "2026-11-21 21:45:19.123 warning holdfast-agent: text", in one write so that lines do not mix. */
static void write_stderr(int level, const char *message) {
        char text[MAX_MESSAGE_BYTES + 128];
        struct timespec now = {};
        struct tm tm = {};
        int n;

        (void) clock_gettime(CLOCK_REALTIME, &now);
        (void) localtime_r(&now.tv_sec, &tm);

        n = snprintf(text, sizeof(text), "%04i-%02i-%02i %02i:%02i:%02i.%03li %-7s %s%s%s\n",
                     tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
                     now.tv_nsec / 1000000, level_name(level), logger.identifier,
                     logger.identifier[0] ? ": " : "", message);
        if (n > 0)
                (void) !write(STDERR_FILENO, text, MIN((size_t) n, sizeof(text) - 1));
}

static void write_journal(int level, int error, const LogContext *context, const char *file,
                          int line, const char *message) {
        char entry[MAX_ENTRY_BYTES];
        size_t n;

        n = log_journal_entry(entry, sizeof(entry), level, error, context, file, line, message);
        if (send(logger.journal_fd, entry, n, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno != EAGAIN)
                write_stderr(level, message);
}

/*
 * Writes one message, cut at 4 KiB; %m in the format is the text of `error`. errno is as before
 * afterwards. Returns -error, so that callers can log and return in one statement.
 */
int log_write(int level, int error, const LogContext *context, const char *file, int line,
              const char *format, ...) {
        char message[MAX_MESSAGE_BYTES];
        int saved_errno = errno;
        va_list ap;

        errno = abs(error);
        va_start(ap, format);
        (void) vsnprintf(message, sizeof(message), format, ap);
        va_end(ap);

        if (logger.journal_fd >= 0)
                write_journal(level, error, context, file, line, message);
        else
                write_stderr(level, message);

        errno = saved_errno;
        return -abs(error);
}
