#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""holdfast-worker measures trees: as du does, and those of people who would rather not be measured."""

import os
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import check, equal, main, program, skip, temporary_directory    # noqa: E402
from mounts import bind, in_mount_namespace    # noqa: E402

MIB = 1 << 20


def worker(root, path="run"):
    return subprocess.run([program("holdfast-worker"), "usage", root, path], stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120, check=False)


def usage(root, path="run"):
    result = worker(root, path)
    equal(result.returncode, 0, "status (%s)" % result.stderr)
    words = result.stdout.split()
    equal(words[1:], [], "what follows the figure")
    return int(words[0])


def du(path):
    return int(subprocess.run(["du", "-s", "-x", "--block-size=1", path], stdout=subprocess.PIPE, text=True,
                              check=True).stdout.split()[0])


def fill(path, n=MIB):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(b"x" * n)
        f.flush()
        os.fsync(f.fileno())    # blocks are counted once they are there
    return path


def test_a_tree_is_measured_as_du_measures_it():
    with temporary_directory() as d:
        for i in range(300):
            fill(d + "/run/%d/%d/file" % (i % 7, i), 100 * i)
        os.mkfifo(d + "/run/fifo")
        os.symlink("/", d + "/run/out")
        equal(usage(d), du(d + "/run"), "bytes")
        check(usage(d) > MIB, "next to nothing was found")


def test_sparse_files_count_by_their_blocks_and_hard_links_once():
    with temporary_directory() as d:
        fill(d + "/run/file")
        before = usage(d)
        with open(d + "/run/sparse", "wb") as f:
            f.truncate(1 << 40)
        for i in range(50):
            os.link(d + "/run/file", d + "/run/link%d" % i)
        check(usage(d) - before < MIB // 2, "%d bytes for no data" % (usage(d) - before))


def test_links_are_not_followed():
    with temporary_directory() as d:
        fill(d + "/elsewhere/file", 4 * MIB)
        os.mkdir(d + "/run")
        os.symlink(d + "/elsewhere", d + "/run/directory")
        os.symlink(d + "/elsewhere/file", d + "/run/file")
        check(usage(d) < MIB, "a link was followed")
        os.symlink(d + "/elsewhere", d + "/linked")
        for path in ("linked", "../" + os.path.basename(d) + "/elsewhere", d + "/elsewhere", "none"):
            equal(worker(d, path).returncode, 1, "status of %r" % path)


def test_mounts_are_not_entered_even_those_of_the_same_disk():
    def inside():
        fill(d + "/elsewhere/file", 4 * MIB)
        for name in ("directory", "deep/directory"):
            os.makedirs(d + "/run/" + name)
            bind(d + "/elsewhere", d + "/run/" + name)
        fill(d + "/run/file", 10)
        bind(d + "/elsewhere/file", d + "/run/file")
        check(usage(d) < MIB, "a mount was entered: %d" % usage(d))

    with temporary_directory() as d:
        in_mount_namespace(inside)


def test_a_tree_deeper_than_any_path_is_measured_or_said_to_be_incomplete():
    with temporary_directory() as d:
        fd = os.open(d, os.O_RDONLY)
        os.mkdir("run", dir_fd=fd)
        for name in ["run"] + ["d"] * 3000:
            if name == "d":
                os.mkdir("d", dir_fd=fd)
            inner = os.open(name, os.O_RDONLY, dir_fd=fd)
            os.close(fd)
            fd = inner
        file_fd = os.open("bottom", os.O_CREAT | os.O_WRONLY, 0o600, dir_fd=fd)
        os.write(file_fd, b"x" * (4 * MIB))
        os.fsync(file_fd)
        os.close(file_fd)
        os.close(fd)
        result = worker(d)
        equal(result.returncode, 0, "status")
        if "incomplete" in result.stdout:
            skip("too few descriptors here to go so deep")
        check(int(result.stdout) >= 4 * MIB, "the bottom was not reached: " + result.stdout)
        subprocess.run([program("holdfast-worker"), "remove", d, "run"], check=True)


def test_a_tree_that_changes_all_the_time_is_measured():
    def churn(n):
        i = 0
        while not stop.is_set():
            i += 1
            top = "%s/run/%d-%d" % (d, n, i % 3)
            try:
                os.makedirs(top + "/a/b/c")
                fill(top + "/a/b/c/file", 100)
                os.rename(top + "/a/b", top + "/moved")
                os.symlink("/", top + "/a/b")
                subprocess.run(["rm", "-rf", top], check=True)
            except OSError:
                pass

    with temporary_directory() as d:
        stop = threading.Event()
        fill(d + "/run/still/file", 4 * MIB)
        threads = [threading.Thread(target=churn, args=(n,)) for n in range(3)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(50):
                found = usage(d)
                check(4 * MIB <= found < 6 * MIB, "%d bytes" % found)
        finally:
            stop.set()
            for thread in threads:
                thread.join()


if __name__ == "__main__":
    main()
