# tests/vm: on machines with a kernel of their own, user-mode Linux (see boot).

vm_tests = \
        tests/vm/test_io.py \
        tests/vm/test_limits.py \
        tests/vm/test_matrix.py \
        tests/vm/test_reboot.py \
        tests/vm/test_rootless.py \
        tests/vm/test_statistics.py

EXTRA_DIST += $(vm_tests) tests/vm/boot tests/vm/build-disk tests/vm/guest-init tests/vm/uml.c
TESTS += $(vm_tests)
