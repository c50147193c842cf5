/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Samples of usage
 *
 * Each agent's /containers, asked for side by side: one that hangs delays the picture by its timeout
 * and not by the sum of them. Agents of Mesos answer, too, with fewer figures. Rates are made of two
 * samples and the agents' own clocks, so that it does not matter how long an answer was under way.
 */

#include <stdio.h>

#include "cli/usage.h"
#include "common/net/http_fetch.h"

#define AGENT_TIMEOUT_USEC (5 * USEC_PER_SEC)
#define MAX_ANSWER_BYTES (64U * 1024 * 1024)

/* Connections at once. */
#define MAX_FETCHES 64

typedef struct Round Round;

/* One agent of a round. */
typedef struct Question {
        Round *round;      /* borrowed: the owner */
        size_t index;
} Question;

struct Round {
        UsageSample *sample;
        Question *questions;
        size_t n_under_way;
};

static void note_silent(UsageSample *s, const char *text) {
        s->n_silent++;
        if (!s->why_silent)
                s->why_silent = strdup(text);
}

static void on_answer(const HttpFetchAnswer *answer, void *userdata) {
        Question *q = userdata;
        UsageSample *s = q->round->sample;
        char text[64];

        q->round->n_under_way--;
        if (answer->error == 0 && answer->status == 200)
                s->documents[q->index] = json_loadb(answer->body, answer->n_body, JSON_ALLOW_NUL, NULL);
        if (s->documents[q->index])
                return;

        (void) snprintf(text, sizeof(text), "it answers %u", answer->status);
        note_silent(s, answer->error < 0 ? answer->error_text : text);
}

static int ask(Client *client, Round *round, const UsageAgent *agent, size_t index) {
        _cleanup_free_ char *url = NULL;
        HttpFetchRequest request;

        if (asprintf(&url, "%s/containers", agent->url) < 0) {
                url = NULL;
                return -ENOMEM;
        }

        round->questions[index] = (Question) { .round = round, .index = index };
        round->n_under_way++;
        request = (HttpFetchRequest) {
                .method = "GET",
                .url = url,
                .content_type = "application/json",
                .timeout_usec = AGENT_TIMEOUT_USEC,
                .max_bytes = MAX_ANSWER_BYTES,
        };
        return http_fetch_start(client->fetcher, &request, NULL, on_answer, round->questions + index, NULL);
}

static int ask_all(Client *client, Round *round, const UsageAgent *agents, size_t n_agents) {
        size_t n_asked = 0;
        int r;

        while (n_asked < n_agents || round->n_under_way > 0) {
                for (; n_asked < n_agents && round->n_under_way < MAX_FETCHES; n_asked++) {
                        r = ask(client, round, agents + n_asked, n_asked);
                        if (r < 0)
                                return r;
                }

                r = sd_event_run(client->event, UINT64_MAX);
                if (r < 0)
                        return r;
        }

        return 0;
}

static const char *text_of(json_t *object, const char *key) {
        return json_string_value(json_object_get(object, key)) ?: "";
}

static double number_of(json_t *object, const char *key) {
        json_t *value = json_object_get(object, key);

        return json_is_number(value) ? json_number_value(value) : -1;
}

static double stall_of(json_t *more, const char *key) {
        return number_of(json_object_get(more, key), "some_avg10");
}

static double first_known(double a, double b) {
        return a >= 0 ? a : b;
}

static UsageRow row_from_json(json_t *container, const char *hostname) {
        json_t *s = json_object_get(container, "statistics"), *more = json_object_get(container, "holdfast_statistics");
        double user = number_of(s, "cpus_user_time_secs"), system = number_of(s, "cpus_system_time_secs");

        return (UsageRow) {
                .container_id = text_of(container, "container_id"),
                .executor_id = text_of(container, "executor_id"),
                .framework_id = text_of(container, "framework_id"),
                .hostname = hostname,
                .at_secs = number_of(s, "timestamp"),
                .cpu_secs = user >= 0 && system >= 0 ? user + system : -1,
                .throttled_secs = number_of(s, "cpus_throttled_time_secs"),
                .cpus = number_of(s, "cpus_soft_limit"),
                .cpus_limit = number_of(s, "cpus_limit"),
                .mem_bytes = first_known(number_of(s, "mem_total_bytes"), number_of(s, "mem_rss_bytes")),
                .mem_limit_bytes = number_of(s, "mem_limit_bytes"),
                .pids = first_known(number_of(more, "pids"), number_of(s, "threads")),
                .cpu_stall = stall_of(more, "cpu_pressure"),
                .mem_stall = stall_of(more, "mem_pressure"),
                .io_stall = stall_of(more, "io_pressure"),
                .cpus_used = -1,
                .throttled = -1,
        };
}

static int compare_ids(const void *a, const void *b) {
        const UsageRow *p = a, *q = b;

        return strcmp(p->container_id, q->container_id);
}

static int make_rows(UsageSample *s, const UsageAgent *agents) {
        size_t n = 0;

        for (size_t i = 0; i < s->n_documents; i++)
                n += json_array_size(s->documents[i]);

        /* One more than needed, because an allocation of nothing may be NULL. */
        s->rows = calloc(n + 1, sizeof(*s->rows));
        if (!s->rows)
                return -ENOMEM;

        for (size_t i = 0; i < s->n_documents; i++)
                for (size_t k = 0; k < json_array_size(s->documents[i]); k++)
                        s->rows[s->n_rows++] = row_from_json(json_array_get(s->documents[i], k), agents[i].hostname);

        qsort(s->rows, s->n_rows, sizeof(*s->rows), compare_ids);
        return 0;
}

int usage_sample_take(Client *client, const UsageAgent *agents, size_t n_agents, UsageSample *ret) {
        _cleanup_(usage_sample_deinit) UsageSample s = { .n_documents = n_agents };
        _cleanup_free_ Question *questions = calloc(n_agents + 1, sizeof(*questions));
        Round round = { .sample = &s, .questions = questions };
        int r;

        s.documents = calloc(n_agents + 1, sizeof(*s.documents));
        if (!s.documents || !questions)
                return -ENOMEM;

        r = ask_all(client, &round, agents, n_agents);
        if (r < 0)
                return r;

        r = make_rows(&s, agents);
        if (r < 0)
                return r;

        *ret = s;
        s = (UsageSample) {};
        return 0;
}

void usage_sample_deinit(UsageSample *s) {
        for (size_t i = 0; s->documents && i < s->n_documents; i++)
                json_decref(s->documents[i]);
        free(s->documents);
        free(s->why_silent);
        free(s->rows);
        *s = (UsageSample) {};
}

/* A counter that went down, or one of the two unknown: the rate is unknown. */
static double rate(double now, double before, double secs) {
        return now < 0 || before < 0 || now < before ? -1 : (now - before) / secs;
}

void usage_sample_compare(UsageSample *s, const UsageSample *earlier) {
        for (size_t i = 0; i < s->n_rows; i++) {
                UsageRow *now = s->rows + i;
                const UsageRow *before;
                double secs;

                if (earlier->n_rows == 0 || !now->container_id[0])
                        continue;

                before = bsearch(now, earlier->rows, earlier->n_rows, sizeof(*now), compare_ids);
                secs = before ? now->at_secs - before->at_secs : 0;
                if (secs <= 0)
                        continue;

                now->cpus_used = rate(now->cpu_secs, before->cpu_secs, secs);
                now->throttled = rate(now->throttled_secs, before->throttled_secs, secs);
        }
}
