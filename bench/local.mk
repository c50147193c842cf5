# bench: figures, one line each. `bench/run` makes and runs them all.

EXTRA_PROGRAMS = bench/allocator bench/floor bench/registry bench/updates

# A small cluster of these is in make check, so that it cannot rot.
check_PROGRAMS += bench/agents bench/trivial

bench_agents_SOURCES = bench/agents.c bench/fleet.c bench/fleet.h bench/fleet_internal.h bench/fleet_report.c \
        bench/line.c bench/line.h bench/schedulers.c bench/schedulers.h
bench_agents_LDADD = common/libmodel.a common/libnet.a proto/libproto.a common/libbase.a $(SYSTEMD_LIBS) $(PROTOBUF_C_LIBS) -lm

bench_allocator_SOURCES = bench/allocator.c
bench_allocator_LDADD = master/liballocator.a common/libmodel.a proto/libproto.a common/libbase.a $(PROTOBUF_C_LIBS) -lm

bench_floor_SOURCES = bench/floor.c

bench_registry_SOURCES = bench/registry.c
bench_registry_LDADD = $(master_libs)

bench_trivial_SOURCES = bench/trivial.c bench/line.c bench/line.h
bench_trivial_LDADD = proto/libproto.a common/libbase.a $(SYSTEMD_LIBS) $(PROTOBUF_C_LIBS) -lm

bench_updates_SOURCES = bench/updates.c
bench_updates_LDADD = common/libnet.a proto/libproto.a common/libbase.a $(SYSTEMD_LIBS) $(PROTOBUF_C_LIBS) -lm

EXTRA_DIST += bench/run bench/launch.py bench/master.py bench/recovery.py bench/registry.py bench/updates.py
CLEANFILES += bench/allocator bench/floor bench/registry bench/updates
