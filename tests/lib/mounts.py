# SPDX-License-Identifier: Apache-2.0
"""Mounts that nobody else sees, for tests that run as root."""

import ctypes
import os
import sys

from harness import equal, skip

CLONE_NEWNS = 0x20000
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000
libc = ctypes.CDLL(None, use_errno=True)


def in_mount_namespace(function):
    """Runs function in a child that has mounts of its own; its exception fails the test."""
    if os.geteuid() != 0:
        skip("mounting needs root")
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            if libc.unshare(CLONE_NEWNS) != 0 or libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None) != 0:
                status = 77
            else:
                function()
                status = 0
        except BaseException as e:
            print("in the mount namespace: %r" % e)
        sys.stdout.flush()
        os._exit(status)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status == 77:
        skip("no mount namespace of our own can be had here")
    equal(status, 0, "status of the part with mounts")


def bind(source, target):
    if libc.mount(source.encode(), target.encode(), None, MS_BIND, None) != 0:
        raise OSError(ctypes.get_errno(), "mount")


def mount_tmpfs(path, options):
    os.makedirs(path, exist_ok=True)
    if libc.mount(b"tmpfs", path.encode(), b"tmpfs", 0, options.encode()) != 0:
        raise OSError(ctypes.get_errno(), "mount")
