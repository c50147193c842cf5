# tests/kernel: what containers are kept from, seen to be enforced by the kernel this runs on. Skipped where it cannot be.

kernel_tests = \
        tests/kernel/test_callers.py \
        tests/kernel/test_capabilities.py \
        tests/kernel/test_devices.py \
        tests/kernel/test_disk.py \
        tests/kernel/test_escapes.py \
        tests/kernel/test_leaks.py \
        tests/kernel/test_namespaces.py \
        tests/kernel/test_persistent_volumes.py \
        tests/kernel/test_network.py \
        tests/kernel/test_ports.py \
        tests/kernel/test_rlimits.py \
        tests/kernel/test_seccomp.py \
        tests/kernel/test_together.py

EXTRA_DIST += $(kernel_tests) tests/kernel/try-capabilities tests/kernel/try-escapes
TESTS += $(kernel_tests)
