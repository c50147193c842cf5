/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Calls
 *
 *     method ─▶ Content-Type ─▶ Accept ─▶ body ─▶ message ─▶ complete for its type? ─▶ streams?
 *       405       400, 415       406      400       400               400              406, 415
 *
 * This order and the texts are Mesos's. What a type needs follows from names, as the schema has it:
 * the part of a call is called like its type in lower case, and the containers it is about are
 * always called container_id.
 */

#include <ctype.h>
#include <stdio.h>

#include "agent/call.h"
#include "common/model/id.h"
#include "common/net/pbjson.h"
#include "common/net/recordio.h"

#define RECORDIO_NAME "application/recordio"

#define RECORD_MAX ((size_t) 1 << 20)

/* Deeper nesting is refused before we come here, by the limits of decoding. */
#define NESTING_MAX 32

/* How one side of the exchange is encoded; for streams the encoding of each record. */
typedef struct Encoding {
        MediaType type;
        bool streaming;
} Encoding;

void call_deinit(Call *c) {
        if (c->message)
                (void) pb_free(&c->message->base);
        *c = (Call) {};
}

const char *call_type_name(Mesos__V1__Agent__Call__Type type) {
        const ProtobufCEnumValue *v;

        v = protobuf_c_enum_descriptor_get_value(&mesos__v1__agent__call__type__descriptor,
                                                 (int) type);
        return v ? v->name : "UNKNOWN";
}

/* Says why the request is refused and that it is gone. */
#define REFUSE(r, status, ...)                                                                     \
        (http_request_answer_text((r), (status), __VA_ARGS__), CALL_E_ANSWERED)
#define REFUSE_INVALID(r, ...) REFUSE((r), 400, "Failed to validate agent::Call: " __VA_ARGS__)

static int decode_content_type(HttpRequest *r, Encoding *ret) {
        const char *type = http_request_header(r, "Content-Type");
        const char *message_type = http_request_header(r, "Message-Content-Type");

        if (!type)
                return REFUSE(r, 400, "Expecting 'Content-Type' to be present");

        if (streq(type, RECORDIO_NAME)) {
                ret->streaming = true;
                if (!message_type)
                        return REFUSE(r, 400,
                                      "Expecting 'Message-Content-Type' to be set for streaming "
                                      "requests");
                if (!media_type_parse(message_type, &ret->type))
                        return REFUSE(r, 415,
                                      "Expecting 'Message-Content-Type' of application/json or "
                                      "application/x-protobuf");
                return CALL_OK;
        }

        if (!media_type_parse(type, &ret->type))
                return REFUSE(r, 415,
                              "Expecting 'Content-Type' of application/json or "
                              "application/x-protobuf or " RECORDIO_NAME);
        if (message_type)
                return REFUSE(r, 415,
                              "Expecting 'Message-Content-Type' to be not set for non-streaming "
                              "requests");

        return CALL_OK;
}

static int decode_accept(HttpRequest *r, Encoding *ret) {
        const char *accept = http_request_header(r, "Accept");
        const char *message_accept = http_request_header(r, "Message-Accept");

        if (media_negotiate(accept, &ret->type)) {
                if (message_accept)
                        return REFUSE(r, 406,
                                      "Expecting 'Message-Accept' to be not set for non-streaming "
                                      "responses");
                return CALL_OK;
        }

        if (!media_accepts(accept, RECORDIO_NAME))
                return REFUSE(r, 406,
                              "Expecting 'Accept' to allow application/json or "
                              "application/x-protobuf or " RECORDIO_NAME);

        ret->streaming = true;
        if (!media_negotiate(message_accept, &ret->type))
                return REFUSE(r, 406, "Expecting 'Message-Accept' to allow application/json or "
                                      "application/x-protobuf");
        return CALL_OK;
}

/* The reason is Mesos's, what comes before it depends on how far we came. */
static int refuse_body(HttpRequest *r, MediaType type, int outcome, const char *message) {
        if (outcome < 0)
                return REFUSE(r, 503, "%s", strerrordesc_np(-outcome));
        if (type == MEDIA_PROTOBUF)
                return REFUSE(r, 400, "Failed to parse body into a protobuf object");
        if (outcome == PBJSON_E_SYNTAX)
                return REFUSE(r, 400, "Failed to parse body into JSON: %s", message);
        if (startswith(message, "Expecting a JSON object"))
                return REFUSE(r, 400, "%s", message);

        return REFUSE(r, 400, "Failed to convert JSON into Call protobuf: %s", message);
}

static int decode_message(HttpRequest *r, MediaType type, const void *data, size_t n, Call *c) {
        _cleanup_free_ char *message = NULL;
        ProtobufCMessage *m;
        int k;

        if (type == MEDIA_JSON)
                k = pbjson_parse(&mesos__v1__agent__call__descriptor, data, n, PB_LIMITS_DEFAULT,
                                 &m, &message);
        else
                k = pb_unpack(&mesos__v1__agent__call__descriptor, data, n, PB_LIMITS_DEFAULT, &m,
                              &message);
        if (k != PB_OK)
                return refuse_body(r, type, k, message);

        c->message = (Mesos__V1__Agent__Call *) m;
        return CALL_OK;
}

/* A stream of calls begins with the call that matters. */
static int decode_first_record(HttpRequest *r, MediaType type, const void *body, size_t n,
                               Call *c) {
        _cleanup_(record_reader_deinit) RecordReader reader = RECORD_READER_INIT(RECORD_MAX);
        const void *record;
        size_t n_record;
        int k;

        k = record_reader_feed(&reader, body, n);
        if (k >= 0)
                k = record_reader_next(&reader, &record, &n_record);
        if (k == RECORDIO_RECORD)
                return decode_message(r, type, record, n_record, c);

        return REFUSE(r, 400, "Received EOF while reading request body");
}

static void format_part_name(const char *type_name, char *ret, size_t n) {
        size_t i;

        for (i = 0; i + 1 < n && type_name[i]; i++)
                ret[i] = (char) tolower((unsigned char) type_name[i]);
        ret[i] = '\0';
}

static const void *member_of(const ProtobufCMessage *m, const char *name) {
        const ProtobufCFieldDescriptor *f =
                        protobuf_c_message_descriptor_get_field_by_name(m->descriptor, name);
        const void *p;

        if (!f || f->type != PROTOBUF_C_TYPE_MESSAGE || f->label == PROTOBUF_C_LABEL_REPEATED)
                return NULL;

        memcpy(&p, (const char *) m + f->offset, sizeof(p));
        return p;
}

static const char *judge_container_id(const Mesos__V1__ContainerID *id,
                                      char buffer[static ID_MESSAGE_MAX]) {
        for (unsigned depth = 0; id; id = id->parent, depth++) {
                const char *wrong = depth < NESTING_MAX ? id_check_message(id->value, buffer)
                                                        : "nested too deeply";

                if (wrong)
                        return wrong;

                /* Ids are written with dots between parent and child. */
                if (strpbrk(id->value, ". ")) {
                        (void) snprintf(buffer, ID_MESSAGE_MAX,
                                        "'ContainerID.value' '%s' contains invalid characters",
                                        id->value);
                        return buffer;
                }
        }

        return NULL;
}

/* Old names of calls that are about nested containers only. */
static bool needs_parent(Mesos__V1__Agent__Call__Type type) {
        return strstr(call_type_name(type), "_NESTED_") != NULL;
}

static int judge_container(HttpRequest *r, Mesos__V1__Agent__Call__Type type, const char *part_name,
                           const Mesos__V1__ContainerID *id) {
        char buffer[ID_MESSAGE_MAX];
        const char *wrong;

        wrong = judge_container_id(id, buffer);
        if (wrong)
                return REFUSE_INVALID(r, "'%s.container_id' is invalid: %s", part_name, wrong);
        if (needs_parent(type) && !id->parent)
                return REFUSE_INVALID(r, "Expecting '%s.container_id.parent' to be present",
                                      part_name);
        return CALL_OK;
}

static int judge_input(HttpRequest *r, const Mesos__V1__Agent__Call__AttachContainerInput *input) {
        if (!input->has_type)
                return REFUSE_INVALID(r, "Expecting 'attach_container_input.type' to be present");
        if (input->type == MESOS__V1__AGENT__CALL__ATTACH_CONTAINER_INPUT__TYPE__CONTAINER_ID &&
            !input->container_id)
                return REFUSE_INVALID(r, "Expecting 'attach_container_input.container_id' to be "
                                         "present");
        return CALL_OK;
}

static bool part_is_optional(Mesos__V1__Agent__Call__Type type) {
        return type == MESOS__V1__AGENT__CALL__TYPE__GET_CONTAINERS ||
               type == MESOS__V1__AGENT__CALL__TYPE__PRUNE_IMAGES;
}

/* Is everything there that this type of call needs? */
static int judge(HttpRequest *r, const Mesos__V1__Agent__Call *call) {
        const ProtobufCMessageDescriptor *d = call->base.descriptor;
        const Mesos__V1__ContainerID *id;
        const ProtobufCMessage *part;
        char part_name[64];
        int k;

        if (!call->has_type)
                return REFUSE_INVALID(r, "Expecting 'type' to be present");

        format_part_name(call_type_name(call->type), part_name, sizeof(part_name));
        if (!protobuf_c_message_descriptor_get_field_by_name(d, part_name))
                return CALL_OK;

        part = member_of(&call->base, part_name);
        if (!part && part_is_optional(call->type))
                return CALL_OK;
        if (!part)
                return REFUSE_INVALID(r, "Expecting '%s' to be present", part_name);

        if (call->type == MESOS__V1__AGENT__CALL__TYPE__ATTACH_CONTAINER_INPUT) {
                k = judge_input(r, call->attach_container_input);
                if (k != CALL_OK)
                        return k;
        }

        id = member_of(part, "container_id");
        return id ? judge_container(r, call->type, part_name, id) : CALL_OK;
}

static int judge_streams(HttpRequest *r, Mesos__V1__Agent__Call__Type type, bool request,
                         bool response) {
        const char *name = call_type_name(type);

        if (request && type != MESOS__V1__AGENT__CALL__TYPE__ATTACH_CONTAINER_INPUT)
                return REFUSE(r, 415, "Streaming request is not supported for %s call", name);
        if (response && type != MESOS__V1__AGENT__CALL__TYPE__ATTACH_CONTAINER_OUTPUT &&
            type != MESOS__V1__AGENT__CALL__TYPE__LAUNCH_NESTED_CONTAINER_SESSION)
                return REFUSE(r, 406, "Streaming response is not supported for %s call", name);

        return CALL_OK;
}

int call_decode(HttpRequest *r, Call *ret) {
        _cleanup_(call_deinit) Call c = {};
        Encoding content = {}, accept = {};
        const void *body;
        size_t n;
        int k;

        if (!streq(http_request_method(r), "POST")) {
                media_answer_not_post(r);
                return CALL_E_ANSWERED;
        }

        k = decode_content_type(r, &content);
        if (k != CALL_OK)
                return k;

        k = decode_accept(r, &accept);
        if (k != CALL_OK)
                return k;

        body = http_request_body(r, &n);
        if (content.streaming)
                k = decode_first_record(r, content.type, body, n, &c);
        else
                k = decode_message(r, content.type, body, n, &c);
        if (k != CALL_OK)
                return k;

        k = judge(r, c.message);
        if (k != CALL_OK)
                return k;

        k = judge_streams(r, c.message->type, content.streaming, accept.streaming);
        if (k != CALL_OK)
                return k;

        c.accept = accept.type;
        *ret = c;
        c = (Call) {};
        return CALL_OK;
}

int container_id_format(const Mesos__V1__ContainerID *id, Buffer *b) {
        int r;

        if (id->parent) {
                r = container_id_format(id->parent, b);
                if (r >= 0)
                        r = buffer_append_char(b, '.');
                if (r < 0)
                        return r;
        }

        return buffer_append_text(b, id->value);
}
