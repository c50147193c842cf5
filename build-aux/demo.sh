# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
#
# `bootstrap demo`, sourced by it: a cluster of one machine, and a task that outlives its agent.

demo=$(mktemp -d "${TMPDIR:-/tmp}/holdfast-demo.XXXXXX")
chmod 755 "$demo"
master_pid='' agent_pid='' run_pid='' printer_pid=''

# Prints two free ports of the loopback interface.
free_ports() {
        python3 -c '
import socket
sockets = [socket.socket() for _ in range(2)]
for s in sockets:
    s.bind(("127.0.0.1", 0))
print(*(s.getsockname()[1] for s in sockets))'
}

# Waits until a command succeeds; $1 says what for.
wait_for() {
        wait_what=$1 wait_left=200
        shift
        until "$@" >/dev/null 2>&1; do
                wait_left=$((wait_left - 1))
                [ "$wait_left" -gt 0 ] || give_up "$wait_what: not within 20 s"
                sleep 0.1
        done
}

# is_up ADDRESS: somebody answers there.
is_up() {
        python3 -c '
import sys, urllib.request
urllib.request.urlopen("http://%s/health" % sys.argv[1], timeout=2)' "$1"
}

# agent_is_registered [SINCE]: also again, when the agent was started at SINCE.
agent_is_registered() {
        python3 -c '
import json, sys, urllib.request
agents = json.load(urllib.request.urlopen("http://%s/slaves" % sys.argv[1], timeout=2))["slaves"]
since = float(sys.argv[2])
sys.exit(not any(a["active"] and (not since or a.get("reregistered_time", 0) >= since) for a in agents))' \
                "$master_address" "${1:-0}"
}

start_master() {
        build/holdfast-master --ip=127.0.0.1 --port="$master_port" --work_dir="$demo/master" \
                --no-hostname_lookup >>"$demo/master.log" 2>&1 </dev/null &
        master_pid=$!
        wait_for "the master answers" is_up "$master_address"
        detail "holdfast-master: pid $master_pid, http://$master_address"
}

start_agent() {
        agent_since=$(date +%s)
        build/holdfast-agent --ip=127.0.0.1 --port="$agent_port" --master="$master_address" \
                --work_dir="$demo/agent" --runtime_dir="$demo/agent-run" \
                --resources='cpus:2;mem:1024;disk:1024;ports:[31000-32000]' --no-hostname_lookup \
                ${demo_agent_flags:-} >>"$demo/agent.log" 2>&1 </dev/null &
        agent_pid=$!
        wait_for "the agent registers" agent_is_registered "${1:+$agent_since}"
        detail "holdfast-agent: pid $agent_pid, http://127.0.0.1:$agent_port"
}

# Everything that still runs of the demo: what is in its directory or names it, and launchers, which name
# their container.
demo_processes() {
        find "$demo/agent" -path '*/runs/*' -prune -type d 2>/dev/null | sed 's,.*/,,' >"$demo/names"
        echo "$demo" >>"$demo/names"
        for directory in /proc/[0-9]*; do
                where=$(readlink "$directory/cwd" 2>/dev/null) || continue
                case $where in
                "$demo" | "$demo"/*) echo "${directory#/proc/}" ;;
                *) ! tr '\0' ' ' 2>/dev/null <"$directory/cmdline" | grep -qFf "$demo/names" || echo "${directory#/proc/}" ;;
                esac
        done
}

stop_daemon() {
        [ -n "$1" ] && kill -TERM "$1" 2>/dev/null || return 0
        wait "$1" 2>/dev/null || :
}

give_up() {
        printf 'bootstrap: %s\n' "$*" >&2
        for log in master agent; do
                [ ! -s "$demo/$log.log" ] || { echo "--- $log.log"; tail -n 30 "$demo/$log.log"; } >&2
        done
        exit 1
}

# Whatever happened, nothing stays: neither process nor directory.
demo_clean_up() {
        trap '' INT TERM EXIT
        [ -z "$printer_pid" ] || kill "$printer_pid" 2>/dev/null || :
        [ -z "$run_pid" ] || kill "$run_pid" 2>/dev/null || :
        stop_daemon "$agent_pid"
        stop_daemon "$master_pid"
        for pid in $(demo_processes); do
                kill -KILL "$pid" 2>/dev/null || :
        done
        rm -rf "$demo"
}

trap demo_clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

ports=$(free_ports)
master_port=${ports% *} agent_port=${ports#* }
master_address=127.0.0.1:$master_port
# Without the right to make cgroups or scopes a task is a process group; that is enough to look at.
demo_agent_flags=
[ "$(id -u)" = 0 ] || demo_agent_flags='--launcher=posix --no-systemd_enable_support --no-switch_user'

say "a cluster of one machine on loopback, everything in $demo"
start_master
start_agent

say "holdfast run: a task that counts to 10, a second each"
# shellcheck disable=SC2016 # the task's shell expands it
build/holdfast run --master="$master_address" --name=count --follow \
        --resources='cpus:0.5;mem:64' \
        --command='for i in 1 2 3 4 5 6 7 8 9 10; do echo "the task (pid $$) counts $i"; sleep 1; done' \
        >"$demo/run.log" 2>&1 </dev/null &
run_pid=$!
tail -n +1 -s 0.2 -f "$demo/run.log" | sed -u 's/^/    | /' &
printer_pid=$!

has_counted_to() {
        grep -q "counts $1\$" "$demo/run.log"
}

wait_for "the task counts to 3" has_counted_to 3
say "kill -9 of the agent, pid $agent_pid; the task goes on without it"
kill -KILL "$agent_pid"
wait "$agent_pid" 2>/dev/null || :
agent_pid=
task_pid=$(sed -n 's/.*task (pid \([0-9]*\)).*/\1/p' "$demo/run.log" | head -n 1)
sleep 2
kill -0 "$task_pid" 2>/dev/null || give_up "the task ended with its agent"
detail "2 s later: no agent, and the task, pid $task_pid, is alive"
say "the agent is started again"
start_agent again

run_status=0
wait "$run_pid" || run_status=$?
run_pid=
sleep 0.4
kill "$printer_pid" 2>/dev/null || :
printer_pid=
grep -q TASK_FINISHED "$demo/run.log" || give_up "the task did not come to TASK_FINISHED"
[ "$run_status" = 0 ] || give_up "holdfast run ended with status $run_status"
n_pids=$(sed -n 's/.*task (pid \([0-9]*\)).*/\1/p' "$demo/run.log" | sort -u | wc -l)
[ "$n_pids" = 1 ] || give_up "the task was started $n_pids times"
has_counted_to 10 || give_up "the task's output is not complete"
say "TASK_FINISHED, holdfast run ended with status 0: one process, from 1 to 10, under two agents"

if $keep; then
        trap - EXIT INT TERM
        say "the cluster keeps running"
        detail "master  http://$master_address        (for instance: build/holdfast agents --master=$master_address)"
        detail "agent   http://127.0.0.1:$agent_port"
        detail "logs    $demo/master.log  $demo/agent.log"
        detail "stop    kill $agent_pid $master_pid && rm -r $demo"
else
        say "stop"
        stop_daemon "$agent_pid"
        agent_pid=
        stop_daemon "$master_pid"
        master_pid=
        no_process_left() {
                [ -z "$(demo_processes)" ]
        }
        wait_for "the last process of the demo ends" no_process_left
        demo_clean_up
        detail "nothing is left of it"
fi
