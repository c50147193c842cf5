/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Identities
 *
 * Tasks run as users whom frameworks name. Turning a name into numbers may ask a directory server
 * across the network, so it is done by a helper process and answered later:
 *
 *     identities_resolve("alice") ──▶ Lookup ──▶ holdfast-worker user alice
 *                                       │               │ "uid 1000\ngid 1000\ngroups 1000 27\n…"
 *                   found() ◀── ready ◀─┴───────────────┘
 *
 * There is one lookup per name, whoever asks meanwhile waits for it too, and its answer is kept for
 * a minute (that there is no such user for a few seconds only, for it may be about to be made).
 * root and the agent's own user need no helper. Answers always come from the loop.
 *
 * At most HELPERS_MAX helpers run at a time, each for HELPER_TIMEOUT; the rest of the lookups wait
 * their turn. The number of remembered names is bounded as well; the oldest goes first.
 */

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <uthash.h>
#include <utlist.h>

#include "agent/account.h"
#include "agent/identity.h"
#include "agent/worker.h"
#include "common/base/buffer.h"
#include "common/base/fd.h"
#include "common/base/parse.h"
#include "common/base/process.h"
#include "common/base/usec.h"

#define FOUND_LIFETIME (60 * USEC_PER_SEC)
#define NOT_FOUND_LIFETIME (5 * USEC_PER_SEC)
#define HELPER_TIMEOUT (10 * USEC_PER_SEC)
#define HELPERS_MAX 8
#define LOOKUPS_MAX 1024
/* 65,536 groups, which is what the kernel allows, with eleven characters each. */
#define OUTPUT_MAX ((size_t) 1 << 20)

/* What holdfast-worker exits with when there is no such user. */
#define WORKER_E_NO_USER 2

typedef struct Lookup Lookup;

struct IdentityQuery {
        Lookup *lookup;             /* borrowed; outlives its queries */
        IdentityFound found;
        void *userdata;
        IdentityQuery *prev, *next; /* in Lookup.waiting or Identities.ready */
};

typedef enum LookupState {
        LOOKUP_QUEUED,
        LOOKUP_RUNNING,
        LOOKUP_DONE,
} LookupState;

struct Lookup {
        Identities *owner;
        char *user;                 /* owned */
        LookupState state;
        IdentityQuery *waiting;     /* owned */
        size_t n_queries;           /* waiting and ready */

        int pid_fd, output_fd;      /* of the helper, in LOOKUP_RUNNING */
        bool timed_out;
        Buffer output;
        sd_event_source *exit_source, *output_source, *deadline_source;

        bool known;                 /* in LOOKUP_DONE: there is such a user */
        Identity identity;          /* of theirs */
        char *error;                /* owned; why there is none */
        usec_t expires_usec;
        UT_hash_handle hh;
};

struct Identities {
        sd_event *event;
        char *worker;               /* owned; path of holdfast-worker */
        Lookup *lookups;            /* uthash by user, oldest first; owned */
        IdentityQuery *ready;       /* owned; answers to give in the next turn */
        sd_event_source *ready_source;
        char own_user[ACCOUNT_NAME_MAX];
        size_t n_running;
};

static usec_t now(const Identities *i) {
        uint64_t usec = 0;

        (void) sd_event_now(i->event, CLOCK_MONOTONIC, &usec);
        return usec;
}

static void identity_deinit(Identity *identity) {
        free(identity->groups);
        free(identity->home);
        *identity = (Identity) {};
}

static void lookup_stop(Lookup *l) {
        l->exit_source = sd_event_source_disable_unref(l->exit_source);
        l->output_source = sd_event_source_disable_unref(l->output_source);
        l->deadline_source = sd_event_source_disable_unref(l->deadline_source);
        l->pid_fd = fd_close(l->pid_fd);
        l->output_fd = fd_close(l->output_fd);
        buffer_deinit(&l->output);
        l->output = BUFFER_INIT(OUTPUT_MAX);
}

static Lookup *lookup_free(Lookup *l) {
        if (!l)
                return NULL;

        assert(l->n_queries == 0);

        /* Only at the end of everything: a helper is otherwise waited for. */
        if (l->pid_fd >= 0)
                (void) process_pidfd_signal(l->pid_fd, SIGKILL);

        lookup_stop(l);
        identity_deinit(&l->identity);
        free(l->error);
        free(l->user);
        free(l);
        return NULL;
}
DEFINE_CLEANUP(Lookup *, lookup_free)

/* The answer is known: everybody who waits gets it in the next turn, and another lookup may run. */
static void lookup_finish(Lookup *l, bool known, char *error) {
        Identities *i = l->owner;

        assert(l->state == LOOKUP_RUNNING);

        i->n_running--;
        lookup_stop(l);
        l->state = LOOKUP_DONE;
        l->known = known;
        l->error = error;
        l->expires_usec = usec_add(now(i), known ? FOUND_LIFETIME : NOT_FOUND_LIFETIME);

        DL_CONCAT(i->ready, l->waiting);
        l->waiting = NULL;
        (void) sd_event_source_set_enabled(i->ready_source, SD_EVENT_ONESHOT);
}

/* Without a detail there is no such user. */
static void lookup_fail(Lookup *l, const char *detail) {
        char *text;
        int n;

        identity_deinit(&l->identity);
        if (detail)
                n = asprintf(&text, "Failed to look up user '%s': %s", l->user, detail);
        else
                n = asprintf(&text, "No such user '%s'", l->user);

        lookup_finish(l, false, n < 0 ? NULL : text);
}

/* "1000 27 100": numbers with a blank between them. */
static int parse_groups(char *text, Identity *identity) {
        const char *word;

        for (char *p = text; (word = strsep(&p, " "));) {
                uint64_t gid;
                gid_t *groups;

                if (*word == '\0')
                        continue;
                if (parse_u64(word, &gid) < 0 || gid >= UINT32_MAX)
                        return -EBADMSG;

                groups = reallocarray(identity->groups, identity->n_groups + 1, sizeof(gid_t));
                if (!groups)
                        return -ENOMEM;

                identity->groups = groups;
                identity->groups[identity->n_groups++] = (gid_t) gid;
        }

        return 0;
}

static int parse_id(const char *text, uint32_t *ret) {
        uint64_t id;

        /* The largest value means "no change" to setuid() and its kin: nobody is called that. */
        if (parse_u64(text, &id) < 0 || id >= UINT32_MAX)
                return -EBADMSG;

        *ret = (uint32_t) id;
        return 0;
}

/* What holdfast-worker printed; see worker_main.c. */
static int parse_output(char *text, Identity *identity) {
        bool has_uid = false, has_gid = false;
        char *line;
        int r = 0;

        for (char *p = text; r == 0 && (line = strsep(&p, "\n"));) {
                char *value = line + strcspn(line, " ");

                if (*value)
                        *value++ = '\0';

                if (streq(line, "uid") && !has_uid) {
                        has_uid = true;
                        r = parse_id(value, &identity->uid);
                } else if (streq(line, "gid") && !has_gid) {
                        has_gid = true;
                        r = parse_id(value, &identity->gid);
                } else if (streq(line, "groups") && !identity->groups)
                        r = parse_groups(value, identity);
                else if (streq(line, "home") && !identity->home && *value)
                        identity->home = strdup(value);
        }

        return r < 0 ? r : has_uid && has_gid ? 0 : -EBADMSG;
}

static int read_output(Lookup *l) {
        for (;;) {
                char *p;
                ssize_t n;
                int r;

                r = buffer_reserve(&l->output, 4096, &p);
                if (r < 0)
                        return r;

                n = read(l->output_fd, p, 4096);
                if (n < 0)
                        return errno == EAGAIN || errno == EINTR ? 0 : -errno;
                if (n == 0) {
                        /* The end of the helper is what counts, not that of its output. */
                        l->output_source = sd_event_source_disable_unref(l->output_source);
                        return 0;
                }

                buffer_commit(&l->output, (size_t) n);
        }
}

static int on_output(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        Lookup *l = userdata;

        (void) source;
        (void) fd;
        (void) events;

        if (read_output(l) < 0)
                (void) process_pidfd_signal(l->pid_fd, SIGKILL);
        return 0;
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *userdata) {
        Lookup *l = userdata;

        (void) source;
        (void) usec;

        l->timed_out = true;
        (void) process_pidfd_signal(l->pid_fd, SIGKILL);
        return 0;
}

static int on_exit_of_helper(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        Lookup *l = userdata;
        ExitStatus status;
        int r;

        (void) source;
        (void) events;

        r = process_pidfd_reap(fd, &status);
        if (r == -EAGAIN)
                return 0;

        if (r == 0)
                r = read_output(l);
        if (r == 0)
                r = buffer_append_char(&l->output, '\0');

        if (r < 0)
                lookup_fail(l, strerrordesc_np(-r));
        else if (l->timed_out)
                lookup_fail(l, "no answer in time");
        else if (status.wait_status == WORKER_E_NO_USER << 8)
                lookup_fail(l, NULL);
        else if (!exit_status_is_success(status) ||
                 parse_output(buffer_data(&l->output), &l->identity) < 0)
                lookup_fail(l, "the helper failed");
        else
                lookup_finish(l, true, NULL);

        return 0;
}

static int watch_helper(Lookup *l) {
        sd_event *event = l->owner->event;
        int r;

        r = sd_event_add_io(event, &l->output_source, l->output_fd, EPOLLIN, on_output, l);
        if (r < 0)
                return r;

        r = sd_event_add_io(event, &l->exit_source, l->pid_fd, EPOLLIN, on_exit_of_helper, l);
        if (r < 0)
                return r;

        r = sd_event_add_time_relative(event, &l->deadline_source, CLOCK_MONOTONIC, HELPER_TIMEOUT,
                                       0, on_deadline, l);
        if (r < 0)
                return r;

        (void) sd_event_source_set_description(l->output_source, "identity-output");
        (void) sd_event_source_set_description(l->exit_source, "identity-exit");
        (void) sd_event_source_set_description(l->deadline_source, "identity-deadline");
        return 0;
}

static int lookup_start(Lookup *l) {
        char *argv[] = { (char *) "holdfast-worker", (char *) "user", l->user, NULL };
        _cleanup_fd_ int write_fd = -EBADF;
        int fds[2], r;

        if (pipe2(fds, O_CLOEXEC) < 0)
                return -errno;

        l->output_fd = fds[0];
        write_fd = fds[1];
        r = fd_set_nonblock(l->output_fd, true);
        if (r < 0)
                return r;

        l->pid_fd = worker_spawn(l->owner->worker, argv, write_fd);
        if (l->pid_fd < 0)
                return l->pid_fd;

        /* Without memory to watch it, it is left to whoever reaps what we leave behind. */
        r = watch_helper(l);
        if (r < 0)
                (void) process_pidfd_signal(l->pid_fd, SIGKILL);
        return r;
}

/* Starts what waits for its turn. */
static void run_next(Identities *i) {
        Lookup *l, *next;

        HASH_ITER(hh, i->lookups, l, next) {
                int r;

                if (i->n_running >= HELPERS_MAX)
                        return;
                if (l->state != LOOKUP_QUEUED)
                        continue;

                l->state = LOOKUP_RUNNING;
                i->n_running++;
                r = lookup_start(l);
                if (r < 0)
                        lookup_fail(l, strerrordesc_np(-r));
        }
}

/* Takes what is known of ourselves, or of root when we are root, instead of asking. */
static int identify_self(Lookup *l) {
        gid_t *groups;
        int n;

        n = getgroups(0, NULL);
        if (n < 0)
                return -errno;

        groups = calloc((size_t) n + 1, sizeof(gid_t));
        if (!groups)
                return -ENOMEM;

        n = getgroups(n, groups);
        if (n == 0)
                groups[n++] = getegid();

        l->identity = (Identity) {
                .uid = geteuid(),
                .gid = getegid(),
                .groups = groups,
                .n_groups = n < 0 ? 0 : (size_t) n,
        };
        return 0;
}

static int identify_root(Lookup *l) {
        gid_t *groups = calloc(1, sizeof(gid_t));
        char *home = strdup("/root");

        l->identity = (Identity) { .groups = groups, .n_groups = 1, .home = home };
        return groups && home ? 0 : -ENOMEM;
}

static bool lookup_is_idle(const Lookup *l, usec_t now_usec, bool also_fresh) {
        return l->state == LOOKUP_DONE && l->n_queries == 0 &&
               (also_fresh || l->expires_usec <= now_usec);
}

static void forget(Identities *i, Lookup *l) {
        HASH_DEL(i->lookups, l);
        (void) lookup_free(l);
}

/* Drops what has expired; if that makes no room, the oldest answer nobody waits for. */
static void make_room(Identities *i) {
        usec_t now_usec = now(i);

        for (int also_fresh = 0; also_fresh <= 1; also_fresh++) {
                Lookup *l, *next;

                HASH_ITER(hh, i->lookups, l, next) {
                        if (HASH_COUNT(i->lookups) < LOOKUPS_MAX)
                                return;
                        if (lookup_is_idle(l, now_usec, also_fresh))
                                forget(i, l);
                }
        }
}

static int lookup_new(Identities *i, const char *user, Lookup **ret) {
        _cleanup_(lookup_freep) Lookup *l = NULL;
        int r = 0;

        l = malloc(sizeof(*l));
        if (!l)
                return -ENOMEM;

        *l = (Lookup) {
                .owner = i,
                .pid_fd = -EBADF,
                .output_fd = -EBADF,
                .output = BUFFER_INIT(OUTPUT_MAX),
        };
        l->user = strdup(user);
        if (!l->user)
                return -ENOMEM;

        if (streq(user, "root"))
                r = identify_root(l);
        else if (streq(user, i->own_user))
                r = identify_self(l);
        if (r < 0)
                return r;

        if (l->identity.groups) {
                l->state = LOOKUP_DONE;
                l->known = true;
                l->expires_usec = USEC_INFINITY;
        }

        make_room(i);
        if (HASH_COUNT(i->lookups) >= LOOKUPS_MAX)
                return -ENOBUFS;

        HASH_ADD_KEYPTR(hh, i->lookups, l->user, strlen(l->user), l);
        *ret = TAKE_PTR(l);
        return 0;
}

/* The lookup for this name that is under way, fresh or made now. */
static int find_lookup(Identities *i, const char *user, Lookup **ret) {
        Lookup *l;

        HASH_FIND_STR(i->lookups, user, l);
        if (l && lookup_is_idle(l, now(i), false)) {
                forget(i, l);
                l = NULL;
        }
        if (!l)
                return lookup_new(i, user, ret);

        *ret = l;
        return 0;
}

/* Returns 0; -ENOBUFS when too many names are being looked up; -ENOMEM. */
int identities_resolve(Identities *i, const char *user, IdentityFound found, void *userdata,
                       IdentityQuery **ret) {
        Lookup *l = NULL;
        IdentityQuery *q;
        int r;

        assert(found);

        r = find_lookup(i, user, &l);
        if (r < 0)
                return r;

        q = malloc(sizeof(*q));
        if (!q)
                return -ENOMEM;

        *q = (IdentityQuery) { .lookup = l, .found = found, .userdata = userdata };
        l->n_queries++;
        if (l->state == LOOKUP_DONE)
                DL_APPEND(i->ready, q);
        else
                DL_APPEND(l->waiting, q);
        (void) sd_event_source_set_enabled(i->ready_source, SD_EVENT_ONESHOT);

        if (ret)
                *ret = q;
        return 0;
}

IdentityQuery *identity_query_cancel(IdentityQuery *q) {
        Lookup *l;

        if (!q)
                return NULL;

        l = q->lookup;
        if (l->state == LOOKUP_DONE)
                DL_DELETE(l->owner->ready, q);
        else
                DL_DELETE(l->waiting, q);

        l->n_queries--;
        free(q);
        return NULL;
}

static void give_answer(const IdentityQuery *q) {
        Lookup *l = q->lookup;

        if (l->known)
                q->found(&l->identity, NULL, q->userdata);
        else
                q->found(NULL, l->error ?: "Out of memory", q->userdata);

        /* Only now may the lookup be forgotten: the callback may have asked for others. */
        l->n_queries--;
}

static int on_ready(sd_event_source *source, void *userdata) {
        Identities *i = userdata;

        (void) source;

        while (i->ready) {
                IdentityQuery *q = i->ready, copy = *q;

                DL_DELETE(i->ready, q);
                free(q);
                give_answer(&copy);
        }

        run_next(i);
        return 0;
}

int identities_new(sd_event *event, const char *launcher_dir, Identities **ret) {
        _cleanup_(identities_freep) Identities *i = NULL;
        int r;

        assert(event);
        assert(ret);

        i = calloc(1, sizeof(*i));
        if (!i)
                return -ENOMEM;

        i->event = sd_event_ref(event);
        account_user_name(geteuid(), i->own_user);
        if (asprintf(&i->worker, "%s/holdfast-worker", launcher_dir) < 0) {
                i->worker = NULL;
                return -ENOMEM;
        }

        r = sd_event_add_defer(event, &i->ready_source, on_ready, i);
        if (r < 0)
                return r;

        (void) sd_event_source_set_enabled(i->ready_source, SD_EVENT_OFF);
        (void) sd_event_source_set_description(i->ready_source, "identity-ready");
        *ret = TAKE_PTR(i);
        return 0;
}

Identities *identities_free(Identities *i) {
        Lookup *l, *next;

        if (!i)
                return NULL;

        while (i->ready)
                (void) identity_query_cancel(i->ready);

        HASH_ITER(hh, i->lookups, l, next) {
                while (l->waiting)
                        (void) identity_query_cancel(l->waiting);
                forget(i, l);
        }

        sd_event_source_disable_unref(i->ready_source);
        sd_event_unref(i->event);
        free(i->worker);
        free(i);
        return NULL;
}
