# SPDX-License-Identifier: LGPL-2.1-or-later
"""Schema text to tokens.

The language is JSON with single-quoted strings, `#` comments, and doc
comments: a block of comment lines between two lines that are just `##`.
"""

from __future__ import annotations

from typing import Iterator, List, NamedTuple, Optional, Union

from .source import Loc, QAPIError

PUNCTUATION = '{}[]:,'
KEYWORDS = {'true': True, 'false': False}


class Token(NamedTuple):
    """kind is a punctuation character, 'string', 'bool', 'doc' or 'end'."""

    kind: str
    loc: Loc
    value: Union[str, bool, List[str], None] = None

    def describe(self) -> str:
        """The token as it is named in an error message."""
        if self.kind == 'string':
            return f"string '{self.value}'"
        if self.kind == 'bool':
            return 'true' if self.value else 'false'
        return {'doc': 'documentation comment',
                'end': 'end of file'}.get(self.kind, f"'{self.kind}'")


class Lexer:
    """Splits one file into tokens."""

    def __init__(self, file: str, text: str):
        self.file = file
        self.text = text
        self.pos = 0
        self.line = 1

    def loc(self) -> Loc:
        """Where the lexer stands now."""
        return Loc(self.file, self.line)

    def tokens(self) -> Iterator[Token]:
        """All tokens of the file, the last one being 'end'."""
        while True:
            token = self._next()
            if token is not None:
                yield token
                if token.kind == 'end':
                    return

    def _next(self) -> Optional[Token]:
        if self.pos == len(self.text):
            return Token('end', self.loc())
        ch = self.text[self.pos]
        if ch == '\n':
            self.line += 1
            self.pos += 1
            return None
        if ch == ' ':
            self.pos += 1
            return None
        if ch == '#':
            return self._comment()
        if ch in PUNCTUATION:
            self.pos += 1
            return Token(ch, self.loc())
        if ch == "'":
            return self._string()
        for word, value in KEYWORDS.items():
            if self.text.startswith(word, self.pos):
                self.pos += len(word)
                return Token('bool', self.loc(), value)
        raise QAPIError(self.loc(), f'stray {ch!r}')

    def _string(self) -> Token:
        end = self.text.find("'", self.pos + 1)
        newline = self.text.find('\n', self.pos)
        if end < 0 or -1 < newline < end:
            raise QAPIError(self.loc(), "missing terminating \"'\"")
        value = self.text[self.pos + 1:end]
        for ch in value:
            if ch == '\\' or not ' ' <= ch <= '~':
                raise QAPIError(self.loc(),
                                f'{ch!r} is not allowed in a string')
        self.pos = end + 1
        return Token('string', self.loc(), value)

    def _take_line(self) -> str:
        end = self.text.find('\n', self.pos)
        end = len(self.text) if end < 0 else end
        line = self.text[self.pos:end]
        self.pos = min(end + 1, len(self.text))
        self.line += 1
        return line

    def _comment(self) -> Optional[Token]:
        loc = self.loc()
        if self._take_line().rstrip() != '##':
            return None
        lines: List[str] = []
        while True:
            here = self.loc()
            if self.pos == len(self.text):
                raise QAPIError(loc, "documentation comment has no end '##'")
            line = self._take_line()
            if line.rstrip() == '##':
                return Token('doc', loc, lines)
            if not line.startswith('#'):
                raise QAPIError(here, "line of a documentation comment "
                                      "does not begin with '#'")
            if line != line.rstrip():
                raise QAPIError(here, 'trailing white space')
            if len(line) > 1 and line[1] != ' ':
                raise QAPIError(here, "missing blank after '#'")
            lines.append(line[2:])
