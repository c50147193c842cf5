# executor: command tasks

noinst_LIBRARIES += executor/libexecutor.a
executor_libexecutor_a_SOURCES = \
        executor/agent_link.c executor/agent_link.h \
        executor/checker.c executor/checker.h \
        executor/child_task.c executor/child_task.h \
        executor/executor.c executor/executor.h \
        executor/health.c executor/health.h \
        executor/loop.c \
        executor/update_queue.c executor/update_queue.h

pkglibexec_PROGRAMS += holdfast-executor
holdfast_executor_SOURCES = executor/main.c
# One stays beside every task: no libsystemd (executor/loop.c), and linked statically where that is possible,
# which saves the private pages that each shared library costs.
holdfast_executor_LDADD = executor/libexecutor.a common/libnet.a proto/libproto.a common/libbase.a $(PROTOBUF_C_LIBS)
holdfast_executor_LDFLAGS = $(AM_LDFLAGS) $(STATIC_LDFLAGS)
