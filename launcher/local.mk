# launcher: the shim beside each container, and what its agent knows of it

noinst_LIBRARIES += launcher/liblaunch.a
launcher_liblaunch_a_SOURCES = \
        launcher/exit_record.c launcher/exit_record.h \
        launcher/link.c launcher/link.h \
        launcher/plan.c launcher/plan.h \
        launcher/wire.c launcher/wire.h

# The launcher itself: no libsystemd, nothing big; one stays by each container.
noinst_LIBRARIES += launcher/liblauncher.a
launcher_liblauncher_a_SOURCES = \
        launcher/child.c \
        launcher/confine.c launcher/confine.h \
        launcher/control_socket.c launcher/control_socket.h \
        launcher/init.c launcher/init.h \
        launcher/launcher.c launcher/launcher.h \
        launcher/limits.c launcher/limits.h \
        launcher/mounts.c launcher/mounts.h \
        launcher/network.c launcher/network.h \
        launcher/output.c launcher/output.h \
        launcher/payload.c launcher/payload.h \
        launcher/rights.c launcher/rights.h \
        launcher/self.c launcher/self.h \
        launcher/spawn.c launcher/spawn.h

pkglibexec_PROGRAMS += holdfast-launcher
holdfast_launcher_SOURCES = launcher/main.c
holdfast_launcher_LDADD = launcher/liblauncher.a launcher/liblaunch.a isolator/libisolator.a \
        proto/libproto.a common/libbase.a $(PROTOBUF_C_LIBS)

# Its helper, run for a moment by each launcher whose container has a network of its own.
pkglibexec_PROGRAMS += holdfast-network
holdfast_network_SOURCES = \
        isolator/network_link.c isolator/network_link.h \
        launcher/network_main.c
holdfast_network_CFLAGS = $(AM_CFLAGS) $(NL_CFLAGS)
holdfast_network_LDADD = common/libbase.a $(NL_LIBS)
