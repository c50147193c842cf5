# SPDX-License-Identifier: Apache-2.0
"""Network interfaces by ioctl(), for where no ip(8) is: `interface.py NAME ADDRESS` gives one an address."""

import fcntl
import socket
import struct
import sys

TUNSETIFF, TUNSETPERSIST = 0x400454CA, 0x400454CB
IFF_TAP, IFF_NO_PI = 0x0002, 0x1000
SIOCGIFFLAGS, SIOCSIFFLAGS, SIOCSIFADDR, SIOCSIFNETMASK = 0x8913, 0x8914, 0x8916, 0x891C
IFF_UP = 0x1
NETMASK = "255.255.255.0"


def _ifreq(name, payload=b""):
    return struct.pack("16s24s", name.encode(), payload)


def _address(text):
    return struct.pack("HH4s", socket.AF_INET, 0, socket.inet_aton(text))


def up(name, address=None):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        if address:
            fcntl.ioctl(s, SIOCSIFADDR, _ifreq(name, _address(address)))
            fcntl.ioctl(s, SIOCSIFNETMASK, _ifreq(name, _address(NETMASK)))
        flags, = struct.unpack_from("H", fcntl.ioctl(s, SIOCGIFFLAGS, _ifreq(name)), 16)
        fcntl.ioctl(s, SIOCSIFFLAGS, _ifreq(name, struct.pack("H", flags | IFF_UP)))


def make_tap(name, address):
    """An interface whose other end is whoever opens it; it stays until the network namespace goes."""
    with open("/dev/net/tun", "r+b", buffering=0) as tun:
        fcntl.ioctl(tun, TUNSETIFF, _ifreq(name, struct.pack("H", IFF_TAP | IFF_NO_PI)))
        fcntl.ioctl(tun, TUNSETPERSIST, 1)
    up(name, address)


if __name__ == "__main__":
    up(sys.argv[1], sys.argv[2])
