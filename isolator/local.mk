# isolator: what a container is kept from

noinst_LIBRARIES += isolator/libisolator.a
isolator_libisolator_a_SOURCES = \
        isolator/cgroup.c isolator/cgroup.h
