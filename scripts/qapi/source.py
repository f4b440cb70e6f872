# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where something stands in a schema file, and errors that say so."""

from __future__ import annotations

from typing import NamedTuple


class Loc(NamedTuple):
    """A line of a schema file; file is as it was opened."""

    file: str
    line: int

    def __str__(self) -> str:
        return f'{self.file}:{self.line}'


class QAPIError(Exception):
    """A fault of the schema, not of the generator."""

    def __init__(self, loc: Loc, message: str):
        super().__init__(f'{loc}: {message}')
        self.loc = loc
        self.message = message
