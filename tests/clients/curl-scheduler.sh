#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# curl-scheduler.sh HOST:PORT COMMAND: a scheduler of curl, sed and tr. Launches COMMAND on the first
# offer, prints the task's states, and ends with 0 when the last of them is TASK_FINISHED.

set -eu
url=http://$1/api/v1/scheduler
command=$2
work=$(mktemp -d)
stream=''

clean_up() {
        [ -z "$stream" ] || kill "$stream" 2>/dev/null || :
        rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 1' INT TERM

# RecordIO's length comes alone on a line before each event; events have no line breaks.
events() {
        sed 's/}[0-9]*$/}/' "$work/events" 2>/dev/null | grep -a "\"type\":\"$1\"" || :
}

# wait_for EVENT: the first event of that type.
wait_for() {
        left=400
        while [ -z "$(events "$1")" ]; do
                left=$((left - 1))
                [ $left -gt 0 ] || { echo "no $1 within 20 s" >&2; exit 1; }
                sleep 0.05
        done
        events "$1" | head -n 1
}

# value KEY: the first {"value":"…"} or "…" under that key in the JSON on standard input.
value() {
        tr -d '\n' | sed -n "s/.*\"$1\":\(\[*{\"value\":\)\{0,1\}\"\([^\"]*\)\".*/\2/p"
}

call() {
        curl --silent --show-error --fail --request POST --header 'Content-Type: application/json' \
                --header "Mesos-Stream-Id: $stream_id" --data "$1" "$url"
}

curl --silent --no-buffer --dump-header "$work/headers" --output "$work/events" --request POST \
        --header 'Content-Type: application/json' --header 'Accept: application/json' --data '{
                "type": "SUBSCRIBE",
                "subscribe": {"framework_info": {"user": "'"$(id -un)"'", "name": "curl", "roles": ["*"],
                        "capabilities": [{"type": "MULTI_ROLE"}]}}}' "$url" &
stream=$!

framework_id=$(wait_for SUBSCRIBED | sed 's/.*"framework_id":{"value":"\([^"]*\)".*/\1/')
stream_id=$(tr -d '\r' <"$work/headers" | sed -n 's/^[Mm]esos-[Ss]tream-[Ii]d: //p')
offer=$(wait_for OFFERS)
offer_id=$(echo "$offer" | sed 's/.*"id":{"value":"\([^"]*-O[0-9]*\)"}.*/\1/')
agent_id=$(echo "$offer" | value agent_id)
echo "framework $framework_id, offer $offer_id"

call '{"type": "ACCEPT", "framework_id": {"value": "'"$framework_id"'"}, "accept": {
        "offer_ids": [{"value": "'"$offer_id"'"}], "filters": {"refuse_seconds": 3600},
        "operations": [{"type": "LAUNCH", "launch": {"task_infos": [{
                "name": "curl", "task_id": {"value": "curl-task"}, "agent_id": {"value": "'"$agent_id"'"},
                "command": {"value": "'"$command"'"},
                "resources": [
                        {"name": "cpus", "type": "SCALAR", "scalar": {"value": 0.1}, "allocation_info": {"role": "*"}},
                        {"name": "mem", "type": "SCALAR", "scalar": {"value": 32}, "allocation_info": {"role": "*"}}]
        }]}}]}}'

# Every update is acknowledged, or the next one would not come.
seen=0 state=none left=400
while [ $left -gt 0 ]; do
        left=$((left - 1))
        update=$(events UPDATE | sed -n "$((seen + 1))p")
        if [ -z "$update" ]; then
                sleep 0.05
                continue
        fi
        seen=$((seen + 1))
        state=$(echo "$update" | sed 's/.*"state":"\([A-Z_]*\)".*/\1/')
        uuid=$(echo "$update" | sed 's/.*"uuid":"\([^"]*\)".*/\1/')
        echo "$state"
        call '{"type": "ACKNOWLEDGE", "framework_id": {"value": "'"$framework_id"'"}, "acknowledge": {
                "agent_id": {"value": "'"$agent_id"'"}, "task_id": {"value": "curl-task"}, "uuid": "'"$uuid"'"}}'
        case $state in
        TASK_FINISHED | TASK_FAILED | TASK_ERROR | TASK_LOST | TASK_DROPPED) break ;;
        esac
done
call '{"type": "TEARDOWN", "framework_id": {"value": "'"$framework_id"'"}}'
[ "$state" = TASK_FINISHED ]
