#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* How agents come in: Register, Reregister, Unregister. See registration.c. */

#include "common/net/pbwire.h"
#include "common/net/peer.h"

typedef struct Master Master;
typedef struct Registration Registration;

/* Requests that wait for the registry, owned: at most one of an address, and one of an agent. */
typedef struct RegistrationTable {
        Registration *by_pid;
        Registration *by_id;
} RegistrationTable;

void registration_register(Master *m, const Upid *from, PbParcel **message);
void registration_reregister(Master *m, const Upid *from, PbParcel **message);
void registration_unregister(Master *m, const Upid *from, PbParcel **message);

/* Does an agent of this id wait for the registry? */
bool registration_is_pending(const Master *m, const char *agent_id);

/* Those still waiting for the registry are dropped: their agents ask again. */
void registration_stop(Master *m);
