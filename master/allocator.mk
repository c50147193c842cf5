# The allocator: a library of its own, since it knows nothing of the rest of the master.

noinst_LIBRARIES += master/liballocator.a

master_liballocator_a_SOURCES = \
        master/allocator.c master/allocator.h master/allocator_outage.c master/allocator_parts.h \
        master/allocator_walk.c \
        master/charge.c master/charge.h \
        master/drf.c master/drf.h \
        master/minimum.c master/minimum.h \
        master/outage.c master/outage.h \
        master/refusal.c master/refusal.h \
        master/stock.c master/stock.h
