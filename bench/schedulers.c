/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Simulated schedulers
 *
 * Each is a framework of the v1 API: one connection for the stream of its events, one for its
 * calls, which it does not wait for. They keep the offers they get and launch from the oldest
 * whatever fits, as long as fewer tasks than they may have are in flight:
 *
 *     OFFERS ──▶ kept ──▶ ACCEPT with tasks, the rest refused for no time at all
 *     UPDATE ──▶ ACKNOWLEDGE; at the end of a task the next one may go
 *
 * When a task was accepted stands in its id, so nothing is remembered of single tasks.
 */

#include <math.h>
#include <stdio.h>

#include "bench/schedulers.h"
#include "common/model/resources.h"
#include "common/net/http_parser.h"
#include "common/net/recordio.h"
#include "proto/scheduler.pb-c.h"

#define PATH "/api/v1/scheduler"
#define TYPE "application/x-protobuf"
#define EVENT_MAX_BYTES ((size_t) 256 << 20)
#define CALL_MAX_BYTES ((size_t) 1 << 20)
#define PER_ACCEPT_MAX 256U
#define SUBSCRIBE_TIMEOUT (60 * USEC_PER_SEC)
/* Latencies beyond are counted as this. */
#define LATENCY_MAX_MSEC 10000U

typedef struct Offer {
        char *id, *agent_id; /* owned */
        unsigned cpus;
} Offer;

typedef struct Scheduler {
        Schedulers *all;
        Line *stream, *calls;
        HttpParser stream_parser, calls_parser;
        RecordReader reader;
        char id[64], stream_id[64], role[16];
        Offer *offers; /* a queue: from first_offer on */
        size_t first_offer, n_offers, n_allocated;
        uint64_t n_launched;
        unsigned n_in_flight;
} Scheduler;

struct Schedulers {
        Lines *lines;
        SchedulersConfig config;
        Scheduler *list;
        unsigned n_subscribed;
        bool launching;
        unsigned max_in_flight; /* of each */
        unsigned max_per_accept;
        size_t n_offers;
        uint64_t n_in_flight, n_finished;
        uint64_t latency[LATENCY_MAX_MSEC + 1]; /* how many of so many milliseconds */
        uint8_t *scratch;
};

/* ---- calls ---- */

static void post(Line *line, const Scheduler *s, const Mesos__V1__Scheduler__Call *call) {
        size_t n = mesos__v1__scheduler__call__get_packed_size(call);
        char head[512];
        int k;

        if (n > CALL_MAX_BYTES)
                bench_die("a call is too large");
        mesos__v1__scheduler__call__pack(call, s->all->scratch);

        k = snprintf(head, sizeof(head),
                     "POST " PATH " HTTP/1.1\r\nHost: master\r\nContent-Type: " TYPE
                     "\r\nAccept: " TYPE "\r\n%s%s%sContent-Length: %zu\r\n\r\n",
                     *s->stream_id ? "Mesos-Stream-Id: " : "", s->stream_id,
                     *s->stream_id ? "\r\n" : "", n);
        if (buffer_append(&line->out, head, (size_t) k) < 0 ||
            buffer_append(&line->out, s->all->scratch, n) < 0)
                bench_die("too much is queued");
        line_flush_soon(line);
}

static void call_init(Mesos__V1__Scheduler__Call *call, Mesos__V1__FrameworkID *id, Scheduler *s,
                      Mesos__V1__Scheduler__Call__Type type) {
        mesos__v1__scheduler__call__init(call);
        mesos__v1__framework_id__init(id);
        id->value = s->id;
        call->framework_id = *s->id ? id : NULL;
        call->has_type = true;
        call->type = type;
}

static void subscribe(Scheduler *s) {
        static const Mesos__V1__FrameworkInfo__Capability__Type types[] = {
                MESOS__V1__FRAMEWORK_INFO__CAPABILITY__TYPE__MULTI_ROLE,
                MESOS__V1__FRAMEWORK_INFO__CAPABILITY__TYPE__PARTITION_AWARE,
                MESOS__V1__FRAMEWORK_INFO__CAPABILITY__TYPE__RESERVATION_REFINEMENT,
        };
        Mesos__V1__FrameworkInfo__Capability capabilities[ELEMENTSOF(types)];
        Mesos__V1__FrameworkInfo__Capability *list[ELEMENTSOF(types)];
        Mesos__V1__Scheduler__Call__Subscribe subscribe =
                        MESOS__V1__SCHEDULER__CALL__SUBSCRIBE__INIT;
        Mesos__V1__FrameworkInfo info = MESOS__V1__FRAMEWORK_INFO__INIT;
        Mesos__V1__Scheduler__Call call;
        Mesos__V1__FrameworkID id;
        char *roles[] = { s->role };

        for (size_t i = 0; i < ELEMENTSOF(types); i++) {
                mesos__v1__framework_info__capability__init(&capabilities[i]);
                capabilities[i].has_type = true;
                capabilities[i].type = types[i];
                list[i] = &capabilities[i];
        }

        info.user = (char *) "nobody";
        info.name = (char *) "a scheduler of the simulation";
        info.roles = roles;
        info.n_roles = ELEMENTSOF(roles);
        info.capabilities = list;
        info.n_capabilities = ELEMENTSOF(list);
        subscribe.framework_info = &info;
        call_init(&call, &id, s, MESOS__V1__SCHEDULER__CALL__TYPE__SUBSCRIBE);
        call.subscribe = &subscribe;
        post(s->stream, s, &call);
}

static void acknowledge(Scheduler *s, const Mesos__V1__TaskStatus *status) {
        Mesos__V1__Scheduler__Call__Acknowledge ack = MESOS__V1__SCHEDULER__CALL__ACKNOWLEDGE__INIT;
        Mesos__V1__Scheduler__Call call;
        Mesos__V1__FrameworkID id;

        ack.agent_id = status->agent_id;
        ack.task_id = status->task_id;
        ack.uuid = status->uuid;
        call_init(&call, &id, s, MESOS__V1__SCHEDULER__CALL__TYPE__ACKNOWLEDGE);
        call.acknowledge = &ack;
        post(s->calls, s, &call);
}

/* What every task has: one processor and a little memory. */
typedef struct Parts {
        Mesos__V1__Resource resource[2], *resources[2];
        Mesos__V1__Value__Scalar scalar[2];
        Mesos__V1__Resource__AllocationInfo allocation;
        Mesos__V1__CommandInfo command;
        Mesos__V1__AgentID agent_id;
} Parts;

static void parts_init(Parts *p, Scheduler *s, const Offer *offer) {
        static const struct {
                const char *name;
                double value;
        } table[] = { { "cpus", 1 }, { "mem", 32 } };

        mesos__v1__resource__allocation_info__init(&p->allocation);
        p->allocation.role = s->role;
        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                mesos__v1__value__scalar__init(&p->scalar[i]);
                p->scalar[i].value = table[i].value;
                mesos__v1__resource__init(&p->resource[i]);
                p->resource[i].name = (char *) table[i].name;
                p->resource[i].type = MESOS__V1__VALUE__TYPE__SCALAR;
                p->resource[i].scalar = &p->scalar[i];
                p->resource[i].allocation_info = &p->allocation;
                p->resources[i] = &p->resource[i];
        }

        mesos__v1__command_info__init(&p->command);
        p->command.value = (char *) "exec /usr/bin/true --with=arguments of=a usual length";
        mesos__v1__agent_id__init(&p->agent_id);
        p->agent_id.value = offer->agent_id;
}

static void accept_offer(Scheduler *s, const Offer *offer, unsigned n_tasks) {
        Mesos__V1__TaskInfo tasks[PER_ACCEPT_MAX], *list[PER_ACCEPT_MAX];
        Mesos__V1__TaskID ids[PER_ACCEPT_MAX];
        char names[PER_ACCEPT_MAX][64];
        Mesos__V1__Offer__Operation operation = MESOS__V1__OFFER__OPERATION__INIT,
                                    *operations[] = { &operation };
        Mesos__V1__Offer__Operation__Launch launch = MESOS__V1__OFFER__OPERATION__LAUNCH__INIT;
        Mesos__V1__Scheduler__Call__Accept accept = MESOS__V1__SCHEDULER__CALL__ACCEPT__INIT;
        Mesos__V1__OfferID offer_id = MESOS__V1__OFFER_ID__INIT, *offer_ids[] = { &offer_id };
        Mesos__V1__Filters filters = MESOS__V1__FILTERS__INIT;
        usec_t now_usec = usec_now(CLOCK_MONOTONIC);
        Mesos__V1__Scheduler__Call call;
        Mesos__V1__FrameworkID id;
        Parts parts;

        parts_init(&parts, s, offer);
        for (unsigned i = 0; i < n_tasks; i++) {
                snprintf(names[i], sizeof(names[i]), "%ju-%ju", (uintmax_t) now_usec,
                         (uintmax_t) s->n_launched++);
                mesos__v1__task_id__init(&ids[i]);
                ids[i].value = names[i];
                mesos__v1__task_info__init(&tasks[i]);
                tasks[i].name = names[i];
                tasks[i].task_id = &ids[i];
                tasks[i].agent_id = &parts.agent_id;
                tasks[i].resources = parts.resources;
                tasks[i].n_resources = ELEMENTSOF(parts.resources);
                tasks[i].command = &parts.command;
                list[i] = &tasks[i];
        }

        launch.task_infos = list;
        launch.n_task_infos = n_tasks;
        operation.has_type = true;
        operation.type = MESOS__V1__OFFER__OPERATION__TYPE__LAUNCH;
        operation.launch = &launch;
        offer_id.value = offer->id;
        filters.has_refuse_seconds = true;
        accept.offer_ids = offer_ids;
        accept.n_offer_ids = 1;
        accept.operations = operations;
        accept.n_operations = 1;
        accept.filters = &filters;
        call_init(&call, &id, s, MESOS__V1__SCHEDULER__CALL__TYPE__ACCEPT);
        call.accept = &accept;
        post(s->calls, s, &call);

        s->n_in_flight += n_tasks;
        s->all->n_in_flight += n_tasks;
}

/* ---- offers ---- */

static void keep_offer(Scheduler *s, const Mesos__V1__Offer *o) {
        Offer *offer;

        if (s->n_offers == s->n_allocated) {
                s->n_allocated = MAX(s->n_allocated * 2, (size_t) 64);
                s->offers = reallocarray(s->offers, s->n_allocated, sizeof(*s->offers));
                if (!s->offers)
                        bench_die("out of memory");
        }

        offer = &s->offers[s->n_offers++];
        *offer = (Offer){ .id = strdup(o->id->value), .agent_id = strdup(o->agent_id->value) };
        if (!offer->id || !offer->agent_id)
                bench_die("out of memory");
        for (size_t i = 0; i < o->n_resources; i++)
                if (streq(o->resources[i]->name, "cpus") && o->resources[i]->scalar)
                        offer->cpus = (unsigned) o->resources[i]->scalar->value;
        s->all->n_offers++;
}

static Offer *first_offer(Scheduler *s) {
        return s->first_offer < s->n_offers ? &s->offers[s->first_offer] : NULL;
}

static void drop_first_offer(Scheduler *s) {
        Offer *offer = &s->offers[s->first_offer];

        free(offer->id);
        free(offer->agent_id);
        s->all->n_offers--;
        s->first_offer++;
        if (s->first_offer < s->n_offers && s->first_offer * 2 < s->n_allocated)
                return;

        s->n_offers -= s->first_offer;
        memmove(s->offers, s->offers + s->first_offer, s->n_offers * sizeof(*s->offers));
        s->first_offer = 0;
}

static void use_offers(Scheduler *s) {
        const Schedulers *all = s->all;
        Offer *offer;

        while (all->launching && s->n_in_flight < all->max_in_flight && (offer = first_offer(s))) {
                unsigned n = MIN(MIN(offer->cpus, all->max_per_accept),
                                 all->max_in_flight - s->n_in_flight);

                if (n > 0)
                        accept_offer(s, offer, n);
                drop_first_offer(s);
        }
}

static void decline_all(Scheduler *s, double refuse_secs) {
        Mesos__V1__Scheduler__Call__Decline decline = MESOS__V1__SCHEDULER__CALL__DECLINE__INIT;
        size_t n = s->n_offers - s->first_offer;
        _cleanup_free_ Mesos__V1__OfferID *ids = bench_allocate((n + 1) * sizeof(*ids));
        _cleanup_free_ Mesos__V1__OfferID **list = bench_allocate((n + 1) * sizeof(*list));
        Mesos__V1__Filters filters = MESOS__V1__FILTERS__INIT;
        Mesos__V1__Scheduler__Call call;
        Mesos__V1__FrameworkID id;

        if (n == 0)
                return;

        for (size_t i = 0; i < n; i++) {
                mesos__v1__offer_id__init(&ids[i]);
                ids[i].value = s->offers[s->first_offer + i].id;
                list[i] = &ids[i];
        }

        filters.has_refuse_seconds = true;
        filters.refuse_seconds = refuse_secs;
        decline.offer_ids = list;
        decline.n_offer_ids = n;
        decline.filters = &filters;
        call_init(&call, &id, s, MESOS__V1__SCHEDULER__CALL__TYPE__DECLINE);
        call.decline = &decline;
        post(s->calls, s, &call);
        while (first_offer(s))
                drop_first_offer(s);
}

/* ---- events ---- */

static bool is_terminal(Mesos__V1__TaskState state) {
        return state != MESOS__V1__TASK_STATE__TASK_STAGING &&
               state != MESOS__V1__TASK_STATE__TASK_STARTING &&
               state != MESOS__V1__TASK_STATE__TASK_RUNNING;
}

static void count_latency(Schedulers *all, const char *task_id) {
        usec_t took_usec = usec_sub(usec_now(CLOCK_MONOTONIC), strtoull(task_id, NULL, 10));

        all->latency[MIN(took_usec / USEC_PER_MSEC, (usec_t) LATENCY_MAX_MSEC)]++;
}

static void on_update(Scheduler *s, const Mesos__V1__TaskStatus *status) {
        if (status->has_uuid)
                acknowledge(s, status);
        if (status->state == MESOS__V1__TASK_STATE__TASK_RUNNING)
                count_latency(s->all, status->task_id->value);
        if (!is_terminal(status->state))
                return;

        if (status->state != MESOS__V1__TASK_STATE__TASK_FINISHED)
                bench_die("task %s came to state %d: %s", status->task_id->value, status->state,
                          status->message ?: "");
        s->n_in_flight--;
        s->all->n_in_flight--;
        s->all->n_finished++;
        use_offers(s);
}

static void on_event(Scheduler *s, const Mesos__V1__Scheduler__Event *e) {
        switch ((int) e->type) {
        case MESOS__V1__SCHEDULER__EVENT__TYPE__SUBSCRIBED:
                snprintf(s->id, sizeof(s->id), "%s", e->subscribed->framework_id->value);
                s->all->n_subscribed++;
                break;
        case MESOS__V1__SCHEDULER__EVENT__TYPE__OFFERS:
                for (size_t i = 0; i < e->offers->n_offers; i++)
                        keep_offer(s, e->offers->offers[i]);
                use_offers(s);
                break;
        case MESOS__V1__SCHEDULER__EVENT__TYPE__UPDATE:
                on_update(s, e->update->status);
                break;
        case MESOS__V1__SCHEDULER__EVENT__TYPE__ERROR:
                bench_die("the master says: %s", e->error->message);
        }
}

static void take_events(Scheduler *s, const char *data, size_t n) {
        const void *record;
        size_t n_record;

        if (record_reader_feed(&s->reader, data, n) < 0)
                bench_die("an event is too large");

        while (record_reader_next(&s->reader, &record, &n_record) == RECORDIO_RECORD) {
                Mesos__V1__Scheduler__Event *e =
                                mesos__v1__scheduler__event__unpack(NULL, n_record, record);

                if (!e)
                        bench_die("an event does not parse");
                on_event(s, e);
                mesos__v1__scheduler__event__free_unpacked(e, NULL);
        }
}

static size_t on_stream(Line *line, const char *data, size_t n) {
        Scheduler *s = line->userdata;
        const char *body;
        size_t n_all = n, n_body;
        int r;

        while ((r = http_parser_next(&s->stream_parser, &data, &n, &body, &n_body)) >
               HTTP_PARSED_ALL) {
                if (r == HTTP_PARSED_HEAD && s->stream_parser.status != 200)
                        bench_die("SUBSCRIBE is answered %u", s->stream_parser.status);
                if (r == HTTP_PARSED_HEAD)
                        snprintf(s->stream_id, sizeof(s->stream_id), "%s",
                                 s->stream_parser.stream_id ?: "");
                if (r == HTTP_PARSED_BODY)
                        take_events(s, body, n_body);
        }
        if (r < 0)
                bench_die("the stream does not parse");

        return n_all;
}

static size_t on_answer(Line *line, const char *data, size_t n) {
        Scheduler *s = line->userdata;
        const char *body;
        size_t n_all = n, n_body;
        int r;

        while ((r = http_parser_next(&s->calls_parser, &data, &n, &body, &n_body)) >
               HTTP_PARSED_ALL) {
                if (r == HTTP_PARSED_BODY)
                        bench_die("a call is answered %u %.*s", s->calls_parser.status,
                                  (int) n_body, body);
                if (r == HTTP_PARSED_DONE && s->calls_parser.status != 202)
                        bench_die("a call is answered %u", s->calls_parser.status);
        }
        if (r < 0)
                bench_die("an answer does not parse");

        return n_all;
}

static void on_closed(Line *line _unused_) {
        bench_die("the master closed a scheduler's connection");
}

/* ---- all of them ---- */

static void scheduler_init(Scheduler *s, Schedulers *all, unsigned number,
                           const struct sockaddr_in *master) {
        *s = (Scheduler){
                .all = all,
                .stream_parser = HTTP_PARSER_INIT,
                .calls_parser = HTTP_PARSER_INIT,
                .reader = RECORD_READER_INIT(EVENT_MAX_BYTES),
        };
        snprintf(s->role, sizeof(s->role), "role-%u", number % all->config.n_roles);
        s->stream = line_connect(all->lines, master, on_stream, on_closed, s);
        s->calls = line_connect(all->lines, master, on_answer, on_closed, s);
        subscribe(s);
}

Schedulers *schedulers_new(Lines *lines, const struct sockaddr_in *master,
                           const SchedulersConfig *config) {
        Schedulers *s = bench_allocate(sizeof(*s));
        usec_t deadline_usec = usec_add(usec_now(CLOCK_MONOTONIC), SUBSCRIBE_TIMEOUT);

        *s = (Schedulers){
                .lines = lines,
                .config = *config,
                .list = bench_allocate(config->n_schedulers * sizeof(*s->list)),
                .scratch = bench_allocate(CALL_MAX_BYTES),
        };

        for (unsigned i = 0; i < config->n_schedulers; i++)
                scheduler_init(&s->list[i], s, i, master);
        while (s->n_subscribed < config->n_schedulers) {
                if (usec_now(CLOCK_MONOTONIC) > deadline_usec)
                        bench_die("%u of %u schedulers subscribed", s->n_subscribed,
                                  config->n_schedulers);
                lines_run(lines, 100 * USEC_PER_MSEC);
        }

        return s;
}

static void scheduler_deinit(Scheduler *s) {
        line_close(s->stream);
        line_close(s->calls);
        while (first_offer(s))
                drop_first_offer(s);
        free(s->offers);
        http_parser_deinit(&s->stream_parser);
        http_parser_deinit(&s->calls_parser);
        record_reader_deinit(&s->reader);
}

Schedulers *schedulers_free(Schedulers *s) {
        if (!s)
                return NULL;

        for (unsigned i = 0; i < s->config.n_schedulers; i++)
                scheduler_deinit(&s->list[i]);
        free(s->list);
        free(s->scratch);
        free(s);
        return NULL;
}

size_t schedulers_offers(const Schedulers *s) {
        return s->n_offers;
}

void schedulers_decline(Schedulers *s, double refuse_secs) {
        for (unsigned i = 0; i < s->config.n_schedulers; i++)
                decline_all(&s->list[i], refuse_secs);
}

void schedulers_start(Schedulers *s, unsigned max_in_flight, unsigned max_per_accept) {
        s->max_in_flight = max_in_flight;
        s->max_per_accept = MIN(max_per_accept, PER_ACCEPT_MAX);
        s->launching = true;
        for (unsigned i = 0; i < s->config.n_schedulers; i++)
                use_offers(&s->list[i]);
}

void schedulers_stop(Schedulers *s) {
        s->launching = false;
}

uint64_t schedulers_in_flight(const Schedulers *s) {
        return s->n_in_flight;
}

uint64_t schedulers_finished(const Schedulers *s) {
        return s->n_finished;
}

usec_t schedulers_latency(const Schedulers *s, unsigned percent) {
        uint64_t n = 0, n_wanted = 0;

        for (size_t i = 0; i < ELEMENTSOF(s->latency); i++)
                n_wanted += s->latency[i];
        n_wanted = n_wanted * percent / 100;

        for (size_t i = 0; i < ELEMENTSOF(s->latency); i++) {
                n += s->latency[i];
                if (n > n_wanted)
                        return (i + 1) * USEC_PER_MSEC;
        }

        return 0;
}
