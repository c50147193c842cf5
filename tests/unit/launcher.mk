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

unit_tests += tests/unit/test-placement
tests_unit_test_placement_SOURCES = tests/unit/test-placement.c
tests_unit_test_placement_CFLAGS = $(unit_cflags)
tests_unit_test_placement_LDADD = agent/libagent.a launcher/liblaunch.a isolator/libisolator.a $(unit_libs)
