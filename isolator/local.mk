# isolator: what a container is kept from

# What the launcher needs of it: a container's cgroup, and what was decided.
noinst_LIBRARIES += isolator/libisolator.a
isolator_libisolator_a_SOURCES = \
        isolator/cgroup.c isolator/cgroup.h \
        isolator/confinement.c isolator/confinement.h \
        isolator/confinement_check.c \
        isolator/device_program.c isolator/device_program.h

# Those who decide; the agent's.
isolator_libs = $(LIBCAP_LIBS) $(LIBSECCOMP_LIBS) $(JANSSON_LIBS)
noinst_LIBRARIES += isolator/libisolators.a
isolator_libisolators_a_SOURCES = \
        isolator/capabilities.c \
        isolator/cpu.c \
        isolator/cpuset.c \
        isolator/devices.c \
        isolator/disk_du.c \
        isolator/environment_secret.c \
        isolator/io.c \
        isolator/filesystem.c isolator/filesystem.h \
        isolator/filesystem_linux.c \
        isolator/filesystem_posix.c \
        isolator/isolator.h \
        isolator/kernel_files.c \
        isolator/memory.c \
        isolator/namespace_ipc.c \
        isolator/namespace_pid.c \
        isolator/network.c \
        isolator/nnp.c \
        isolator/pids.c \
        isolator/ports.c \
        isolator/posix.c \
        isolator/process_table.c isolator/process_table.h \
        isolator/registry.c isolator/registry.h \
        isolator/rlimits.c \
        isolator/seccomp.c \
        isolator/seccomp_profile.c isolator/seccomp_profile.h \
        isolator/seccomp_profiles.c isolator/seccomp_profiles.h \
        isolator/usage.c isolator/usage.h \
        isolator/user_namespace.c isolator/user_namespace.h \
        isolator/volume_host_path.c \
        isolator/volume_sandbox_path.c

# What tasks are let through by where an agent has linux/seccomp and nobody says otherwise.
seccompdir = $(datadir)/holdfast/seccomp
dist_seccomp_DATA = isolator/seccomp/default.json
