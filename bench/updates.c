/* SPDX-License-Identifier: Apache-2.0 */

/*
 * An executor that only reports: it keeps a number of updates in flight and counts how many its
 * agent acknowledges, which is when they are durable. bench/updates.py starts it and prints what it
 * finds in its standard output: "IN_FLIGHT RATE" lines.
 *
 *     updates TASKS UPDATES IN_FLIGHT...
 *
 * It waits for TASKS tasks and spreads the updates over them, because one task may only have so many
 * updates waiting for its scheduler.
 */

#include <stdio.h>
#include <systemd/sd-event.h>

#include "common/base/log.h"
#include "common/base/parse.h"
#include "common/base/usec.h"
#include "common/net/http_client.h"
#include "common/net/pbwire.h"
#include "common/net/recordio.h"
#include "proto/executor.pb-c.h"

#define TARGET "/slave(1)/api/v1/executor"
#define CONTENT_TYPE "application/x-protobuf"
#define N_CONNECTIONS 8
#define N_TASKS_MAX 1024
#define QUEUE_MAX_BYTES (16U << 20)

typedef struct Bench {
        sd_event *event;
        HttpAddress address;
        HttpClient *stream, *calls[N_CONNECTIONS];
        RecordReader reader;
        Mesos__V1__Executor__Call call;
        Mesos__V1__FrameworkID framework_id;
        Mesos__V1__ExecutorID executor_id;

        char *tasks[N_TASKS_MAX];
        size_t n_tasks, n_tasks_wanted;

        char **rounds;               /* the rest of argv */
        uint64_t n_updates, in_flight;
        uint64_t n_sent, n_acknowledged;
        usec_t started_usec;
} Bench;

static void die(const char *what) {
        fprintf(stderr, "updates: %s\n", what);
        exit(EXIT_FAILURE);
}

static void post(Bench *b, HttpClient *c) {
        uint8_t buffer[4096];
        size_t n = protobuf_c_message_get_packed_size(&b->call.base);

        if (n > sizeof(buffer))
                die("the call is too large");
        protobuf_c_message_pack(&b->call.base, buffer);
        if (http_client_request(c, "POST", TARGET, CONTENT_TYPE, NULL, buffer, n) < 0)
                die("cannot queue a call");
}

static void send_update(Bench *b) {
        Mesos__V1__Executor__Call__Update update = MESOS__V1__EXECUTOR__CALL__UPDATE__INIT;
        Mesos__V1__TaskStatus status = MESOS__V1__TASK_STATUS__INIT;
        Mesos__V1__TaskID task_id = MESOS__V1__TASK_ID__INIT;
        uint8_t uuid[16];

        if (uuid_new(uuid) < 0)
                die("no random numbers");

        task_id.value = b->tasks[b->n_sent % b->n_tasks];
        status.task_id = &task_id;
        status.state = MESOS__V1__TASK_STATE__TASK_RUNNING;
        status.has_source = true;
        status.source = MESOS__V1__TASK_STATUS__SOURCE__SOURCE_EXECUTOR;
        status.has_uuid = true;
        status.uuid = (ProtobufCBinaryData) { sizeof(uuid), uuid };
        update.status = &status;
        b->call.type = MESOS__V1__EXECUTOR__CALL__TYPE__UPDATE;
        b->call.update = &update;
        b->call.subscribe = NULL;
        post(b, b->calls[b->n_sent++ % N_CONNECTIONS]);
}

static void start_round(Bench *b) {
        if (!*b->rounds) {
                (void) sd_event_exit(b->event, 0);
                return;
        }

        if (parse_u64(*b->rounds++, &b->in_flight) < 0)
                die("IN_FLIGHT is no number");
        b->n_sent = b->n_acknowledged = 0;
        b->started_usec = usec_now(CLOCK_MONOTONIC);
        while (b->n_sent < MIN(b->in_flight, b->n_updates))
                send_update(b);
}

static void on_acknowledged(Bench *b) {
        b->n_acknowledged++;
        if (b->n_sent < b->n_updates)
                send_update(b);

        if (b->n_acknowledged == b->n_updates) {
                double secs = usec_to_secs(usec_now(CLOCK_MONOTONIC) - b->started_usec);

                printf("%ju %.0f\n", (uintmax_t) b->in_flight, (double) b->n_updates / secs);
                (void) fflush(stdout);
                start_round(b);
        }
}

static void on_launch(Bench *b, const Mesos__V1__TaskInfo *task) {
        if (b->n_tasks < b->n_tasks_wanted)
                b->tasks[b->n_tasks++] = strdup(task->task_id->value);
        if (b->n_tasks == b->n_tasks_wanted)
                start_round(b);
}

static void on_event(Bench *b, const Mesos__V1__Executor__Event *e) {
        if (e->type == MESOS__V1__EXECUTOR__EVENT__TYPE__LAUNCH)
                on_launch(b, e->launch->task);
        else if (e->type == MESOS__V1__EXECUTOR__EVENT__TYPE__ACKNOWLEDGED)
                on_acknowledged(b);
        else if (e->type == MESOS__V1__EXECUTOR__EVENT__TYPE__SHUTDOWN)
                (void) sd_event_exit(b->event, 0);
}

static void on_stream_body(HttpClient *c, const void *data, size_t n, void *userdata) {
        Bench *b = userdata;
        const void *record;
        size_t n_record;

        (void) c;
        if (record_reader_feed(&b->reader, data, n) < 0)
                die("too much at once");

        while (record_reader_next(&b->reader, &record, &n_record) == RECORDIO_RECORD) {
                _cleanup_(pb_freep) ProtobufCMessage *event = NULL;
                _cleanup_free_ char *why = NULL;

                if (pb_unpack(&mesos__v1__executor__event__descriptor, record, n_record, PB_LIMITS_DEFAULT, &event,
                              &why) != PB_OK)
                        die(why ?: "out of memory");
                on_event(b, (Mesos__V1__Executor__Event *) event);
        }
}

static void on_head(HttpClient *c, const HttpResponseHead *head, void *userdata) {
        (void) c;
        (void) userdata;
        if (head->status != 200 && head->status != 202)
                die("the agent refuses");
}

static void on_closed(HttpClient *c, int error, void *userdata) {
        Bench *b = userdata;

        (void) c;
        (void) sd_event_exit(b->event, error);
}

static const HttpClientOps stream_ops = { .head = on_head, .body = on_stream_body, .closed = on_closed };
static const HttpClientOps call_ops = { .head = on_head, .closed = on_closed };

static void subscribe(Bench *b) {
        Mesos__V1__Executor__Call__Subscribe subscribe = MESOS__V1__EXECUTOR__CALL__SUBSCRIBE__INIT;

        b->call.has_type = true;
        b->call.type = MESOS__V1__EXECUTOR__CALL__TYPE__SUBSCRIBE;
        b->call.subscribe = &subscribe;
        if (http_client_new(b->event, NULL, &b->address, QUEUE_MAX_BYTES, &stream_ops, b, &b->stream) < 0)
                die("cannot connect");

        uint8_t buffer[4096];
        size_t n = protobuf_c_message_pack(&b->call.base, buffer);

        if (http_client_request(b->stream, "POST", TARGET, CONTENT_TYPE, "Accept: " CONTENT_TYPE "\r\n", buffer, n) < 0)
                die("cannot subscribe");
}

int main(int argc, char **argv) {
        const char *endpoint = getenv("MESOS_AGENT_ENDPOINT"), *framework = getenv("MESOS_FRAMEWORK_ID"),
                   *executor = getenv("MESOS_EXECUTOR_ID");
        _cleanup_free_ char *host = NULL;
        Bench b = { .reader = RECORD_READER_INIT(1U << 20) };
        uint64_t n_tasks = 0;
        uint16_t port;

        if (argc < 4 || !endpoint || !framework || !executor || parse_u64(argv[1], &n_tasks) < 0 ||
            n_tasks == 0 || n_tasks > N_TASKS_MAX || parse_u64(argv[2], &b.n_updates) < 0 ||
            parse_host_port(endpoint, &host, &port) < 0 || http_address_from_ip_port(host, port, &b.address) < 0 ||
            sd_event_new(&b.event) < 0)
                die("started by bench/updates.py, by way of an agent");

        mesos__v1__executor__call__init(&b.call);
        mesos__v1__framework_id__init(&b.framework_id);
        mesos__v1__executor_id__init(&b.executor_id);
        b.framework_id.value = (char *) framework;
        b.executor_id.value = (char *) executor;
        b.call.framework_id = &b.framework_id;
        b.call.executor_id = &b.executor_id;
        b.n_tasks_wanted = n_tasks;
        b.rounds = argv + 3;

        for (size_t i = 0; i < N_CONNECTIONS; i++)
                if (http_client_new(b.event, NULL, &b.address, QUEUE_MAX_BYTES, &call_ops, &b, &b.calls[i]) < 0)
                        die("cannot connect");
        subscribe(&b);
        return sd_event_loop(b.event) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
