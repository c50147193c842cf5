# tests/unit/test-*.c of schema
unit_tests += tests/unit/test-schema-tables tests/unit/test-pbwire tests/unit/test-pbjson \
        tests/unit/test-json-writer tests/unit/test-golden-messages

# Every descriptor there is, from the generated headers.
tests/unit/descriptors.inc: $(proto_headers)
	$(AM_V_GEN)$(MKDIR_P) $(@D) && sed -n \
		-e 's/^extern const ProtobufCMessageDescriptor \(mesos__.*\);/MESSAGE(\1)/p' \
		-e 's/^extern const ProtobufCEnumDescriptor *\(mesos__.*\);/ENUM(\1)/p' $(proto_headers) > $@.tmp && mv $@.tmp $@
CLEANFILES += tests/unit/descriptors.inc
tests/unit/test_schema_tables-test-schema-tables.$(OBJEXT): tests/unit/descriptors.inc
tests/unit/test_golden_messages-test-golden-messages.$(OBJEXT): tests/unit/descriptors.inc

tests_unit_test_schema_tables_SOURCES = tests/unit/test-schema-tables.c tests/unit/shared.h
tests_unit_test_schema_tables_CFLAGS = $(unit_cflags)
tests_unit_test_schema_tables_LDADD = $(unit_libs)

tests_unit_test_pbwire_SOURCES = tests/unit/test-pbwire.c
tests_unit_test_pbwire_CFLAGS = $(unit_cflags)
tests_unit_test_pbwire_LDADD = $(unit_libs)

tests_unit_test_pbjson_SOURCES = tests/unit/test-pbjson.c
tests_unit_test_pbjson_CFLAGS = $(unit_cflags)
tests_unit_test_pbjson_LDADD = $(unit_libs)

tests_unit_test_json_writer_SOURCES = tests/unit/test-json-writer.c tests/unit/seed.h
tests_unit_test_json_writer_CFLAGS = $(unit_cflags)
tests_unit_test_json_writer_LDADD = $(unit_libs)

tests_unit_test_golden_messages_SOURCES = tests/unit/test-golden-messages.c tests/unit/shared.h
tests_unit_test_golden_messages_CFLAGS = $(unit_cflags)
tests_unit_test_golden_messages_LDADD = $(unit_libs)
