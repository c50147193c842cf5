/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A fleet of simulated agents
 *
 * To the master each is an agent like any other: a host name, an address of its own in 127.0.0.0/8,
 * a connection it sends by, and one it is sent to by. What they do is what a real one sends,
 * without a process ever being started:
 *
 *     RegisterSlave, ReregisterSlave with tasks and frameworks    when told to
 *     PingSlave                  ──▶ PongSlave
 *     RunTask                    ──▶ StatusUpdate STARTING
 *     StatusUpdateAcknowledgement ──▶ StatusUpdate RUNNING, then FINISHED
 *
 * An agent remembers nothing of its tasks: which state comes next is in the uuid of the update that
 * was acknowledged. As with real ones, a task has one update under way at a time.
 *
 * All addresses share one port; who is meant is told by the address a connection was made to.
 */

#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/fleet_internal.h"
#include "proto/internal.pb-c.h"

/* An answer may be lost with its connection. */
#define ASK_AGAIN_AFTER (5 * USEC_PER_SEC)
#define GIVE_UP_AFTER (120 * USEC_PER_SEC)
#define ASK_BATCH 256
/* Responses are looked at when so many have gathered. */
#define RESPONSES_BYTES 4096
#define MASTER_PATH "/master/mesos.internal."
#define PREFIX "mesos.internal."

static void on_outgoing_closed(Line *line) {
        Line **slot = line->userdata;

        *slot = NULL;
}

/* They mean nothing; but one that isn't a success means that the program measures nonsense. */
static size_t on_response(Line *line, const char *data, size_t n) {
        (void) line;

        if (n >= 12 && memcmp(data, "HTTP/1.1 ", 9) == 0 && data[9] != '2')
                bench_die("the master answers %.*s", 40, data);
        return n;
}

static void agent_post(Agent *a, const char *path, const void *body, size_t n) {
        Fleet *f = a->fleet;
        Line **slot = &f->outgoing[a->number % f->config.n_connections];

        if (!*slot) {
                *slot = line_connect(f->lines, &f->master, on_response, on_outgoing_closed, slot);
                (void) setsockopt((*slot)->fd, SOL_SOCKET, SO_RCVLOWAT, &(int){ RESPONSES_BYTES },
                                  sizeof(int));
        }
        line_post(*slot, a->pid, path, body, n);
}

static void agent_send(Agent *a, const char *path, const ProtobufCMessage *message) {
        uint8_t body[4096];
        size_t n = protobuf_c_message_get_packed_size(message);

        if (n > sizeof(body))
                bench_die("%s is too large", path);
        protobuf_c_message_pack(message, body);
        agent_post(a, path, body, n);
}

/* ---- what they are told ---- */

static void take_answer(Agent *a, const Mesos__V1__AgentID *id) {
        if (strlen(id->value) >= sizeof(a->id))
                bench_die("the agent's id is too long");

        strcpy(a->id, id->value);
        if (a->answered)
                return;

        a->answered = true;
        a->fleet->n_answered++;
        a->fleet->last_answer_usec = usec_now(CLOCK_MONOTONIC);
}

static void send_update(Agent *a, char *framework_id, char *task_id, Mesos__V1__TaskState state) {
        Mesos__Internal__StatusUpdateMessage message = MESOS__INTERNAL__STATUS_UPDATE_MESSAGE__INIT;
        Mesos__Internal__StatusUpdate update = MESOS__INTERNAL__STATUS_UPDATE__INIT;
        Mesos__V1__TaskStatus status = MESOS__V1__TASK_STATUS__INIT;
        Mesos__V1__FrameworkID fid = MESOS__V1__FRAMEWORK_ID__INIT;
        Mesos__V1__TaskID tid = MESOS__V1__TASK_ID__INIT;
        Mesos__V1__AgentID aid = MESOS__V1__AGENT_ID__INIT;
        uint8_t uuid[UUID_BYTES] = {
                [0] = (uint8_t) state, [6] = 0x40, [8] = 0x80
        }; /* version 4 */

        a->fleet->last_uuid++;
        memcpy(uuid + 9, &a->fleet->last_uuid, UUID_BYTES - 9);
        fid.value = framework_id;
        tid.value = task_id;
        aid.value = a->id;

        status.task_id = &tid;
        status.agent_id = &aid;
        status.state = state;
        status.has_source = true;
        status.source = MESOS__V1__TASK_STATUS__SOURCE__SOURCE_EXECUTOR;
        status.has_timestamp = true;
        status.timestamp = usec_to_secs(usec_now(CLOCK_REALTIME));
        status.has_uuid = true;
        status.uuid = (ProtobufCBinaryData){ sizeof(uuid), uuid };

        update.framework_id = &fid;
        update.slave_id = &aid;
        update.status = &status;
        update.timestamp = status.timestamp;
        update.has_uuid = true;
        update.uuid = status.uuid;
        update.has_latest_state = true;
        update.latest_state = state;

        message.update = &update;
        message.pid = a->pid;
        agent_send(a, MASTER_PATH "StatusUpdateMessage", &message.base);
}

static void on_registered(Agent *a, const ProtobufCMessage *message) {
        take_answer(a, ((const Mesos__Internal__SlaveRegisteredMessage *) message)->slave_id);
}

static void on_reregistered(Agent *a, const ProtobufCMessage *message) {
        take_answer(a, ((const Mesos__Internal__SlaveReregisteredMessage *) message)->slave_id);
}

static void on_run_task(Agent *a, const ProtobufCMessage *message) {
        const Mesos__Internal__RunTaskMessage *m = (const void *) message;

        a->fleet->n_launches++;
        send_update(a, m->framework->id->value, m->task->task_id->value,
                    MESOS__V1__TASK_STATE__TASK_STARTING);
}

static void on_acknowledged(Agent *a, const ProtobufCMessage *message) {
        const Mesos__Internal__StatusUpdateAcknowledgementMessage *m = (const void *) message;
        int state = m->uuid.data[0];

        if (state == MESOS__V1__TASK_STATE__TASK_STARTING)
                send_update(a, m->framework_id->value, m->task_id->value,
                            MESOS__V1__TASK_STATE__TASK_RUNNING);
        else if (state == MESOS__V1__TASK_STATE__TASK_RUNNING)
                send_update(a, m->framework_id->value, m->task_id->value,
                            MESOS__V1__TASK_STATE__TASK_FINISHED);
}

static void on_shutdown(Agent *a, const ProtobufCMessage *message) {
        bench_die("the master ends agent %s: %s", a->id,
                  ((const Mesos__Internal__ShutdownMessage *) message)->message);
}

/* To whoever asked: a Mesos master has an observer for each agent. */
static void answer_ping(Agent *a, const LineRequest *request) {
        const char *at = request->from ? memchr(request->from, '@', request->n_from) : NULL;
        char path[128];

        if (!at)
                bench_die("a ping from nobody");

        snprintf(path, sizeof(path), "/%.*s/" PREFIX "PongSlaveMessage", (int) (at - request->from),
                 request->from);
        a->fleet->n_pings++;
        agent_post(a, path, NULL, 0);
}

typedef struct Incoming {
        const char *name;
        const ProtobufCMessageDescriptor *descriptor;
        void (*handle)(Agent *a, const ProtobufCMessage *message);
} Incoming;

static const Incoming incoming[] = {
        { "StatusUpdateAcknowledgementMessage",
          &mesos__internal__status_update_acknowledgement_message__descriptor, on_acknowledged },
        { "RunTaskMessage", &mesos__internal__run_task_message__descriptor, on_run_task },
        { "SlaveRegisteredMessage", &mesos__internal__slave_registered_message__descriptor,
          on_registered },
        { "SlaveReregisteredMessage", &mesos__internal__slave_reregistered_message__descriptor,
          on_reregistered },
        { "ShutdownMessage", &mesos__internal__shutdown_message__descriptor, on_shutdown },
};

static bool text_is(const char *text, size_t n, const char *wanted) {
        return n == strlen(wanted) && memcmp(text, wanted, n) == 0;
}

static void dispatch(Agent *a, const LineRequest *request) {
        const char *name = memmem(request->path, request->n_path, PREFIX, strlen(PREFIX));
        size_t n_name;

        if (!name)
                bench_die("no message: %.*s", (int) request->n_path, request->path);

        name += strlen(PREFIX);
        n_name = (size_t) (request->path + request->n_path - name);
        if (text_is(name, n_name, "PingSlaveMessage")) {
                answer_ping(a, request);
                return;
        }

        for (size_t i = 0; i < ELEMENTSOF(incoming); i++) {
                ProtobufCMessage *message;

                if (!text_is(name, n_name, incoming[i].name))
                        continue;

                message = protobuf_c_message_unpack(incoming[i].descriptor, NULL, request->n_body,
                                                    request->body);
                if (!message)
                        bench_die("cannot read %s", incoming[i].name);
                incoming[i].handle(a, message);
                protobuf_c_message_free_unpacked(message, NULL);
                return;
        }
}

static size_t on_incoming(Line *line, const char *data, size_t n) {
        LineRequest request;
        size_t done = 0, k;

        while (done < n && (k = line_request_parse(data + done, n - done, &request)) > 0) {
                dispatch(line->userdata, &request);
                done += k;
        }

        return done;
}

/* 127.1.0.0 and on: nobody else uses these. */
static uint32_t address_of(unsigned number) {
        return (127U << 24 | 1U << 16) + number;
}

static void on_incoming_closed(Line *line) {
        Agent *a = line->userdata;

        if (a->incoming == line)
                a->incoming = NULL;
}

static void on_accepted(Lines *lines, int fd, const struct sockaddr_in *local, void *userdata) {
        Fleet *f = userdata;
        uint32_t number = ntohl(local->sin_addr.s_addr) - address_of(0);

        if (number >= f->config.n_agents) {
                (void) close(fd);
                return;
        }

        f->agents[number].incoming =
                        line_new(lines, fd, on_incoming, on_incoming_closed, &f->agents[number]);
}

/* ---- rounds ---- */

static int compare_due(const void *a, const void *b) {
        const Agent *x = *(Agent *const *) a, *y = *(Agent *const *) b;

        return x->due_usec < y->due_usec ? -1 : x->due_usec > y->due_usec;
}

static void plan_round(Fleet *f, usec_t spread_usec) {
        usec_t begin_usec = usec_now(CLOCK_MONOTONIC);

        f->n_answered = 0;
        for (unsigned i = 0; i < f->config.n_agents; i++) {
                f->agents[i].answered = false;
                f->agents[i].due_usec = usec_add(begin_usec, usec_jitter(spread_usec));
                f->order[i] = &f->agents[i];
        }
        qsort(f->order, f->config.n_agents, sizeof(*f->order), compare_due);
}

static void ask(Agent *a, const char *path, FleetRound *round) {
        agent_post(a, path, a->packed, a->n_packed);
        round->n_bytes += a->n_packed;
}

/* So many at once, lest the answers wait until everybody has asked. */
static size_t ask_due(Fleet *f, const char *path, size_t next, FleetRound *round) {
        usec_t now_usec = usec_now(CLOCK_MONOTONIC);
        size_t end = MIN(next + ASK_BATCH, (size_t) f->config.n_agents);

        for (; next < end && f->order[next]->due_usec <= now_usec; next++)
                ask(f->order[next], path, round);

        return next;
}

static void ask_again(Fleet *f, const char *path, size_t n_asked, FleetRound *round) {
        for (size_t i = 0; i < n_asked; i++)
                if (!f->order[i]->answered) {
                        ask(f->order[i], path, round);
                        round->n_repeated++;
                }
}

static void run_round(Fleet *f, const char *path, usec_t spread_usec, FleetRound *ret) {
        usec_t begin_usec, again_usec, now_usec;
        size_t next = 0;

        *ret = (FleetRound){};
        plan_round(f, spread_usec);
        begin_usec = f->order[0]->due_usec;
        again_usec = usec_add(begin_usec, ASK_AGAIN_AFTER);

        while (f->n_answered < f->config.n_agents) {
                now_usec = usec_now(CLOCK_MONOTONIC);
                if (now_usec > usec_add(begin_usec, GIVE_UP_AFTER))
                        bench_die("%zu of %u agents were answered", f->n_answered,
                                  f->config.n_agents);
                if (now_usec > again_usec) {
                        ask_again(f, path, next, ret);
                        again_usec = usec_add(now_usec, ASK_AGAIN_AFTER);
                }

                next = ask_due(f, path, next, ret);
                lines_run(f->lines, next < f->config.n_agents
                                                    ? usec_sub(f->order[next]->due_usec, now_usec)
                                                    : 100 * USEC_PER_MSEC);
        }

        ret->took_usec = usec_sub(f->last_answer_usec, begin_usec);
}

void fleet_register(Fleet *f, usec_t spread_usec, FleetRound *ret) {
        for (unsigned i = 0; i < f->config.n_agents; i++)
                fleet_prepare_registration(&f->agents[i]);
        run_round(f, MASTER_PATH "RegisterSlaveMessage", spread_usec, ret);
}

void fleet_reregister(Fleet *f, usec_t spread_usec, FleetRound *ret) {
        for (unsigned i = 0; i < f->config.n_agents; i++)
                fleet_prepare_return(&f->agents[i]);
        run_round(f, MASTER_PATH "ReregisterSlaveMessage", spread_usec, ret);
}

void fleet_set_master(Fleet *f, const struct sockaddr_in *master) {
        for (unsigned i = 0; i < f->config.n_connections; i++) {
                line_close(f->outgoing[i]);
                f->outgoing[i] = NULL;
        }
        for (unsigned i = 0; i < f->config.n_agents; i++) {
                line_close(f->agents[i].incoming);
                f->agents[i].incoming = NULL;
        }
        f->master = *master;
}

uint64_t fleet_pings(const Fleet *f) {
        return f->n_pings;
}

uint64_t fleet_launches(const Fleet *f) {
        return f->n_launches;
}

/* ---- life ---- */

static Resources *parse(const char *text) {
        _cleanup_free_ char *message = NULL;
        Resources *r;

        if (resources_parse(text, "*", &r, &message) != RESOURCES_OK)
                bench_die("%s: %s", text, message ?: "no resources");
        return r;
}

static void agent_init(Agent *a, Fleet *f, unsigned number) {
        struct in_addr address = { .s_addr = htonl(address_of(number)) };
        char ip[INET_ADDRSTRLEN];

        (void) inet_ntop(AF_INET, &address, ip, sizeof(ip));
        *a = (Agent){ .fleet = f, .number = number };
        snprintf(a->pid, sizeof(a->pid), "slave(1)@%s:%u", ip, f->port);
        snprintf(a->hostname, sizeof(a->hostname), "host-%06u.example", number);
}

Fleet *fleet_new(Lines *lines, const FleetConfig *config) {
        Fleet *f = bench_allocate(sizeof(*f));

        *f = (Fleet){
                .lines = lines,
                .config = *config,
                .agents = bench_allocate(config->n_agents * sizeof(*f->agents)),
                .order = bench_allocate(config->n_agents * sizeof(Agent *)),
                .outgoing = bench_allocate(config->n_connections * sizeof(Line *)),
                .framework_ids = bench_allocate((config->n_frameworks + 1) * sizeof(char *)),
                .total = parse(config->resources),
                .of_task = parse("cpus:0.1;mem:32"),
        };

        if (resources_allocate(f->of_task, "*") < 0)
                bench_die("out of memory");
        f->port = lines_listen(lines, on_accepted, f);
        for (unsigned i = 0; i < config->n_agents; i++)
                agent_init(&f->agents[i], f, i);
        for (unsigned i = 0; i < config->n_frameworks; i++)
                if (asprintf(&f->framework_ids[i], "8c6d3f1a-0000-4000-8000-5e1f0f4a0000-%04u", i) <
                    0)
                        bench_die("out of memory");
        return f;
}

Fleet *fleet_free(Fleet *f) {
        if (!f)
                return NULL;

        for (unsigned i = 0; i < f->config.n_agents; i++)
                free(f->agents[i].packed);
        for (unsigned i = 0; i < f->config.n_frameworks; i++)
                free(f->framework_ids[i]);
        resources_free(f->total);
        resources_free(f->of_task);
        free(f->framework_ids);
        free(f->outgoing);
        free(f->order);
        free(f->agents);
        free(f);
        return NULL;
}
