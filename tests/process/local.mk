# tests/process: one real binary against a scripted peer.
process_tests = \
        tests/process/test-launcher.py \
        tests/process/test-fetcher.py

TESTS += $(process_tests)
dist_check_SCRIPTS += $(process_tests)
