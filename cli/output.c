/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The output of a task
 *
 * Where a sandbox is only its agent knows: its /state is asked until the executor is in it, then both
 * files are followed (follow.c). The first states of a task come before the agent shows its executor,
 * so not finding it is nothing to worry about, until the task is over.
 */

#include <stdio.h>

#include "cli/cluster.h"
#include "cli/follow.h"
#include "cli/output.h"

#define SEARCH_USEC (200 * USEC_PER_MSEC)
#define ANSWER_TIMEOUT_USEC (10 * USEC_PER_SEC)
#define MAX_STATE_BYTES (64U * 1024 * 1024)
#define MAX_LAST_SEARCHES 10

/* One of the two files. */
typedef struct Channel {
        Output *output;               /* borrowed: the owner */
        OutputStream stream;
        Follow *follow;               /* NULL before the sandbox is known and after the end */
        bool finished;
} Channel;

struct Output {
        sd_event *event;
        sd_event_source *search_source;
        HttpFetcher *fetcher;         /* borrowed */
        HttpFetch *fetch;
        char *agent_url;              /* owned */
        char *framework_id;           /* owned */
        char *executor_id;            /* owned */
        Channel channels[N_OUTPUT_STREAMS];
        bool found;
        bool finishing;
        unsigned n_last_searches;
        int error;                    /* the first */
        const OutputOps *ops;         /* borrowed */
        void *userdata;
};

static void output_search(Output *o);

/* Both channels: the last one's end is the end. May free o. */
static void channel_finished(int error, void *userdata) {
        Channel *c = userdata;
        Output *o = c->output;

        c->follow = follow_free(c->follow);
        c->finished = true;
        if (o->error == 0)
                o->error = error;

        for (size_t i = 0; i < N_OUTPUT_STREAMS; i++)
                if (!o->channels[i].finished)
                        return;

        o->ops->finished(o->error, o->userdata);
}

static int channel_data(const void *data, size_t n, void *userdata) {
        Channel *c = userdata;

        return c->output->ops->data(c->stream, data, n, c->output->userdata);
}

static int channel_open(Channel *c, const char *directory) {
        static const FollowOps ops = { .data = channel_data, .finished = channel_finished };
        _cleanup_free_ char *path = NULL;

        if (asprintf(&path, "%s/%s", directory, c->stream == OUTPUT_STDOUT ? "stdout" : "stderr") <
            0)
                return -ENOMEM;

        return follow_new(c->output->event, c->output->fetcher, c->output->agent_url, path, &ops, c,
                          &c->follow);
}

static int output_open(Output *o, const char *directory) {
        o->found = true;
        for (size_t i = 0; i < N_OUTPUT_STREAMS; i++) {
                int r;

                r = channel_open(o->channels + i, directory);
                if (r < 0)
                        return r;
        }

        if (o->finishing)
                output_finish(o);
        return 0;
}

static int on_search(_unused_ sd_event_source *source, _unused_ uint64_t usec, void *userdata) {
        Output *o = userdata;

        o->search_source = sd_event_source_disable_unref(o->search_source);
        output_search(o);
        return 0;
}

/* May free o. */
static void output_search_again(Output *o) {
        if (o->finishing && ++o->n_last_searches > MAX_LAST_SEARCHES) {
                o->ops->finished(-ENOENT, o->userdata);
                return;
        }

        if (sd_event_add_time_relative(o->event, &o->search_source, CLOCK_MONOTONIC, SEARCH_USEC,
                                       USEC_PER_MSEC, on_search, o) >= 0)
                (void) sd_event_source_set_description(o->search_source, "output-search");
}

static void on_state(const HttpFetchAnswer *answer, void *userdata) {
        ClusterSandbox sandbox;
        json_t *state = NULL;
        Output *o = userdata;
        bool opened = false;

        o->fetch = NULL;
        if (answer->error == 0 && answer->status == 200)
                state = json_loadb(answer->body, answer->n_body, JSON_ALLOW_NUL, NULL);
        if (state && cluster_find_sandbox(state, o->framework_id, o->executor_id, &sandbox))
                opened = output_open(o, sandbox.directory) >= 0;
        json_decref(state);

        if (!opened)
                output_search_again(o);
}

static void output_search(Output *o) {
        _cleanup_free_ char *url = NULL;
        HttpFetchRequest request;

        if (asprintf(&url, "%s/state", o->agent_url) < 0) {
                url = NULL;
                output_search_again(o);
                return;
        }

        request = (HttpFetchRequest) {
                .method = "GET",
                .url = url,
                .content_type = "application/json",
                .timeout_usec = ANSWER_TIMEOUT_USEC,
                .max_bytes = MAX_STATE_BYTES,
        };
        if (http_fetch_start(o->fetcher, &request, NULL, on_state, o, &o->fetch) < 0)
                output_search_again(o);
}

/* Starts to look for the sandbox. */
int output_new(sd_event *event, HttpFetcher *fetcher, const char *agent_url,
               const char *framework_id, const char *executor_id, const OutputOps *ops,
               void *userdata, Output **ret) {
        _cleanup_(output_freep) Output *o = NULL;

        o = malloc(sizeof(*o));
        if (!o)
                return -ENOMEM;

        *o = (Output) {
                .event = sd_event_ref(event),
                .fetcher = fetcher,
                .agent_url = strdup(agent_url),
                .framework_id = strdup(framework_id),
                .executor_id = strdup(executor_id),
                .ops = ops,
                .userdata = userdata,
        };
        if (!o->agent_url || !o->framework_id || !o->executor_id)
                return -ENOMEM;

        for (size_t i = 0; i < N_OUTPUT_STREAMS; i++)
                o->channels[i] = (Channel) { .output = o, .stream = (OutputStream) i };

        output_search(o);
        *ret = TAKE_PTR(o);
        return 0;
}

Output *output_free(Output *o) {
        if (!o)
                return NULL;

        for (size_t i = 0; i < N_OUTPUT_STREAMS; i++)
                follow_free(o->channels[i].follow);

        http_fetch_cancel(o->fetch);
        sd_event_source_disable_unref(o->search_source);
        sd_event_unref(o->event);
        free(o->agent_url);
        free(o->framework_id);
        free(o->executor_id);
        free(o);
        return NULL;
}

void output_finish(Output *o) {
        o->finishing = true;
        for (size_t i = 0; i < N_OUTPUT_STREAMS; i++)
                if (o->channels[i].follow)
                        follow_finish(o->channels[i].follow);
}
