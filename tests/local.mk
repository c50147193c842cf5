# Rungs: unit (C, cmocka), process, cluster, kernel, systemd, vm (Python), fuzz. Each program or script is one test.

unit_cflags = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
unit_libs = common/libnet.a common/libmodel.a proto/libproto.a common/libbase.a \
        $(SYSTEMD_LIBS) $(MICROHTTPD_LIBS) $(JANSSON_LIBS) $(PROTOBUF_C_LIBS) $(SQLITE_LIBS) $(ZOOKEEPER_LIBS) -lm $(CMOCKA_LIBS)
unit_tests =

include tests/unit/base.mk
include tests/unit/net.mk
include tests/unit/schema.mk
include tests/unit/model.mk
include tests/unit/launcher.mk
include tests/unit/master.mk
include tests/unit/agent.mk
include tests/unit/tools.mk
include tests/process/local.mk
include tests/cluster/local.mk
include tests/kernel/local.mk
include tests/systemd/local.mk
include tests/vm/local.mk
include tests/clients/local.mk
include tests/fuzz/local.mk

check_PROGRAMS += $(unit_tests)
TESTS += $(unit_tests)

# The clock that tests move: preloaded, never installed.
check_PROGRAMS += tests/lib/clock.so
tests_lib_clock_so_SOURCES = tests/lib/clock.c
# It stands in front of the sanitizers' own library, too, and must not need it.
tests_lib_clock_so_CFLAGS = $(AM_CFLAGS) -fPIC -fno-sanitize=all
tests_lib_clock_so_LDFLAGS = $(AM_LDFLAGS) -shared -fno-sanitize=all

# What the Python rungs share.
EXTRA_DIST += \
        tests/lib/books.py \
        tests/lib/clock.py \
        tests/lib/arena.py \
        tests/lib/audit.py \
        tests/lib/crash.py \
        tests/lib/ends.py \
        tests/lib/executor.py \
        tests/lib/fake_agent.py \
        tests/lib/fake_master.py \
        tests/lib/faults.py \
        tests/lib/follower.py \
        tests/lib/frozen.py \
        tests/lib/harness.py \
        tests/lib/history.py \
        tests/lib/interface.py \
        tests/lib/judge.py \
        tests/lib/launcher.py \
        tests/lib/libprocess_agent.py \
        tests/lib/libprocess_master.py \
        tests/lib/matrix.py \
        tests/lib/model_agent.py \
        tests/lib/mounts.py \
        tests/lib/network.py \
        tests/lib/other_launcher.py \
        tests/lib/own_network.py \
        tests/lib/scheduler.py \
        tests/lib/stage.py \
        tests/lib/systemd.py \
        tests/lib/traces.py \
        tests/lib/user_host.py \
        tests/lib/verbs.py \
        tests/lib/vm.py \
        tests/lib/wire.py \
        tests/lib/witness.py \
        tests/lib/zookeeper.py \
        tests/lib/zookeeper_client.py \
        tests/lib/zookeeper_gate.py

# Programs of former releases, for tests/cluster/test_frozen.py.
EXTRA_DIST += \
        tests/frozen/0.1-x86_64.tar.xz \
        tests/frozen/README.md \
        tests/frozen/agent-0.1.db.xz \
        tests/frozen/freeze \
        tests/frozen/make-database
