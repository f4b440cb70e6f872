# SPDX-License-Identifier: LGPL-2.1-or-later
"""Doc comments: what they say, and whether it fits the code.

    ##
    # @name:
    #
    # What it is for.
    #
    # @member: what the member means,
    #          as many lines as needed
    #
    # Features:
    # @deprecated: use @other instead
    #
    # Returns: what the command gives back
    #
    # Since: 0.1
    #
    # Example:
    #
    # -> { "execute": "name" }
    # <- { "return": {} }
    ##

A comment that does not begin with "@name:" is free text.
"""

from __future__ import annotations

import re
from typing import Dict, Iterable, List, Optional

from .source import Loc, QAPIError

SYMBOL = re.compile(r'@([A-Za-z_][A-Za-z0-9_.-]*):$')
MEMBER = re.compile(r'@([A-Za-z0-9_][A-Za-z0-9_.-]*):(?:\s+(.*))?$')
SECTION = re.compile(
    r'(Returns|Since|Notes?|Examples?|Errors):(?:\s+(.*))?$')


class Section:
    """Some text with a heading; an empty tag is plain body text."""

    def __init__(self, tag: str, loc: Loc):
        self.tag = tag
        self.loc = loc
        self.lines: List[str] = []

    @property
    def text(self) -> str:
        """The lines without the white space around them."""
        return '\n'.join(self.lines).strip('\n')

    def append(self, line: str) -> None:
        """Add a line; indentation is kept inside examples only."""
        keep = self.tag.startswith('Example')
        self.lines.append(line if keep else line.strip())


class Doc:
    """One parsed doc comment."""

    def __init__(self, lines: List[str], loc: Loc):
        self.loc = loc
        self.symbol: Optional[str] = None
        self.args: Dict[str, Section] = {}
        self.features: Dict[str, Section] = {}
        self.sections: List[Section] = [Section('', loc)]
        match = SYMBOL.match(lines[0]) if lines else None
        if match:
            self.symbol = match.group(1)
            self._parse(lines[1:])
        else:
            self.sections[0].lines = lines

    @property
    def body(self) -> str:
        """The text before the first tagged section."""
        return self.sections[0].text

    def section(self, tag: str) -> Optional[Section]:
        """The first section with that tag."""
        for section in self.sections:
            if section.tag == tag:
                return section
        return None

    def _parse(self, lines: List[str]) -> None:
        current = self.sections[0]
        in_features = False
        for number, line in enumerate(lines, self.loc.line + 2):
            loc = Loc(self.loc.file, number)
            member = MEMBER.match(line)
            tag = SECTION.match(line)
            if line == 'Features:':
                in_features = True
                continue
            if member:
                where = self.features if in_features else self.args
                name = member.group(1)
                if name in self.args or name in self.features:
                    raise QAPIError(loc, f"'@{name}' is documented twice")
                current = where[name] = Section('@' + name, loc)
                current.append(member.group(2) or '')
            elif tag:
                in_features = False
                current = Section(tag.group(1), loc)
                self.sections.append(current)
                current.append(tag.group(2) or '')
            else:
                current.append(line)

    def check(self, kind: str, members: Iterable[str],
              features: Iterable[str], returns: bool) -> None:
        """Does the comment describe just what the code declares?"""
        self._check_names('member', self.args, set(members))
        self._check_names('feature', self.features, set(features))
        section = self.section('Returns')
        if section and not returns:
            raise QAPIError(section.loc, "'Returns:' is only for commands "
                                         f"that return something, not {kind}")
        for name, arg in {**self.args, **self.features}.items():
            if not arg.text:
                raise QAPIError(arg.loc, f"'@{name}' has no description")

    def _check_names(self, what: str, have: Dict[str, Section],
                     want: set) -> None:
        for name, section in have.items():
            if name not in want:
                raise QAPIError(section.loc, f"documented {what} '{name}' "
                                             f"of '{self.symbol}' does not "
                                             "exist")
        missing = sorted(want - set(have))
        if missing:
            raise QAPIError(self.loc, f"{what} '{missing[0]}' of "
                                      f"'{self.symbol}' is not documented")
