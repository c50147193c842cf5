# agent
noinst_LIBRARIES += agent/libagent.a
pkglibexec_PROGRAMS += holdfast-worker
sbin_PROGRAMS += holdfast-agent

agent_libagent_a_SOURCES = \
        agent/account.c agent/account.h \
        agent/address_pool.c agent/address_pool.h \
        agent/agent_resources.c agent/agent_resources.h \
        agent/agent.c agent/agent.h \
        agent/answer.c agent/answer.h \
        agent/call.c agent/call.h \
        agent/caller.c agent/caller.h \
        agent/capability.c agent/capability.h \
        agent/census.c agent/census.h \
        agent/checkpoint.c agent/checkpoint.h \
        agent/command_executor.c agent/command_executor.h \
        agent/config.h \
        agent/container.c agent/container.h \
        agent/container_view.c agent/container_view.h \
        agent/disk_quota.c agent/disk_quota.h \
        agent/disk_watch.c agent/disk_watch.h \
        agent/drain.c agent/drain.h \
        agent/dry_run.c agent/dry_run.h \
        agent/executor.c agent/executor.h \
        agent/executor_api.c agent/executor_api.h \
        agent/executors.c agent/executors.h \
        agent/fetch_plan.c agent/fetch_plan.h \
        agent/files.c agent/files.h \
        agent/files_api.c agent/files_api.h \
        agent/framework.c agent/framework.h \
        agent/gc.c agent/gc.h \
        agent/gc_schedule.c agent/gc_schedule.h \
        agent/history.c agent/history.h \
        agent/history_store.c agent/history_store.h \
        agent/host_load.c agent/host_load.h \
        agent/identity.c agent/identity.h \
        agent/inspect.c agent/inspect.h \
        agent/isolation.c agent/isolation.h \
        agent/introduction.c agent/introduction.h \
        agent/inventory.c agent/inventory.h \
        agent/launch.c agent/launch.h \
        agent/log_level.c agent/log_level.h \
        agent/master_link.c agent/master_link.h \
        agent/master_message.c agent/master_message.h \
        agent/metrics.c agent/metrics.h \
        agent/operator_api.c agent/operator_api.h \
        agent/operator_call.c agent/operator_call.h \
        agent/operations.c agent/operations.h \
        agent/pb_list.c agent/pb_list.h \
        agent/placement.c agent/placement.h \
        agent/placement_ops.h \
        agent/placement_protection.c \
        agent/placement_scope.c \
        agent/placement_subtree.c \
        agent/placement_systemd.c \
        agent/ports_watch.c agent/ports_watch.h \
        agent/recover.c agent/recover.h \
        agent/resource_json.c agent/resource_json.h \
        agent/resources_probe.c agent/resources_probe.h \
        agent/sandbox.c agent/sandbox.h \
        agent/state_json.c agent/state_json.h \
        agent/state_view.c agent/state_view.h \
        agent/status_manager.c agent/status_manager.h \
        agent/strays.c agent/strays.h \
        agent/task.c agent/task.h \
        agent/tasks.c agent/tasks.h \
        agent/volume_links.c agent/volume_links.h \
        agent/volumes.c agent/volumes.h \
        agent/wait_calls.c agent/wait_calls.h \
        agent/worker.c agent/worker.h

holdfast_agent_SOURCES = \
        agent/main.c \
        agent/options.c agent/options.h \
        agent/settings.c agent/settings.h \
        agent/settings_isolation.c
holdfast_agent_CPPFLAGS = $(AM_CPPFLAGS) -DPKGLIBEXECDIR='"$(pkglibexecdir)"' \
        -DSECCOMPDIR='"$(seccompdir)"'
holdfast_agent_LDADD = agent/libagent.a launcher/liblaunch.a isolator/libisolators.a isolator/libisolator.a common/libnet.a \
        common/libmodel.a proto/libproto.a common/libbase.a \
        $(MICROHTTPD_LIBS) $(SYSTEMD_LIBS) $(JANSSON_LIBS) $(PROTOBUF_C_LIBS) $(SQLITE_LIBS) $(ZOOKEEPER_LIBS) $(isolator_libs) -lm

holdfast_worker_SOURCES = \
        agent/disk_usage.c agent/disk_usage.h \
        agent/port_scan.c agent/port_scan.h \
        agent/removal.c agent/removal.h \
        agent/sandbox_walk.c agent/sandbox_walk.h \
        agent/volume_dir.c agent/volume_dir.h \
        agent/worker_main.c
holdfast_worker_LDADD = isolator/libisolator.a common/libbase.a

pkglibexec_PROGRAMS += holdfast-fetcher

holdfast_fetcher_SOURCES = \
        agent/fetch_archive.c agent/fetch_archive.h \
        agent/fetch_download.c agent/fetch_download.h \
        agent/fetch_plan.h \
        agent/fetch_target.c agent/fetch_target.h \
        agent/fetcher.c agent/fetcher.h \
        agent/fetcher_main.c
holdfast_fetcher_LDADD = proto/libproto.a common/libbase.a \
        $(CURL_LIBS) $(ARCHIVE_LIBS) $(PROTOBUF_C_LIBS) -lm
