# tests/unit/test-*.c of base
