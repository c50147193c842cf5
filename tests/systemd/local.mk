# tests/systemd: under a real systemd as pid 1, in namespaces (see boot).

EXTRA_DIST += tests/systemd/boot tests/systemd/build-root
