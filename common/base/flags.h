#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Flags: one table gives command line, environment, defaults, --help and /flags. See flags.c. */

#include "common/base/buffer.h"
#include "common/base/macro.h"
#include "common/base/usec.h"

typedef enum FlagKind {
        FLAG_STRING,     /* char *; file:///path is replaced by the file's contents */
        FLAG_PATH,       /* char *; taken as it is */
        FLAG_BOOL,       /* bool; --name, --name=true, --no-name */
        FLAG_U64,        /* uint64_t */
        FLAG_DURATION,   /* usec_t; 15secs */
        FLAG_BYTES,      /* uint64_t; 64MB */
        FLAG_DOUBLE,     /* double */
        FLAG_LIST,       /* char **, NULL-terminated; may be given again and again */
} FlagKind;

/* One flag. `value` points at the variable of main.c that receives it. */
typedef struct Flag {
        const char *name;           /* as Mesos spells it, with underscores */
        const char *alias;          /* deprecated spelling, accepted with a warning; or NULL */
        FlagKind kind;
        void *value;
        const char *default_text;   /* parsed first; NULL: unset (NULL string, 0, false) */
        const char *metavar;        /* for --help */
        const char *help;           /* one sentence */
        const char *bare_text;      /* what --name alone means; NULL: it needs a value, or is boolean */
        bool required;
        bool excuses;               /* given, it says what to do: no other flag is required */
        bool secret;                /* shown as *** by /flags */
        bool ignored;               /* accepted for compatibility, does nothing; --help says so */
        bool given;                 /* filled by flags_parse() */
} Flag;

enum {
        FLAGS_OK = 0,
        FLAGS_DONE,         /* --help or --version was printed: exit with 0 */
        FLAGS_E_INVALID,    /* *reterr_message says what is wrong and what was expected */
};

typedef struct FlagTable {
        const char *program;        /* holdfast-agent */
        const char *summary;        /* one line for --help */
        const char *positional;     /* usage text of non-flag arguments; NULL: none are accepted */
        const char *env_prefix;     /* "MESOS_"; NULL: no environment */
        Flag *flags;
        size_t n_flags;
} FlagTable;

int flags_parse(FlagTable *t, int argc, char **argv, char **env,
                char ***ret_args, char **reterr_message);
void flags_deinit(FlagTable *t);

enum {
        FLAG_UNSET = 1,
};

int flag_format(const Flag *f, Buffer *b);
int flags_print_help(const FlagTable *t, Buffer *b);
