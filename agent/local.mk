# agent
noinst_LIBRARIES += agent/libagent.a
pkglibexec_PROGRAMS += holdfast-worker

agent_libagent_a_SOURCES = \
        agent/account.c agent/account.h \
        agent/agent.h \
        agent/config.h \
        agent/executor.h \
        agent/framework.h \
        agent/identity.c agent/identity.h \
        agent/task.h

holdfast_worker_SOURCES = agent/worker_main.c
