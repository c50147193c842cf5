# tests/unit/test-*.c of cli, the fetcher and http_fetch
unit_tests += \
        tests/unit/test-exit-code \
        tests/unit/test-fetch-plan \
        tests/unit/test-fetch-target \
        tests/unit/test-http-fetch \
        tests/unit/test-table \
        tests/unit/test-task-spec

tools_unit_libs = cli/libcli.a agent/libagent.a $(unit_libs) $(CURL_LIBS)

tests_unit_test_exit_code_SOURCES = tests/unit/test-exit-code.c tests/unit/test.h
tests_unit_test_exit_code_CFLAGS = $(unit_cflags)
tests_unit_test_exit_code_LDADD = $(tools_unit_libs)

tests_unit_test_fetch_plan_SOURCES = tests/unit/test-fetch-plan.c tests/unit/test.h
tests_unit_test_fetch_plan_CFLAGS = $(unit_cflags)
tests_unit_test_fetch_plan_LDADD = $(tools_unit_libs)

tests_unit_test_fetch_target_SOURCES = tests/unit/test-fetch-target.c tests/unit/test.h \
        agent/fetch_target.c agent/fetch_target.h
tests_unit_test_fetch_target_CFLAGS = $(unit_cflags)
tests_unit_test_fetch_target_LDADD = $(unit_libs)

tests_unit_test_http_fetch_SOURCES = tests/unit/test-http-fetch.c tests/unit/test.h
tests_unit_test_http_fetch_CFLAGS = $(unit_cflags)
tests_unit_test_http_fetch_LDADD = $(tools_unit_libs)

tests_unit_test_table_SOURCES = tests/unit/test-table.c tests/unit/test.h
tests_unit_test_table_CFLAGS = $(unit_cflags)
tests_unit_test_table_LDADD = $(tools_unit_libs)

tests_unit_test_task_spec_SOURCES = tests/unit/test-task-spec.c tests/unit/test.h
tests_unit_test_task_spec_CFLAGS = $(unit_cflags)
tests_unit_test_task_spec_LDADD = $(tools_unit_libs)
