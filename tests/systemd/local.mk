# tests/systemd: under a real systemd as pid 1, in namespaces (see boot).

systemd_tests = \
        tests/systemd/test_confinement.py \
        tests/systemd/test_leaks.py \
        tests/systemd/test_pitfalls.py \
        tests/systemd/test_limitations.py \
        tests/systemd/test_matrix.py \
        tests/systemd/test_one_scope.py \
        tests/systemd/test_reload.py \
        tests/systemd/test_rootless.py \
        tests/systemd/test_scopes.py \
        tests/systemd/test_shutdown.py \
        tests/systemd/test_stop.py \
        tests/systemd/test_units.py \
        tests/systemd/test_upgrade.py

EXTRA_DIST += $(systemd_tests) tests/systemd/boot tests/systemd/build-root
TESTS += $(systemd_tests)
