noinst_LIBRARIES += common/libbase.a common/libnet.a common/libmodel.a

common_libbase_a_SOURCES = \
        common/base/buffer.c common/base/buffer.h \
        common/base/crash.h \
        common/base/fd.c common/base/fd.h \
        common/base/file.c common/base/file.h \
        common/base/flags.c common/base/flags.h \
        common/base/log.c common/base/log.h \
        common/base/macro.h \
        common/base/message_id.h \
        common/base/parse.c common/base/parse.h \
        common/base/process.c common/base/process.h \
        common/base/process_tree.c common/base/process_tree.h \
        common/base/store.c common/base/store.h \
        common/base/store_check.c common/base/store_check.h \
        common/base/store_salvage.c \
        common/base/usec.c common/base/usec.h

if ENABLE_CRASH_POINTS
common_libbase_a_SOURCES += common/base/crash.c
endif

common_libnet_a_SOURCES = \
        common/net/address.c common/net/address.h \
        common/net/arena.c common/net/arena.h \
        common/net/base64.c common/net/base64.h \
        common/net/budget.c common/net/budget.h \
        common/net/contender.c common/net/contender.h \
        common/net/detector.c common/net/detector.h \
        common/net/http_fetch.c common/net/http_fetch.h \
        common/net/json_number.c common/net/json_number.h \
        common/net/json_reader.c common/net/json_reader.h \
        common/net/json_writer.c common/net/json_writer.h \
        common/net/pbfield.c common/net/pbfield.h \
        common/net/master_address.c common/net/master_address.h \
        common/net/media.c common/net/media.h \
        common/net/pbjson.c common/net/pbjson_print.c common/net/pbjson.h \
        common/net/pbjson_value.c common/net/pbjson_value.h \
        common/net/pbpath.c common/net/pbpath.h \
        common/net/pbmessage.c common/net/pbwire.c common/net/pbwire.h \
        common/net/upid.c common/net/upid.h \
        common/net/utf8.c common/net/utf8.h \
        common/net/http_client.c common/net/http_client.h \
        common/net/http_internal.h \
        common/net/http_parser.c common/net/http_parser.h \
        common/net/http_request.c \
        common/net/http_server.c common/net/http_server.h \
        common/net/http_stream.c \
        common/net/io_group.c common/net/io_group.h \
        common/net/peer.c common/net/peer.h \
        common/net/recordio.c common/net/recordio.h \
        common/net/zk.c common/net/zk_request.c common/net/zk.h common/net/zk_internal.h \
        common/net/zk_names.c common/net/zk_names.h \
        common/net/zk_url.c common/net/zk_url.h

common_libmodel_a_SOURCES = \
        common/model/conversion.c common/model/conversion.h \
        common/model/convert.c common/model/convert.h \
        common/model/explain.c common/model/explain.h \
        common/model/filters.c common/model/filters.h \
        common/model/id.c common/model/id.h \
        common/model/resource_entry.h \
        common/model/resource_meta.c common/model/resource_meta.h \
        common/model/resource_validate.c common/model/resource_validate.h \
        common/model/resources.c common/model/resources.h \
        common/model/resources_pack.c common/model/resources_parse.c common/model/resources_pb.c \
        common/model/resources_view.c \
        common/model/role.c common/model/role.h \
        common/model/status_stream.c common/model/status_stream.h \
        common/model/task_state.c common/model/task_state.h \
        common/model/value.c common/model/value.h \
        common/model/version.h
