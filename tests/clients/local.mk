# tests/clients: clients that others wrote for Mesos.

EXTRA_DIST += tests/clients/test_clients.py tests/clients/mesos-framework.js tests/clients/curl-scheduler.sh
TESTS += tests/clients/test_clients.py
