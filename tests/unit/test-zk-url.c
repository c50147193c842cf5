/* SPDX-License-Identifier: Apache-2.0 */

#include "common/net/zk_url.h"
#include "tests/unit/test.h"

static void assert_refused(const char *text) {
        _cleanup_free_ char *message = NULL;
        ZkUrl url;

        assert_int_equal(zk_url_parse(text, &url, &message), -EINVAL);
        assert_non_null(message);
}

static void test_url_has_servers_path_and_credentials(void **state) {
        _cleanup_(zk_url_deinit) ZkUrl url = {};

        (void) state;
        assert_int_equal(zk_url_parse("zk://user:p@ss:word@a.example:1,10.0.0.2,[::1]:3,[fe80::2]/mesos/x", &url, NULL), 0);
        assert_int_equal(url.n_servers, 4);
        assert_string_equal(url.servers[0].host, "a.example");
        assert_int_equal(url.servers[0].port, 1);
        assert_string_equal(url.servers[1].host, "10.0.0.2");
        assert_int_equal(url.servers[1].port, 2181);
        assert_string_equal(url.servers[2].host, "::1");
        assert_int_equal(url.servers[2].port, 3);
        assert_string_equal(url.servers[3].host, "fe80::2");
        assert_string_equal(url.path, "/mesos/x");
        assert_string_equal(url.credentials, "user:p@ss:word");
}

static void test_slashes_at_the_end_are_not_part_of_the_path(void **state) {
        _cleanup_(zk_url_deinit) ZkUrl url = {};

        (void) state;
        assert_int_equal(zk_url_parse("zk://h:2181/mesos//", &url, NULL), 0);
        assert_string_equal(url.path, "/mesos");
        assert_null(url.credentials);
}

static void test_what_is_no_url_is_refused_with_the_reason(void **state) {
        static const char *const texts[] = {
                "",          "h:1/mesos",    "zk://",           "zk:///mesos",    "zk://h",           "zk://h/",
                "zk://h//",  "zk://h/a//b",  "zk://h/a/./b",    "zk://h/a/..",    "zk://user@h/m",    "zk://h:0/m",
                "zk://h:x/m", "zk://h:65536/m", "zk://[::1/m",  "zk://[::1]x/m",  "zk://h\n/m",       "zk://h/a\x01",
                "zk://,/m",  "zk://:1/m",    "zk://h /m",       "http://h/m",     "zk://a:1:2/m",     "zk://[]:1/m",
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                assert_refused(texts[i]);
}

static void test_servers_are_bounded(void **state) {
        char text[1024] = "zk://";
        _cleanup_(zk_url_deinit) ZkUrl url = {};

        (void) state;
        for (unsigned i = 0; i < ZK_MAX_SERVERS; i++)
                strcat(text, "h,");
        strcat(text, "/m");
        assert_int_equal(zk_url_parse(text, &url, NULL), 0);
        assert_int_equal(url.n_servers, ZK_MAX_SERVERS);

        text[strlen(text) - 2] = '\0';
        strcat(text, "h/m");
        assert_refused(text);
}

static void test_password_is_not_shown(void **state) {
        static const struct {
                const char *text, *shown;
        } cases[] = {
                { "zk://user:secret@h:1/m", "zk://user:***@h:1/m" },
                { "zk://user:se:cr@et@h:1/m@x", "zk://user:***@h:1/m@x" },
                { "zk://h:1/m", "zk://h:1/m" },
                { "host:5050", "host:5050" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *shown = zk_url_redact(cases[i].text);

                assert_string_equal(shown, cases[i].shown);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_url_has_servers_path_and_credentials),
                cmocka_unit_test(test_slashes_at_the_end_are_not_part_of_the_path),
                cmocka_unit_test(test_what_is_no_url_is_refused_with_the_reason),
                cmocka_unit_test(test_servers_are_bounded),
                cmocka_unit_test(test_password_is_not_shown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
