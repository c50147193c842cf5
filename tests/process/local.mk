# tests/process
