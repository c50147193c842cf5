# bench: figures, one line each. `bench/run` makes and runs them all.

EXTRA_PROGRAMS = bench/allocator bench/floor

bench_allocator_SOURCES = bench/allocator.c
bench_allocator_LDADD = master/liballocator.a common/libmodel.a proto/libproto.a common/libbase.a $(PROTOBUF_C_LIBS) -lm

bench_floor_SOURCES = bench/floor.c

EXTRA_DIST += bench/run bench/launch.py bench/recovery.py
CLEANFILES += bench/allocator bench/floor
