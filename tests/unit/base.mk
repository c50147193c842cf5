# tests/unit/test-*.c of base
unit_tests += \
        tests/unit/test-buffer \
        tests/unit/test-flags \
        tests/unit/test-log \
        tests/unit/test-parse \
        tests/unit/test-usec

tests_unit_test_buffer_SOURCES = tests/unit/test-buffer.c tests/unit/test.h
tests_unit_test_buffer_CFLAGS = $(unit_cflags)
tests_unit_test_buffer_LDADD = $(unit_libs)

tests_unit_test_flags_SOURCES = tests/unit/test-flags.c tests/unit/test.h
tests_unit_test_flags_CFLAGS = $(unit_cflags)
tests_unit_test_flags_LDADD = $(unit_libs)

tests_unit_test_log_SOURCES = tests/unit/test-log.c tests/unit/test.h
tests_unit_test_log_CFLAGS = $(unit_cflags)
tests_unit_test_log_LDADD = $(unit_libs)

tests_unit_test_parse_SOURCES = tests/unit/test-parse.c tests/unit/test.h
tests_unit_test_parse_CFLAGS = $(unit_cflags)
tests_unit_test_parse_LDADD = $(unit_libs)

tests_unit_test_usec_SOURCES = tests/unit/test-usec.c tests/unit/test.h
tests_unit_test_usec_CFLAGS = $(unit_cflags)
tests_unit_test_usec_LDADD = $(unit_libs)
