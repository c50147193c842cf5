/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Progress of a run
 *
 *     21:45:19  task      hello.3f2a9c01 as framework …-0001
 *     21:45:19  launch    on node7 (…-S3)
 *     21:45:20  TASK_RUNNING
 *     21:45:24  TASK_FAILED  Command exited with status 7
 *
 * or with --json one object per line, each with "time" and "event".
 */

#include <stdarg.h>

#include "cli/progress.h"
#include "common/model/task_state.h"
#include "common/net/json_writer.h"

#define MAX_LINE_BYTES (1024U * 1024)

static void print_people(const Progress *p, Colour colour, const char *word, const char *text) {
        char when[TERMINAL_TIME_MAX];

        fprintf(p->file, "%s%s%s  %s%s%s", terminal_begin(&p->terminal, COLOUR_DIM),
                terminal_time(usec_now(CLOCK_REALTIME), when),
                terminal_end(&p->terminal, COLOUR_DIM), terminal_begin(&p->terminal, colour), word,
                terminal_end(&p->terminal, colour));
        if (text[0])
                fprintf(p->file, "%*s", (int) (strlen(word) < 16 ? 16 - strlen(word) : 2), "");

        /* Messages come from the cluster: they shall not move the cursor. */
        for (; *text; text++)
                fputc((unsigned char) *text < ' ' || *text == 0x7f ? ' ' : *text, p->file);
        fputc('\n', p->file);
        (void) fflush(p->file);
}

static void json_begin(const Progress *p, JsonWriter *w, const char *event) {
        json_object_begin(w, NULL);
        json_put_double(w, "time", usec_to_secs(usec_now(CLOCK_REALTIME)));
        json_put_string(w, "event", event);
        json_put_string(w, "task_id", p->task_id);
        if (p->framework_id)
                json_put_string(w, "framework_id", p->framework_id);
}

static void json_end(const Progress *p, JsonWriter *w) {
        json_object_end(w);
        if (json_finish(w) < 0)
                return;

        (void) fwrite(buffer_data(w->buffer), 1, buffer_size(w->buffer), p->file);
        fputc('\n', p->file);
        (void) fflush(p->file);
}

void progress_note(const Progress *p, Colour colour, const char *event, const char *format, ...) {
        _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(MAX_LINE_BYTES);
        JsonWriter w = JSON_WRITER(&b);
        char text[1024];
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);

        if (!p->json) {
                print_people(p, colour, event, text);
                return;
        }

        json_begin(p, &w, event);
        json_put_string(&w, "message", text);
        json_end(p, &w);
}

void progress_launch(const Progress *p, const Mesos__V1__Offer *offer) {
        _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(MAX_LINE_BYTES);
        JsonWriter w = JSON_WRITER(&b);

        if (!p->json) {
                progress_note(p, COLOUR_PLAIN, "launch", "on %s (%s)", offer->hostname,
                              offer->agent_id->value);
                return;
        }

        json_begin(p, &w, "launch");
        json_put_string(&w, "agent_id", offer->agent_id->value);
        json_put_string(&w, "hostname", offer->hostname);
        json_end(p, &w);
}

static void put_optional(JsonWriter *w, const char *key, const char *value) {
        if (value)
                json_put_string(w, key, value);
}

void progress_status(const Progress *p, const Mesos__V1__TaskStatus *status) {
        _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(MAX_LINE_BYTES);
        const char *state = task_state_name(status->state) ?: "TASK_?";
        JsonWriter w = JSON_WRITER(&b);

        if (!p->json) {
                print_people(p, colour_of_state(state), state, status->message ?: "");
                return;
        }

        json_begin(p, &w, "state");
        json_put_string(&w, "state", state);
        if (status->has_source)
                put_optional(&w, "source", task_source_name((int) status->source));
        if (status->has_reason)
                put_optional(&w, "reason", task_reason_name((int) status->reason));
        put_optional(&w, "message", status->message);
        put_optional(&w, "agent_id", status->agent_id ? status->agent_id->value : NULL);
        if (status->has_timestamp)
                json_put_double(&w, "timestamp", status->timestamp);
        json_end(p, &w);
}

void progress_output(const Progress *p, const char *stream, const void *data, size_t n) {
        _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(MAX_LINE_BYTES);
        JsonWriter w = JSON_WRITER(&b);

        json_begin(p, &w, "output");
        json_put_string(&w, "stream", stream);
        /* Bytes, not text: the piece may end in the middle of a character. */
        json_put_base64(&w, "data", data, n);
        json_end(p, &w);
}

void progress_end(const Progress *p, int exit_code) {
        _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(MAX_LINE_BYTES);
        JsonWriter w = JSON_WRITER(&b);

        if (!p->json)
                return;

        json_begin(p, &w, "end");
        json_put_int(&w, "exit_code", exit_code);
        json_end(p, &w);
}
