# SPDX-License-Identifier: Apache-2.0
# tests/unit/test-*.c of master
unit_tests += tests/unit/test-reconcile tests/unit/test-validate tests/unit/test-framework-info tests/unit/test-offer \
        tests/unit/test-registry tests/unit/test-machine tests/unit/test-removal-limiter tests/unit/test-unreachable

master_unit_libs = master/libmaster.a master/liballocator.a $(unit_libs) $(ZOOKEEPER_LIBS)

tests_unit_test_reconcile_SOURCES = tests/unit/test-reconcile.c
tests_unit_test_reconcile_CFLAGS = $(unit_cflags)
tests_unit_test_reconcile_LDADD = $(master_unit_libs)

tests_unit_test_validate_SOURCES = tests/unit/test-validate.c
tests_unit_test_validate_CFLAGS = $(unit_cflags)
tests_unit_test_validate_LDADD = $(master_unit_libs)

tests_unit_test_framework_info_SOURCES = tests/unit/test-framework-info.c
tests_unit_test_framework_info_CFLAGS = $(unit_cflags)
tests_unit_test_framework_info_LDADD = $(master_unit_libs)

tests_unit_test_offer_SOURCES = tests/unit/test-offer.c
tests_unit_test_offer_CFLAGS = $(unit_cflags)
tests_unit_test_offer_LDADD = $(master_unit_libs)

tests_unit_test_registry_SOURCES = tests/unit/test-registry.c
tests_unit_test_registry_CFLAGS = $(unit_cflags)
tests_unit_test_registry_LDADD = $(master_unit_libs)

tests_unit_test_machine_SOURCES = tests/unit/test-machine.c
tests_unit_test_machine_CFLAGS = $(unit_cflags)
tests_unit_test_machine_LDADD = $(master_unit_libs)

tests_unit_test_removal_limiter_SOURCES = tests/unit/test-removal-limiter.c
tests_unit_test_removal_limiter_CFLAGS = $(unit_cflags)
tests_unit_test_removal_limiter_LDADD = $(master_unit_libs)

tests_unit_test_unreachable_SOURCES = tests/unit/test-unreachable.c
tests_unit_test_unreachable_CFLAGS = $(unit_cflags)
tests_unit_test_unreachable_LDADD = $(master_unit_libs)
