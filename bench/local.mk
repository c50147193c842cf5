# bench: figures, one line each. `bench/run` makes and runs them all.

EXTRA_PROGRAMS = bench/allocator bench/floor bench/updates

bench_allocator_SOURCES = bench/allocator.c
bench_allocator_LDADD = master/liballocator.a common/libmodel.a proto/libproto.a common/libbase.a $(PROTOBUF_C_LIBS) -lm

bench_floor_SOURCES = bench/floor.c

bench_updates_SOURCES = bench/updates.c
bench_updates_LDADD = common/libnet.a proto/libproto.a common/libbase.a $(SYSTEMD_LIBS) $(PROTOBUF_C_LIBS) -lm

EXTRA_DIST += bench/run bench/launch.py bench/recovery.py bench/updates.py
CLEANFILES += bench/allocator bench/floor bench/updates
