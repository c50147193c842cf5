# tests/unit/test-*.c of agent
unit_tests += tests/unit/test-store
tests_unit_test_store_SOURCES = tests/unit/test-store.c
tests_unit_test_store_CFLAGS = $(unit_cflags)
tests_unit_test_store_LDADD = $(unit_libs)

unit_tests += tests/unit/test-identity
tests_unit_test_identity_SOURCES = tests/unit/test-identity.c
tests_unit_test_identity_CFLAGS = $(unit_cflags)
tests_unit_test_identity_LDADD = agent/libagent.a $(unit_libs)

unit_tests += tests/unit/test-files
tests_unit_test_files_SOURCES = tests/unit/test-files.c
tests_unit_test_files_CFLAGS = $(unit_cflags)
tests_unit_test_files_LDADD = agent/libagent.a $(unit_libs)

unit_tests += tests/unit/test-usage
tests_unit_test_usage_SOURCES = tests/unit/test-usage.c
tests_unit_test_usage_CFLAGS = $(unit_cflags)
tests_unit_test_usage_LDADD = isolator/libisolators.a isolator/libisolator.a $(unit_libs) $(isolator_libs)

unit_tests += tests/unit/test-resources-probe
tests_unit_test_resources_probe_SOURCES = tests/unit/test-resources-probe.c
tests_unit_test_resources_probe_CFLAGS = $(unit_cflags)
tests_unit_test_resources_probe_LDADD = agent/libagent.a $(unit_libs)

unit_tests += tests/unit/test-status-manager
tests_unit_test_status_manager_SOURCES = tests/unit/test-status-manager.c
tests_unit_test_status_manager_CFLAGS = $(unit_cflags)
tests_unit_test_status_manager_LDADD = agent/libagent.a $(unit_libs)

unit_tests += tests/unit/test-checkpoint
tests_unit_test_checkpoint_SOURCES = tests/unit/test-checkpoint.c
tests_unit_test_checkpoint_CFLAGS = $(unit_cflags)
tests_unit_test_checkpoint_LDADD = agent/libagent.a launcher/liblaunch.a isolator/libisolators.a isolator/libisolator.a $(unit_libs) $(isolator_libs)

unit_tests += tests/unit/test-history
tests_unit_test_history_SOURCES = tests/unit/test-history.c
tests_unit_test_history_CFLAGS = $(unit_cflags)
tests_unit_test_history_LDADD = agent/libagent.a launcher/liblaunch.a isolator/libisolators.a isolator/libisolator.a $(unit_libs) $(isolator_libs)

unit_tests += tests/unit/test-operator-api
tests_unit_test_operator_api_SOURCES = tests/unit/test-operator-api.c tests/unit/http-fixture.h
tests_unit_test_operator_api_CFLAGS = $(unit_cflags)
tests_unit_test_operator_api_LDADD = agent/libagent.a launcher/liblaunch.a isolator/libisolators.a isolator/libisolator.a $(unit_libs) $(isolator_libs)

unit_tests += tests/unit/test-gc-schedule
tests_unit_test_gc_schedule_SOURCES = tests/unit/test-gc-schedule.c
tests_unit_test_gc_schedule_CFLAGS = $(unit_cflags)
tests_unit_test_gc_schedule_LDADD = agent/libagent.a $(unit_libs)

unit_tests += tests/unit/test-store-check
tests_unit_test_store_check_SOURCES = tests/unit/test-store-check.c
tests_unit_test_store_check_CFLAGS = $(unit_cflags)
tests_unit_test_store_check_LDADD = $(unit_libs)

unit_tests += tests/unit/test-address-pool
tests_unit_test_address_pool_SOURCES = tests/unit/test-address-pool.c
tests_unit_test_address_pool_CFLAGS = $(unit_cflags)
tests_unit_test_address_pool_LDADD = agent/libagent.a $(unit_libs)

unit_tests += tests/unit/test-disk-usage
tests_unit_test_disk_usage_SOURCES = tests/unit/test-disk-usage.c tests/unit/directory.h agent/disk_usage.c agent/disk_usage.h
tests_unit_test_disk_usage_CFLAGS = $(unit_cflags)
tests_unit_test_disk_usage_LDADD = $(unit_libs)

unit_tests += tests/unit/test-disk-quota
tests_unit_test_disk_quota_SOURCES = tests/unit/test-disk-quota.c tests/unit/test.h
tests_unit_test_disk_quota_CFLAGS = $(unit_cflags)
tests_unit_test_disk_quota_LDADD = agent/libagent.a launcher/liblaunch.a isolator/libisolators.a isolator/libisolator.a $(unit_libs) $(isolator_libs)
