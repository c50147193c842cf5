# cli: the program `holdfast`
bin_PROGRAMS += holdfast
noinst_LIBRARIES += cli/libcli.a

cli_libcli_a_SOURCES = \
        cli/agents.c \
        cli/client.c cli/client.h \
        cli/cluster.c cli/cluster.h \
        cli/deactivate.c \
        cli/drain.c \
        cli/exit_code.c cli/exit_code.h \
        cli/follow.c cli/follow.h \
        cli/gone.c \
        cli/kill.c \
        cli/logs.c \
        cli/machines.c cli/machines.h \
        cli/maintenance.c \
        cli/operator.c cli/operator.h \
        cli/output.c cli/output.h \
        cli/progress.c cli/progress.h \
        cli/reactivate.c \
        cli/run.c cli/run.h \
        cli/run_calls.c cli/run_calls.h \
        cli/scheduler.c cli/scheduler.h \
        cli/table.c cli/table.h \
        cli/task_spec.c cli/task_spec.h \
        cli/tasks.c \
        cli/terminal.c cli/terminal.h \
        cli/top.c \
        cli/usage.c cli/usage.h \
        cli/verb.h \
        cli/verb_run.c \
        cli/version.c

holdfast_SOURCES = cli/main.c
holdfast_LDADD = cli/libcli.a common/libnet.a common/libmodel.a proto/libproto.a common/libbase.a \
        $(SYSTEMD_LIBS) $(CURL_LIBS) $(JANSSON_LIBS) $(PROTOBUF_C_LIBS) $(ZOOKEEPER_LIBS) -lm

# bash-completion looks for a file by the name of the command.
dist_bashcompletion_DATA += cli/completion/holdfast
install-data-hook: link-completion
uninstall-hook: unlink-completion
link-completion:
	cd '$(DESTDIR)$(bashcompletiondir)' && $(LN_S) -f holdfast holdfast-agent && $(LN_S) -f holdfast holdfast-master
unlink-completion:
	rm -f '$(DESTDIR)$(bashcompletiondir)/holdfast-agent' '$(DESTDIR)$(bashcompletiondir)/holdfast-master'
.PHONY: link-completion unlink-completion
