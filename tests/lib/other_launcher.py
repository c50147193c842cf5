#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A launcher of another release, kept as it is: it speaks the wire by hand, and nothing is to be changed here.

    other_launcher.py VERSION CONTAINER_ID     plan at descriptor 3, agent at descriptor 4

Version 0 knows Go and Kill, and none of the optional fields. Version 99 says what no agent of today has heard
of: fields, and a kind of event.
"""

import ctypes
import os
import select
import signal
import socket
import struct
import subprocess
import sys

from wire import field, first, read

WAITING, RUNNING, ENDED, EXITED = 1, 3, 5, 3
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
EOPNOTSUPP = 95


def start_time(pid):
    with open("/proc/%d/stat" % pid) as f:
        return int(f.read().rsplit(")", 1)[1].split()[19])


class Launcher:
    def __init__(self, version):
        with open("/proc/sys/kernel/random/boot_id") as f:
            self.boot_id = f.read().strip()
        self.version = version
        plan = read(os.pread(3, 1 << 20, 0))
        self.container_id, self.runtime_dir, self.record_path, self.sandbox = (
            first(plan, n).decode() for n in (2, 3, 4, 10))
        command = read(first(plan, 41))
        self.argv = [a.decode() for a in command[1]]
        self.file = first(command, 2, command[1][0]).decode()
        self.environment = dict(e.decode().split("=", 1) for e in command.get(3, []))
        self.child = self.record = None
        self.agent = socket.socket(fileno=4)
        self.agent.setblocking(True)
        os.makedirs(self.runtime_dir, exist_ok=True)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        directory = os.open(self.runtime_dir, os.O_PATH)
        self.listener.bind("/proc/self/fd/%d/launcher.sock" % directory)
        self.listener.listen()

    def tell(self, event):
        if self.version > 1:
            event += field(77, b"from the future")
        try:
            self.agent.send(event)
        except OSError:
            pass

    def hello(self):
        state = ENDED if self.record else RUNNING if self.child else WAITING
        out = (field(1, self.version) + field(2, self.container_id) + field(3, self.boot_id) + field(4, os.getpid()) +
               field(5, start_time(os.getpid())) + field(6, state))
        if self.version > 1:
            out += field(90, "a field") + field(91, 12)
            if self.child:
                out += field(7, self.child.pid)
        self.tell(field(1, out))
        if self.version > 1:
            self.tell(field(55, field(1, "an event that nobody knows")))

    def reply(self, serial, error=0):
        self.tell(field(4, field(1, serial) + field(2, error or None)))

    def go(self):
        if self.child:
            return
        prctl = ctypes.CDLL(None).prctl
        with open(os.path.join(self.sandbox, "stdout"), "ab") as out, \
                open(os.path.join(self.sandbox, "stderr"), "ab") as err:
            self.child = subprocess.Popen(
                self.argv, executable=self.file, env=self.environment, cwd=self.sandbox, stdin=subprocess.DEVNULL,
                stdout=out, stderr=err, start_new_session=True,
                preexec_fn=lambda: prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0))
        self.tell(field(2, field(1, self.child.pid) + field(2, start_time(self.child.pid))))

    def on_request(self, data):
        request = read(data)
        serial = first(request, 1)
        if 2 in request:
            self.reply(serial)
            self.go()
        elif 3 in request and self.child:
            os.killpg(self.child.pid, first(read(first(request, 3)), 1))
            self.reply(serial)
        elif 4 in request and self.version > 0:
            self.reply(serial)
            self.hello()
        else:
            self.reply(serial, EOPNOTSUPP)

    def write_record(self, wait_status):
        self.record = (field(1, self.version) + field(2, EXITED) + field(3, self.container_id) +
                       field(4, self.boot_id) + field(5, wait_status))
        if self.version > 1:
            self.record += field(88, "more")
        checksum = 0xcbf29ce484222325
        for byte in self.record:
            checksum = (checksum ^ byte) * 0x100000001b3 % (1 << 64)
        with open(self.record_path + ".new", "wb") as f:
            f.write(struct.pack("<8sQQ", b"HFEXIT01", len(self.record), checksum) + self.record)
            f.flush()
            os.fsync(f.fileno())
        os.rename(self.record_path + ".new", self.record_path)

    def run(self):
        self.hello()
        while self.child is None or self.child.poll() is None:
            sources = [s for s in (self.agent, self.listener) if s.fileno() >= 0]
            for source in select.select(sources, [], [], 0.02)[0]:
                if source is self.listener:
                    self.agent.close()
                    self.agent = self.listener.accept()[0]
                    self.hello()
                else:
                    data = self.agent.recv(4096)
                    if data:
                        self.on_request(data)
                    elif self.child:
                        self.agent.close()
                    else:
                        return
        code = self.child.returncode
        self.write_record(-code if code < 0 else code << 8)
        self.tell(field(3, field(1, self.record) + field(2, True)))


def main():
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    launcher = Launcher(int(sys.argv[1]))
    launcher.run()
    os.unlink(os.path.join(launcher.runtime_dir, "launcher.sock"))
    os.rmdir(launcher.runtime_dir)


if __name__ == "__main__":
    main()
