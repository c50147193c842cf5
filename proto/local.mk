# Schemas. protoc-c writes proto/X.pb-c.[ch] below the build tree; both are included from there.
# A new schema is a new line in this list.

proto_schemas = \
        proto/agent.proto \
        proto/allocator.proto \
        proto/duration.proto \
        proto/executor.proto \
        proto/fetcher.proto \
        proto/internal.proto \
        proto/launcher.proto \
        proto/maintenance.proto \
        proto/master.proto \
        proto/mesos.proto \
        proto/quota.proto \
        proto/registry.proto \
        proto/resource_provider.proto \
        proto/scheduler.proto

proto_headers = $(proto_schemas:.proto=.pb-c.h)

noinst_LIBRARIES += proto/libproto.a
nodist_proto_libproto_a_SOURCES = $(proto_schemas:.proto=.pb-c.c) $(proto_schemas:.proto=.pb-c.h)
# Generated code isn't ours to warn about.
proto_libproto_a_CFLAGS = $(AM_CFLAGS) -w

EXTRA_DIST += $(proto_schemas)
BUILT_SOURCES += $(proto_headers)
CLEANFILES += $(proto_schemas:.proto=.pb-c.c) $(proto_headers)

SUFFIXES = .proto .pb-c.c .pb-c.h
.proto.pb-c.c:
	$(AM_V_GEN)$(MKDIR_P) $(@D) && $(PROTOC_C) -I$(top_srcdir) --c_out=$(top_builddir) $*.proto
.pb-c.c.pb-c.h:
	@test -f $@ || { rm -f $< && $(MAKE) $(AM_MAKEFLAGS) $<; }
