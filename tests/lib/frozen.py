# SPDX-License-Identifier: Apache-2.0
"""Programs of former releases, and what their agents stored; see tests/frozen/README.md."""

import contextlib
import lzma
import os
import platform
import subprocess
import tarfile

from harness import BIN_DIR, SOURCE_DIR, skip, temporary_directory

FROZEN_DIR = os.path.join(SOURCE_DIR, "tests", "frozen")


@contextlib.contextmanager
def frozen_programs(release):
    """A directory with the programs of that release; the test is skipped where they cannot run."""
    machine = platform.machine()
    archive = os.path.join(FROZEN_DIR, "%s-%s.tar.xz" % (release, machine))
    if not os.path.exists(archive):
        skip("there are no programs of release %s for %s" % (release, machine))
    with temporary_directory() as directory:
        os.chmod(directory, 0o755)
        with tarfile.open(archive, "r:xz") as tar:
            for member in tar:
                tar.extract(member, directory)
                _need_libraries(release, os.path.join(directory, member.name))
        yield directory


def _need_libraries(release, path):
    found = subprocess.run(["ldd", path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    missing = [line.strip() for line in found.stdout.splitlines() if "not found" in line]
    if missing:
        skip("%s of release %s cannot run here: %s" % (os.path.basename(path), release, "; ".join(missing)))


def put_database(release, path):
    with lzma.open(os.path.join(FROZEN_DIR, "agent-%s.db.xz" % release)) as packed, open(path, "wb") as f:
        f.write(packed.read())


@contextlib.contextmanager
def mixed_programs(frozen, *names):
    """A directory with our programs, but for those that are to be of the former release."""
    with temporary_directory() as directory:
        os.chmod(directory, 0o755)
        for name in os.listdir(BIN_DIR):
            if name.startswith("holdfast-"):
                os.symlink(os.path.join(frozen if name in names else BIN_DIR, name), os.path.join(directory, name))
        yield directory
