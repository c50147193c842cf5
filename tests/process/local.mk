# tests/process: one real binary against a scripted peer.
process_tests = \
        tests/process/test-agent-timers.py \
        tests/process/test-bench-agents.py \
        tests/process/test-executor.py \
        tests/process/test-cli-operators.py \
        tests/process/test-cli-options.py \
        tests/process/test-cli-run.py \
        tests/process/test-cli-verbs.py \
        tests/process/test-clock.py \
        tests/process/test-disk-usage.py \
        tests/process/test-fetcher.py \
        tests/process/test-judge.py \
        tests/process/test-launcher.py \
        tests/process/test-leadership.py \
        tests/process/test-launcher-self.py \
        tests/process/test-master-adversity.py \
        tests/process/test-master-agents.py \
        tests/process/test-master-books.py \
        tests/process/test-master-drain.py \
        tests/process/test-master-failover.py \
        tests/process/test-master-fates.py \
        tests/process/test-master-maintenance.py \
        tests/process/test-master-pause.py \
        tests/process/test-master-reconciliation.py \
        tests/process/test-master-registry.py \
        tests/process/test-master-schedulers.py \
        tests/process/test-master-timers.py \
        tests/process/test-master-subscriptions.py \
        tests/process/test-namespaces.py \
        tests/process/test-network.py \
        tests/process/test-registry.py \
        tests/process/test-registry-faults.py \
        tests/process/test-verbs-failover.py \
        tests/process/test-worker.py \
        tests/process/test-zookeeper-gate.py \
        tests/process/test-zookeeper-server.py \
        tests/process/test-zookeeper-session.py

TESTS += $(process_tests)
dist_check_SCRIPTS += $(process_tests)

# What the tests of sessions with ZooKeeper talk through.
check_PROGRAMS += tests/process/zk-driver
tests_process_zk_driver_SOURCES = tests/process/zk-driver.c
tests_process_zk_driver_LDADD = common/libnet.a proto/libproto.a common/libbase.a $(SYSTEMD_LIBS) $(MICROHTTPD_LIBS) $(ZOOKEEPER_LIBS) \
        $(JANSSON_LIBS) $(PROTOBUF_C_LIBS) -lm

# A registry without a master, for the tests of what its stores may go through.
check_PROGRAMS += tests/process/registry-driver
tests_process_registry_driver_SOURCES = tests/process/registry-driver.c
tests_process_registry_driver_LDADD = $(master_libs)
