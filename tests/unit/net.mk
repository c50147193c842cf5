# tests/unit/test-*.c of net
