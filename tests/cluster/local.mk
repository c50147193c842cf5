# tests/cluster: master, agents and a scripted scheduler on loopback.

cluster_tests = \
        tests/cluster/test_agent_death.py \
        tests/cluster/test_conformance.py \
        tests/cluster/test_crash_points.py \
        tests/cluster/test_crash_resources.py \
        tests/cluster/test_crash_verbs.py \
        tests/cluster/test_detection.py \
        tests/cluster/test_disk_full.py \
        tests/cluster/test_drain.py \
        tests/cluster/test_endings.py \
        tests/cluster/test_executor.py \
        tests/cluster/test_failover.py \
        tests/cluster/test_faults.py \
        tests/cluster/test_framework.py \
        tests/cluster/test_frozen.py \
        tests/cluster/test_garbage.py \
        tests/cluster/test_gc.py \
        tests/cluster/test_gone.py \
        tests/cluster/test_history.py \
        tests/cluster/test_inspect.py \
        tests/cluster/test_kill.py \
        tests/cluster/test_operations.py \
        tests/cluster/test_operators.py \
        tests/cluster/test_reboot.py \
        tests/cluster/test_reregistration.py \
        tests/cluster/test_launcher_trouble.py \
        tests/cluster/test_matrix.py \
        tests/cluster/test_random_kills.py \
        tests/cluster/test_run.py \
        tests/cluster/test_secrets.py \
        tests/cluster/test_statistics.py \
        tests/cluster/test_stored_state.py \
        tests/cluster/test_thousand.py \
        tests/cluster/test_volumes.py

EXTRA_DIST += $(cluster_tests)
TESTS += $(cluster_tests)
