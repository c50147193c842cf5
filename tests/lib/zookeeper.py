# SPDX-License-Identifier: Apache-2.0
"""Real ZooKeeper servers: Debian's package, one server or an ensemble, on loopback or in a network namespace.

    with Ensemble() as zookeeper:                   # or Ensemble(3)
        argv += ["--zk=zk://%s/mesos" % zookeeper.hosts]
        zookeeper.server(0).kill9()
        zookeeper.server(0).start()                 # with the data it had
        with zookeeper.client() as client:          # see zookeeper_client.py
            client.children("/mesos")

A server answers as soon as the ensemble has a quorum. Session timeouts from one second on are granted: the tick is half
a second. The servers die with the test program. Data is not forced to the disk, which a kill -9 does not notice.
"""

import os
import shutil
import signal
import socket
import subprocess

from harness import HOST, TIMEOUT_SCALE, check, free_port, skip, temporary_directory, wait_until
from zookeeper_client import ZooKeeperClient

JAR_DIR = "/usr/share/java"
# What zookeeper.jar names in its own class path is found beside it; a logger it does not name.
JARS = ("zookeeper.jar", "slf4j-simple.jar")
JAVA = ["java", "-Xmx64m", "-Xss512k", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-XX:-UsePerfData",
        "-Dzookeeper.forceSync=no", "-Dzookeeper.preAllocSize=1024", "-Dzookeeper.skipACL=no",
        "-Dorg.slf4j.simpleLogger.showDateTime=true"]
MAIN = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
CONFIG = """tickTime=500
initLimit=20
syncLimit=10
dataDir={directory}
clientPort={port}
clientPortAddress={host}
minSessionTimeout=1000
maxSessionTimeout=60000
maxClientCnxns=0
admin.enableServer=false
autopurge.purgeInterval=0
4lw.commands.whitelist=*
"""
START_TIMEOUT_S = 60


def need_zookeeper():
    """Skips the test where there is no ZooKeeper to start."""
    if not shutil.which("java"):
        skip("no java to run ZooKeeper with (Debian: default-jre-headless)")
    for jar in JARS:
        if not os.path.exists(os.path.join(JAR_DIR, jar)):
            skip("no %s (Debian: zookeeper, or libzookeeper-java)" % jar)


class Server:
    """One server; start() after stop() or kill9() finds the data of its former life."""

    def __init__(self, name, addr, directory, wrap=()):
        self.name = name
        self.addr = addr
        self.directory = os.path.join(directory, name)
        self.log_path = os.path.join(directory, name + ".log")
        self.process = None
        self._wrap = list(wrap)     # a command that runs another: `nsenter --net=...`
        self._config = os.path.join(self.directory, "zoo.cfg")
        os.makedirs(self.directory)
        with open(self._config, "w", encoding="ascii") as f:
            f.write(CONFIG.format(directory=self.directory, host=addr[0], port=addr[1]))

    def join(self, number, peers):
        """Makes it the given one of an ensemble, before its first start."""
        with open(os.path.join(self.directory, "myid"), "w", encoding="ascii") as f:
            f.write("%d\n" % number)
        with open(self._config, "a", encoding="ascii") as f:
            f.writelines("server.%d=%s:%d:%d\n" % (n, *peer) for n, peer in enumerate(peers, 1))

    def start(self, wait_ready=True):
        class_path = ":".join(os.path.join(JAR_DIR, jar) for jar in JARS)
        # The parent's death is that of the thread that starts it: the test's own, which lives longest.
        argv = [*self._wrap, "setpriv", "--pdeathsig", "KILL", "--", *JAVA, "-cp", class_path, MAIN, self._config]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            start_new_session=True)
        if wait_ready:
            self.wait_ready()
        return self

    def wait_ready(self):
        wait_until(lambda: not self.is_running() or self.mode(), self.name + " serves", START_TIMEOUT_S, 0.05)
        check(self.is_running(), "%s ended at start:\n%s" % (self.name, self.log_tail()))

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    @property
    def pid(self):
        return self.process.pid

    def kill9(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        """SIGTERM; a Java program ends with 143 then."""
        if self.is_running():
            self.resume()
            self.process.terminate()
            try:
                self.process.wait(10 * TIMEOUT_SCALE)
            except subprocess.TimeoutExpired:
                self.kill9()

    def restart(self):
        self.stop()
        return self.start()

    def signal(self, number):
        self.process.send_signal(number)

    def freeze(self):
        """Its threads work on until the first of them has got the signal, which takes a busy machine a while."""
        self.signal(signal.SIGSTOP)
        wait_until(self.is_frozen, self.name + " is stopped")

    def is_frozen(self):
        with open("/proc/%d/stat" % self.pid) as f:
            return f.read().rsplit(")", 1)[1].split()[0] == "T"

    def resume(self):
        self.signal(signal.SIGCONT)

    def ask(self, word):
        """The answer to one of ZooKeeper's four-letter words; "" when there is none."""
        try:
            with socket.create_connection(self.addr, timeout=2) as s:
                s.sendall(word.encode())
                answer = b""
                while piece := s.recv(65536):
                    answer += piece
                return answer.decode("utf-8", "replace")
        except OSError:
            return ""

    def mode(self):
        """standalone, leader or follower; None while it does not serve."""
        lines = self.ask("srvr").splitlines() if self.ask("ruok") == "imok" else ()
        return next((line.split()[1] for line in lines if line.startswith("Mode:")), None)

    def log_tail(self, n_lines=30):
        with open(self.log_path, errors="replace") as f:
            return "\n".join(f.read().splitlines()[-n_lines:])


class Ensemble:
    """`places` are (address, wrap) of the servers, when they are not to be on loopback."""

    def __init__(self, n_servers=1, places=None, port=None, start=True):
        need_zookeeper()
        self._temporary = temporary_directory()
        self.directory = self._temporary.__enter__()
        places = places or [(HOST, ())] * n_servers
        self.servers = [Server("zookeeper%d" % n, (host, port or free_port()), self.directory, wrap)
                        for n, (host, wrap) in enumerate(places, 1)]
        if len(places) > 1:
            peers = [(s.addr[0], free_port(), free_port()) for s in self.servers]
            for number, server in enumerate(self.servers, 1):
                server.join(number, peers)
        if start:
            self.start()

    def __enter__(self):
        return self

    def __exit__(self, kind, _value, _traceback):
        if kind is not None:
            for server in self.servers:
                print("--- end of %s's log\n%s" % (server.name, server.log_tail()))
        self.close()

    def start(self):
        """All together: none of them serves before most of them are there."""
        for server in self.servers:
            server.start(wait_ready=False)
        for server in self.servers:
            server.wait_ready()
        return self

    def close(self):
        for server in self.servers:
            if server.is_running():
                server.kill9()
        self._temporary.__exit__(None, None, None)

    def server(self, n=0):
        return self.servers[n]

    @property
    def hosts(self):
        """As it stands in a zk:// URL."""
        return ",".join("%s:%d" % s.addr for s in self.servers)

    def url(self, path="/mesos", credentials=None):
        return "zk://%s%s%s" % (credentials + "@" if credentials else "", self.hosts, path)

    def client(self, **options):
        """A client of the first server that serves."""
        server = next((s for s in self.servers if s.is_running() and s.mode()), self.servers[0])
        return ZooKeeperClient(server.addr, **options)
