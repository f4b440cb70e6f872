#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""QAPI code generator; see scripts/qapi/main.py."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from qapi.main import main  # noqa: E402  pylint: disable=wrong-import-position

if __name__ == '__main__':
    sys.exit(main())
