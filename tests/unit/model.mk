# tests/unit/test-*.c of model
