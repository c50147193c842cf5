/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Operators' verbs
 *
 * People know hosts, calls know ids. Agents that are not registered have no hostname that anybody
 * tells, except those a new master still waits for: of the others the id must be given, and whether
 * there is such an agent is the master's to say.
 */

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <strings.h>
#include <unistd.h>

#include "cli/operator.h"

#define CALL_MAX_BYTES 65536

static const char *text_of(json_t *object, const char *key) {
        return json_string_value(json_object_get(object, key)) ?: "";
}

/* The agents of a list that go by that name: their number, and the id of the last. */
static size_t match(json_t *list, const char *text, const char **id) {
        size_t n = 0;

        for (size_t i = 0; i < json_array_size(list); i++) {
                json_t *agent = json_array_get(list, i);

                if (!streq(text_of(agent, "id"), text) &&
                    strcasecmp(text_of(agent, "hostname"), text) != 0)
                        continue;

                *id = text_of(agent, "id");
                n++;
        }

        return n;
}

char **operator_free_ids(char **ids) {
        for (size_t i = 0; ids && ids[i]; i++)
                free(ids[i]);
        free(ids);
        return NULL;
}

static int find_one(json_t *slaves, const char *text, char **ret, char **reterr_message) {
        const char *id = text;
        size_t n;

        n = match(json_object_get(slaves, "slaves"), text, &id) +
            match(json_object_get(slaves, "recovered_slaves"), text, &id);
        if (n > 1)
                return client_fail(CLIENT_E_REFUSED, reterr_message,
                                   "%zu agents are on host '%s': name one by its id", n, text);

        *ret = strdup(id);
        return *ret ? CLIENT_OK : -ENOMEM;
}

int operator_find_agents(Client *c, char *const *texts, char ***ret_ids, char **reterr_message) {
        _cleanup_(operator_free_idsp) char **ids = NULL;
        json_t *slaves;
        size_t n = 0;
        int r;

        while (texts[n])
                n++;
        ids = calloc(n + 1, sizeof(*ids));
        if (!ids)
                return -ENOMEM;

        r = client_get(c, c->master_url, "/slaves", &slaves, reterr_message);
        if (r != CLIENT_OK)
                return r;

        for (size_t i = 0; r == CLIENT_OK && i < n; i++)
                r = find_one(slaves, texts[i], &ids[i], reterr_message);
        json_decref(slaves);
        if (r != CLIENT_OK)
                return r;

        *ret_ids = TAKE_PTR(ids);
        return CLIENT_OK;
}

/* {"type":"DRAIN_AGENT","drain_agent":{"agent_id":{"value":"…"},…}} */
static int make_call(const char *type, const char *agent_id, OperatorFields fields,
                     const void *userdata, char **ret) {
        _cleanup_(buffer_deinit) Buffer b = BUFFER_INIT(CALL_MAX_BYTES);
        JsonWriter w = JSON_WRITER(&b);
        char member[64] = "";
        int r;

        for (size_t i = 0; type[i] && i < sizeof(member) - 1; i++)
                member[i] = (char) tolower((unsigned char) type[i]);

        json_object_begin(&w, NULL);
        json_put_string(&w, "type", type);
        json_object_begin(&w, member);
        json_object_begin(&w, "agent_id");
        json_put_string(&w, "value", agent_id);
        json_object_end(&w);
        if (fields)
                fields(&w, userdata);
        json_object_end(&w);
        json_object_end(&w);
        r = json_finish(&w);
        if (r < 0)
                return r;

        *ret = buffer_take_text(&b);
        return *ret ? 0 : -ENOMEM;
}

int operator_call_agents(Client *c, const char *type, char *const *ids, const char *done,
                         OperatorFields fields, const void *userdata, char **reterr_message) {
        for (size_t i = 0; ids[i]; i++) {
                _cleanup_free_ char *call = NULL;
                int r;

                r = make_call(type, ids[i], fields, userdata, &call);
                if (r == CLIENT_OK)
                        r = client_post(c, c->master_url, "/api/v1", call, reterr_message);
                if (r != CLIENT_OK)
                        return r;

                printf("%s: %s\n", ids[i], done);
        }

        return CLIENT_OK;
}

int operator_call(const char *master, const char *type, char *const *texts, const char *done,
                  char **reterr_message) {
        _cleanup_(operator_free_idsp) char **ids = NULL;
        _cleanup_(client_deinit) Client client = CLIENT_NULL;
        int r;

        if (!texts[0])
                return client_fail(CLIENT_E_USAGE, reterr_message, "Expected an AGENT");

        r = client_init(&client, master, reterr_message);
        if (r == CLIENT_OK)
                r = operator_find_agents(&client, texts, &ids, reterr_message);
        if (r == CLIENT_OK)
                r = operator_call_agents(&client, type, ids, done, NULL, NULL, reterr_message);

        return r;
}

bool operator_may(const char *format, ...) {
        char answer[16] = "";
        va_list ap;

        if (!isatty(STDIN_FILENO))
                return true;

        va_start(ap, format);
        (void) vfprintf(stderr, format, ap);
        va_end(ap);
        (void) fputs(" [y/N] ", stderr);

        return fgets(answer, sizeof(answer), stdin) && (*answer == 'y' || *answer == 'Y');
}
