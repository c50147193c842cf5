# tests/unit/test-*.c of launcher, isolator, the agent's placement, and of the parts of common/base they stand on
unit_tests += \
        tests/unit/test-cgroup \
        tests/unit/test-confinement \
        tests/unit/test-exit-record \
        tests/unit/test-fd \
        tests/unit/test-file \
        tests/unit/test-isolators \
        tests/unit/test-limits \
        tests/unit/test-link \
        tests/unit/test-mounting \
        tests/unit/test-placement \
        tests/unit/test-plan \
        tests/unit/test-process \
        tests/unit/test-process-tree \
        tests/unit/test-seccomp \
        tests/unit/test-self \
        tests/unit/test-wire

launcher_unit_libs = launcher/liblauncher.a launcher/liblaunch.a isolator/libisolators.a isolator/libisolator.a \
        common/libmodel.a proto/libproto.a common/libbase.a $(SYSTEMD_LIBS) $(PROTOBUF_C_LIBS) $(isolator_libs) -lm $(CMOCKA_LIBS)

tests_unit_test_fd_SOURCES = tests/unit/test-fd.c
tests_unit_test_fd_CFLAGS = $(unit_cflags)
tests_unit_test_fd_LDADD = $(launcher_unit_libs)

tests_unit_test_file_SOURCES = tests/unit/test-file.c tests/unit/directory.h
tests_unit_test_file_CFLAGS = $(unit_cflags)
tests_unit_test_file_LDADD = $(launcher_unit_libs)

tests_unit_test_process_SOURCES = tests/unit/test-process.c
tests_unit_test_process_CFLAGS = $(unit_cflags)
tests_unit_test_process_LDADD = $(launcher_unit_libs)

tests_unit_test_cgroup_SOURCES = tests/unit/test-cgroup.c tests/unit/directory.h
tests_unit_test_cgroup_CFLAGS = $(unit_cflags)
tests_unit_test_cgroup_LDADD = $(launcher_unit_libs)

tests_unit_test_confinement_SOURCES = tests/unit/test-confinement.c
tests_unit_test_confinement_CFLAGS = $(unit_cflags)
tests_unit_test_confinement_LDADD = $(launcher_unit_libs)

tests_unit_test_exit_record_SOURCES = tests/unit/test-exit-record.c tests/unit/directory.h
tests_unit_test_exit_record_CFLAGS = $(unit_cflags)
tests_unit_test_exit_record_LDADD = $(launcher_unit_libs)

tests_unit_test_isolators_SOURCES = tests/unit/test-isolators.c
tests_unit_test_isolators_CFLAGS = $(unit_cflags)
tests_unit_test_isolators_LDADD = $(launcher_unit_libs)

tests_unit_test_mounting_SOURCES = tests/unit/test-mounting.c tests/unit/directory.h
tests_unit_test_mounting_CFLAGS = $(unit_cflags)
tests_unit_test_mounting_LDADD = $(launcher_unit_libs)

tests_unit_test_limits_SOURCES = tests/unit/test-limits.c
tests_unit_test_limits_CFLAGS = $(unit_cflags)
tests_unit_test_limits_LDADD = $(launcher_unit_libs)

tests_unit_test_link_SOURCES = tests/unit/test-link.c
tests_unit_test_link_CFLAGS = $(unit_cflags)
tests_unit_test_link_LDADD = $(launcher_unit_libs)

tests_unit_test_plan_SOURCES = tests/unit/test-plan.c
tests_unit_test_plan_CFLAGS = $(unit_cflags)
tests_unit_test_plan_LDADD = $(launcher_unit_libs)

tests_unit_test_process_tree_SOURCES = tests/unit/test-process-tree.c
tests_unit_test_process_tree_CFLAGS = $(unit_cflags)
tests_unit_test_process_tree_LDADD = $(launcher_unit_libs)

tests_unit_test_wire_SOURCES = tests/unit/test-wire.c
tests_unit_test_wire_CFLAGS = $(unit_cflags)
tests_unit_test_wire_LDADD = $(launcher_unit_libs)

tests_unit_test_placement_SOURCES = tests/unit/test-placement.c
tests_unit_test_placement_CFLAGS = $(unit_cflags)
tests_unit_test_placement_LDADD = agent/libagent.a $(launcher_unit_libs)

unit_tests += tests/unit/test-devices
tests_unit_test_devices_SOURCES = tests/unit/test-devices.c tests/unit/test.h
tests_unit_test_devices_CFLAGS = $(unit_cflags)
tests_unit_test_devices_LDADD = $(launcher_unit_libs)

unit_tests += tests/unit/test-io
tests_unit_test_io_SOURCES = tests/unit/test-io.c tests/unit/test.h
tests_unit_test_io_CFLAGS = $(unit_cflags)
tests_unit_test_io_LDADD = $(launcher_unit_libs)

tests_unit_test_seccomp_SOURCES = tests/unit/test-seccomp.c tests/unit/bpf.h
tests_unit_test_seccomp_CFLAGS = $(unit_cflags)
tests_unit_test_seccomp_LDADD = $(launcher_unit_libs)

tests_unit_test_self_SOURCES = tests/unit/test-self.c tests/unit/bpf.h
tests_unit_test_self_CFLAGS = $(unit_cflags)
tests_unit_test_self_LDADD = $(launcher_unit_libs)
