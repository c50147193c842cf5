#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Offers as the messages that schedulers and operators see. See offer_view.c. */

#include "common/base/macro.h"
#include "master/inverse_offer.h"
#include "master/offer.h"
#include "proto/mesos.pb-c.h"

/* As its framework sees it: in the resource format and with the roles it understands. Free with
 * pb_free(). */
int offer_to_scheduler_pb(const Offer *o, Mesos__V1__Offer **ret);

/* The same to everybody: it names no resources. */
int inverse_offer_to_pb(const InverseOffer *o, Mesos__V1__InverseOffer **ret);

/* As operators see it: the new format, always. */
int offer_to_operator_pb(const Offer *o, Mesos__V1__Offer **ret);
