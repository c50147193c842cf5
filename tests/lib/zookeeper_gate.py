# SPDX-License-Identifier: Apache-2.0
"""What stands before a ZooKeeper server when its clients' time runs faster than its own.

A client whose clock runs at ten times the rate asks for a session of 20 s; the gate makes 2 s of it, and 20 s of the
2 s that are granted. Beyond the first frame in each direction bytes go through as they are. It is on the machine of its
server, where it listens on a port of its own; one that is down hangs up at the gate, too.
"""

import contextlib
import socket
import struct
import threading

TIMEOUT_S = 5


class Gate:
    def __init__(self, machine, port, server_port, rate):
        self._machine = machine
        self._server = (machine.address, server_port)
        self._rate = rate
        with machine.inside():
            self._listener = socket.create_server((machine.address, port), backlog=100)
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self):
        self._machine.move_in()
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        self._machine.move_in()
        try:
            server = socket.create_connection(self._server, timeout=TIMEOUT_S)
            server.settimeout(None)
        except OSError:
            client.close()
            return
        for s in (client, server):
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        back = threading.Thread(target=self._pass, args=(server, client, 4, self._rate, 1), daemon=True)
        back.start()
        # The time asked for is behind the version and the last transaction seen; the one granted behind the version.
        self._pass(client, server, 12, 1, self._rate)
        back.join()
        for s in (client, server):
            s.close()

    @staticmethod
    def _pass(source, sink, at, multiply, divide):
        """Bytes from one to the other, until either is gone; a time in the first frame is changed."""
        try:
            stream = source.makefile("rb", buffering=0)
            head = _read(stream, 4)
            frame = bytearray(_read(stream, struct.unpack(">i", head)[0]))
            (time_ms,) = struct.unpack_from(">i", frame, at)
            struct.pack_into(">i", frame, at, time_ms * multiply // divide)
            sink.sendall(head + frame)
            while data := source.recv(65536):
                sink.sendall(data)
        except (OSError, EOFError):
            pass
        for s in (source, sink):
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)


def _read(stream, n_bytes):
    data = b""
    while len(data) < n_bytes:
        piece = stream.read(n_bytes - len(data))
        if not piece:
            raise EOFError
        data += piece
    return data
