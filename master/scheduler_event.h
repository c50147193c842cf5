#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Events to a framework's scheduler, over the stream
 * its SUBSCRIBE opened. See scheduler_event.c. */

#include "common/base/macro.h"
#include "master/framework.h"
#include "proto/scheduler.pb-c.h"

/* Seconds between HEARTBEATs; not a flag in Mesos, and schedulers count on it. */
#define SCHEDULER_HEARTBEAT_SECS 15

/* What may wait for a slow scheduler. Offers of ten thousand agents are some 22 MB of JSON. */
#define SCHEDULER_STREAM_MAX_BYTES (64U << 20)

/* All of these do nothing, and say so in the log at debug, while the framework is not connected. */
void scheduler_send_subscribed(Framework *f);
void scheduler_send_heartbeat(Framework *f);
void scheduler_send_offers(Framework *f, Offer *const *offers, size_t n_offers);
void scheduler_send_rescind(Framework *f, const char *offer_id);
void scheduler_send_inverse_offers(Framework *f, InverseOffer *const *offers, size_t n_offers);
void scheduler_send_rescind_inverse(Framework *f, const char *offer_id);
void scheduler_send_update(Framework *f, Mesos__V1__TaskStatus *status);
void scheduler_send_operation_status(Framework *f, Mesos__V1__OperationStatus *status);
void scheduler_send_message(Framework *f, const char *agent_id, const char *executor_id,
                            ProtobufCBinaryData data);
void scheduler_send_error(Framework *f, const char *message);

/* An agent is lost (executor_id NULL), or an executor ended with that wait status. */
void scheduler_send_failure(Framework *f, const char *agent_id, const char *executor_id,
                            int wait_status);

/* ERROR on a stream that belongs to no framework, which is then closed: a refused SUBSCRIBE. */
void scheduler_refuse(HttpStream *stream, MediaType type, const char *message);
