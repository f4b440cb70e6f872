# SPDX-License-Identifier: LGPL-2.1-or-later
"""The schema as data, from which query-qmp-schema is answered.

One JSON text an entity, in the form of QMP's SchemaInfo but with real type
names; [T] is the array of T. qapi/introspect.c does the rest at run time.
A list begins with null, so that every element can have its comma before it
and be left out by an #if.
"""

from __future__ import annotations

import json
from typing import Any, Dict, List

from .common import Cond, c_string
from .output import CText
from .schema import Schema
from .model import (AlternateType, ArrayType, BuiltinType, Command, Entity,
                    EnumType, Event, Feature, Member, ObjectType, Type)

EMPTY = 'q_empty'


def type_name(typ: Type) -> str:
    """The name by which the data calls a type."""
    if isinstance(typ, ArrayType):
        return f'[{type_name(typ.element)}]'
    if isinstance(typ, BuiltinType) and typ.json_type == 'int':
        return 'int'
    return typ.name


class IntrospectGen:
    """The data of the whole schema."""

    def __init__(self) -> None:
        self.c = CText()

    def run(self, schema: Schema) -> None:
        """Generate the table."""
        self.c.line('const char *const qapi_introspect_data[] = {')
        for entity in schema.entities:
            with self.c.when(entity.cond):
                self._entity(entity)
                self.c.line('    ,')
        self.c.line('    NULL,')
        self.c.line('};')

    # -- pieces -------------------------------------------------------------

    def _literal(self, text: str) -> None:
        self.c.line('    ' + c_string(text))

    def _head(self, entity: Entity, meta: str, **extra: Any) -> None:
        head: Dict[str, Any] = {'name': entity.name, 'meta-type': meta}
        head.update({k.replace('_', '-'): v for k, v in extra.items()
                     if v is not None})
        self._literal(json.dumps(head, separators=(',', ':'))[:-1])

    def _entity(self, entity: Entity) -> None:
        if isinstance(entity, Command):
            self._head(entity, 'command',
                       arg_type=entity.arg.name if entity.arg else EMPTY,
                       ret_type=type_name(entity.ret) if entity.ret
                       else EMPTY,
                       allow_oob=entity.allow_oob or None)
        elif isinstance(entity, Event):
            self._head(entity, 'event',
                       arg_type=entity.arg.name if entity.arg else EMPTY)
        elif isinstance(entity, EnumType):
            self._enum(entity)
        elif isinstance(entity, ObjectType):
            self._object(entity)
        elif isinstance(entity, AlternateType):
            self._head(entity, 'alternate')
            self._literal(',"members":[null')
            for branch in entity.branches:
                self._item(branch.cond, {'type': type_name(branch.type)})
            self._literal(']')
        self._features(entity.features)
        self._literal('}')

    def _features(self, features: List[Feature]) -> None:
        if not features:
            return
        self._literal(',"features":[null')
        for feature in features:
            with self.c.when(feature.cond):
                self._literal(',' + json.dumps(feature.name))
        self._literal(']')

    def _item(self, cond: Cond, value: Dict[str, Any],
              features: List[Feature] = ()) -> None:  # type: ignore
        with self.c.when(cond):
            text = json.dumps(value, separators=(',', ':'))
            if not features:
                self._literal(',' + text)
                return
            self._literal(',' + text[:-1])
            self._features(features)
            self._literal('}')

    def _enum(self, enum: EnumType) -> None:
        self._head(enum, 'enum')
        self._literal(',"members":[null')
        for value in enum.values:
            self._item(value.cond, {'name': value.name}, value.features)
        self._literal(']')

    def _object(self, obj: ObjectType) -> None:
        self._head(obj, 'object', tag=obj.discriminator, x_open=obj.open)
        self._literal(',"members":[null')
        for member in obj.all_members():
            info: Dict[str, Any] = {'name': member.name,
                                    'type': type_name(member.type)}
            if member.optional:
                info['default'] = None
            self._item(member.cond, info, member.features)
        self._literal(']')
        if obj.is_union() and not obj.open:
            self._variants(obj)

    def _variants(self, obj: ObjectType) -> None:
        assert obj.tag and isinstance(obj.tag.type, EnumType)
        self._literal(',"variants":[null')
        for value in obj.tag.type.values:
            branch = obj.branch_for(value.name)
            target = branch.type.name if branch else EMPTY
            with self.c.when(value.cond):
                self._variant(branch, value.name, target)
        self._literal(']')

    def _variant(self, branch: 'Member | None', case: str,
                 target: str) -> None:
        self._item(branch.cond if branch else Cond(),
                   {'case': case, 'type': target})
        if branch and branch.cond:
            self.c.line(f'#if !({branch.cond.c_expr()})')
            self._item(Cond(), {'case': case, 'type': EMPTY})
            self.c.line('#endif')
