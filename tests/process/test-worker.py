#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""holdfast-worker removes the trees of people who would rather have it remove something else."""

import contextlib
import os
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import check, equal, main, program, skip, temporary_directory    # noqa: E402
from mounts import bind, in_mount_namespace    # noqa: E402

NOBODY = 65534


def worker(*arguments, user=None):
    return subprocess.run([program("holdfast-worker"), *arguments], stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120, user=user, check=False)


def remove(root, path="run"):
    return worker("remove", root, path)


def write(path, text="x"):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        f.write(text)
    return path


def make_deep(top, depth, file_in_each=True):
    """A chain of directories whose path is longer than any path may be."""
    os.mkdir(top)
    fd = os.open(top, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=fd)
        if file_in_each:
            os.close(os.open("f", os.O_CREAT | os.O_WRONLY, dir_fd=fd))
        inner = os.open("d", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = inner
    os.close(fd)


def test_links_out_of_the_tree_are_removed_and_not_followed():
    with temporary_directory() as d:
        precious = write(d + "/precious/file")
        write(d + "/run/a/file")
        for name, target in (("out", d + "/precious"), ("up", ".."), ("far", "../../../../../../etc"), ("self", "self"),
                             ("a/root", "/"), ("a/proc", "/proc/self/cwd")):
            os.symlink(target, d + "/run/" + name)
        os.link(precious, d + "/run/hard")
        os.mkfifo(d + "/run/fifo")
        equal(remove(d).returncode, 0, "status")
        check(not os.path.lexists(d + "/run"), "the tree is still there")
        check(os.path.exists(precious) and os.path.exists("/etc/passwd"), "a link was followed")


def test_a_link_on_the_way_to_the_tree_is_not_followed():
    with temporary_directory() as d:
        kept = write(d + "/elsewhere/run/file")
        os.makedirs(d + "/root")
        os.symlink(d + "/elsewhere", d + "/root/runs")
        result = remove(d + "/root", "runs/run")
        equal(result.returncode, 1, "status")
        check("runs/run" in result.stderr, "the complaint does not name the path: " + result.stderr)
        check(os.path.exists(kept), "what the link points at was removed")


def test_a_tree_that_is_itself_a_link_loses_only_the_link():
    with temporary_directory() as d:
        kept = write(d + "/elsewhere/file")
        os.symlink(d + "/elsewhere", d + "/run")
        equal(remove(d).returncode, 0, "status")
        check(not os.path.lexists(d + "/run") and os.path.exists(kept), "the link stayed, or its target went")


def test_paths_that_leave_the_root_are_refused():
    with temporary_directory() as d:
        kept = write(d + "/file")
        os.mkdir(d + "/root")
        for path in ("../file", "..", ".", "", "x/../../file", d + "/file", "a/.."):
            check(worker("remove", d + "/root", path).returncode != 0 or not os.path.exists(d + "/root/x"), path)
            check(os.path.exists(kept) and os.path.isdir(d + "/root"), "%r removed something" % path)


def test_what_is_not_there_is_removed():
    with temporary_directory() as d:
        equal(remove(d).returncode, 0, "status")
        equal(remove(d, "no/such/run").returncode, 0, "status")


def test_a_tree_deeper_than_any_path_is_removed():
    with temporary_directory() as d:
        make_deep(d + "/run", 8000)
        equal(remove(d).returncode, 0, "status")
        check(not os.path.exists(d + "/run"), "the tree is still there")


def test_a_wide_tree_with_odd_names_is_removed():
    with temporary_directory() as d:
        os.mkdir(d + "/run")
        for name in (b"\n", b"\xff\xfe", b" ", b"-rf", b"*", b"a" * 255, b".removed-0"):
            os.mkdir(os.path.join((d + "/run").encode(), name))
        for i in range(5000):
            write("%s/run/%d/%d" % (d, i % 50, i))
        equal(remove(d).returncode, 0, "status")
        check(not os.path.exists(d + "/run"), "the tree is still there")


def test_directories_that_shut_their_owner_out_are_opened():
    """Root may do anything; an ordinary user's agent has to change the modes."""
    with temporary_directory() as d:
        os.chmod(d, 0o777)
        outside = write(d + "/outside/file")
        os.chmod(d + "/outside", 0)
        script = ("mkdir -p run/a/b/c run/w run/x; touch run/a/b/c/f run/w/f run/x/f; ln -s ../outside run/link;"
                  " chmod 000 run/a/b; chmod 500 run/w; chmod 600 run/x; chmod 000 run")
        user = NOBODY if os.geteuid() == 0 else None
        subprocess.run(["/bin/sh", "-c", script], cwd=d, check=True, user=user)
        result = worker("remove", d, "run", user=user)
        equal((result.returncode, result.stderr), (0, ""), "status and complaints")
        check(not os.path.lexists(d + "/run"), "the tree is still there")
        equal(os.stat(d + "/outside").st_mode & 0o777, 0, "mode of what the link points at")
        os.chmod(d + "/outside", 0o700)
        check(os.path.exists(outside), "a link was followed")


def test_what_cannot_be_removed_does_not_keep_the_rest():
    if os.geteuid() != 0:
        skip("an owner other than ourselves needs root")
    with temporary_directory() as d:
        os.chmod(d, 0o777)
        subprocess.run(["/bin/sh", "-c", "mkdir -p run/a run/z; touch run/a/f run/z/f"], cwd=d, check=True, user=NOBODY)
        write(d + "/run/m/of-root")
        result = worker("remove", d, "run", user=NOBODY)
        equal(result.returncode, 1, "status")
        check("run" in result.stderr and "ermission" in result.stderr, "complaint: " + result.stderr)
        equal(os.listdir(d + "/run"), ["m"], "what is left")


def test_nothing_is_removed_while_something_is_mounted_in_it():
    def mounted(d):
        kept = write(d + "/volume/data")
        write(d + "/run/stdout")
        os.makedirs(d + "/run/a b/volume")
        bind(d + "/volume", d + "/run/a b/volume")
        result = remove(d)
        equal(result.returncode, 1, "status")
        check("mounted" in result.stderr, "complaint: " + result.stderr)
        check(os.path.exists(kept), "the volume was emptied")
        check(os.path.exists(d + "/run/stdout"), "the sandbox was removed around the volume")

    with temporary_directory() as d:
        in_mount_namespace(lambda: mounted(d))
        equal(remove(d).returncode, 0, "status once nothing is mounted there")
        check(os.path.exists(d + "/volume/data") and not os.path.exists(d + "/run"), "what is left")


def test_a_mount_point_itself_stays():
    def mounted(d):
        kept = write(d + "/volume/data")
        os.mkdir(d + "/run")
        bind(d + "/volume", d + "/run")
        equal(remove(d).returncode, 1, "status")
        check(os.path.exists(kept), "the volume was emptied")

    with temporary_directory() as d:
        in_mount_namespace(lambda: mounted(d))


def test_directories_swapped_for_links_meanwhile_lead_nowhere():
    """A process that is left over keeps putting a link where a directory was, and the other way round."""
    with temporary_directory() as d:
        precious = [write("%s/precious/%d/file" % (d, n)) for n in range(20)]
        stop = threading.Event()

        def swap(fd):
            while not stop.is_set():
                for n in range(20):
                    with contextlib.suppress(OSError):
                        os.rename("d%d" % n, "aside%d" % n, src_dir_fd=fd, dst_dir_fd=fd)
                    with contextlib.suppress(OSError):
                        os.symlink("%s/precious" % d, "d%d" % n, dir_fd=fd)
                    with contextlib.suppress(OSError):
                        os.unlink("d%d" % n, dir_fd=fd)
                    with contextlib.suppress(OSError):
                        os.rename("aside%d" % n, "d%d" % n, src_dir_fd=fd, dst_dir_fd=fd)

        for _ in range(5):
            for n in range(20):
                for m in range(20):
                    write("%s/run/d%d/%d/0" % (d, n, m))
            fd = os.open(d + "/run", os.O_RDONLY)
            stop.clear()
            thread = threading.Thread(target=swap, args=(fd,))
            thread.start()
            result = remove(d)
            stop.set()
            thread.join()
            os.close(fd)
            check(result.returncode in (0, 1), "the worker ended with %d: %s" % (result.returncode, result.stderr))
            check(all(os.path.exists(path) for path in precious), "a link was followed")
            equal(remove(d).returncode, 0, "status once nobody interferes")


def test_a_directory_moved_away_meanwhile_takes_nothing_else_along():
    with temporary_directory() as d:
        kept = [write("%s/kept/%d" % (d, n)) for n in range(50)]
        for n in range(300):
            write("%s/run/a/b/%d/f" % (d, n))
        stop = threading.Event()

        def move():
            while not stop.is_set():
                for source, target in (("run/a/b", "kept/b"), ("kept/b", "run/a/b")):
                    with contextlib.suppress(OSError):
                        os.rename(os.path.join(d, source), os.path.join(d, target))

        thread = threading.Thread(target=move)
        thread.start()
        result = remove(d)
        stop.set()
        thread.join()
        check(result.returncode in (0, 1), "the worker ended with %d: %s" % (result.returncode, result.stderr))
        check(all(os.path.exists(path) for path in kept), "a file beside the moved directory went")


def test_sandboxes_are_listed_by_runs_and_empty_directories_above_them():
    with temporary_directory() as d:
        run = d + "/slaves/S1/frameworks/F1/executors/E1/runs/C1"
        write(run + "/stdout")
        os.utime(run + "/stdout", (5000, 5000))
        os.utime(run, (4000, 4000))
        os.symlink("C1", os.path.dirname(run) + "/latest")
        os.makedirs(d + "/slaves/S1/frameworks/F1/executors/E2/runs")
        os.makedirs(d + "/slaves/S1/frameworks/F2")
        os.makedirs(d + "/slaves/S2")
        write(d + "/slaves/odd\nname/file")
        os.symlink("/etc", d + "/slaves/S3")
        write(d + "/meta/exits/C9")
        result = worker("sandboxes", d)
        equal(result.returncode, 0, "status")
        lines = dict(reversed(line.split(" ", 1)) for line in result.stdout.splitlines())
        equal(sorted(lines), ["meta/exits/C9", "slaves/S1/frameworks/F1/executors/E1/runs/C1",
                              "slaves/S1/frameworks/F1/executors/E2", "slaves/S1/frameworks/F2", "slaves/S2"], "paths")
        equal(lines["slaves/S1/frameworks/F1/executors/E1/runs/C1"], "5000", "its age is that of its youngest output")


def test_volumes_are_made_again_and_removed_for_good():
    with temporary_directory() as d:
        for _ in range(2):
            equal(worker("volume-make", d + "/disk", "volumes/roles/eng web/v1").returncode, 0, "status")
        write(d + "/disk/volumes/roles/eng web/v1/sub/file")
        equal(worker("volume-make", d + "/disk", "volumes/roles/eng web/v1").returncode, 0, "status with data in it")
        equal(os.listdir(d + "/disk/volumes/roles/eng web/v1/sub"), ["file"], "data")
        for _ in range(2):
            equal(worker("volume-remove", d + "/disk", "volumes/roles/eng web/v1").returncode, 0, "status")
        equal(os.listdir(d + "/disk/volumes/roles/eng web"), [], "what is left")
        equal(worker("volume-remove", d + "/nowhere", "volumes/roles/ops/v1").returncode, 0, "status for no disk")


def test_whole_disk_is_emptied_and_stays():
    with temporary_directory() as d:
        write(d + "/disk/a/b/c")
        write(d + "/keep/file")
        os.symlink(d + "/keep", d + "/disk/link")
        equal(worker("volume-empty", d + "/disk").returncode, 0, "status")
        equal((os.listdir(d + "/disk"), os.listdir(d + "/keep")), ([], ["file"]), "what is left")


def test_volume_that_cannot_be_made_is_named():
    with temporary_directory() as d:
        write(d + "/volumes")
        result = worker("volume-make", d, "volumes/roles/ops/v1")
        equal(result.returncode, 1, "status")
        check(d + "/volumes/roles/ops/v1" in result.stderr and "Not a directory" in result.stderr, result.stderr)
        equal(worker("volume-make", d, "../v1").returncode, 1, "status for a path that leads out")


if __name__ == "__main__":
    main()
