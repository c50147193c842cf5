#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* How agents come in: Register, Reregister, Unregister. See registration.c. */

#include <protobuf-c/protobuf-c.h>

#include "common/base/macro.h"
#include "common/net/peer.h"

typedef struct Master Master;

void registration_register(Master *m, const Upid *from, ProtobufCMessage *message);
void registration_reregister(Master *m, const Upid *from, ProtobufCMessage *message);
void registration_unregister(Master *m, const Upid *from, ProtobufCMessage *message);

/* Those still waiting for the registry are dropped: their agents ask again. */
void registration_stop(Master *m);
