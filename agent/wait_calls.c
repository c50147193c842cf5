/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Waiting for containers
 *
 * WAIT_CONTAINER is answered when the container has ended, be it in a week. A request costs its
 * connection and little here, so the server's bound on connections bounds these too. Requests whose
 * peer leaves are forgotten.
 */

#include <utlist.h>

#include "agent/answer.h"
#include "agent/wait_calls.h"

typedef struct WaitCall {
        WaitCalls *owner;
        HttpRequest *request;
        Mesos__V1__Agent__Call__Type type;
        MediaType accept;
        char *container_id;          /* owned */
        struct WaitCall *prev, *next;
} WaitCall;

struct WaitCalls {
        WaitCall *calls;             /* utlist; owned */
};

int wait_calls_new(WaitCalls **ret) {
        WaitCalls *w = calloc(1, sizeof(*w));

        if (!w)
                return -ENOMEM;

        *ret = w;
        return 0;
}

static void forget(WaitCall *c) {
        DL_DELETE(c->owner->calls, c);
        free(c->container_id);
        free(c);
}

WaitCalls *wait_calls_free(WaitCalls *w) {
        if (!w)
                return NULL;

        while (w->calls) {
                HttpRequest *r = w->calls->request;

                forget(w->calls);
                http_request_answer_text(r, 503, "The agent is stopping");
        }
        free(w);
        return NULL;
}

static void on_gone(HttpRequest *r, void *userdata) {
        (void) r;
        forget(userdata);
}

int wait_calls_add(WaitCalls *w, HttpRequest *r, const Call *call, const char *container_id) {
        WaitCall *c = malloc(sizeof(*c));

        if (!c)
                return -ENOMEM;

        *c = (WaitCall) {
                .owner = w,
                .request = r,
                .type = call->message->type,
                .accept = call->accept,
                .container_id = strdup(container_id),
        };
        if (!c->container_id) {
                free(c);
                return -ENOMEM;
        }

        DL_APPEND(w->calls, c);
        http_request_on_gone(r, on_gone, c);
        return 0;
}

void wait_calls_container_ended(WaitCalls *w, const char *container_id, ExitStatus status) {
        WaitCall *c, *next;

        DL_FOREACH_SAFE(w->calls, c, next) {
                WaitCall copy = *c;

                if (!streq(c->container_id, container_id))
                        continue;

                forget(c);
                wait_calls_answer(copy.request, copy.type, copy.accept, status);
        }
}

/* An exit status that nobody knows is left out. */
void wait_calls_answer(HttpRequest *r, Mesos__V1__Agent__Call__Type type, MediaType accept,
                       ExitStatus status) {
        Mesos__V1__Agent__Response__WaitNestedContainer nested =
                MESOS__V1__AGENT__RESPONSE__WAIT_NESTED_CONTAINER__INIT;
        Mesos__V1__Agent__Response__WaitContainer any =
                        MESOS__V1__AGENT__RESPONSE__WAIT_CONTAINER__INIT;
        Mesos__V1__Agent__Response response = MESOS__V1__AGENT__RESPONSE__INIT;

        any.has_exit_status = nested.has_exit_status = status.known;
        any.exit_status = nested.exit_status = status.wait_status;

        response.has_type = true;
        if (type == MESOS__V1__AGENT__CALL__TYPE__WAIT_NESTED_CONTAINER) {
                response.type = MESOS__V1__AGENT__RESPONSE__TYPE__WAIT_NESTED_CONTAINER;
                response.wait_nested_container = &nested;
        } else {
                response.type = MESOS__V1__AGENT__RESPONSE__TYPE__WAIT_CONTAINER;
                response.wait_container = &any;
        }

        answer_message(r, accept, &response.base);
}
