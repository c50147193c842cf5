# tests/cluster: master, agents and a scripted scheduler on loopback.

EXTRA_DIST += tests/lib/harness.py tests/lib/scheduler.py
