noinst_LIBRARIES += common/libbase.a common/libnet.a common/libmodel.a

common_libbase_a_SOURCES = \
        common/base/buffer.c common/base/buffer.h \
        common/base/macro.h \
        common/base/usec.c common/base/usec.h

common_libnet_a_SOURCES =

common_libmodel_a_SOURCES =
