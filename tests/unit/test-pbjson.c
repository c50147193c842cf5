/* SPDX-License-Identifier: Apache-2.0 */

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/net/pbjson.h"
#include "proto/agent.pb-c.h"
#include "proto/executor.pb-c.h"
#include "proto/quota.pb-c.h"
#include "proto/scheduler.pb-c.h"

static void *parse(const ProtobufCMessageDescriptor *descriptor, const char *json) {
        _cleanup_free_ char *message = NULL;
        ProtobufCMessage *m = NULL;
        int r;

        r = pbjson_parse(descriptor, json, strlen(json), PB_LIMITS_DEFAULT, &m, &message);
        if (r != PB_OK)
                fail_msg("%s: %s", json, message);

        return m;
}

static void assert_outcome(const ProtobufCMessageDescriptor *descriptor, const char *json, size_t n,
                           int outcome, const char *wanted) {
        _cleanup_free_ char *message = NULL;
        ProtobufCMessage *m = NULL;

        assert_int_equal(pbjson_parse(descriptor, json, n, PB_LIMITS_DEFAULT, &m, &message),
                         outcome);
        assert_null(m);
        assert_string_equal(message, wanted);
}

static void assert_refused(const ProtobufCMessageDescriptor *descriptor, const char *json,
                           const char *wanted) {
        assert_outcome(descriptor, json, strlen(json), PB_E_INVALID, wanted);
}

static void assert_printed(const ProtobufCMessage *m, const char *wanted) {
        Buffer b = BUFFER_INIT(1 << 20);
        _cleanup_free_ char *text = NULL;

        assert_int_equal(pbjson_print(m, &b), 0);
        text = buffer_take_text(&b);
        assert_string_equal(text, wanted);
}

/* Parses, and prints what came of it. */
static void assert_becomes(const ProtobufCMessageDescriptor *descriptor, const char *json,
                           const char *wanted) {
        _cleanup_(pb_freep) ProtobufCMessage *m = parse(descriptor, json);

        assert_printed(m, wanted);
}

#define CALL (&mesos__v1__scheduler__call__descriptor)

static void test_unset_fields_with_a_default_are_printed_unless_deprecated(void **state) {
        (void) state;
        assert_becomes(&mesos__v1__framework_info__descriptor, "{\"user\":\"u\",\"name\":\"n\"}",
                       "{\"user\":\"u\",\"name\":\"n\",\"failover_timeout\":0.0,\"checkpoint\":"
                       "false}");
        assert_becomes(&mesos__v1__framework_info__descriptor,
                       "{\"user\":\"u\",\"name\":\"n\",\"role\":\"*\"}",
                       "{\"user\":\"u\",\"name\":\"n\",\"failover_timeout\":0.0,\"checkpoint\":"
                       "false,\"role\":\"*\"}");
        assert_becomes(&mesos__v1__filters__descriptor, "{}", "{\"refuse_seconds\":5.0}");
        assert_becomes(&mesos__v1__command_info__descriptor, "{}", "{\"shell\":true}");
        assert_becomes(&mesos__v1__environment__variable__descriptor, "{\"name\":\"A\"}",
                       "{\"name\":\"A\",\"type\":\"VALUE\"}");
        assert_becomes(&mesos__v1__csiplugin_info__descriptor, "{\"type\":\"t\"}",
                       "{\"type\":\"t\",\"name\":\"default\"}");
}

/* The schema declares provider_id = 12 first, and reservations = 13 before disk = 7. */
static void test_keys_come_in_the_order_of_the_schema(void **state) {
        (void) state;
        assert_becomes(&mesos__v1__resource__descriptor,
                       "{\"disk\":{},\"reservations\":[{\"role\":\"r\",\"type\":\"DYNAMIC\"}],"
                       "\"type\":\"SCALAR\","
                       "\"allocation_info\":{\"role\":\"a\"},\"scalar\":{\"value\":1},\"name\":"
                       "\"disk\","
                       "\"provider_id\":{\"value\":\"p\"}}",
                       "{\"provider_id\":{\"value\":\"p\"},\"name\":\"disk\",\"type\":\"SCALAR\","
                       "\"scalar\":{\"value\":1.0},"
                       "\"allocation_info\":{\"role\":\"a\"},\"reservations\":[{\"type\":"
                       "\"DYNAMIC\",\"role\":\"r\"}],"
                       "\"disk\":{}}");
}

static void test_bytes_are_base64_and_enums_names(void **state) {
        (void) state;
        assert_becomes(&mesos__v1__task_status__descriptor,
                       "{\"task_id\":{\"value\":\"t\"},\"state\":\"TASK_RUNNING\",\"uuid\":"
                       "\"AAECAwQFBgcICQoLDA0ODw==\","
                       "\"source\":\"SOURCE_EXECUTOR\",\"healthy\":true,\"timestamp\":1795290450."
                       "4349}",
                       "{\"task_id\":{\"value\":\"t\"},\"state\":\"TASK_RUNNING\",\"source\":"
                       "\"SOURCE_EXECUTOR\","
                       "\"timestamp\":1795290450.4349,\"uuid\":\"AAECAwQFBgcICQoLDA0ODw==\","
                       "\"healthy\":true}");
}

static void test_maps_are_objects(void **state) {
        (void) state;
        assert_becomes(&mesos__v1__quota__quota_config__descriptor,
                       "{\"role\":\"r\",\"limits\":{\"cpus\":{\"value\":1},\"odd\\\"key\":{"
                       "\"value\":0.5},\"none\":null}}",
                       "{\"role\":\"r\",\"limits\":{\"cpus\":{\"value\":1.0},\"odd\\\"key\":{"
                       "\"value\":0.5}}}");
        assert_refused(&mesos__v1__quota__quota_config__descriptor,
                       "{\"role\":\"r\",\"limits\":{\"cpus\":{}}}",
                       "Missing required fields: limits[0].value.value");
        assert_refused(&mesos__v1__quota__quota_config__descriptor,
                       "{\"role\":\"r\",\"limits\":{\"cpus\":1}}",
                       "Not expecting a JSON number for field 'value'");
        assert_refused(&mesos__v1__quota__quota_config__descriptor, "{\"role\":\"r\",\"limits\":7}",
                       "Not expecting a JSON number for field 'limits'");
}

static void test_numbers_may_be_text_and_infinite(void **state) {
        _cleanup_(pb_freep) ProtobufCMessage *m =
                        parse(&mesos__v1__agent__call__launch_container__descriptor,
                              "{\"container_id\":{\"value\":\"c\"},\"limits\":{\"cpus\":{\"value\":"
                              "\"Infinity\"},"
                              "\"mem\":{\"value\":\"-Infinity\"},\"disk\":{\"value\":\"1.5\"},"
                              "\"x\":{\"value\":Infinity}}}");
        Mesos__V1__Agent__Call__LaunchContainer *launch =
                        (Mesos__V1__Agent__Call__LaunchContainer *) m;

        (void) state;
        assert_int_equal(launch->n_limits, 4);
        assert_true(isinf(launch->limits[0]->value->value) && launch->limits[0]->value->value > 0);
        assert_true(isinf(launch->limits[1]->value->value) && launch->limits[1]->value->value < 0);
        assert_true(launch->limits[2]->value->value == 1.5);
        assert_true(isinf(launch->limits[3]->value->value));
        assert_printed(m, "{\"container_id\":{\"value\":\"c\"},\"limits\":{\"cpus\":{\"value\":"
                          "Infinity},"
                          "\"mem\":{\"value\":-Infinity},\"disk\":{\"value\":1.5},\"x\":{\"value\":"
                          "Infinity}}}");
}

static void test_64_bit_integers_are_exact_up_to_the_last(void **state) {
        (void) state;
        assert_becomes(&mesos__v1__value__range__descriptor,
                       "{\"begin\":9223372036854775808,\"end\":18446744073709551615}",
                       "{\"begin\":9223372036854775808,\"end\":18446744073709551615}");
        assert_becomes(&mesos__v1__value__range__descriptor,
                       "{\"begin\":\"9223372036854775808\",\"end\":9223372036854775807}",
                       "{\"begin\":9223372036854775808,\"end\":9223372036854775807}");
        assert_becomes(&mesos__v1__time_info__descriptor, "{\"nanoseconds\":-9223372036854775808}",
                       "{\"nanoseconds\":-9223372036854775808}");
        assert_becomes(&mesos__v1__value__scalar__descriptor, "{\"value\":12345678901234567890}",
                       "{\"value\":12345678901234567000.0}");
}

static void test_numbers_that_do_not_fit_are_refused(void **state) {
        static const char *const bad[] = {
                "18446744073709551616", "-1",   "1e30",
                "\"Infinity\"",         "-1e0", "123456789012345678901234567890"
        };
        char json[128];

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                (void) snprintf(json, sizeof(json), "{\"begin\":%s,\"end\":1}", bad[i]);
                assert_refused(&mesos__v1__value__range__descriptor, json,
                               "Number out of range for field 'begin'");
        }

        assert_refused(&mesos__v1__port__descriptor, "{\"number\":4294967296}",
                       "Number out of range for field 'number'");
        assert_refused(&mesos__v1__address__descriptor, "{\"port\":2147483648}",
                       "Number out of range for field 'port'");
        assert_refused(&mesos__v1__time_info__descriptor, "{\"nanoseconds\":9223372036854775808}",
                       "Number out of range for field 'nanoseconds'");
        assert_refused(&mesos__v1__time_info__descriptor, "{\"nanoseconds\":1e19}",
                       "Number out of range for field 'nanoseconds'");
}

static void test_a_fraction_is_cut_off_where_an_integer_is_wanted(void **state) {
        (void) state;
        assert_becomes(&mesos__v1__address__descriptor, "{\"port\":5050.0}", "{\"port\":5050}");
        assert_becomes(&mesos__v1__address__descriptor, "{\"port\":-1.9}", "{\"port\":-1}");
        assert_becomes(&mesos__v1__port__descriptor, "{\"number\":1e3}", "{\"number\":1000}");
}

static void test_null_and_unknown_keys_count_as_absent(void **state) {
        (void) state;
        assert_becomes(CALL,
                       "{\"framework_id\":null,\"type\":\"REVIVE\",\"nonsense\":{\"a\":[1]},"
                       "\"revive\":null}",
                       "{\"type\":\"REVIVE\"}");
        assert_becomes(CALL, "{\"revive\":{\"roles\":[null,\"a\",null]}}",
                       "{\"revive\":{\"roles\":[\"a\"]}}");
        assert_refused(CALL, "{\"framework_id\":{\"value\":null}}",
                       "Missing required fields: framework_id.value");
}

static void test_an_id_with_an_empty_value_stays_as_given(void **state) {
        (void) state;
        assert_becomes(CALL, "{\"framework_id\":{\"value\":\"\"}}",
                       "{\"framework_id\":{\"value\":\"\"}}");
}

static void test_an_unknown_enum_name_is_unset_or_an_error_if_required(void **state) {
        (void) state;
        assert_becomes(CALL, "{\"type\":\"ZORK\"}", "{}");
        assert_becomes(&mesos__v1__capability_info__descriptor,
                       "{\"capabilities\":[\"CHOWN\",\"ZORK\",\"KILL\"]}",
                       "{\"capabilities\":[\"CHOWN\",\"KILL\"]}");
        assert_refused(&mesos__v1__task_status__descriptor,
                       "{\"task_id\":{\"value\":\"t\"},\"state\":\"TASK_ZORK\"}",
                       "Failed to find enum for 'TASK_ZORK'");
}

static void test_one_object_will_do_for_a_list_and_lists_in_lists_are_one(void **state) {
        (void) state;
        assert_becomes(&mesos__v1__labels__descriptor, "{\"labels\":{\"key\":\"k\"}}",
                       "{\"labels\":[{\"key\":\"k\"}]}");
        assert_becomes(&mesos__v1__value__set__descriptor, "{\"item\":[\"a\",[\"b\",[]],\"c\"]}",
                       "{\"item\":[\"a\",\"b\",\"c\"]}");
        assert_becomes(&mesos__v1__labels__descriptor, "{\"labels\":[]}", "{}");
}

static void test_each_wrong_kind_is_named_with_its_field(void **state) {
        (void) state;
        assert_refused(CALL, "{\"framework_id\":\"f\"}",
                       "Not expecting a JSON string for field 'framework_id'");
        assert_refused(CALL, "{\"type\":3}", "Not expecting a JSON number for field 'type'");
        assert_refused(CALL, "{\"framework_id\":{\"value\":7}}",
                       "Not expecting a JSON number for field 'value'");
        assert_refused(CALL, "{\"framework_id\":[]}",
                       "Not expecting a JSON array for field 'framework_id'");
        assert_refused(CALL, "{\"type\":{}}", "Not expecting a JSON object for field 'type'");
        assert_refused(CALL, "{\"type\":true}", "Not expecting a JSON boolean for field 'type'");
        assert_refused(CALL, "{\"framework_id\":{\"value\":12345678901234567890}}",
                       "Not expecting a JSON number for field 'value'");
        assert_refused(&mesos__v1__address__descriptor, "{\"port\":\"x\"}",
                       "Failed to parse 'x' as a JSON number for field 'port'");
        assert_refused(&mesos__v1__command_info__descriptor, "{\"shell\":\"maybe\"}",
                       "Failed to parse 'maybe' as a JSON boolean for field 'shell'");
        assert_becomes(&mesos__v1__command_info__descriptor, "{\"shell\":\"false\"}",
                       "{\"shell\":false}");
        assert_refused(&mesos__v1__uuid__descriptor, "{\"value\":\"!!!!\"}",
                       "Failed to base64 decode bytes field 'value': Invalid character '!'");
        assert_refused(CALL, "[]", "Expecting a JSON object");
        assert_refused(CALL, "\"x\"", "Expecting a JSON object");
        assert_refused(CALL, "null", "Expecting a JSON object");
}

static void test_all_missing_fields_are_listed_with_their_places(void **state) {
        (void) state;
        assert_refused(&mesos__v1__executor__call__descriptor, "{}",
                       "Missing required fields: executor_id, framework_id");
        assert_refused(CALL, "{\"subscribe\":{\"framework_info\":{\"name\":\"n\"}}}",
                       "Missing required fields: subscribe.framework_info.user");
        assert_refused(CALL,
                       "{\"accept\":{\"operations\":[null,{\"launch\":{\"task_infos\":[{\"task_"
                       "id\":{\"value\":\"t\"},"
                       "\"agent_id\":{\"value\":\"s\"}}]}}]}}",
                       "Missing required fields: accept.operations[0].launch.task_infos[0].name");
        assert_refused(CALL,
                       "{\"reconcile\":{\"tasks\":[{\"task_id\":{\"value\":\"a\"}},{}]},\"kill\":{}"
                       "}",
                       "Missing required fields: kill.task_id, reconcile.tasks[1].task_id");
}

static void test_members_of_a_oneof_exclude_each_other(void **state) {
        (void) state;
        assert_becomes(&mesos__v1__scheduler__attribute_constraint__descriptor,
                       "{\"selector\":{\"attribute_name\":\"rack\"},\"predicate\":{\"exists\":{}}}",
                       "{\"selector\":{\"attribute_name\":\"rack\"},\"predicate\":{\"exists\":{}}"
                       "}");
        assert_refused(&mesos__v1__scheduler__attribute_constraint__descriptor,
                       "{\"selector\":{\"attribute_name\":\"rack\",\"pseudoattribute_type\":"
                       "\"ZONE\"},\"predicate\":{}}",
                       "Not expecting field 'pseudoattribute_type' beside another of its oneof");
}

static void test_nul_in_text_is_refused(void **state) {
        (void) state;
        assert_refused(CALL, "{\"framework_id\":{\"value\":\"a\\u0000b\"}}",
                       "Not expecting a NUL character in field 'value'");
        assert_refused(&mesos__v1__address__descriptor, "{\"port\":\"1\\u00002\"}",
                       "Failed to parse '1' as a JSON number for field 'port'");
        assert_outcome(CALL, "{\"a\0b\":1}", 9, PBJSON_E_SYNTAX,
                       "syntax error at line 1 near: ab\":1}");
        assert_outcome(CALL, "{\"\\u0000\":1}", 12, PBJSON_E_SYNTAX,
                       "syntax error at line 1 near: \":1}");
}

static void test_malformed_json_is_told_with_its_line(void **state) {
        static const struct {
                const char *json, *message;
        } bad[] = {
                { "", "syntax error at line 1 near: " },
                { "{\"type\"", "syntax error at line 1 near: " },
                { "{\"type\": ", "syntax error at line 1 near: " },
                { "{oops", "syntax error at line 1 near: oops" },
                { "{\n\"a\": oops,\n\"b\": 1}", "syntax error at line 2 near: oops," },
                { "{\"a\":}", "syntax error at line 1 near: }" },
                { "{\"a\":1} x", "Parsed JSON included non-whitespace trailing characters: x" },
                { "{\"a\":1}}", "Parsed JSON included non-whitespace trailing characters: }" },
                { "{\"a\":01}", "syntax error at line 1 near: 01}" },
                { "{\"a\":NaN}", "syntax error at line 1 near: NaN}" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_outcome(CALL, bad[i].json, strlen(bad[i].json), PBJSON_E_SYNTAX,
                               bad[i].message);
}

static void test_invalid_utf8_is_a_syntax_error(void **state) {
        _cleanup_free_ char *message = NULL;
        const char json[] = "{\"framework_id\":{\"value\":\"a\xff\"}}";
        ProtobufCMessage *m = NULL;

        (void) state;
        assert_int_equal(pbjson_parse(CALL, json, strlen(json), PB_LIMITS_DEFAULT, &m, &message),
                         PBJSON_E_SYNTAX);
}

static void test_depth_is_bounded(void **state) {
        _cleanup_free_ char *json = malloc(1 << 20);
        size_t n = 0;

        (void) state;
        assert_non_null(json);
        memset(json, '[', 1 << 20);
        assert_outcome(CALL, json, 1 << 20, PB_E_INVALID, "JSON nested too deeply");

        for (unsigned i = 0; i < 64; i++)
                n += (size_t) sprintf(json + n, "{\"value\":\"c\",\"parent\":");
        n += (size_t) sprintf(json + n, "{\"value\":\"c\"}");
        memset(json + n, '}', 64);
        assert_outcome(&mesos__v1__container_id__descriptor, json, n + 64, PB_E_INVALID,
                       "Messages nested too deeply");
}

static void test_memory_is_bounded_before_it_is_taken(void **state) {
        _cleanup_free_ char *json = malloc(4 << 20);
        size_t n = 0;

        (void) state;
        assert_non_null(json);
        json[n++] = '[';
        while (n < (4 << 20) - 4) {
                memcpy(json + n, "{},", 3);
                n += 3;
        }
        assert_outcome(CALL, json, n, PB_E_INVALID, "JSON would take too much memory");

        /* The tree fits, what is made of it doesn't. */
        {
                const char small[] = "{\"framework_id\":{\"value\":\"0123456789\"}}";
                _cleanup_free_ char *message = NULL;
                ProtobufCMessage *m = NULL;

                assert_int_equal(
                                pbjson_parse(&mesos__v1__resource_statistics__descriptor,
                                             "{\"timestamp\":1}", 15,
                                             (PbLimits) { .max_depth = 8, .max_memory_bytes = 480 },
                                             &m, &message),
                                PB_E_INVALID);
                assert_string_equal(message, "The message would take too much memory");
                assert_int_equal(pbjson_parse(CALL, small, strlen(small),
                                              (PbLimits) { .max_depth = 1,
                                                           .max_memory_bytes = 1 << 20 },
                                              &m, NULL),
                                 PB_E_INVALID);
        }
}

static void test_unknown_fields_of_the_wire_are_not_printed(void **state) {
        _cleanup_(pb_freep) ProtobufCMessage *m = NULL;

        (void) state;
        assert_int_equal(pb_unpack(&mesos__v1__agent_info__descriptor, "\x0a\x01h\xf8\x06\x01", 6,
                                   PB_LIMITS_DEFAULT, &m, NULL),
                         PB_OK);
        assert_printed(m, "{\"hostname\":\"h\",\"port\":5051}");
}

static void test_a_full_buffer_is_left_as_it_was(void **state) {
        _cleanup_(pb_freep) ProtobufCMessage *m =
                        parse(&mesos__v1__framework_id__descriptor, "{\"value\":\"0123456789\"}");
        Buffer b = BUFFER_INIT(20);

        (void) state;
        assert_int_equal(buffer_append_text(&b, "before"), 0);
        assert_int_equal(pbjson_print(m, &b), -ENOBUFS);
        assert_int_equal(buffer_size(&b), 6);
        buffer_deinit(&b);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_unset_fields_with_a_default_are_printed_unless_deprecated),
                cmocka_unit_test(test_keys_come_in_the_order_of_the_schema),
                cmocka_unit_test(test_bytes_are_base64_and_enums_names),
                cmocka_unit_test(test_maps_are_objects),
                cmocka_unit_test(test_numbers_may_be_text_and_infinite),
                cmocka_unit_test(test_64_bit_integers_are_exact_up_to_the_last),
                cmocka_unit_test(test_numbers_that_do_not_fit_are_refused),
                cmocka_unit_test(test_a_fraction_is_cut_off_where_an_integer_is_wanted),
                cmocka_unit_test(test_null_and_unknown_keys_count_as_absent),
                cmocka_unit_test(test_an_id_with_an_empty_value_stays_as_given),
                cmocka_unit_test(test_an_unknown_enum_name_is_unset_or_an_error_if_required),
                cmocka_unit_test(test_one_object_will_do_for_a_list_and_lists_in_lists_are_one),
                cmocka_unit_test(test_each_wrong_kind_is_named_with_its_field),
                cmocka_unit_test(test_all_missing_fields_are_listed_with_their_places),
                cmocka_unit_test(test_members_of_a_oneof_exclude_each_other),
                cmocka_unit_test(test_nul_in_text_is_refused),
                cmocka_unit_test(test_malformed_json_is_told_with_its_line),
                cmocka_unit_test(test_invalid_utf8_is_a_syntax_error),
                cmocka_unit_test(test_depth_is_bounded),
                cmocka_unit_test(test_memory_is_bounded_before_it_is_taken),
                cmocka_unit_test(test_unknown_fields_of_the_wire_are_not_printed),
                cmocka_unit_test(test_a_full_buffer_is_left_as_it_was),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
