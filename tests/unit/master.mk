# tests/unit/test-*.c of master
