# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a schema consists of: types, commands, events."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

from .common import Cond, c_enum_const, c_name
from .doc import Doc
from .source import Loc, QAPIError

# Features that the compatibility policy acts upon; C: QAPI_<NAME>.
SPECIAL_FEATURES = ('deprecated', 'unstable')
BUILTIN_MODULE = ''
NOWHERE = Loc('built-in', 0)


class Feature:
    """A feature of something, with its condition."""

    def __init__(self, value: Dict[str, Any]):
        self.name: str = value['name']
        self.cond = Cond(value.get('if', ''))

    @staticmethod
    def parse(value: Dict[str, Any]) -> List['Feature']:
        """The features that an expression lists."""
        return [Feature(f) for f in value.get('features', [])]


def c_special_features(features: List[Feature]) -> str:
    """A C expression: the set of special features."""
    bits = [f'1u << QAPI_{f.name.upper()}' for f in features
            if f.name in SPECIAL_FEATURES]
    return ' | '.join(bits) or '0'


class Entity:
    """Anything with a name at the top of the schema."""

    def __init__(self, name: str, loc: Loc = NOWHERE,
                 module: str = BUILTIN_MODULE, doc: Optional[Doc] = None):
        self.name = name
        self.loc = loc
        self.module = module
        self.doc = doc
        self.cond = Cond()
        self.features: List[Feature] = []

    def fail(self, message: str) -> QAPIError:
        """An error at this entity."""
        return QAPIError(self.loc, f"'{self.name}': {message}")


class Type(Entity):
    """A type; qtype is the JSON kind that its values have."""

    qtype = ''

    def c_type(self) -> str:
        """The C type of a variable."""
        raise NotImplementedError

    def is_pointer(self) -> bool:
        """Is that C type a pointer?"""
        return self.c_type().endswith('*')

    def needs_has(self) -> bool:
        """Does an optional member need has_X? (NULL is an empty list.)"""
        return not self.is_pointer()

    def c_param_type(self) -> str:
        """The C type of a function's parameter."""
        return self.c_type()

    def c_fun(self) -> str:
        """The type's name inside C identifiers."""
        return c_name(self.name, False)


class BuiltinType(Type):
    """str, int, bool ..."""

    def __init__(self, name: str, c_text: str, qtype: str, json_type: str):
        super().__init__(name)
        self._c_text = c_text
        self.qtype = qtype
        self.json_type = json_type

    def c_type(self) -> str:
        return self._c_text

    def c_param_type(self) -> str:
        return 'const char *' if self.name == 'str' else self._c_text


class EnumValue:
    """One value of an enum."""

    def __init__(self, value: Dict[str, Any]):
        self.name: str = value['name']
        self.cond = Cond(value.get('if', ''))
        self.features = Feature.parse(value)


class EnumType(Type):
    """An enumeration."""

    qtype = 'QTYPE_QSTRING'

    def __init__(self, name: str, values: List[EnumValue], prefix: str,
                 **kwargs: Any):
        super().__init__(name, **kwargs)
        self.values = values
        self.prefix = prefix

    def c_type(self) -> str:
        return c_name(self.name)

    def const(self, value: str) -> str:
        """The C name of a value."""
        return c_enum_const(self.name, value, self.prefix)

    def value_names(self) -> List[str]:
        """All names, in order."""
        return [v.name for v in self.values]


class ArrayType(Type):
    """[T]; in C a linked list TList."""

    qtype = 'QTYPE_QLIST'

    def __init__(self, element: Type):
        super().__init__(element.name + 'List', element.loc, element.module)
        self.element = element
        self.cond = element.cond

    def c_type(self) -> str:
        return c_name(self.name) + ' *'

    def needs_has(self) -> bool:
        return True


class Member:
    """A member of a struct, a parameter, or a branch."""

    def __init__(self, key: str, value: Dict[str, Any]):
        self.optional = key.startswith('*')
        self.name = key.lstrip('*')
        self.cond = Cond(value.get('if', ''))
        self.features = Feature.parse(value)
        self.type_ref: Any = value['type']
        self.type: Type = None  # type: ignore[assignment]

    @property
    def c_name(self) -> str:
        """The member's name in C."""
        return c_name(self.name)

    def needs_has(self) -> bool:
        """Is there a member has_X beside it?"""
        return self.optional and self.type.needs_has()

    @staticmethod
    def parse(data: Dict[str, Any]) -> List['Member']:
        """The members that an expression lists."""
        return [Member(k, v) for k, v in data.items()]


class ObjectType(Type):
    """A struct, a union, or the parameters of a command or an event."""

    qtype = 'QTYPE_QDICT'

    def __init__(self, name: str, members: List[Member],
                 base_ref: Optional[str] = None, implicit: bool = False,
                 **kwargs: Any):
        super().__init__(name, **kwargs)
        self.members = members
        self.base_ref = base_ref
        self.base: Optional['ObjectType'] = None
        self.implicit = implicit
        self.discriminator: Optional[str] = None
        self.tag: Optional[Member] = None
        self.branches: List[Member] = []
        self.open: Optional[str] = None

    def c_type(self) -> str:
        return c_name(self.name) + ' *'

    def all_members(self) -> List[Member]:
        """Members of the bases first, then the own ones."""
        return (self.base.all_members() if self.base else []) + self.members

    def is_union(self) -> bool:
        """Does a discriminator choose among branches?"""
        return self.discriminator is not None

    def is_empty(self) -> bool:
        """Is there nothing in it?"""
        return not self.all_members() and not self.branches \
            and not self.open

    def branch_for(self, value: str) -> Optional[Member]:
        """The branch of an enum value, if it has one."""
        for branch in self.branches:
            if branch.name == value:
                return branch
        return None


class AlternateType(Type):
    """A value of one of several JSON kinds."""

    qtype = 'QTYPE_NONE'

    def __init__(self, name: str, branches: List[Member], **kwargs: Any):
        super().__init__(name, **kwargs)
        self.branches = branches

    def c_type(self) -> str:
        return c_name(self.name) + ' *'


class Command(Entity):
    """A command; flags as in the schema."""

    def __init__(self, name: str, value: Dict[str, Any], **kwargs: Any):
        super().__init__(name, **kwargs)
        self.arg: Optional[ObjectType] = None
        self.ret: Optional[Type] = None
        self.boxed = value.get('boxed', False)
        self.gen = value.get('gen', True)
        self.success_response = value.get('success-response', True)
        self.allow_oob = value.get('allow-oob', False)
        self.allow_preconfig = value.get('allow-preconfig', False)
        self.coroutine = value.get('coroutine', False)
        self.concurrent = value.get('x-concurrent', False)
        self.context = value.get('x-context', False)


class Event(Entity):
    """An event."""

    def __init__(self, name: str, value: Dict[str, Any], **kwargs: Any):
        super().__init__(name, **kwargs)
        self.arg: Optional[ObjectType] = None
        self.boxed = value.get('boxed', False)


def builtin_types() -> List[Type]:
    """The types that need no declaration."""
    integers = [('int', 'int64_t'), ('size', 'uint64_t')]
    for bits in (8, 16, 32, 64):
        integers += [(f'int{bits}', f'int{bits}_t'),
                     (f'uint{bits}', f'uint{bits}_t')]
    result: List[Type] = [
        BuiltinType('str', 'char *', 'QTYPE_QSTRING', 'string'),
        BuiltinType('number', 'double', 'QTYPE_QNUM', 'number'),
        BuiltinType('bool', 'bool', 'QTYPE_QBOOL', 'boolean'),
        BuiltinType('any', 'QObject *', '', 'value'),
        BuiltinType('null', 'QNull *', 'QTYPE_QNULL', 'null'),
    ]
    return result + [BuiltinType(name, c_text, 'QTYPE_QNUM', 'int')
                     for name, c_text in integers]
