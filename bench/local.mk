# bench: figures, one line each. `bench/run` makes and runs them all.

EXTRA_PROGRAMS = bench/floor
bench_floor_SOURCES = bench/floor.c

EXTRA_DIST += bench/run bench/launch.py
CLEANFILES += bench/floor
