# SPDX-License-Identifier: LGPL-2.1-or-later
"""The schema as a whole: references resolved, every rule checked."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Set

from .common import Cond, c_name
from .expr import Checker, check_exprs
from .parser import Expr, Module, Parser
from .source import QAPIError
from .model import (AlternateType, ArrayType, BuiltinType, Command, Entity,
                    EnumType, EnumValue, Event, Feature, Member, ObjectType,
                    Type, builtin_types)


class Schema:
    """All that a schema file and its includes declare, in order."""

    def __init__(self, file: str):
        parser = Parser(file)
        self.files = parser.files
        self.modules: Dict[str, Module] = parser.modules
        self.root = next(iter(self.modules))
        self.types: Dict[str, Type] = {t.name: t for t in builtin_types()}
        self.commands: Dict[str, Command] = {}
        self.events: Dict[str, Event] = {}
        self.entities: List[Entity] = []
        checkers = check_exprs(parser.exprs)
        for checker in checkers:
            self._declare(checker)
        for checker in checkers:
            self._resolve(checker)
        for entity in self.entities:
            self._check(entity)

    # -- queries ------------------------------------------------------------

    def of_module(self, module: str) -> List[Entity]:
        """What one module declares."""
        return [e for e in self.entities if e.module == module]

    def builtins(self) -> List[Type]:
        """The built-in types."""
        return [t for t in self.types.values() if isinstance(t, BuiltinType)]

    # -- declarations -------------------------------------------------------

    def _declare(self, checker: Checker) -> None:
        expr = checker.expr
        value: Dict[str, Any] = expr.value
        common = {'loc': expr.loc, 'module': expr.module, 'doc': expr.doc}
        name = checker.name
        entity: Entity
        if checker.kind == 'enum':
            entity = EnumType(name, [EnumValue(v) for v in value['data']],
                              value.get('prefix', ''), **common)
        elif checker.kind == 'struct':
            entity = ObjectType(name, Member.parse(value['data']),
                                value.get('base'), **common)
        elif checker.kind == 'union':
            entity = self._make_union(name, value, common)
        elif checker.kind == 'alternate':
            entity = AlternateType(name, Member.parse(value['data']),
                                   **common)
        elif checker.kind == 'command':
            entity = Command(name, value, **common)
        else:
            entity = Event(name, value, **common)
        entity.cond = Cond(value.get('if', ''))
        entity.features = Feature.parse(value)
        self._add(entity)

    def _add(self, entity: Entity) -> None:
        space: Dict[str, Any] = self.types
        if isinstance(entity, Command):
            space = self.commands
        elif isinstance(entity, Event):
            space = self.events
        other = space.get(entity.name)
        if other is not None:
            raise entity.fail(f'is already declared at {other.loc}')
        for name, seen in space.items():
            if c_name(name) == c_name(entity.name):
                raise entity.fail(f"is the same in C as '{name}' "
                                  f'at {seen.loc}')
        space[entity.name] = entity
        self.entities.append(entity)

    @staticmethod
    def _make_union(name: str, value: Dict[str, Any],
                    common: Dict[str, Any]) -> ObjectType:
        base = value['base']
        union = ObjectType(
            name, Member.parse(base) if isinstance(base, dict) else [],
            base if isinstance(base, str) else None, **common)
        union.discriminator = value['discriminator']
        union.branches = Member.parse(value['data'])
        union.open = value.get('x-open')
        return union

    # -- references ---------------------------------------------------------

    def _lookup(self, ref: Any, entity: Entity, what: str) -> Type:
        name = ref[0] if isinstance(ref, list) else ref
        found = self.types.get(name)
        if found is None:
            raise entity.fail(f"{what} has unknown type '{name}'")
        if not isinstance(ref, list):
            return found
        array = self.types.get(name + 'List')
        if array is None:
            array = self.types[name + 'List'] = ArrayType(found)
        return array

    def _resolve(self, checker: Checker) -> None:
        value: Dict[str, Any] = checker.expr.value
        if checker.kind == 'enum':
            return
        if checker.kind in ('command', 'event'):
            space: Dict[str, Any] = self.commands \
                if checker.kind == 'command' else self.events
            entity = space[checker.name]
            self._resolve_args(entity, value.get('data'), checker.expr)
            if 'returns' in value:
                entity.ret = self._lookup(value['returns'], entity, "'returns'")
                self._check_returns(entity, checker.expr)
            return
        found = self.types[checker.name]
        if isinstance(found, ObjectType):
            self._resolve_object(found)
        elif isinstance(found, AlternateType):
            for branch in found.branches:
                branch.type = self._lookup(branch.type_ref, found,
                                           f"branch '{branch.name}'")

    def _resolve_object(self, obj: ObjectType) -> None:
        if obj.base_ref:
            base = self._lookup(obj.base_ref, obj, "'base'")
            if not isinstance(base, ObjectType) or base.is_union():
                raise obj.fail(f"'base' must be a struct, '{base.name}' is "
                               'not')
            obj.base = base
        for member in obj.members:
            member.type = self._lookup(member.type_ref, obj,
                                       f"member '{member.name}'")
        for branch in obj.branches:
            branch.type = self._lookup(branch.type_ref, obj,
                                       f"branch '{branch.name}'")

    def _resolve_args(self, entity: Any, data: Any, expr: Expr) -> None:
        if data is None:
            return
        if isinstance(data, dict):
            if not data:
                return
            arg = ObjectType(f'q_obj_{entity.name}-arg', Member.parse(data),
                             implicit=True, loc=expr.loc,
                             module=expr.module)
            arg.cond = entity.cond
            self._resolve_object(arg)
            self.types[arg.name] = arg
            self.entities.append(arg)
            entity.arg = arg
            return
        arg_type = self._lookup(data, entity, "'data'")
        if not isinstance(arg_type, ObjectType):
            raise entity.fail(f"'data' can't be of type '{arg_type.name}'")
        if arg_type.is_union() and not entity.boxed:
            raise entity.fail("'data' can be a union only with 'boxed': "
                              'true')
        entity.arg = arg_type

    @staticmethod
    def _check_returns(command: Command, expr: Expr) -> None:
        ret: Optional[Type] = command.ret
        if isinstance(ret, ArrayType):
            ret = ret.element
        exempt = expr.pragma.lists['command-returns-exceptions']
        if not isinstance(ret, ObjectType) and command.name not in exempt:
            raise command.fail("'returns' must be a struct, a union or an "
                               'array of them, so that it can grow (see '
                               'pragma command-returns-exceptions)')

    # -- rules --------------------------------------------------------------

    def _check(self, entity: Entity) -> None:
        if isinstance(entity, EnumType):
            self._check_clash(entity, [(v.name, entity.const(v.name))
                                       for v in entity.values], 'value')
        elif isinstance(entity, ObjectType):
            self._check_object(entity)
        elif isinstance(entity, AlternateType):
            self._check_alternate(entity)

    @staticmethod
    def _check_clash(entity: Entity, names: List[Any], what: str) -> None:
        seen: Dict[str, str] = {}
        for name, in_c in names:
            if in_c in seen:
                raise entity.fail(f"{what} '{name}' collides with "
                                  f"'{seen[in_c]}'")
            seen[in_c] = name

    def _check_object(self, obj: ObjectType) -> None:
        seen: Set[str] = set()
        base: Optional[ObjectType] = obj
        while base is not None:
            if base.name in seen:
                raise obj.fail('contains itself')
            seen.add(base.name)
            base = base.base
        own = obj.all_members()
        self._check_clash(obj, [(m.name, m.c_name) for m in own], 'member')
        if obj.is_union():
            self._check_union(obj)

    def _check_union(self, obj: ObjectType) -> None:
        for member in obj.all_members():
            if member.name == obj.discriminator:
                obj.tag = member
        tag = obj.tag
        if tag is None:
            raise obj.fail(f"discriminator '{obj.discriminator}' is not a "
                           "member of 'base'")
        if tag.optional:
            raise obj.fail(f"discriminator '{tag.name}' can't be optional")
        if obj.open:
            if tag.type.name != 'str' and not isinstance(tag.type, EnumType):
                raise obj.fail(f"discriminator '{tag.name}' of an 'x-open' "
                               "union must be of type 'str' or of enum type")
            if obj.branches:
                raise obj.fail("an 'x-open' union has no branches in the "
                               'schema')
            return
        if not isinstance(tag.type, EnumType):
            raise obj.fail(f"discriminator '{tag.name}' must be of enum type")
        if tag.cond:
            raise obj.fail(f"discriminator '{tag.name}' can't be conditional")
        if not obj.branches:
            raise obj.fail('has no branches')
        self._check_clash(obj, [(b.name, b.c_name) for b in obj.branches],
                          'branch')
        for branch in obj.branches:
            self._check_branch(obj, branch, tag.type)

    def _check_branch(self, obj: ObjectType, branch: Member,
                      tag: EnumType) -> None:
        if branch.name not in tag.value_names():
            raise obj.fail(f"branch '{branch.name}' is not a value of enum "
                           f"'{tag.name}'")
        if not isinstance(branch.type, ObjectType) or branch.type.open:
            raise obj.fail(f"branch '{branch.name}' must be a struct or a "
                           'union that is not open')
        members = obj.all_members() + branch.type.all_members()
        self._check_clash(obj, [(m.name, m.c_name) for m in members],
                          f"branch '{branch.name}': member")
        for inner in branch.type.branches:
            if not isinstance(inner.type, ObjectType) or inner.type.is_union():
                raise obj.fail(f"branch '{branch.name}': branch "
                               f"'{inner.name}' must be a struct")
            self._check_clash(obj, [(m.name, m.c_name) for m in
                                    members + inner.type.all_members()],
                              f"branch '{branch.name}': member")

    @staticmethod
    def _check_alternate(alt: AlternateType) -> None:
        taken: Dict[str, str] = {}
        for branch in alt.branches:
            qtype = branch.type.qtype
            if not qtype or qtype == 'QTYPE_NONE':
                raise alt.fail(f"branch '{branch.name}' can't be of type "
                               f"'{branch.type.name}'")
            kinds = {qtype}
            if branch.type.name == 'str':
                kinds |= {'QTYPE_QNUM', 'QTYPE_QBOOL'}
            if isinstance(branch.type, EnumType):
                for name in branch.type.value_names():
                    if name in ('on', 'off'):
                        kinds.add('QTYPE_QBOOL')
                    if name[0].isdigit():
                        kinds.add('QTYPE_QNUM')
            for kind in sorted(kinds):
                if kind in taken:
                    raise alt.fail(f"branch '{branch.name}' can't be "
                                   'distinguished from branch '
                                   f"'{taken[kind]}'")
            for kind in kinds:
                taken[kind] = branch.name


def load_schema(file: str) -> Schema:
    """Parse and check; raises QAPIError."""
    return Schema(file)


__all__ = ['Schema', 'load_schema', 'QAPIError']
