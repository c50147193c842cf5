# Fuzz targets. make check replays tests/fuzz/corpus/NAME through fuzz-NAME; with --enable-fuzzing
# (CC=clang) they are libFuzzer programs instead: tests/fuzz/fuzz-NAME CORPUS.
fuzz_targets = tests/fuzz/fuzz-pbwire tests/fuzz/fuzz-pbjson
fuzz_cflags = $(AM_CFLAGS)
fuzz_ldflags = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
fuzz_libs = common/libnet.a common/libmodel.a proto/libproto.a common/libbase.a \
        $(SYSTEMD_LIBS) $(MICROHTTPD_LIBS) $(JANSSON_LIBS) $(PROTOBUF_C_LIBS) -lm

if ENABLE_FUZZING
fuzz_driver =
else
fuzz_driver = tests/fuzz/replay.c
TESTS += $(fuzz_targets)
endif

tests_fuzz_fuzz_pbwire_SOURCES = tests/fuzz/fuzz-pbwire.c tests/fuzz/fuzz.h $(fuzz_driver)
tests_fuzz_fuzz_pbwire_CFLAGS = $(fuzz_cflags)
tests_fuzz_fuzz_pbwire_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_pbwire_LDADD = $(fuzz_libs)

tests_fuzz_fuzz_pbjson_SOURCES = tests/fuzz/fuzz-pbjson.c tests/fuzz/fuzz.h $(fuzz_driver)
tests_fuzz_fuzz_pbjson_CFLAGS = $(fuzz_cflags)
tests_fuzz_fuzz_pbjson_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_pbjson_LDADD = $(fuzz_libs)

check_PROGRAMS += $(fuzz_targets)
EXTRA_DIST += tests/fuzz/corpus
