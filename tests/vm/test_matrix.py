#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The matrix of launchers and isolation on a kernel that has the controllers; see tests/lib/matrix.py."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import matrix    # noqa: E402
from vm import main_inside    # noqa: E402

globals().update(matrix.tests())

main_inside()
