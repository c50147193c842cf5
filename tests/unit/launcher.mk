# tests/unit/test-*.c of launcher
