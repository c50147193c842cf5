#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""network/bridge: each container has a network of its own. All of it in a network namespace that this test makes."""

import base64
import itertools
import json
import os
import socket
import sys
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import own_network    # noqa: E402
from harness import Cluster, check, equal, http_get, main, wait_until    # noqa: E402
from own_network import HOST_ADDRESS    # noqa: E402
from scheduler import Scheduler    # noqa: E402

ISOLATION = "--isolation=posix/cpu,posix/mem,network/bridge"
BRIDGE = "hftest0"

# Prints each of its interfaces, up or not, and its addresses.
LOOK = """exec python3 -c '
import fcntl, socket, struct
s = socket.socket()
for _, name in socket.if_nameindex():
    request = struct.pack("256s", name.encode())
    flags, = struct.unpack_from("H", fcntl.ioctl(s, 0x8913, request), 16)
    try:
        address = socket.inet_ntoa(fcntl.ioctl(s, 0x8915, request)[20:24])
    except OSError:
        address = "-"
    print(name, "up" if flags & 1 else "down", address)
'"""


# Takes its neighbour's address, tells everybody so, and says to the agent what it was told to.
SPOOF = """import fcntl, socket, struct, sys, time
address, host, port, body = sys.argv[1:]
theirs = socket.inet_aton(address)
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    fcntl.ioctl(s, 0x8916, struct.pack("16sH2s4s8s", b"eth0:1", socket.AF_INET, b"", theirs, b""))
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
wire.bind(("eth0", 0x0806))
mac = wire.getsockname()[4]
all = b"\\xff" * 6
for _ in range(15):
    wire.send(all + mac + struct.pack("!HHHBBH", 0x0806, 1, 0x0800, 6, 4, 2) + mac + theirs + all + theirs)
    time.sleep(0.1)
c = socket.create_connection((host, int(port)), 3, (address, 0))
c.sendall(("POST /slave(1)/api/v1/executor HTTP/1.1\\r\\nHost: h\\r\\nContent-Type: application/json\\r\\n"
           "Content-Length: %d\\r\\n\\r\\n%s" % (len(body), body)).encode())
print(c.recv(1000).decode().splitlines()[0])
"""


class Networked(Cluster):
    def __init__(self, bridge=BRIDGE, subnet="10.88.0.0/24", **settings):
        super().__init__(agent_flags=(ISOLATION, "--holdfast_network_bridge=" + bridge,
                                      "--holdfast_network_subnet=" + subnet, "--http_executor_domain_sockets"), **settings)


def host_interfaces():
    return sorted(name for _, name in socket.if_nameindex())


def container_address(s, task_id):
    status = s.wait_state(task_id, "TASK_RUNNING")
    return status["container_status"]["network_infos"][0]["ip_addresses"][0]["ip_address"]


def test_container_has_loopback_and_an_address_on_the_bridge():
    with Networked() as cluster, Scheduler(cluster.master_addr) as s:
        s.run("look", LOOK)
        equal(sorted(cluster.read_sandbox("look").splitlines()), ["eth0 up 10.88.0.2", "lo up 127.0.0.1"], "interfaces")
        equal(container_address(s, "look"), "10.88.0.2", "address told to the framework")
        wait_until(lambda: host_interfaces() == [BRIDGE, "lo"], "the host's end goes: %s" % host_interfaces())


def test_operator_sees_the_address_of_a_container_that_runs():
    with Networked() as cluster, Scheduler(cluster.master_addr) as s:
        s.launch([s.task("steady", "exec sleep 1000")])
        address = container_address(s, "steady")
        status = http_get(cluster.agent().addr, "/containers").json()[0]["status"]
        equal(status["network_infos"], [{"ip_addresses": [{"protocol": "IPv4", "ip_address": address}]}], "network_infos")
        s.kill("steady")
        s.wait_terminal("steady")


def test_containers_have_ports_of_their_own_and_reach_each_other():
    with Networked() as cluster, Scheduler(cluster.master_addr) as s:
        serve = "exec python3 -m http.server 8000 --directory ."
        for name in ("one", "two"):
            s.launch([s.task(name, "echo I am %s >who; %s" % (name, serve))])
        for name in ("one", "two"):
            s.wait_state(name, "TASK_RUNNING")
        addresses = {name: container_address(s, name) for name in ("one", "two")}
        check(addresses["one"] != addresses["two"], "both have %s" % addresses["one"])
        for name, address in addresses.items():
            wait_until(lambda: answer_of(address) == "I am %s" % name, "%s answers at %s" % (name, address))
        ask = "import urllib.request; print(urllib.request.urlopen('http://%s:8000/who').read().decode().strip())"
        s.run("ask", "exec python3 -c \"%s\"" % (ask % addresses["one"]))
        equal(cluster.read_sandbox("ask").splitlines()[-1], "I am one", "answer to a neighbour")
        for name in ("one", "two"):
            s.kill(name)
            s.wait_state(name, "TASK_KILLED")


def answer_of(address):
    try:
        return http_get((address, 8000), "/who", timeout=2).body.decode().strip()
    except OSError:
        return None


def test_host_is_reached_and_its_loopback_is_not():
    with Networked() as cluster, Scheduler(cluster.master_addr) as s, socket.socket() as server:
        server.bind(("0.0.0.0", 0))
        server.listen()
        port = server.getsockname()[1]
        connect = "import socket; socket.create_connection(('%s', %d), 5)"
        equal(s.run("host", "exec python3 -c \"%s\"" % (connect % (HOST_ADDRESS, port)))["state"], "TASK_FINISHED", "host")
        equal(s.run("loopback", "exec python3 -c \"%s\"" % (connect % ("127.0.0.1", port)))["state"], "TASK_FAILED",
              "loopback of the host")


def test_a_neighbours_address_is_nobody_elses():
    with Networked(host=HOST_ADDRESS) as cluster, Scheduler(cluster.master_addr) as s:
        s.launch([s.task("victim", "exec sleep 1000")])
        address = container_address(s, "victim")
        body = {"type": "UPDATE", "framework_id": {"value": s.framework_id}, "executor_id": {"value": "victim"},
                "update": {"status": {"task_id": {"value": "victim"}, "state": "TASK_FINISHED",
                                      "source": "SOURCE_EXECUTOR",
                                      "uuid": base64.b64encode(uuid.uuid4().bytes).decode()}}}
        attacker = s.task("attacker", "")
        attacker["command"] = {"shell": False, "value": sys.executable, "arguments": [
            sys.executable, "-c", SPOOF, address, HOST_ADDRESS, str(cluster.agent().addr[1]), json.dumps(body)]}
        s.launch([attacker])
        equal(s.wait_terminal("attacker")["state"], "TASK_FAILED", "the attacker's end")
        check("timed out" in cluster.read_sandbox("attacker", "stderr"), cluster.read_sandbox("attacker", "stderr"))
        equal(s.states("victim"), ["TASK_STARTING", "TASK_RUNNING"], "states of the victim")
        s.kill("victim")
        equal(s.wait_terminal("victim")["state"], "TASK_KILLED", "end of the victim")


def test_restarted_agent_gives_no_address_twice():
    with Networked() as cluster, Scheduler(cluster.master_addr) as s:
        s.launch([s.task("steady", "exec sleep 1000")])
        s.wait_state("steady", "TASK_RUNNING")
        cluster.agent().kill9()
        cluster.agent().start()
        cluster.wait_reregistered(cluster.agent())
        s.run("look", LOOK)
        check("eth0 up 10.88.0.3" in cluster.read_sandbox("look"), cluster.read_sandbox("look"))
        s.kill("steady")
        s.wait_state("steady", "TASK_KILLED")


def test_network_works_for_what_is_fetched_and_for_what_runs():
    with Networked() as cluster, Scheduler(cluster.master_addr) as s:
        path = cluster.work_path("fetched")
        with open(path, "w") as f:
            f.write("content\n")
        task = s.task("fetch", "cat fetched; test $(ls /sys/class/net 2>/dev/null | wc -l) -gt 0")
        task["command"]["uris"] = [{"value": "file://" + path}]
        s.launch([task])
        equal(s.wait_terminal("fetch")["state"], "TASK_FINISHED", "state")
        check("content" in cluster.read_sandbox("fetch"), "nothing was fetched")


def test_container_has_a_name_and_files_that_say_so():
    with Networked() as cluster, Scheduler(cluster.master_addr) as s:
        before = [os.stat(path).st_ino for path in ("/etc/hosts", "/etc/hostname", "/etc/resolv.conf")]
        s.run("names", "hostname; cat /etc/hostname /etc/hosts; (: >>/etc/hosts) || echo read-only; "
                       "grep -c nameserver /etc/resolv.conf")
        container = os.path.basename(cluster.sandboxes("names")[0])
        lines = cluster.read_sandbox("names").splitlines()[-6:]
        equal(lines[:5], [container, container, "127.0.0.1 localhost", "10.88.0.2 " + container, "read-only"], "names")
        check(int(lines[5]) > 0, "no name server")
        equal([os.stat(path).st_ino for path in ("/etc/hosts", "/etc/hostname", "/etc/resolv.conf")], before,
              "files of the host")
        wait_until(lambda: os.listdir(cluster.work_path("agent-run", "containers")) == [], "the runtime directory empties")


def test_traffic_is_counted():
    with Networked() as cluster, Scheduler(cluster.master_addr) as s, socket.socket() as server:
        server.bind((HOST_ADDRESS, 0))
        server.listen()
        send = "import socket, time; c = socket.create_connection(('%s', %d)); c.sendall(bytes(100000)); time.sleep(1000)"
        s.launch([s.task("sends", "exec python3 -c \"%s\"" % (send % server.getsockname()))])
        connection, _ = server.accept()
        with connection:
            received = 0
            while received < 100000:
                received += len(connection.recv(65536))
        statistics, = http_get(cluster.agent().addr, "/monitor/statistics").json()
        check(statistics["statistics"]["net_tx_bytes"] > 100000, "sent: %s" % statistics)
        check(0 < statistics["statistics"]["net_rx_bytes"] < 100000, "received: %s" % statistics)
        s.kill("sends")
        s.wait_state("sends", "TASK_KILLED")


def test_bridge_that_cannot_be_made_fails_the_task_and_says_so():
    # The loopback is no bridge.
    with Networked(bridge="lo") as cluster, Scheduler(cluster.master_addr) as s:
        status = s.run("nowhere", "true")
        equal((status["state"], status["reason"]), ("TASK_FAILED", "REASON_CONTAINER_LAUNCH_FAILED"), "end")
        check("Failed to set up the network: cannot connect 'hf" in status["message"], status["message"])


def test_exhausted_network_fails_the_task_and_says_so():
    with Networked(subnet="10.88.9.0/29") as cluster, Scheduler(cluster.master_addr) as s:
        names = ["t%d" % n for n in range(5)]
        s.launch([s.task(name, "exec sleep 1000", cpus=0.1, mem=32) for name in names])
        for name in names:
            s.wait_state(name, "TASK_RUNNING")
        check("No address is free" in s.run("one-more", "true")["message"], "it found one")
        s.kill("t0")
        s.wait_state("t0", "TASK_KILLED")
        tries = itertools.count()
        wait_until(lambda: s.run("again%d" % next(tries), "true")["state"] == "TASK_FINISHED", "the address is free again")
        for name in names[1:]:
            s.kill(name)
            s.wait_state(name, "TASK_KILLED")


if __name__ == "__main__":
    own_network.enter()
    main()
