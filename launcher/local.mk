# launcher: the shim beside each container, and what its agent knows of it

noinst_LIBRARIES += launcher/liblaunch.a
launcher_liblaunch_a_SOURCES = \
        launcher/exit_record.c launcher/exit_record.h \
        launcher/link.c launcher/link.h \
        launcher/plan.c launcher/plan.h \
        launcher/wire.c launcher/wire.h
