# SPDX-License-Identifier: Apache-2.0
# tests/unit/test-*.c of net and executor
unit_tests += \
        tests/unit/test-health \
        tests/unit/test-http-client \
        tests/unit/test-http-parser \
        tests/unit/test-http-bounds \
        tests/unit/test-http-server \
        tests/unit/test-master-address \
        tests/unit/test-io-group \
        tests/unit/test-peer \
        tests/unit/test-recordio \
        tests/unit/test-update-queue \
        tests/unit/test-zk-url

net_unit_libs = common/libnet.a common/libbase.a $(SYSTEMD_LIBS) $(MICROHTTPD_LIBS) -lm $(CMOCKA_LIBS)

tests_unit_test_http_client_SOURCES = tests/unit/test-http-client.c tests/unit/http-fixture.h
tests_unit_test_http_client_CFLAGS = $(unit_cflags)
tests_unit_test_http_client_LDADD = $(net_unit_libs)

tests_unit_test_http_parser_SOURCES = tests/unit/test-http-parser.c
tests_unit_test_http_parser_CFLAGS = $(unit_cflags)
tests_unit_test_http_parser_LDADD = $(net_unit_libs)

tests_unit_test_http_bounds_SOURCES = tests/unit/test-http-bounds.c tests/unit/http-fixture.h tests/unit/http-routes.h
tests_unit_test_http_bounds_CFLAGS = $(unit_cflags)
tests_unit_test_http_bounds_LDADD = $(net_unit_libs)

tests_unit_test_http_server_SOURCES = tests/unit/test-http-server.c tests/unit/http-fixture.h tests/unit/http-routes.h
tests_unit_test_http_server_CFLAGS = $(unit_cflags)
tests_unit_test_http_server_LDADD = $(net_unit_libs)

tests_unit_test_io_group_SOURCES = tests/unit/test-io-group.c
tests_unit_test_io_group_CFLAGS = $(unit_cflags)
tests_unit_test_io_group_LDADD = $(net_unit_libs)

tests_unit_test_peer_SOURCES = tests/unit/test-peer.c tests/unit/http-fixture.h
tests_unit_test_peer_CFLAGS = $(unit_cflags)
tests_unit_test_peer_LDADD = $(net_unit_libs)

tests_unit_test_recordio_SOURCES = tests/unit/test-recordio.c
tests_unit_test_recordio_CFLAGS = $(unit_cflags)
tests_unit_test_recordio_LDADD = $(net_unit_libs)

unit_tests += tests/unit/test-media
tests_unit_test_media_SOURCES = tests/unit/test-media.c
tests_unit_test_media_CFLAGS = $(unit_cflags)
tests_unit_test_media_LDADD = $(unit_libs)

tests_unit_test_health_SOURCES = tests/unit/test-health.c
tests_unit_test_health_CFLAGS = $(unit_cflags)
tests_unit_test_health_LDADD = executor/libexecutor.a common/libbase.a -lm $(CMOCKA_LIBS)

tests_unit_test_update_queue_SOURCES = tests/unit/test-update-queue.c
tests_unit_test_update_queue_CFLAGS = $(unit_cflags)
tests_unit_test_update_queue_LDADD = executor/libexecutor.a common/libnet.a proto/libproto.a common/libbase.a \
        $(PROTOBUF_C_LIBS) -lm $(CMOCKA_LIBS)

tests_unit_test_master_address_SOURCES = tests/unit/test-master-address.c
tests_unit_test_master_address_CFLAGS = $(unit_cflags)
tests_unit_test_master_address_LDADD = $(unit_libs)

tests_unit_test_zk_url_SOURCES = tests/unit/test-zk-url.c
tests_unit_test_zk_url_CFLAGS = $(unit_cflags)
tests_unit_test_zk_url_LDADD = $(net_unit_libs)
