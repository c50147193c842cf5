# The master: a library, so that tests link the real thing, and its main().

include master/allocator.mk

noinst_LIBRARIES += master/libmaster.a

master_libmaster_a_SOURCES = \
        master/accept.c master/accept.h \
        master/agent_link.c master/agent_link.h \
        master/agent_message.c master/agent_message.h \
        master/allocation.c master/allocation.h \
        master/allocation_pause.c master/allocation_pause.h \
        master/api_view.c master/api_view.h \
        master/api_writer.c master/api_writer.h \
        master/call.c master/call.h \
        master/check.c master/check.h \
        master/departure.c master/departure.h \
        master/drain.c master/drain.h \
        master/endpoints.c master/endpoints.h \
        master/executor.c master/executor.h \
        master/failover.c master/failover.h \
        master/framework.c master/framework.h \
        master/framework_info.c master/framework_info.h \
        master/history.c master/history.h \
        master/inverse_offer.c master/inverse_offer.h \
        master/leadership.c master/leadership.h \
        master/machine.c master/machine.h \
        master/maintenance.c master/maintenance.h \
        master/maintenance_endpoints.c master/maintenance_endpoints.h \
        master/maintenance_view.c master/maintenance_view.h \
        master/master.c master/master.h \
        master/metrics.c master/metrics.h \
        master/node.c master/node.h \
        master/offer.c master/offer.h \
        master/offer_view.c master/offer_view.h \
        master/operation.c master/operation.h \
        master/operator_api.c master/operator_api.h \
        master/operator_stream.c master/operator_stream.h \
        master/promise.c master/promise.h \
        master/readmission.c master/readmission.h \
        master/reconcile.c master/reconcile.h \
        master/reconciliation.c master/reconciliation.h \
        master/recovered.c master/recovered.h \
        master/registration.c master/registration.h \
        master/registry.c master/registry.h master/registry_parts.h \
        master/registry_agents.c \
        master/registry_change.c \
        master/registry_json.c \
        master/registry_maintenance.c \
        master/registry_memory.c master/registry_backend.h \
        master/registry_record.c master/registry_record.h \
        master/registry_roles.c \
        master/registry_sqlite.c \
        master/registry_zookeeper.c master/registry_zookeeper.h \
        master/registry_zookeeper_load.c \
        master/reject.c master/reject.h \
        master/removal_limiter.c master/removal_limiter.h \
        master/role_view.c master/role_view.h \
        master/scheduler_api.c master/scheduler_api.h \
        master/scheduler_call.c master/scheduler_call.h \
        master/scheduler_event.c master/scheduler_event.h \
        master/state_view.c master/state_view.h \
        master/status_router.c master/status_router.h \
        master/task.c master/task.h \
        master/task_tally.c master/task_tally.h \
        master/unavailability.c master/unavailability.h \
        master/unreachable.c master/unreachable.h \
        master/validate.c master/validate.h \
        master/verbosity.c master/verbosity.h \
        master/weights.c master/weights.h

master_libs = master/libmaster.a master/liballocator.a common/libnet.a common/libmodel.a proto/libproto.a \
        common/libbase.a $(MICROHTTPD_LIBS) $(SYSTEMD_LIBS) $(JANSSON_LIBS) $(PROTOBUF_C_LIBS) $(SQLITE_LIBS) $(ZOOKEEPER_LIBS) -lm

sbin_PROGRAMS += holdfast-master

holdfast_master_SOURCES = master/main.c \
        master/options.c master/options.h \
        master/settings.c master/settings.h
holdfast_master_LDADD = $(master_libs)
