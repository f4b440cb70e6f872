# SPDX-License-Identifier: LGPL-2.1-or-later
"""Tokens to expressions: JSON objects with their place and doc comment.

Includes are followed here, each file once; pragmas are collected.
"""

from __future__ import annotations

import os
from typing import Dict, Iterator, List, Optional, Set, Union

from .doc import Doc
from .lexer import Lexer, Token
from .source import Loc, QAPIError

Value = Union[str, bool, List['Value'], Dict[str, 'Value']]

PRAGMA_LISTS = ('command-name-exceptions', 'command-returns-exceptions',
                'member-name-exceptions', 'documentation-exceptions')


class Pragma:
    """What `{ 'pragma': ... }` can set; each file has its own."""

    def __init__(self) -> None:
        self.doc_required = False
        self.lists: Dict[str, List[str]] = {k: [] for k in PRAGMA_LISTS}

    def set(self, name: str, value: Value, loc: Loc) -> None:
        """Apply one pragma."""
        if name == 'doc-required':
            if not isinstance(value, bool):
                raise QAPIError(loc, "pragma 'doc-required' must be boolean")
            self.doc_required = value
        elif name in PRAGMA_LISTS:
            if not isinstance(value, list) or \
               not all(isinstance(v, str) for v in value):
                raise QAPIError(loc, f"pragma '{name}' must be a list of "
                                     "strings")
            self.lists[name] += [str(v) for v in value]
        else:
            raise QAPIError(loc, f"unknown pragma '{name}'")


class Expr:
    """One top-level expression."""

    def __init__(self, value: Dict[str, Value], loc: Loc, module: str,
                 doc: Optional[Doc], pragma: Pragma):
        self.value = value
        self.loc = loc
        self.module = module
        self.doc = doc
        self.pragma = pragma


class Module:
    """One schema file: its name is the file's without .json."""

    def __init__(self, file: str):
        self.file = file
        self.name = os.path.splitext(os.path.basename(file))[0]
        self.includes: List[str] = []
        self.free_docs: List[Doc] = []
        self.pragma = Pragma()


class Parser:
    """Parses a file and everything that it includes."""

    def __init__(self, file: str):
        self.exprs: List[Expr] = []
        self.modules: Dict[str, Module] = {}
        self._seen: Set[str] = set()
        self.files: List[str] = []
        self._parse_file(file, Loc(file, 1))

    def _parse_file(self, file: str, loc: Loc) -> Module:
        name = os.path.splitext(os.path.basename(file))[0]
        path = os.path.abspath(file)
        if path in self._seen:
            return self.modules[name]
        if name in self.modules:
            raise QAPIError(loc, f"two schema files are named '{name}'")
        self._seen.add(path)
        try:
            with open(file, encoding='utf-8') as stream:
                text = stream.read()
        except OSError as err:
            raise QAPIError(loc, f"can't read '{file}': "
                                 f"{err.strerror}") from err
        module = self.modules[name] = Module(file)
        self.files.append(file)
        _FileParser(self, module, text).run()
        return module

    def include(self, module: Module, value: Value, loc: Loc) -> None:
        """Handle `{ 'include': 'FILE' }`."""
        if not isinstance(value, str):
            raise QAPIError(loc, "value of 'include' must be a string")
        path = os.path.join(os.path.dirname(module.file), value)
        included = self._parse_file(path, loc)
        if included is not module and included.name not in module.includes:
            module.includes.append(included.name)


class _FileParser:
    """The expressions of one file."""

    def __init__(self, owner: Parser, module: Module, text: str):
        self._owner = owner
        self._module = module
        self._tokens: Iterator[Token] = Lexer(module.file, text).tokens()
        self._tok = next(self._tokens)

    def _advance(self) -> Token:
        token = self._tok
        if token.kind != 'end':
            self._tok = next(self._tokens)
        return token

    def _expect(self, kind: str, what: str) -> Token:
        if self._tok.kind != kind:
            raise QAPIError(self._tok.loc, f'expected {what}, found '
                                           f'{self._tok.describe()}')
        return self._advance()

    def run(self) -> None:
        """Parse to the end of the file."""
        doc: Optional[Doc] = None
        while self._tok.kind != 'end':
            if self._tok.kind == 'doc':
                self._reject_unused(doc)
                token = self._advance()
                assert isinstance(token.value, list)
                doc = Doc(token.value, token.loc)
                if doc.symbol is None:
                    self._module.free_docs.append(doc)
                    doc = None
                continue
            loc = self._tok.loc
            value = self._object()
            if not self._directive(value, loc):
                self._owner.exprs.append(Expr(value, loc, self._module.name,
                                              doc, self._module.pragma))
                doc = None
        self._reject_unused(doc)

    @staticmethod
    def _reject_unused(doc: Optional[Doc]) -> None:
        if doc is not None:
            raise QAPIError(doc.loc, f"documentation of '{doc.symbol}' is "
                                     "not followed by its definition")

    def _directive(self, value: Dict[str, Value], loc: Loc) -> bool:
        for key in ('include', 'pragma'):
            if key in value:
                if len(value) > 1:
                    raise QAPIError(loc, f"'{key}' must stand alone")
                break
        else:
            return False
        if key == 'include':
            self._owner.include(self._module, value[key], loc)
            return True
        pragmas = value[key]
        if not isinstance(pragmas, dict):
            raise QAPIError(loc, "value of 'pragma' must be an object")
        for name, setting in pragmas.items():
            self._module.pragma.set(name, setting, loc)
        return True

    def _object(self) -> Dict[str, Value]:
        self._expect('{', "'{'")
        result: Dict[str, Value] = {}
        if self._tok.kind == '}':
            self._advance()
            return result
        while True:
            key = self._expect('string', "a string or '}'")
            assert isinstance(key.value, str)
            if key.value in result:
                raise QAPIError(key.loc, f"duplicate key '{key.value}'")
            self._expect(':', "':'")
            result[key.value] = self._value()
            if self._tok.kind == '}':
                self._advance()
                return result
            self._expect(',', "',' or '}'")

    def _array(self) -> List[Value]:
        self._expect('[', "'['")
        result: List[Value] = []
        if self._tok.kind == ']':
            self._advance()
            return result
        while True:
            result.append(self._value())
            if self._tok.kind == ']':
                self._advance()
                return result
            self._expect(',', "',' or ']'")

    def _value(self) -> Value:
        if self._tok.kind == '{':
            return self._object()
        if self._tok.kind == '[':
            return self._array()
        if self._tok.kind in ('string', 'bool'):
            value = self._advance().value
            assert isinstance(value, (str, bool))
            return value
        raise QAPIError(self._tok.loc, "expected '{', '[', a string or a "
                                       f'boolean, found '
                                       f'{self._tok.describe()}')
