/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Holds every compiled descriptor against the tables of Mesos's messages: each message, field,
 * number, label, type, default, deprecation, enum value, and the order of declaration.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/parse.h"
#include "common/net/pbfield.h"
#include "proto/agent.pb-c.h"
#include "proto/allocator.pb-c.h"
#include "proto/duration.pb-c.h"
#include "proto/executor.pb-c.h"
#include "proto/internal.pb-c.h"
#include "proto/maintenance.pb-c.h"
#include "proto/master.pb-c.h"
#include "proto/mesos.pb-c.h"
#include "proto/quota.pb-c.h"
#include "proto/registry.pb-c.h"
#include "proto/resource_provider.pb-c.h"
#include "proto/scheduler.pb-c.h"
#include "tests/unit/shared.h"

/* The lists are made from the generated headers: a message can't be forgotten. */
static const ProtobufCMessageDescriptor *const messages[] = {
#define MESSAGE(x) &x,
#define ENUM(x)
#include "tests/unit/descriptors.inc"
#undef MESSAGE
#undef ENUM
};

static const ProtobufCEnumDescriptor *const enums[] = {
#define MESSAGE(x)
#define ENUM(x) &x,
#include "tests/unit/descriptors.inc"
#undef MESSAGE
#undef ENUM
};

enum {
        COLUMN_KIND,
        COLUMN_NAME,
        COLUMN_FIELD,
        COLUMN_NUMBER,
        COLUMN_LABEL,
        COLUMN_TYPE,
        COLUMN_EXTRA,
        N_COLUMNS,
};

typedef struct Table {
        bool v0;         /* messages are named as v0 has them */
        size_t n_fields; /* compared */
        size_t n_values;
        size_t n_errors;
        char last_message[256];
        size_t index; /* of the field in its message */
} Table;

#define COMPLAIN(t, row, ...)                                                                      \
        do {                                                                                       \
                printf("%s.%s: ", (row)[COLUMN_NAME], (row)[COLUMN_FIELD]);                        \
                printf(__VA_ARGS__);                                                               \
                printf("\n");                                                                      \
                (t)->n_errors++;                                                                   \
        } while (0)

/* Replaces each occurrence; text has room for what it becomes. */
static void replace(char *text, const char *from, const char *to) {
        size_t n_from = strlen(from), n_to = strlen(to);

        for (char *p = text; (p = strstr(p, from)); p += n_to) {
                memmove(p + n_to, p + n_from, strlen(p + n_from) + 1);
                memcpy(p, to, n_to);
        }
}

/* v0's types are v1's; what only v0 has is in our mesos.internal. */
static void translate_v0(char *name) {
        static const char *const renamed[][2] = {
                { "mesos.internal.slave.", "mesos.internal." },
                { "mesos.resource_provider.registry.ResourceProvider",
                  "mesos.internal.ResourceProviderRegistry.ResourceProvider" },
                { "mesos.resource_provider.registry.Registry",
                  "mesos.internal.ResourceProviderRegistry" },
        };

        for (size_t i = 0; i < ELEMENTSOF(renamed); i++)
                replace(name, renamed[i][0], renamed[i][1]);

        if (startswith(name, "mesos.internal."))
                return;

        replace(name, "mesos.", "mesos.v1.");
        replace(name, "Slave", "Agent");
        replace(name, "SLAVE", "AGENT");
        if (startswith(name, "mesos.v1.scheduler.Call.Subscribe") ||
            streq(name, "mesos.v1.scheduler.Call"))
                replace(name, "mesos.v1.scheduler.Call", "mesos.internal.SchedulerCall");
}

static const ProtobufCMessageDescriptor *find_message(const char *name) {
        for (size_t i = 0; i < ELEMENTSOF(messages); i++)
                if (streq(messages[i]->name, name))
                        return messages[i];

        return NULL;
}

static const ProtobufCEnumDescriptor *find_enum(const char *name) {
        for (size_t i = 0; i < ELEMENTSOF(enums); i++)
                if (streq(enums[i]->name, name))
                        return enums[i];

        return NULL;
}

static const char *label_name(const ProtobufCFieldDescriptor *field) {
        switch (field->label) {
        case PROTOBUF_C_LABEL_REQUIRED:
                return "required";
        case PROTOBUF_C_LABEL_OPTIONAL:
                return "optional";
        case PROTOBUF_C_LABEL_REPEATED:
                return "repeated";
        case PROTOBUF_C_LABEL_NONE:
                return "none";
        }

        return "?";
}

static const char *type_name(const ProtobufCFieldDescriptor *field) {
        const ProtobufCMessageDescriptor *message = field->descriptor;
        const ProtobufCEnumDescriptor *enumeration = field->descriptor;

        switch (field->type) {
        case PROTOBUF_C_TYPE_INT32:
                return "int32";
        case PROTOBUF_C_TYPE_SINT32:
                return "sint32";
        case PROTOBUF_C_TYPE_SFIXED32:
                return "sfixed32";
        case PROTOBUF_C_TYPE_INT64:
                return "int64";
        case PROTOBUF_C_TYPE_SINT64:
                return "sint64";
        case PROTOBUF_C_TYPE_SFIXED64:
                return "sfixed64";
        case PROTOBUF_C_TYPE_UINT32:
                return "uint32";
        case PROTOBUF_C_TYPE_FIXED32:
                return "fixed32";
        case PROTOBUF_C_TYPE_UINT64:
                return "uint64";
        case PROTOBUF_C_TYPE_FIXED64:
                return "fixed64";
        case PROTOBUF_C_TYPE_FLOAT:
                return "float";
        case PROTOBUF_C_TYPE_DOUBLE:
                return "double";
        case PROTOBUF_C_TYPE_BOOL:
                return "bool";
        case PROTOBUF_C_TYPE_ENUM:
                return enumeration->name;
        case PROTOBUF_C_TYPE_STRING:
                return "string";
        case PROTOBUF_C_TYPE_BYTES:
                return "bytes";
        case PROTOBUF_C_TYPE_MESSAGE:
                return message->name;
        }

        return "?";
}

/* The default as the tables write it; "" without one. */
static void format_default(const ProtobufCFieldDescriptor *field, char ret[static 64]) {
        const void *value = field->default_value;

        ret[0] = '\0';
        if (!value)
                return;

        if (field->type == PROTOBUF_C_TYPE_STRING)
                (void) snprintf(ret, 64, "%s", (const char *) value);
        else if (field->type == PROTOBUF_C_TYPE_DOUBLE)
                (void) snprintf(ret, 64, "%g", *(const double *) value);
        else if (field->type == PROTOBUF_C_TYPE_BOOL)
                (void) snprintf(ret, 64, "%s",
                                *(const protobuf_c_boolean *) value ? "true" : "false");
        else if (field->type == PROTOBUF_C_TYPE_ENUM)
                (void) snprintf(ret, 64, "%s",
                                protobuf_c_enum_descriptor_get_value(field->descriptor,
                                                                     *(const int *) value)
                                                ->name);
        else
                (void) snprintf(ret, 64, "%d", *(const int *) value);
}

static void compare_extra(Table *t, char **row, const ProtobufCFieldDescriptor *field) {
        bool deprecated = false, oneof = false, packed = false;
        char *extra = row[COLUMN_EXTRA], *word;
        const char *wanted = "";
        char got[64];

        while ((word = strsep(&extra, " "))) {
                if (streq(word, "deprecated"))
                        deprecated = true;
                else if (streq(word, "packed"))
                        packed = true;
                else if (startswith(word, "oneof="))
                        oneof = true;
                else if (startswith(word, "default="))
                        wanted = startswith(word, "default=");
        }

        format_default(field, got);
        if (!streq(got, wanted))
                COMPLAIN(t, row, "default is '%s', not '%s'", got, wanted);
        if (!t->v0 && deprecated != !!(field->flags & PROTOBUF_C_FIELD_FLAG_DEPRECATED))
                COMPLAIN(t, row, "deprecated differs");
        if (oneof != !!(field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF))
                COMPLAIN(t, row, "oneof differs");
        if (packed != !!(field->flags & PROTOBUF_C_FIELD_FLAG_PACKED))
                COMPLAIN(t, row, "packed differs");
}

/* The struct, and so JSON, has the fields in the order of the table; those of a oneof come last. */
static void compare_order(Table *t, char **row, const ProtobufCMessageDescriptor *message,
                          const ProtobufCFieldDescriptor *field) {
        const ProtobufCFieldDescriptor *fields[PB_MAX_FIELDS];
        size_t n = pbfield_declaration_order(message, fields);

        /* v1 has the last word on its types. */
        if (t->v0 && startswith(row[COLUMN_NAME], "mesos.v1."))
                return;

        if (!streq(t->last_message, row[COLUMN_NAME])) {
                (void) snprintf(t->last_message, sizeof(t->last_message), "%s", row[COLUMN_NAME]);
                t->index = 0;
        }

        for (size_t i = 0; i < n; i++)
                if (fields[i]->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
                        return;

        if (t->index < n && streq(fields[t->index]->name, "checkpoint") &&
            streq(message->name, "mesos.v1.AgentInfo"))
                t->index++;
        if (t->index >= n || fields[t->index] != field)
                COMPLAIN(t, row, "declared out of order");
        t->index++;
}

static void compare_field(Table *t, char **row) {
        const ProtobufCMessageDescriptor *message = find_message(row[COLUMN_NAME]);
        const ProtobufCFieldDescriptor *field;

        if (!message) {
                COMPLAIN(t, row, "no such message");
                return;
        }
        if (streq(row[COLUMN_FIELD], "(empty)")) {
                if (message->n_fields > 0)
                        COMPLAIN(t, row, "isn't empty");
                return;
        }

        field = protobuf_c_message_descriptor_get_field_by_name(message, row[COLUMN_FIELD]);
        if (!field) {
                COMPLAIN(t, row, "no such field");
                return;
        }

        if (field->id != (uint32_t) atoi(row[COLUMN_NUMBER]))
                COMPLAIN(t, row, "number is %u", field->id);
        if (!streq(label_name(field), row[COLUMN_LABEL]))
                COMPLAIN(t, row, "label is %s", label_name(field));
        if (!streq(type_name(field), row[COLUMN_TYPE]))
                COMPLAIN(t, row, "type is %s, not %s", type_name(field), row[COLUMN_TYPE]);

        compare_extra(t, row, field);
        compare_order(t, row, message, field);
        t->n_fields++;
}

static void compare_value(Table *t, char **row) {
        const ProtobufCEnumDescriptor *enumeration = find_enum(row[COLUMN_NAME]);
        const ProtobufCEnumValue *value;

        if (!enumeration) {
                COMPLAIN(t, row, "no such enum");
                return;
        }

        value = protobuf_c_enum_descriptor_get_value_by_name(enumeration, row[COLUMN_FIELD]);
        if (!value || value->value != atoi(row[COLUMN_NUMBER]))
                COMPLAIN(t, row, "no such value, or another number");
        t->n_values++;
}

/* What v0 has and our one set of types has otherwise. */
static bool is_exception(const Table *t, char **row) {
        static const char *const names[][2] = {
                { "mesos.v1.AgentInfo", "checkpoint" }, /* without its default: not for v1 JSON */
                { "mesos.v1.quota.QuotaRequest",
                  "force" }, /* the default is told apart in v0 only */
                { "mesos.internal.SchedulerCall.Type", NULL }, /* v1's */
        };

        for (size_t i = 0; i < ELEMENTSOF(names) && t->v0; i++)
                if (startswith(row[COLUMN_NAME], names[i][0]) &&
                    (!names[i][1] || streq(row[COLUMN_FIELD], names[i][1])))
                        return true;

        return false;
}

static void compare_line(Table *t, char *line) {
        char name[256], type[256], empty[1] = "", *row[N_COLUMNS];

        for (size_t i = 0; i < N_COLUMNS; i++)
                row[i] = strsep(&line, "\t") ?: empty;

        (void) snprintf(name, sizeof(name), "%s", row[COLUMN_NAME]);
        (void) snprintf(type, sizeof(type), "%s", row[COLUMN_TYPE]);
        row[COLUMN_NAME] = name;
        row[COLUMN_TYPE] = type;
        if (t->v0) {
                translate_v0(name);
                if (startswith(name, "mesos.v1")) {
                        replace(row[COLUMN_FIELD], "slave", "agent");
                        replace(row[COLUMN_FIELD], "SLAVE", "AGENT");
                }
                if (strchr(type, '.')) {
                        translate_v0(type);
                        if (startswith(type, "mesos.internal.SchedulerCall") &&
                            !strstr(type, "Subscribe"))
                                replace(type, "mesos.internal.SchedulerCall",
                                        "mesos.v1.scheduler.Call");
                }
        }

        if (is_exception(t, row))
                return;
        if (streq(row[COLUMN_KIND], "message"))
                compare_field(t, row);
        else if (streq(row[COLUMN_KIND], "enum"))
                compare_value(t, row);
}

static void compare_table(Table *t, const char *name) {
        _cleanup_free_ char *path = shared_path(name), *text = NULL;
        char *rest, *line;
        size_t n;

        text = rest = shared_read(path, &n);
        while ((line = strsep(&rest, "\n")))
                if (line[0] != '\0' && line[0] != '#')
                        compare_line(t, line);

        printf("%s: %zu fields, %zu enum values\n", name, t->n_fields, t->n_values);
}

static size_t count_fields(const char *package) {
        size_t n = 0;

        for (size_t i = 0; i < ELEMENTSOF(messages); i++)
                if (startswith(messages[i]->name, package))
                        n += messages[i]->n_fields;

        return n;
}

static size_t count_values(const char *package) {
        size_t n = 0;

        for (size_t i = 0; i < ELEMENTSOF(enums); i++)
                if (startswith(enums[i]->name, package))
                        n += enums[i]->n_values;

        return n;
}

static void test_v1_messages_are_those_of_the_table_and_no_more(void **state) {
        Table t = {};

        (void) state;
        compare_table(&t, "proto/mesos-v1.tsv");
        assert_int_equal(t.n_errors, 0);
        /* v0's AgentInfo.checkpoint, which masters show all the same. */
        assert_int_equal(t.n_fields + 1, count_fields("mesos.v1"));
        assert_int_equal(t.n_values, count_values("mesos.v1"));
}

static void test_v0_messages_have_the_numbers_of_the_table(void **state) {
        Table t = { .v0 = true };

        (void) state;
        compare_table(&t, "proto/mesos-internal.tsv");
        assert_int_equal(t.n_errors, 0);
        assert_true(t.n_fields > 1000);
}

static void test_no_message_has_more_fields_than_the_walkers_can_hold(void **state) {
        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(messages); i++)
                assert_true(messages[i]->n_fields <= PB_MAX_FIELDS);
}

/* Printing knows keys that are strings only. */
static void test_maps_have_string_keys(void **state) {
        size_t n = 0;

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(messages); i++)
                for (size_t k = 0; k < messages[i]->n_fields; k++) {
                        const ProtobufCFieldDescriptor *field = messages[i]->fields + k;
                        const ProtobufCMessageDescriptor *entry = field->descriptor;

                        if (!pbfield_is_map(field))
                                continue;

                        assert_int_equal(entry->fields[0].type, PROTOBUF_C_TYPE_STRING);
                        n++;
                }

        assert_true(n >= 10);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_v1_messages_are_those_of_the_table_and_no_more),
                cmocka_unit_test(test_v0_messages_have_the_numbers_of_the_table),
        };
        const struct CMUnitTest always[] = {
                cmocka_unit_test(test_no_message_has_more_fields_than_the_walkers_can_hold),
                cmocka_unit_test(test_maps_have_string_keys),
        };
        int r;

        r = cmocka_run_group_tests(always, NULL, NULL);
        free(shared_path("proto"));
        return cmocka_run_group_tests(tests, NULL, NULL) + r;
}
