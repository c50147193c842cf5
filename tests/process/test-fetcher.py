#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""holdfast-fetcher, run as an unprivileged user with plans on its stdin, as the launcher runs it."""

import gzip
import http.server
import io
import os
import shutil
import socket
import stat
import struct
import subprocess
import sys
import tarfile
import tempfile
import threading
import zipfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from harness import TIMEOUT_SCALE, check, equal, main, program  # noqa: E402

NOBODY = 65534


# Plans, in protobuf's wire format

def varint(value):
    out = bytearray()
    while value > 0x7f:
        out.append(value & 0x7f | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def field(number, value):
    if isinstance(value, (bool, int)):
        return varint(number << 3) + varint(int(value))
    data = value if isinstance(value, bytes) else value.encode()
    return varint(number << 3 | 2) + varint(len(data)) + data


def uri_message(value, executable=None, extract=None, output_file=None, cache=None):
    out = field(1, value)
    for number, option in ((2, executable), (3, extract), (4, cache), (5, output_file)):
        if option is not None:
            out += field(number, option)
    return out


def plan_message(sandbox, uris, frameworks_home=None, stall_usec=None, max_download=None, max_entries=None,
                 max_expanded=None):
    out = field(1, sandbox) + b"".join(field(2, uri) for uri in uris)
    for number, option in ((3, frameworks_home), (4, stall_usec), (5, max_download), (6, max_entries),
                           (7, max_expanded)):
        if option is not None:
            out += field(number, option)
    return out


class Sandbox:
    """A directory that belongs to the unprivileged user, and one beside it for what is fetched."""

    def __enter__(self):
        self.root = tempfile.mkdtemp(prefix="holdfast-fetch-")
        os.chmod(self.root, 0o755)
        self.path = os.path.join(self.root, "sandbox")
        self.source = os.path.join(self.root, "source")
        for directory in (self.path, self.source):
            os.mkdir(directory)
        self.identity = {}
        if os.geteuid() == 0:
            os.chown(self.path, NOBODY, NOBODY)
            self.identity = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.root)

    def put(self, name, data, mode=0o644):
        """A file to fetch; its path."""
        path = os.path.join(self.source, name)
        with open(path, "wb") as f:
            f.write(data)
        os.chmod(path, mode)
        return path

    def fetch(self, *uris, stdin=None, umask=0o022, **options):
        """(exit status, stderr) of the fetcher."""
        messages = [uri if isinstance(uri, bytes) else uri_message(uri) for uri in uris]
        done = subprocess.run([program("holdfast-fetcher")], cwd="/", umask=umask, capture_output=True,
                              input=plan_message(self.path, messages, **options) if stdin is None else stdin,
                              timeout=60 * TIMEOUT_SCALE, env={"PATH": "/usr/bin:/bin", "no_proxy": "*"},
                              **self.identity)
        equal(done.stdout, b"", "the fetcher's stdout")
        return done.returncode, done.stderr.decode()

    def fetched(self, *uris, **options):
        status, errors = self.fetch(*uris, **options)
        check(status == 0, "exit status %d: %s" % (status, errors))
        self.check_tidy()
        return errors

    def refused(self, reason, *uris, **options):
        """The fetch fails and the last line of stderr has the reason."""
        status, errors = self.fetch(*uris, **options)
        check(status not in (0, None) and status > 0, "exit status %d: %s" % (status, errors))
        last = errors.splitlines()[-1]
        check(reason in last, "the last line is %r, expected %r in it" % (last, reason))
        self.check_tidy()
        return last

    def check_tidy(self):
        left = [n for _, _, names in os.walk(self.path) for n in names if n.startswith(".fetching")]
        equal(left, [], "temporary files")

    def read(self, name):
        with open(os.path.join(self.path, name), "rb") as f:
            return f.read()

    def mode(self, name):
        return stat.S_IMODE(os.lstat(os.path.join(self.path, name)).st_mode)

    def names(self):
        return sorted(os.path.relpath(os.path.join(d, n), self.path)
                      for d, dirs, files in os.walk(self.path) for n in dirs + files)


def tar_of(*members, mode="w"):
    """An archive of (name, contents) pairs and ready TarInfo objects."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode, format=tarfile.GNU_FORMAT) as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                archive.addfile(info, io.BytesIO(member[1]))
    return out.getvalue()


def special(name, kind, linkname="", **fields):
    info = tarfile.TarInfo(name)
    info.type = kind
    info.linkname = linkname
    for key, value in fields.items():
        setattr(info, key, value)
    return info


class Server:
    """HTTP on loopback; paths decide what happens."""

    def __enter__(self):
        outer = self
        self.stalled = threading.Event()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                outer.answer(self)

        self.httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.httpd.daemon_threads = True
        self.httpd.handle_error = lambda *_: None    # clients that hang up are what we test
        self.url = "http://127.0.0.1:%d" % self.httpd.server_address[1]
        self.thread = threading.Thread(target=self.httpd.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stalled.set()
        self.httpd.shutdown()
        self.thread.join()
        self.httpd.server_close()

    def answer(self, request):
        path = request.path
        if path.startswith("/file"):
            self.send(request, 200, b"from the network")
        elif path == "/once/moved":
            self.send(request, 302, b"", {"Location": "/file"})
        elif path == "/loop":
            self.send(request, 302, b"", {"Location": "/loop"})
        elif path == "/local":
            self.send(request, 302, b"", {"Location": "file:///etc/passwd"})
        elif path == "/nothing":
            self.send(request, 204, b"")
        elif path == "/big":
            self.send(request, 200, b"x" * 5000)
        elif path == "/truncated":
            self.send(request, 200, b"half", {"Content-Length": "100"})
            request.close_connection = True
        elif path == "/chunked":
            request.send_response(200)
            request.send_header("Transfer-Encoding", "chunked")
            request.end_headers()
            request.wfile.write(b"5\r\nhello\r\n")
            request.close_connection = True
        elif path == "/stall":
            request.send_response(200)
            request.send_header("Content-Length", "100")
            request.end_headers()
            request.wfile.write(b"some")
            request.wfile.flush()
            self.stalled.wait(60)
        else:
            self.send(request, 404, b"no such thing")

    def send(self, request, status, body, headers=None):
        request.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(body)


# Local files

def test_a_file_is_copied_with_its_mode_by_path_and_by_uri():
    with Sandbox() as s:
        plain = s.put("plain.txt", b"text")
        script = s.put("script.sh", b"#!/bin/sh\n", 0o755)
        s.fetched(plain, "file://" + script)
        equal(s.read("plain.txt"), b"text")
        equal(s.mode("plain.txt"), 0o644)
        equal(s.mode("script.sh"), 0o755)


def test_a_relative_path_begins_at_the_frameworks_home():
    with Sandbox() as s:
        s.put("plain.txt", b"text")
        s.refused("frameworks home was not specified", "plain.txt")
        s.fetched("plain.txt", frameworks_home=s.source)
        equal(s.read("plain.txt"), b"text")


def test_executables_are_made_executable_and_not_unpacked():
    with Sandbox() as s:
        archive = s.put("tool.tar", tar_of(("inside", b"1")))
        s.fetched(uri_message(archive, executable=True))
        equal(s.names(), ["tool.tar"])
        equal(s.mode("tool.tar"), 0o755)


def test_the_output_file_may_be_in_a_directory_that_is_made():
    with Sandbox() as s:
        path = s.put("a", b"1")
        s.fetched(uri_message(path, output_file="deep/down/b"))
        equal(s.read("deep/down/b"), b"1")


def test_output_files_outside_the_sandbox_are_refused():
    with Sandbox() as s:
        path = s.put("a", b"1")
        s.refused("is not relative to the sandbox", uri_message(path, output_file="/tmp/b"))
        for name in ("../b", "a/../../b", "..", ".", "a//b", "a/"):
            s.refused("is not a plain path", uri_message(path, output_file=name))
        s.refused("is empty", uri_message(path, output_file=""))
        equal(s.names(), [])


def test_what_cannot_be_fetched_is_named_with_the_reason():
    with Sandbox() as s:
        s.refused("Failed to fetch '/no/such/file': cannot open '/no/such/file': No such file or directory",
                  "/no/such/file")
        s.refused("is not a regular file", s.source)
        s.refused("does not end with a file name", s.source + "/")
        s.refused("does not end with a file name", s.source + "/..")
        s.refused("a file URI needs an absolute path", "file://relative/path")
        s.refused("its scheme is none of", "gopher://host/path")
        s.refused("its path is missing", "http://host")
        s.refused("it is empty", "")
        s.refused("a backslash, a single quote or a line break", "/tmp/it's")
        secret = s.put("secret", b"1", 0o600)
        if os.geteuid() == 0:
            s.refused("Permission denied", secret)


def test_a_fifo_is_refused_rather_than_waited_for():
    with Sandbox() as s:
        os.mkfifo(os.path.join(s.source, "fifo"))
        os.chmod(os.path.join(s.source, "fifo"), 0o644)
        s.refused("is not a regular file", os.path.join(s.source, "fifo"))


def test_the_first_failure_ends_the_fetch():
    with Sandbox() as s:
        path = s.put("a", b"1")
        s.refused("/no/such", "/no/such", path)
        equal(s.names(), [])


def test_links_in_the_sandbox_are_replaced_and_never_followed():
    with Sandbox() as s:
        victim = s.put("victim", b"untouched", 0o666)
        os.chmod(s.source, 0o777)
        os.symlink(victim, os.path.join(s.path, "a"))
        os.symlink(s.source, os.path.join(s.path, "dir"))
        path = s.put("a", b"new")
        s.fetched(path)
        equal(s.read("a"), b"new")
        check(not os.path.islink(os.path.join(s.path, "a")), "the link is still there")
        s.refused("cannot enter the directory 'dir'", uri_message(path, output_file="dir/b"))
        with open(victim, "rb") as f:
            equal(f.read(), b"untouched")


def test_a_directory_in_the_way_is_an_error():
    with Sandbox() as s:
        os.mkdir(os.path.join(s.path, "a"))
        s.refused("cannot create 'a'", s.put("a", b"1"))


# Archives

def test_archives_are_unpacked_by_their_suffix():
    modes = {".tar": "w", ".tar.gz": "w:gz", ".tgz": "w:gz", ".tar.bz2": "w:bz2", ".tbz2": "w:bz2",
             ".tar.xz": "w:xz", ".txz": "w:xz"}
    for suffix, mode in modes.items():
        with Sandbox() as s:
            s.fetched(s.put("a" + suffix, tar_of(("d/inside", b"1"), mode=mode)))
            equal(s.names(), ["a" + suffix, "d", "d/inside"])


def test_a_zip_is_unpacked():
    with Sandbox() as s:
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("d/inside", b"1" * 1000)
        s.fetched(s.put("a.zip", out.getvalue()))
        equal(s.read("d/inside"), b"1" * 1000)


def test_a_gz_becomes_a_file_without_the_suffix_and_stays():
    with Sandbox() as s:
        s.fetched(s.put("notes.gz", gzip.compress(b"hello")))
        equal(s.names(), ["notes", "notes.gz"])
        equal(s.read("notes"), b"hello")
        s.refused("not in gzip format", s.put("plain.gz", b"not compressed"))


def test_extract_false_keeps_the_archive_alone():
    with Sandbox() as s:
        s.fetched(uri_message(s.put("a.tar", tar_of(("inside", b"1"))), extract=False))
        equal(s.names(), ["a.tar"])


def test_an_archive_put_below_is_unpacked_at_the_top_as_in_mesos():
    with Sandbox() as s:
        s.fetched(uri_message(s.put("a.tar", tar_of(("inside", b"1"))), output_file="sub/b.tar"))
        equal(s.names(), ["inside", "sub", "sub/b.tar"])


def test_modes_and_links_inside_the_archive_are_kept_but_not_set_id_bits():
    with Sandbox() as s:
        s.fetched(s.put("a.tar", tar_of(
            special("bin", tarfile.DIRTYPE, mode=0o755), special("bin/run", tarfile.REGTYPE, mode=0o4755),
            special("link", tarfile.SYMTYPE, "bin/run"), special("hard", tarfile.LNKTYPE, "bin/run"))))
        equal(s.mode("bin/run"), 0o755)
        equal(os.readlink(os.path.join(s.path, "link")), "bin/run")
        equal(os.stat(os.path.join(s.path, "hard")).st_nlink, 2)


def test_entries_with_dotdot_are_refused():
    with Sandbox() as s:
        s.refused("cannot extract its entry '../evil'", s.put("a.tar", tar_of(("../evil", b"1"))))
        s.refused("cannot extract its entry 'd/../../evil'", s.put("b.tar", tar_of(("d/../../evil", b"1"))))
        check(not os.path.exists(os.path.join(s.root, "evil")), "an entry got out")


def test_entries_with_absolute_names_are_refused():
    with Sandbox() as s:
        os.chmod(s.source, 0o777)
        name = os.path.join(s.source, "evil")
        s.refused("cannot extract its entry", s.put("a.tar", tar_of((name, b"1"))))
        check(not os.path.exists(name), "an entry got out")


def test_entries_through_a_link_of_the_archive_are_refused():
    with Sandbox() as s:
        os.chmod(s.source, 0o777)
        for n, target in enumerate((s.source, "../source")):
            s.refused("cannot extract its entry", s.put("a%d.tar" % n, tar_of(
                special("way%d" % n, tarfile.SYMTYPE, target), ("way%d/evil" % n, b"1"))))
        check(not os.path.exists(os.path.join(s.source, "evil")), "an entry got out")


def test_a_file_through_a_link_replaces_the_link():
    with Sandbox() as s:
        victim = s.put("victim", b"untouched", 0o666)
        s.fetched(s.put("a.tar", tar_of(special("name", tarfile.SYMTYPE, victim), ("name", b"evil"))))
        with open(victim, "rb") as f:
            equal(f.read(), b"untouched")


def test_hard_links_to_the_outside_are_refused():
    with Sandbox() as s:
        s.put("victim", b"1", 0o666)
        os.chmod(s.source, 0o777)
        s.refused("cannot extract its entry", s.put("a.tar", tar_of(
            special("name", tarfile.LNKTYPE, "../source/victim"))))
        s.refused("cannot extract its entry", s.put("b.tar", tar_of(
            special("way", tarfile.SYMTYPE, "../source"), special("name", tarfile.LNKTYPE, "way/victim"))))
        check(not os.path.exists(os.path.join(s.path, "name")), "the link was made")


def test_devices_fifos_and_the_like_are_refused():
    with Sandbox() as s:
        for n, kind in enumerate((tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE)):
            s.refused("is a device, a fifo or a socket", s.put("a%d.tar" % n, tar_of(
                special("null%d" % n, kind, devmajor=1, devminor=3))))


def test_archives_expand_within_bounds():
    with Sandbox() as s:
        bomb = s.put("bomb.tar.gz", tar_of(("zeroes", bytes(3000000)), mode="w:gz"))
        s.refused("expands to more than the 1000000 bytes", bomb, max_expanded=1000000)
        s.refused("expands to more than the 1000000 bytes", s.put("bomb.gz", gzip.compress(bytes(3000000))),
                  max_expanded=1000000)
        many = s.put("many.tar", tar_of(*((str(n), b"") for n in range(20))))
        s.refused("more than the 10 entries", many, max_entries=10)
        s.fetched(many, max_entries=20)


def test_a_huge_sparse_file_counts_with_its_holes():
    with Sandbox() as s:
        # An old GNU sparse header: one byte of data at the end of 8 TB.
        info = tarfile.TarInfo("sparse")
        info.type = tarfile.GNUTYPE_SPARSE
        info.size = 512
        header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
        size = 8 << 40
        header[386:410] = b"%011o\0%011o\0" % (0o77777777777, 512)
        header[483:495] = b"\x80" + struct.pack(">xxxQ", size)
        header[148:156] = b"        "
        header[148:156] = b"%06o\0 " % sum(header)
        data = bytes(header) + bytes(512) + bytes(1024)
        s.refused("expands to more than", s.put("a.tar", data))


def test_damaged_archives_are_refused():
    with Sandbox() as s:
        whole = tar_of(("inside", os.urandom(100000)), mode="w:gz")
        s.refused("cannot extract it", s.put("half.tar.gz", whole[:len(whole) // 2]))
        s.refused("cannot extract it", s.put("noise.tar", os.urandom(5000)))
        s.refused("cannot extract it", s.put("noise.zip", b"PK\3\4" + os.urandom(5000)))


# The network

def test_a_file_is_downloaded_also_after_a_redirect():
    with Sandbox() as s, Server() as server:
        s.fetched(server.url + "/file", server.url + "/once/moved")
        equal(s.read("file"), b"from the network")
        equal(s.read("moved"), b"from the network")
        equal(s.mode("file"), 0o644)


def test_anything_but_a_200_is_a_failure_that_names_it():
    with Sandbox() as s, Server() as server:
        s.refused("Failed to fetch '%s/gone': the server answered 404" % server.url, server.url + "/gone")
        s.refused("the server answered 204", server.url + "/nothing")
        equal(s.names(), [])


def test_redirects_are_bounded_and_stay_on_the_network():
    with Sandbox() as s, Server() as server:
        s.refused("redirects", server.url + "/loop")
        s.refused("file", server.url + "/local")
        equal(s.names(), [])


def test_a_truncated_transfer_is_a_failure():
    with Sandbox() as s, Server() as server:
        s.refused("Failed to fetch", server.url + "/truncated")
        s.refused("Failed to fetch", server.url + "/chunked")
        equal(s.names(), [])


def test_a_transfer_that_stalls_is_given_up():
    with Sandbox() as s, Server() as server:
        s.refused("the transfer stalled for 1secs", server.url + "/stall", stall_usec=1000000)


def test_a_transfer_has_a_maximum_size():
    with Sandbox() as s, Server() as server:
        s.refused("larger than the 4999 bytes", server.url + "/big", max_download=4999)
        s.fetched(server.url + "/big", max_download=5000)
        s.refused("larger than the 10 bytes", s.put("local", b"x" * 11), max_download=10)


def test_a_server_that_is_not_there_is_a_failure_and_passwords_are_not_shown():
    with Sandbox() as s:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            port = unused.getsockname()[1]
            last = s.refused("http://***@127.0.0.1:%d/x" % port, "http://user:secret@127.0.0.1:%d/x" % port)
            check("secret" not in last, last)


# The plan

def test_a_damaged_plan_is_refused():
    with Sandbox() as s:
        s.refused("is not a plan", stdin=b"\xff\xff")
        s.refused("is not a plan", stdin=b"")
        s.refused("too long", stdin=bytes(5 * 1024 * 1024))


def test_a_missing_sandbox_is_refused():
    with Sandbox() as s:
        s.refused("Failed to enter the sandbox", stdin=plan_message(s.path + "/none", []))


def test_help_and_version_are_answered():
    for flag in ("--help", "--version"):
        done = subprocess.run([program("holdfast-fetcher"), flag], capture_output=True, check=False,
                              stdin=subprocess.DEVNULL)
        equal(done.returncode, 0, flag)
        check(b"holdfast-fetcher" in done.stdout, done.stdout)


if __name__ == "__main__":
    main()
