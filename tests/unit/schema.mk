# tests/unit/test-*.c of schema
