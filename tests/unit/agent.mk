# tests/unit/test-*.c of agent
