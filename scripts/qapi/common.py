# SPDX-License-Identifier: LGPL-2.1-or-later
"""Names in C, and conditions."""

from __future__ import annotations

from typing import Dict, List, Union

KEYWORDS = frozenset('''
    auto break case char const continue default do double else enum extern
    float for goto if int long register return short signed sizeof static
    struct switch typedef union unsigned void volatile while
    inline restrict _Bool _Complex _Imaginary
    _Alignas _Alignof _Atomic _Generic _Noreturn _Static_assert _Thread_local
    asm typeof bool true false errno unix linux i386 mips sparc
'''.split())

CondValue = Union[str, Dict[str, 'CondValue'], List['CondValue']]  # type: ignore


def c_name(name: str, protect: bool = True) -> str:
    """A C identifier for a QAPI name; words with a meaning in C get q_."""
    result = ''.join(c if c.isalnum() else '_' for c in name)
    if protect and (result in KEYWORDS or result[:1].isdigit()):
        return 'q_' + result
    return result


def camel_to_upper(name: str) -> str:
    """SocketAddressType -> SOCKET_ADDRESS_TYPE.

    A capital begins a word if a small letter follows or a digit precedes,
    so that JSONType gives JSON_TYPE.
    """
    if name.isupper():
        return c_name(name, False)
    result = ''
    for i, ch in enumerate(name):
        if ch.isupper() and i > 0 and name[i - 1] not in '_-':
            before_small = i + 1 < len(name) and name[i + 1].islower()
            if before_small or name[i - 1].isdigit():
                result += '_'
        result += ch
    return c_name(result, False).upper()


def c_enum_const(type_name: str, value: str, prefix: str = '') -> str:
    """The C name of an enum's value."""
    stem = prefix or camel_to_upper(type_name)
    return f'{stem}_{c_name(value, False).upper()}'


def c_string(text: str) -> str:
    """A C string literal."""
    return '"' + text.replace('\\', '\\\\').replace('"', '\\"') + '"'


def guard_name(file: str) -> str:
    """The include guard of a generated header."""
    return 'GENERATED_' + c_name(file, False).upper()


class Cond:
    """A condition: 'CONFIG_X', {'all': [...]}, {'any': [...]}, {'not': c}.

    It speaks of preprocessor symbols being defined.
    """

    def __init__(self, value: 'CondValue' = ''):
        self.value = value

    def __bool__(self) -> bool:
        return bool(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Cond) and self.value == other.value

    def __hash__(self) -> int:
        return hash(self.c_expr())

    def c_expr(self) -> str:
        """The expression for an #if."""
        return self._render(self.value, 'defined({})', ' && ', ' || ', '!')

    def text(self) -> str:
        """The condition for a reader."""
        return self._render(self.value, '{}', ' and ', ' or ', 'not ')

    @classmethod
    def _render(cls, value: 'CondValue', leaf: str, and_: str, or_: str,
                not_: str, nested: bool = False) -> str:
        if not value:
            return ''
        if isinstance(value, str):
            return leaf.format(value)
        assert isinstance(value, dict)
        (operator, operand), = value.items()
        if operator == 'not':
            return not_ + cls._render(operand, leaf, and_, or_, not_, True)
        joined = (and_ if operator == 'all' else or_).join(
            cls._render(v, leaf, and_, or_, not_, True) for v in operand)
        return f'({joined})' if nested and len(operand) > 1 else joined
