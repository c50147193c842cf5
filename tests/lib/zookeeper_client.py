# SPDX-License-Identifier: Apache-2.0
"""A small ZooKeeper client: enough to look at znodes, to make some, and to stand for election.

    with ZooKeeperClient(("127.0.0.1", 2181)) as client:
        name = client.create("/mesos/json.info_", data, EPHEMERAL | SEQUENTIAL)
        data, stat = client.get(name)

Every call waits for its answer. A thread of the client's own keeps the session alive until close() (which ends it,
and its ephemeral nodes) or abandon() (which leaves it to the server to find out).
"""

import collections
import contextlib
import socket
import struct
import threading

EPHEMERAL, SEQUENTIAL = 1, 2
ANY_VERSION = -1
ALL = 31
READ = 1
OPEN_ACL = ((ALL, "world", "anyone"),)
CREATOR_ACL = ((READ, "world", "anyone"), (ALL, "auth", ""))

CREATE, DELETE, EXISTS, GET, SET, GET_ACL, CHILDREN, PING, AUTH, CLOSE = 1, 2, 3, 4, 5, 6, 8, 11, 100, -11
PING_XID, AUTH_XID, WATCH_XID = -2, -4, -1
ERRORS = {-4: "connection loss", -101: "no node", -102: "no authentication", -103: "bad version",
          -108: "no children for ephemerals", -110: "node exists", -111: "not empty", -112: "session expired",
          -114: "invalid ACL", -115: "authentication failed"}
NO_NODE, NODE_EXISTS, BAD_VERSION = -101, -110, -103

Stat = collections.namedtuple("Stat", "czxid mzxid ctime_ms mtime_ms version cversion aversion ephemeral_owner "
                                      "data_length n_children pzxid")
STAT = struct.Struct(">qqqqiiiqiiq")


class ZooKeeperError(Exception):
    def __init__(self, code, what):
        super().__init__("%s: %s" % (what, ERRORS.get(code, "error %d" % code)))
        self.code = code


def _buffer(data):
    data = data.encode() if isinstance(data, str) else data
    return struct.pack(">i", len(data)) + data


def _acl(acl):
    return struct.pack(">i", len(acl)) + b"".join(
        struct.pack(">i", permissions) + _buffer(scheme) + _buffer(name) for permissions, scheme, name in acl)


class _Reader:
    def __init__(self, data):
        self.data = data
        self.at = 0

    def numbers(self, layout):
        values = struct.unpack_from(">" + layout, self.data, self.at)
        self.at += struct.calcsize(">" + layout)
        return values

    def number(self, layout="i"):
        return self.numbers(layout)[0]

    def buffer(self):
        size = max(self.number(), 0)
        self.at += size
        return self.data[self.at - size:self.at]

    def text(self):
        return self.buffer().decode()

    def stat(self):
        self.at += STAT.size
        return Stat(*STAT.unpack_from(self.data, self.at - STAT.size))


class ZooKeeperClient:
    def __init__(self, addr, timeout=10.0, credentials=None):
        """`credentials` are "user:password"."""
        self._lock = threading.Lock()
        self._xid = 0
        self._socket = socket.create_connection(addr, timeout=timeout)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._send(struct.pack(">iqiq", 0, 0, int(timeout * 1000), 0) + _buffer(bytes(16)))
        answer = _Reader(self._receive())
        _, self.timeout_ms, self.session_id = answer.numbers("iiq")
        if self.timeout_ms <= 0:
            raise ZooKeeperError(-112, "connect")
        if credentials:
            self._exchange(AUTH_XID, AUTH, struct.pack(">i", 0) + _buffer("digest") + _buffer(credentials), "auth")
        self._leaving = threading.Event()
        self._pinger = threading.Thread(target=self._ping, daemon=True)
        self._pinger.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # Frames

    def _send(self, payload):
        self._socket.sendall(struct.pack(">i", len(payload)) + payload)

    def _receive(self):
        return self._read(struct.unpack(">i", self._read(4))[0])

    def _read(self, n_bytes):
        data = b""
        while len(data) < n_bytes:
            piece = self._socket.recv(n_bytes - len(data))
            if not piece:
                raise ConnectionError("ZooKeeper hung up")
            data += piece
        return data

    def _exchange(self, xid, kind, payload, what):
        self._send(struct.pack(">ii", xid, kind) + payload)
        while True:
            reader = _Reader(self._receive())
            got, _, error = reader.numbers("iqi")
            if got == xid:
                break
        if error:
            raise ZooKeeperError(error, what)
        return reader

    def _call(self, kind, payload, what):
        with self._lock:
            self._xid += 1
            return self._exchange(self._xid, kind, payload, what)

    def _ping(self):
        while not self._leaving.wait(self.timeout_ms / 3000):
            with self._lock, contextlib.suppress(OSError, ZooKeeperError):
                self._exchange(PING_XID, PING, b"", "ping")

    # Ending

    def close(self):
        self._leaving.set()
        with contextlib.suppress(OSError, ZooKeeperError):
            self._call(CLOSE, b"", "close")
        self._socket.close()

    def abandon(self):
        """Falls silent: the session lives on until the server gives it up."""
        self._leaving.set()
        self._socket.close()

    # Nodes

    def create(self, path, data=b"", flags=0, acl=OPEN_ACL):
        """The path it got: a sequential node's ends with its number."""
        payload = _buffer(path) + _buffer(data) + _acl(acl) + struct.pack(">i", flags)
        return self._call(CREATE, payload, "create " + path).text()

    def ensure(self, path):
        """Makes the node and those above it, where they are missing."""
        parts = path.strip("/").split("/")
        for n in range(1, len(parts) + 1):
            with contextlib.suppress(ZooKeeperError):
                self.create("/" + "/".join(parts[:n]))

    def delete(self, path, version=ANY_VERSION):
        self._call(DELETE, _buffer(path) + struct.pack(">i", version), "delete " + path)

    def set(self, path, data, version=ANY_VERSION):
        payload = _buffer(path) + _buffer(data) + struct.pack(">i", version)
        return self._call(SET, payload, "set " + path).stat()

    def get(self, path):
        """(data, Stat)."""
        reader = self._call(GET, _buffer(path) + b"\0", "get " + path)
        return reader.buffer(), reader.stat()

    def exists(self, path):
        """Its Stat, or None."""
        try:
            return self._call(EXISTS, _buffer(path) + b"\0", "exists " + path).stat()
        except ZooKeeperError as e:
            if e.code != NO_NODE:
                raise
            return None

    def children(self, path):
        """The names, sorted; none when there is no such node."""
        try:
            reader = self._call(CHILDREN, _buffer(path) + b"\0", "children of " + path)
        except ZooKeeperError as e:
            if e.code != NO_NODE:
                raise
            return []
        return sorted(reader.text() for _ in range(reader.number()))

    def acl(self, path):
        """((permissions, scheme, id), ...)."""
        reader = self._call(GET_ACL, _buffer(path), "ACL of " + path)
        return tuple((reader.number(), reader.text(), reader.text()) for _ in range(reader.number()))

    def tree(self, path="/"):
        """{path: data} of the node and all below it."""
        found = {path: self.get(path)[0]}
        for name in self.children(path):
            found.update(self.tree(path.rstrip("/") + "/" + name))
        return found
