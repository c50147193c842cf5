#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Call: the operator API's boundary: a request becomes a judged mesos.v1.agent.Call. See call.c. */

#include "common/base/macro.h"
#include "common/net/http_server.h"
#include "common/net/media.h"
#include "proto/agent.pb-c.h"

typedef struct Call {
        Mesos__V1__Agent__Call *message;    /* owned; complete for its type */
        MediaType accept;                   /* what the answer is to be in */
} Call;

void call_deinit(Call *c);

enum {
        CALL_OK = 0,
        CALL_E_ANSWERED,      /* the request was refused and is gone */
};

int call_decode(HttpRequest *r, Call *ret);

/* "GET_HEALTH". */
const char *call_type_name(Mesos__V1__Agent__Call__Type type);

/* The id with those it is nested in: "parent.child". 0, or -ENOBUFS when it is absurdly long. */
int container_id_format(const Mesos__V1__ContainerID *id, Buffer *b);
