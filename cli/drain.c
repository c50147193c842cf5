/* SPDX-License-Identifier: Apache-2.0 */

/*
 * holdfast drain
 *
 * The master takes the order and sees to it; whoever wants to unplug the host waits until the agent
 * is drained, or gone if that was to follow. An agent that is away drains when it returns, and that
 * is not waited for.
 */

#include <stdio.h>

#include "cli/operator.h"
#include "cli/verb.h"

#define CHECK_USEC (500 * USEC_PER_MSEC)

typedef struct DrainOptions {
        usec_t max_grace_period_usec;      /* USEC_INFINITY: as the tasks say */
        bool mark_gone;
        bool wait;
        usec_t timeout_usec;
        bool yes;
} DrainOptions;

static void put_options(JsonWriter *w, const void *userdata) {
        const DrainOptions *o = userdata;

        if (o->max_grace_period_usec != USEC_INFINITY) {
                json_object_begin(w, "max_grace_period");
                json_put_uint(w, "seconds", o->max_grace_period_usec / USEC_PER_SEC);
                json_put_uint(w, "nanos", o->max_grace_period_usec % USEC_PER_SEC * 1000);
                json_object_end(w);
        }
        json_put_bool(w, "mark_gone", o->mark_gone);
}

static json_t *find_agent(json_t *list, const char *id) {
        for (size_t i = 0; i < json_array_size(list); i++) {
                json_t *agent = json_array_get(list, i);

                if (streq(json_string_value(json_object_get(agent, "id")) ?: "", id))
                        return agent;
        }

        return NULL;
}

/* "DRAINING", "DRAINED"; NULL: it is not registered. */
static int get_state(Client *c, const char *id, char **ret, char **reterr_message) {
        json_t *slaves, *agent;
        int r;

        r = client_get(c, c->master_url, "/slaves", &slaves, reterr_message);
        if (r != CLIENT_OK)
                return r;

        *ret = NULL;
        agent = find_agent(json_object_get(slaves, "slaves"), id);
        if (agent) {
                json_t *info = json_object_get(agent, "drain_info");

                *ret = strdup(json_string_value(json_object_get(info, "state")) ?: "not draining");
                if (!*ret)
                        r = -ENOMEM;
        }

        json_decref(slaves);
        return r;
}

/* Of an agent that is not registered: was that the aim? The registry knows. */
static int judge_absence(Client *c, const char *id, const DrainOptions *o, char **reterr_message) {
        json_t *registry, *gone;
        bool is_gone = false;
        int r;

        r = client_get(c, c->master_url, "/registrar(1)/registry", &registry, reterr_message);
        if (r != CLIENT_OK)
                return r;

        gone = json_object_get(json_object_get(registry, "gone"), "slaves");
        for (size_t i = 0; i < json_array_size(gone); i++) {
                json_t *one = json_object_get(json_array_get(gone, i), "id");

                is_gone = is_gone || streq(json_string_value(json_object_get(one, "value")) ?: "", id);
        }
        json_decref(registry);

        if (!o->mark_gone || !is_gone)
                return client_fail(CLIENT_E_REFUSED, reterr_message, "'%s' is %s", id,
                                   is_gone ? "gone" : "not there: it drains when it returns");

        printf("%s: gone\n", id);
        return CLIENT_OK;
}

static int wait_for_end(Client *c, const char *id, const DrainOptions *o, char **reterr_message) {
        usec_t deadline_usec = usec_add(usec_now(CLOCK_MONOTONIC), o->timeout_usec);

        for (;;) {
                _cleanup_free_ char *state = NULL;
                int r;

                r = get_state(c, id, &state, reterr_message);
                if (r != CLIENT_OK)
                        return r;
                if (!state)
                        return judge_absence(c, id, o, reterr_message);
                if (streq(state, "DRAINED")) {
                        printf("%s: drained\n", id);
                        return CLIENT_OK;
                }
                if (!streq(state, "DRAINING"))
                        return client_fail(CLIENT_E_REFUSED, reterr_message, "'%s' is %s any more", id, state);
                if (usec_now(CLOCK_MONOTONIC) >= deadline_usec)
                        return client_fail(CLIENT_E_REFUSED, reterr_message, "'%s' is still draining", id);

                r = client_pause(c, CHECK_USEC);
                if (r < 0)
                        return r;
        }
}

static int drain(const char *master, char *const *texts, const DrainOptions *o, char **reterr_message) {
        _cleanup_(operator_free_idsp) char **ids = NULL;
        _cleanup_(client_deinit) Client client = CLIENT_NULL;
        int r;

        if (!texts[0])
                return client_fail(CLIENT_E_USAGE, reterr_message, "Expected an AGENT");
        if (o->mark_gone && !o->yes && !operator_may("When they are drained they can never come back. Go on?"))
                return client_fail(CLIENT_E_REFUSED, reterr_message, "Nothing was done");

        r = client_init(&client, master, reterr_message);
        if (r == CLIENT_OK)
                r = operator_find_agents(&client, texts, &ids, reterr_message);
        if (r == CLIENT_OK)
                r = operator_call_agents(&client, "DRAIN_AGENT", ids, "draining", put_options, o, reterr_message);

        for (size_t i = 0; r == CLIENT_OK && o->wait && ids[i]; i++)
                r = wait_for_end(&client, ids[i], o, reterr_message);

        return r;
}

int verb_drain(int argc, char **argv, const CliEnvironment *environment) {
        _cleanup_free_ char **arguments = NULL, *message = NULL;
        char *master = NULL;
        DrainOptions o = {};
        Flag flags[] = {
                { .name = "mark_gone", .kind = FLAG_BOOL, .value = &o.mark_gone, .default_text = "false",
                  .help = "When it is drained it is gone, and can never come back." },
                { .name = "master", .kind = FLAG_PATH, .value = &master, .metavar = "HOST:PORT",
                  .help = "The master to tell." },
                { .name = "max_grace_period", .kind = FLAG_DURATION, .value = &o.max_grace_period_usec,
                  .metavar = "TIME", .help = "Give no task more than this to end; otherwise each has what it asked for." },
                { .name = "timeout", .kind = FLAG_DURATION, .value = &o.timeout_usec, .default_text = "10mins",
                  .metavar = "TIME", .help = "How long to wait with --wait." },
                { .name = "wait", .kind = FLAG_BOOL, .value = &o.wait, .default_text = "false",
                  .help = "Wait until it is drained, or gone." },
                { .name = "yes", .kind = FLAG_BOOL, .value = &o.yes, .default_text = "false",
                  .help = "Do not ask before --mark_gone." },
        };
        FlagTable table = {
                .program = "holdfast drain",
                .summary = "Empties agents: their tasks are killed, and they get no others until they are reactivated. An\n"
                           "agent that is away drains when it returns. AGENT is the id, or the hostname if only one has it.",
                .positional = "AGENT...",
                .flags = flags,
                .n_flags = ELEMENTSOF(flags),
        };
        int code, r;

        code = client_parse_flags(&table, argc, argv, &arguments);
        if (code < 0) {
                if (!flags[2].given)
                        o.max_grace_period_usec = USEC_INFINITY;
                r = drain(master ?: environment->master, arguments, &o, &message);
                code = client_report(r, message);
        }

        flags_deinit(&table);
        return code;
}
