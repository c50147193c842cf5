# Fuzz targets. make check replays tests/fuzz/corpus/NAME through fuzz-NAME; with --enable-fuzzing
# (CC=clang) they are libFuzzer programs instead: tests/fuzz/fuzz-NAME CORPUS.
fuzz_targets = \
        tests/fuzz/fuzz-http-response \
        tests/fuzz/fuzz-launcher \
        tests/fuzz/fuzz-master-address \
        tests/fuzz/fuzz-pbjson \
        tests/fuzz/fuzz-pbwire \
        tests/fuzz/fuzz-recordio \
        tests/fuzz/fuzz-resources \
        tests/fuzz/fuzz-seccomp
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

tests_fuzz_fuzz_http_response_SOURCES = tests/fuzz/fuzz-http-response.c tests/fuzz/fuzz.h $(fuzz_driver)
tests_fuzz_fuzz_http_response_CFLAGS = $(fuzz_cflags)
tests_fuzz_fuzz_http_response_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_http_response_LDADD = $(fuzz_libs)

tests_fuzz_fuzz_launcher_SOURCES = tests/fuzz/fuzz-launcher.c tests/fuzz/fuzz.h $(fuzz_driver)
tests_fuzz_fuzz_launcher_CFLAGS = $(fuzz_cflags)
tests_fuzz_fuzz_launcher_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_launcher_LDADD = launcher/liblaunch.a isolator/libisolator.a $(fuzz_libs)

tests_fuzz_fuzz_master_address_SOURCES = tests/fuzz/fuzz-master-address.c tests/fuzz/fuzz.h $(fuzz_driver)
tests_fuzz_fuzz_master_address_CFLAGS = $(fuzz_cflags)
tests_fuzz_fuzz_master_address_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_master_address_LDADD = $(fuzz_libs)

tests_fuzz_fuzz_recordio_SOURCES = tests/fuzz/fuzz-recordio.c tests/fuzz/fuzz.h $(fuzz_driver)
tests_fuzz_fuzz_recordio_CFLAGS = $(fuzz_cflags)
tests_fuzz_fuzz_recordio_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_recordio_LDADD = $(fuzz_libs)

tests_fuzz_fuzz_resources_SOURCES = tests/fuzz/fuzz-resources.c tests/fuzz/fuzz.h $(fuzz_driver)
tests_fuzz_fuzz_resources_CFLAGS = $(fuzz_cflags)
tests_fuzz_fuzz_resources_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_resources_LDADD = $(fuzz_libs)

tests_fuzz_fuzz_seccomp_SOURCES = tests/fuzz/fuzz-seccomp.c tests/fuzz/fuzz.h $(fuzz_driver)
tests_fuzz_fuzz_seccomp_CFLAGS = $(fuzz_cflags)
tests_fuzz_fuzz_seccomp_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_seccomp_LDADD = isolator/libisolators.a isolator/libisolator.a $(fuzz_libs) $(isolator_libs)

check_PROGRAMS += $(fuzz_targets)
EXTRA_DIST += tests/fuzz/corpus
