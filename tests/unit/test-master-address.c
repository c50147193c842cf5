/* SPDX-License-Identifier: Apache-2.0 */

/* What masters write into ZooKeeper: labels, formats, who leads. The JSON is that of a real master. */

#include "common/net/master_address.h"
#include "common/net/pbjson.h"
#include "proto/mesos.pb-c.h"
#include "tests/unit/test.h"

static const char real[] =
                "{\"address\":{\"hostname\":\"localhost\",\"ip\":\"127.0.0.1\",\"port\":5050},\"capabilities\":"
                "[{\"type\":\"AGENT_UPDATE\"},{\"type\":\"AGENT_DRAINING\"},{\"type\":\"QUOTA_V2\"}],\"hostname\":"
                "\"localhost\",\"id\":\"56ff7ac1-45f6-4380-9541-8794ef6151ed\",\"ip\":16777343,\"pid\":"
                "\"master@127.0.0.1:5050\",\"port\":5050,\"version\":\"1.12.0\"}";

static int parse(CandidateFormat format, const char *text, MasterAddress *ret) {
        _cleanup_free_ char *message = NULL;
        int r = master_address_parse(format, text, strlen(text), ret, &message);

        if (r < 0)
                assert_non_null(message);
        return r;
}

static void assert_candidate(const char *name, int32_t expected_sequence, CandidateFormat expected_format) {
        CandidateFormat format;
        int32_t sequence;

        assert_true(candidate_parse(name, &sequence, &format));
        assert_int_equal(sequence, expected_sequence);
        assert_int_equal(format, expected_format);
}

static void test_labels_tell_the_format(void **state) {
        (void) state;
        assert_candidate("json.info_0000000012", 12, CANDIDATE_JSON);
        assert_candidate("info_0000000002", 2, CANDIDATE_PROTOBUF);
        assert_candidate("0000000000", 0, CANDIDATE_PID);
        assert_candidate("json.info_2147483647", INT32_MAX, CANDIDATE_JSON);
        assert_candidate("json.info_-2147483648", INT32_MIN, CANDIDATE_JSON);
        assert_candidate("other_0000000003", 3, CANDIDATE_UNKNOWN);
        assert_candidate("xjson.info_0000000003", 3, CANDIDATE_UNKNOWN);
}

static void test_children_without_a_number_are_no_candidates(void **state) {
        static const char *const names[] = { "log_replicas", "holdfast", "", "_", "json.info_", "json.info_1x",
                                             "json.info_2147483648", "json.info_00000000012", "1 ", "-", "json.info_+1" };
        CandidateFormat format;
        int32_t sequence;

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                assert_false(candidate_parse(names[i], &sequence, &format));
}

static void test_smallest_number_leads_whatever_its_label(void **state) {
        char *names[] = { (char *) "json.info_0000000010", (char *) "log_replicas", (char *) "info_0000000009",
                          (char *) "json.info_0000000011", (char *) "0000000012" };

        (void) state;
        assert_string_equal(candidate_find_leader(names, 5), "info_0000000009");
        assert_string_equal(candidate_find_leader(names, 2), "json.info_0000000010");
        assert_null(candidate_find_leader(names + 1, 1));
        assert_null(candidate_find_leader(NULL, 0));
}

static void test_json_of_a_real_master_is_understood(void **state) {
        MasterAddress a;

        (void) state;
        assert_int_equal(parse(CANDIDATE_JSON, real, &a), 0);
        assert_string_equal(a.id, "56ff7ac1-45f6-4380-9541-8794ef6151ed");
        assert_string_equal(a.pid.text, "master@127.0.0.1:5050");
        assert_string_equal(a.hostname, "localhost");
        assert_string_equal(a.ip, "127.0.0.1");
        assert_int_equal(a.port, 5050);
}

static void test_number_is_the_address_where_there_is_no_other(void **state) {
        MasterAddress a;

        (void) state;
        assert_int_equal(parse(CANDIDATE_JSON, "{\"id\":\"m\",\"ip\":16777343,\"port\":5051,\"new_field\":[1]}", &a), 0);
        assert_string_equal(a.pid.text, "master@127.0.0.1:5051");
        assert_string_equal(a.hostname, "127.0.0.1");
}

static void test_protobuf_and_pid_are_understood(void **state) {
        _cleanup_(pb_freep) ProtobufCMessage *info = NULL;
        _cleanup_free_ char *message = NULL;
        uint8_t bytes[512];
        MasterAddress a;
        size_t n;

        (void) state;
        assert_int_equal(pbjson_parse(&mesos__v1__master_info__descriptor, real, strlen(real), PB_LIMITS_DEFAULT, &info,
                                      &message), 0);
        n = protobuf_c_message_pack(info, bytes);
        assert_int_equal(master_address_parse(CANDIDATE_PROTOBUF, bytes, n, &a, &message), 0);
        assert_string_equal(a.pid.text, "master@127.0.0.1:5050");
        assert_string_equal(a.hostname, "localhost");

        assert_int_equal(parse(CANDIDATE_PID, "master@10.1.2.3:5050\n", &a), 0);
        assert_string_equal(a.ip, "10.1.2.3");
        assert_string_equal(a.id, "");
}

static void test_garbage_is_refused_with_the_reason(void **state) {
        static const struct {
                CandidateFormat format;
                const char *text;
        } cases[] = {
                { CANDIDATE_JSON, "" },
                { CANDIDATE_JSON, "{" },
                { CANDIDATE_JSON, "[]" },
                { CANDIDATE_JSON, "{\"id\":\"m\"}" },
                { CANDIDATE_JSON, "{\"id\":\"m\",\"ip\":16777343,\"port\":0}" },
                { CANDIDATE_JSON, "{\"id\":\"m\",\"ip\":16777343,\"port\":65536}" },
                { CANDIDATE_JSON, "{\"id\":\"\",\"ip\":16777343,\"port\":1}" },
                { CANDIDATE_JSON, "{\"id\":\"m\",\"ip\":1,\"port\":1,\"hostname\":\"a\\r\\nSet-Cookie: x\"}" },
                { CANDIDATE_JSON, "{\"id\":\"m\",\"ip\":1,\"port\":1,\"hostname\":\"a/b\"}" },
                { CANDIDATE_JSON, "{\"id\":\"m\",\"ip\":1,\"port\":1,\"pid\":\"nobody\"}" },
                { CANDIDATE_JSON, "{\"id\":\"m\",\"ip\":1,\"port\":1,\"address\":{\"ip\":\"one\",\"port\":1}}" },
                { CANDIDATE_PROTOBUF, "\xff\xff\xff\xff" },
                { CANDIDATE_PID, "127.0.0.1:5050" },
                { CANDIDATE_PID, "master@" },
                { CANDIDATE_UNKNOWN, real },
        };
        _cleanup_free_ char *large = malloc(1024 * 1024 + 1);
        MasterAddress a;

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                assert_int_equal(parse(cases[i].format, cases[i].text, &a), -EBADMSG);

        assert_non_null(large);
        memset(large, ' ', 1024 * 1024);
        large[1024 * 1024] = '\0';
        memcpy(large, real, strlen(real));
        assert_int_equal(parse(CANDIDATE_JSON, large, &a), -EBADMSG);
        assert_int_equal(parse(CANDIDATE_PID, large, &a), -EBADMSG);
}

static void test_master_named_by_hand_is_resolved(void **state) {
        _cleanup_free_ char *message = NULL;
        MasterAddress a;

        (void) state;
        assert_int_equal(master_address_resolve("master@127.0.0.1:5050", &a, &message), 0);
        assert_string_equal(a.pid.text, "master@127.0.0.1:5050");
        assert_int_equal(master_address_resolve("localhost:5051", &a, &message), 0);
        assert_string_equal(a.hostname, "localhost");
        assert_string_equal(a.ip, "127.0.0.1");

        assert_int_equal(master_address_resolve("nowhere", &a, &message), -EINVAL);
        assert_string_equal(message, "'nowhere' is not HOST:PORT and no URL of ZooKeeper");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_labels_tell_the_format),
                cmocka_unit_test(test_children_without_a_number_are_no_candidates),
                cmocka_unit_test(test_smallest_number_leads_whatever_its_label),
                cmocka_unit_test(test_json_of_a_real_master_is_understood),
                cmocka_unit_test(test_number_is_the_address_where_there_is_no_other),
                cmocka_unit_test(test_protobuf_and_pid_are_understood),
                cmocka_unit_test(test_garbage_is_refused_with_the_reason),
                cmocka_unit_test(test_master_named_by_hand_is_resolved),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
