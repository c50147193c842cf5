# docs: for people.

EXTRA_DIST += \
        docs/architecture.md \
        docs/decisions/001-launcher-per-container.md \
        docs/decisions/002-scope-per-container.md \
        docs/decisions/003-agent-unit-sets-nothing.md \
        docs/decisions/004-mesos-messages-between-master-and-agent.md \
        docs/decisions/005-sqlite-for-what-must-survive.md \
        docs/decisions/006-systemd-tests-in-namespaces.md \
        docs/decisions/007-exit-records.md \
        docs/decisions/008-executor-small.md \
        docs/decisions/009-isolators-decide-launchers-carry-out.md \
        docs/decisions/010-kernel-tests-in-user-mode-linux.md \
        docs/decisions/011-mounts-are-data-and-agents-directories-hidden.md \
        docs/decisions/012-rights-are-given-up-late-and-for-ever.md \
        docs/decisions/013-zookeeper-session.md \
        docs/decisions/014-registry.md \
        docs/decisions/015-operators-verbs.md \
        docs/decisions/016-what-a-new-leader-believes.md \
        docs/decisions/017-tests-move-the-clock.md \
        docs/decisions/018-a-master-of-ten-thousand-agents.md \
        docs/decisions/019-faults-are-drawn-from-a-seed.md \
        docs/layers.txt

dist_man_MANS += docs/man/holdfast-master.8 docs/man/holdfast-agent.8 docs/man/holdfast-executor.8 docs/man/holdfast-fetcher.8 docs/man/holdfast-launcher.8 docs/man/holdfast.1

EXTRA_DIST += build-aux/check-options.py build-aux/check-catalog.sh
TESTS += build-aux/check-options.py build-aux/check-catalog.sh
