# SPDX-License-Identifier: Apache-2.0
# tests/unit/test-*.c of model
unit_tests += tests/unit/test-id tests/unit/test-role tests/unit/test-status-stream tests/unit/test-task-state

tests_unit_test_id_SOURCES = tests/unit/test-id.c
tests_unit_test_id_CFLAGS = $(unit_cflags)
tests_unit_test_id_LDADD = $(unit_libs)

tests_unit_test_role_SOURCES = tests/unit/test-role.c
tests_unit_test_role_CFLAGS = $(unit_cflags)
tests_unit_test_role_LDADD = $(unit_libs)

tests_unit_test_status_stream_SOURCES = tests/unit/test-status-stream.c tests/unit/seed.h
tests_unit_test_status_stream_CFLAGS = $(unit_cflags)
tests_unit_test_status_stream_LDADD = $(unit_libs)

tests_unit_test_task_state_SOURCES = tests/unit/test-task-state.c
tests_unit_test_task_state_CFLAGS = $(unit_cflags)
tests_unit_test_task_state_LDADD = $(unit_libs)

unit_tests += tests/unit/test-value tests/unit/test-resources tests/unit/test-resource-refusals \
        tests/unit/test-resource-laws tests/unit/test-convert

tests_unit_test_value_SOURCES = tests/unit/test-value.c tests/unit/seed.h
tests_unit_test_value_CFLAGS = $(unit_cflags)
tests_unit_test_value_LDADD = $(unit_libs)

tests_unit_test_resources_SOURCES = tests/unit/test-resources.c tests/unit/resources-fixture.h
tests_unit_test_resources_CFLAGS = $(unit_cflags)
tests_unit_test_resources_LDADD = $(unit_libs)

tests_unit_test_resource_refusals_SOURCES = tests/unit/test-resource-refusals.c tests/unit/resources-fixture.h
tests_unit_test_resource_refusals_CFLAGS = $(unit_cflags)
tests_unit_test_resource_refusals_LDADD = $(unit_libs)

tests_unit_test_resource_laws_SOURCES = tests/unit/test-resource-laws.c tests/unit/resources-fixture.h tests/unit/seed.h
tests_unit_test_resource_laws_CFLAGS = $(unit_cflags)
tests_unit_test_resource_laws_LDADD = $(unit_libs)

tests_unit_test_convert_SOURCES = tests/unit/test-convert.c
tests_unit_test_convert_CFLAGS = $(unit_cflags)
tests_unit_test_convert_LDADD = $(unit_libs)

unit_tests += tests/unit/test-conversion

tests_unit_test_conversion_SOURCES = tests/unit/test-conversion.c tests/unit/resources-fixture.h tests/unit/seed.h
tests_unit_test_conversion_CFLAGS = $(unit_cflags)
tests_unit_test_conversion_LDADD = $(unit_libs)

unit_tests += tests/unit/test-allocator tests/unit/test-outage tests/unit/test-drf tests/unit/test-filters

tests_unit_test_allocator_SOURCES = tests/unit/test-allocator.c tests/unit/seed.h
tests_unit_test_allocator_CFLAGS = $(unit_cflags)
tests_unit_test_allocator_LDADD = master/liballocator.a $(unit_libs)

tests_unit_test_outage_SOURCES = tests/unit/test-outage.c
tests_unit_test_outage_CFLAGS = $(unit_cflags)
tests_unit_test_outage_LDADD = master/liballocator.a $(unit_libs)

tests_unit_test_drf_SOURCES = tests/unit/test-drf.c tests/unit/seed.h
tests_unit_test_drf_CFLAGS = $(unit_cflags)
tests_unit_test_drf_LDADD = master/liballocator.a $(unit_libs)

tests_unit_test_filters_SOURCES = tests/unit/test-filters.c
tests_unit_test_filters_CFLAGS = $(unit_cflags)
tests_unit_test_filters_LDADD = $(unit_libs)

unit_tests += tests/unit/test-minimum tests/unit/test-refusal

tests_unit_test_minimum_SOURCES = tests/unit/test-minimum.c
tests_unit_test_minimum_CFLAGS = $(unit_cflags)
tests_unit_test_minimum_LDADD = master/liballocator.a $(unit_libs)

tests_unit_test_refusal_SOURCES = tests/unit/test-refusal.c tests/unit/seed.h
tests_unit_test_refusal_CFLAGS = $(unit_cflags)
tests_unit_test_refusal_LDADD = master/liballocator.a $(unit_libs)
