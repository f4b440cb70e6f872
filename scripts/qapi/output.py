# SPDX-License-Identifier: LGPL-2.1-or-later
"""Generated files: text with #if blocks, written when it has changed."""

from __future__ import annotations

import os
from contextlib import contextmanager
from string import Template
from textwrap import dedent
from textwrap import indent as text_indent
from typing import Iterator, List

from .common import Cond, guard_name


class CText:
    """Collects C text."""

    def __init__(self) -> None:
        self._parts: List[str] = []

    def put(self, template: str, indent: int = 0, **values: object) -> None:
        """Add a block; $name is replaced, common indentation is removed."""
        text = text_indent(dedent(template).strip('\n'), ' ' * indent)
        if values:
            text = Template(text).substitute(
                {k: str(v) for k, v in values.items()})
        self._parts.append(text + '\n')

    def line(self, text: str = '') -> None:
        """Add one line as it is."""
        self._parts.append(text + '\n')

    @contextmanager
    def when(self, cond: Cond) -> Iterator[None]:
        """What is added inside is compiled only if @cond holds."""
        if not cond:
            yield
            return
        self.line(f'#if {cond.c_expr()}')
        yield
        self.line('#endif')

    def text(self) -> str:
        """All of it."""
        return ''.join(self._parts)


def write_file(directory: str, name: str, text: str) -> None:
    """Write @text."""
    with open(os.path.join(directory, name), 'w', encoding='utf-8') as out:
        out.write(text)


def banner(purpose: str) -> str:
    """The comment at the top of a generated file."""
    return ('/*\n'
            f' * {purpose}\n'
            ' *\n'
            ' * Generated from the QAPI schema; edit that instead.\n'
            ' *\n'
            ' * SPDX-License-Identifier: LGPL-2.1-or-later\n'
            ' */\n')


def header(name: str, purpose: str, includes: List[str], body: str) -> str:
    """A whole header file."""
    guard = guard_name(name)
    lines = ''.join(f'#include "{i}"\n' for i in includes)
    return (banner(purpose) + f'#ifndef {guard}\n#define {guard}\n\n'
            + lines + '\n' + body + '\n#endif\n')


def source(purpose: str, includes: List[str], body: str) -> str:
    """A whole source file."""
    lines = ''.join(f'#include "{i}"\n' for i in includes)
    return (banner(purpose) + '#include "util/osdep.h"\n\n' + lines + '\n'
            + body)
