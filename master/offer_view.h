#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Offers as the messages that schedulers and operators see. See offer_view.c. */

#include "common/base/macro.h"
#include "common/net/media.h"
#include "common/net/peer.h"
#include "master/inverse_offer.h"
#include "master/offer.h"
#include "proto/mesos.pb-c.h"

/* Where an agent is, of borrowed parts. */
typedef struct AgentUrl {
        Mesos__V1__URL url;
        Mesos__V1__Address address;
        char path[sizeof(((Upid *) NULL)->id) + 1];
} AgentUrl;

/* An offer as its framework sees it: in the resource format and with the roles it understands, to
 * be encoded the way its stream is. Made of borrowed parts: the offer and its agent stay as they
 * are as long as the message is needed. */
typedef struct OfferView {
        Mesos__V1__Offer message;
        Buffer packed; /* what of it is not in the message */
        ProtobufCMessageUnknownField packed_field;
        Mesos__V1__OfferID id;
        Mesos__V1__Resource__AllocationInfo allocation;
        AgentUrl url;
} OfferView;

int offer_view_init(OfferView *v, const Offer *o, MediaType type);
void offer_view_deinit(OfferView *v);

/* The same to everybody: it names no resources. */
int inverse_offer_to_pb(const InverseOffer *o, Mesos__V1__InverseOffer **ret);

/* As operators see it: the new format, always. Free with pb_free(). */
int offer_to_operator_pb(const Offer *o, Mesos__V1__Offer **ret);
