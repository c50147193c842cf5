# tests/unit/test-*.c of launcher, isolator, the agent's placement, and of the parts of common/base they stand on
unit_tests += \
        tests/unit/test-fd \
        tests/unit/test-file \
        tests/unit/test-process

launcher_unit_libs = common/libbase.a $(PROTOBUF_C_LIBS) -lm $(CMOCKA_LIBS)

tests_unit_test_fd_SOURCES = tests/unit/test-fd.c
tests_unit_test_fd_CFLAGS = $(unit_cflags)
tests_unit_test_fd_LDADD = $(launcher_unit_libs)

tests_unit_test_file_SOURCES = tests/unit/test-file.c
tests_unit_test_file_CFLAGS = $(unit_cflags)
tests_unit_test_file_LDADD = $(launcher_unit_libs)

tests_unit_test_process_SOURCES = tests/unit/test-process.c
tests_unit_test_process_CFLAGS = $(unit_cflags)
tests_unit_test_process_LDADD = $(launcher_unit_libs)
