# SPDX-License-Identifier: Apache-2.0
"""A network namespace for a test program: nothing it does to its network can be seen from outside."""

import fcntl
import os
import socket
import struct
import sys

# What a host has beside loopback, for containers to call: it answers from every network that reaches it.
HOST_ADDRESS = "10.99.0.1"

_MARK = "HOLDFAST_TEST_NETWORK"
SIOCSIFFLAGS, SIOCSIFADDR = 0x8914, 0x8916
IFF_UP, IFF_RUNNING = 0x1, 0x40


def enter():
    """Runs the program again in one; returns there, with loopback and HOST_ADDRESS up. Only for root."""
    if os.geteuid() != 0:
        print("SKIP: only root may make network namespaces")
        sys.exit(77)
    if os.environ.get(_MARK) != "1":
        os.environ[_MARK] = "1"
        os.execvp("unshare", ["unshare", "--net", "--", sys.executable, os.path.abspath(sys.argv[0]), *sys.argv[1:]])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        for name, address in (("lo", "127.0.0.1"), ("lo:1", HOST_ADDRESS)):
            request = struct.pack("16sH2s4s8s", name.encode(), socket.AF_INET, b"", socket.inet_aton(address), b"")
            fcntl.ioctl(s, SIOCSIFADDR, request)
            fcntl.ioctl(s, SIOCSIFFLAGS, struct.pack("16sH22s", name.encode(), IFF_UP | IFF_RUNNING, b""))
