#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Log: to the journal with fields when it is there, else to stderr. See log.c. */

#include <errno.h>
#include <syslog.h>

#include "common/base/macro.h"

/* Fields of one message that journalctl can select by; NULL where there is none. */
typedef struct LogContext {
        const char *framework_id;
        const char *task_id;
        const char *container_id;
        const char *agent_id;
        const char *message_id;    /* 32 hex digits, an entry of units/holdfast.catalog */
} LogContext;

void log_open(const char *identifier);
void log_open_journal(const char *identifier);
void log_set_max_level(int level);
int log_get_max_level(void);

int log_write(int level, int error, const LogContext *context, const char *file, int line,
              const char *format, ...) _printf_(6, 7);

/* The journal's native form of one entry, for log.c and its test. */
size_t log_journal_entry(char *buf, size_t max, int level, int error, const LogContext *context,
                         const char *file, int line, const char *message);

#define log_full(level, error, context, ...)                                                       \
        ((level) <= log_get_max_level()                                                            \
                 ? log_write((level), (error), (context), __FILE__, __LINE__, __VA_ARGS__)         \
                 : -abs(error))

/* Each returns the negative errno given, so that one can write: return log_error_errno(r, "…: %m"); */
#define log_debug(...) ((void) log_full(LOG_DEBUG, 0, NULL, __VA_ARGS__))
#define log_info(...) ((void) log_full(LOG_INFO, 0, NULL, __VA_ARGS__))
#define log_notice(...) ((void) log_full(LOG_NOTICE, 0, NULL, __VA_ARGS__))
#define log_warning(...) ((void) log_full(LOG_WARNING, 0, NULL, __VA_ARGS__))
#define log_error(...) ((void) log_full(LOG_ERR, 0, NULL, __VA_ARGS__))
#define log_debug_errno(error, ...) log_full(LOG_DEBUG, (error), NULL, __VA_ARGS__)
#define log_warning_errno(error, ...) log_full(LOG_WARNING, (error), NULL, __VA_ARGS__)
#define log_error_errno(error, ...) log_full(LOG_ERR, (error), NULL, __VA_ARGS__)
#define log_info_ctx(context, ...) ((void) log_full(LOG_INFO, 0, (context), __VA_ARGS__))
#define log_warning_ctx(context, error, ...) log_full(LOG_WARNING, (error), (context), __VA_ARGS__)
#define log_error_ctx(context, error, ...) log_full(LOG_ERR, (error), (context), __VA_ARGS__)
#define log_oom() log_full(LOG_ERR, ENOMEM, NULL, "Out of memory")
