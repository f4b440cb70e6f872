# SPDX-License-Identifier: LGPL-2.1-or-later
"""visit_type_T() and visit_type_T_members()."""

from __future__ import annotations

from typing import List

from .common import c_name
from .output import CText
from .model import (AlternateType, ArrayType, BuiltinType, Entity, EnumType,
                    Member, ObjectType, Type, c_special_features)


class VisitGen:
    """The visitors of one module (or the built-in ones)."""

    def __init__(self) -> None:
        self.h = CText()
        self.c = CText()

    def run(self, entities: List[Entity]) -> None:
        """Generate for all types among @entities."""
        for typ in entities:
            if not isinstance(typ, Type):
                continue
            with self.h.when(typ.cond), self.c.when(typ.cond):
                if isinstance(typ, EnumType):
                    self._enum(typ)
                elif isinstance(typ, ObjectType):
                    self._object(typ)
                elif isinstance(typ, AlternateType):
                    self._alternate(typ)
                if not (isinstance(typ, ObjectType) and typ.implicit):
                    self._list(typ)

    def run_builtins(self, types: List[Type]) -> None:
        """Lists of the built-in types."""
        for typ in types:
            self._list(typ)

    # -- pieces -------------------------------------------------------------

    def _declare(self, name: str, arg: str) -> None:
        self.h.line(f'bool visit_type_{name}(Visitor *v, const char *name, '
                    f'{arg}obj,')
        self.h.line('    Error **errp);')

    def _enum(self, enum: EnumType) -> None:
        name = enum.c_fun()
        self._declare(name, f'{name} *')
        self.c.put('''
            bool visit_type_$name(Visitor *v, const char *name, $name *obj,
                                  Error **errp)
            {
                int value = (int)*obj;
                bool ok = visit_type_enum(v, name, &value, &${name}_lookup, errp);

                *obj = ($name)value;
                return ok;
            }
            ''', name=name)
        self.c.line()

    def _object(self, obj: ObjectType) -> None:
        name = obj.c_fun()
        self.h.line(f'bool visit_type_{name}_members(Visitor *v, {name} *obj, '
                    'Error **errp);')
        self.c.put('''
            bool visit_type_${name}_members(Visitor *v, $name *obj, Error **errp)
            {
            ''', name=name)
        members = obj.members
        for member in members:
            if member.optional and not member.needs_has():
                with self.c.when(member.cond):
                    self.c.line(f'    bool has_{c_name(member.name, False)} = '
                                f'obj->{member.c_name} != NULL;')
        if obj.base:
            self.c.line()
            self.c.line(f'    if (!visit_type_{obj.base.c_fun()}_members(v, '
                        f'({obj.base.c_fun()} *)obj, errp)) {{')
            self.c.line('        return false;')
            self.c.line('    }')
        for member in members:
            with self.c.when(member.cond):
                self._member(member)
        if obj.open:
            self.c.line('    if (!visit_open_members(v, &obj->open_members, '
                        'errp)) {')
            self.c.line('        return false;')
            self.c.line('    }')
        if obj.branches:
            self._branches(obj)
        self.c.line('    return true;')
        self.c.line('}')
        self.c.line()
        if not obj.implicit:
            self._struct(name)

    def _member(self, member: Member) -> None:
        lines: List[str] = []
        c_type = member.type
        name = member.name
        arg = f'&obj->{member.c_name}'
        lines += [f'if (!visit_type_{c_type.c_fun()}(v, "{name}", {arg}, '
                  'errp)) {', '    return false;', '}']
        features = c_special_features(member.features)
        if features != '0':
            lines = [f'if (visit_policy_reject(v, "{name}", {features}, '
                     'errp)) {', '    return false;', '}',
                     f'if (!visit_policy_skip(v, "{name}", {features})) {{'] \
                + ['    ' + line for line in lines] + ['}']
        if member.optional:
            has = 'has_' + c_name(name, False)
            if member.needs_has():
                has = 'obj->' + has
            lines = [f'if (visit_optional(v, "{name}", &{has})) {{'] \
                + ['    ' + line for line in lines] + ['}']
        for line in lines:
            self.c.line('    ' + line)

    def _branches(self, obj: ObjectType) -> None:
        assert obj.tag and isinstance(obj.tag.type, EnumType)
        enum = obj.tag.type
        self.c.line(f'    switch (obj->{obj.tag.c_name}) {{')
        for value in enum.values:
            branch = obj.branch_for(value.name)
            with self.c.when(value.cond):
                self.c.line(f'    case {enum.const(value.name)}:')
                if branch is None:
                    self.c.line('        break;')
                    continue
                with self.c.when(branch.cond):
                    self.c.line(
                        f'        return visit_type_{branch.type.c_fun()}'
                        f'_members(v, &obj->u.{branch.c_name}, errp);')
                if branch.cond:
                    self.c.line(f'#if !({branch.cond.c_expr()})')
                    self.c.line('        break;')
                    self.c.line('#endif')
        self.c.put('''
            default:
                g_assert_not_reached();
            }
            ''', indent=4)

    def _struct(self, name: str) -> None:
        self._declare(name, f'{name} **')
        self.c.put('''
            bool visit_type_$name(Visitor *v, const char *name, $name **obj,
                                  Error **errp)
            {
                bool ok;

                if (!visit_start_struct(v, name, (void **)obj, sizeof($name), errp)) {
                    return false;
                }
                ok = !*obj || (visit_type_${name}_members(v, *obj, errp) &&
                               visit_check_struct(v, errp));
                visit_end_struct(v, (void **)obj);
                if (!ok && visit_is_input(v)) {
                    g_clear_pointer(obj, qapi_free_$name);
                }
                return ok;
            }
            ''', name=name)
        self.c.line()

    def _alternate(self, alt: AlternateType) -> None:
        name = alt.c_fun()
        self._declare(name, f'{name} **')
        self.c.put('''
            static bool visit_${name}_branch(Visitor *v, const char *name, $name *obj,
                                             Error **errp)
            {
                switch (obj->type) {
            ''', name=name)
        for branch in alt.branches:
            with self.c.when(branch.cond):
                self.c.line(f'    case {branch.type.qtype}:')
                self._alternate_branch(branch)
        self.c.put('''
                case QTYPE_NONE:
                    /* half built by an input visitor that failed */
                    return true;
                default:
                    return visit_type_mismatch(v, name, "$expected", errp);
                }
            }

            bool visit_type_$name(Visitor *v, const char *name, $name **obj,
                                  Error **errp)
            {
                bool ok;

                if (!visit_start_alternate(v, name, (GenericAlternate **)obj,
                                           sizeof($name), errp)) {
                    return false;
                }
                ok = !*obj || visit_${name}_branch(v, name, *obj, errp);
                visit_end_alternate(v, (void **)obj);
                if (!ok && visit_is_input(v)) {
                    g_clear_pointer(obj, qapi_free_$name);
                }
                return ok;
            }
            ''', name=name, expected=' or '.join(
                b.type.name for b in alt.branches))
        self.c.line()

    def _alternate_branch(self, branch: Member) -> None:
        typ = branch.type
        if isinstance(typ, ObjectType):
            self.c.put('''
                    {
                        bool ok;

                        if (!visit_start_struct(v, name, NULL, 0, errp)) {
                            return false;
                        }
                        ok = visit_type_${type}_members(v, &obj->u.$name, errp) &&
                             visit_check_struct(v, errp);
                        visit_end_struct(v, NULL);
                        return ok;
                    }
                ''', indent=4, type=typ.c_fun(), name=branch.c_name)
            return
        self.c.line(f'        return visit_type_{typ.c_fun()}(v, name, '
                    f'&obj->u.{branch.c_name}, errp);')

    def _list(self, typ: Type) -> None:
        name = typ.c_fun() + 'List'
        self._declare(name, f'{name} **')
        self.h.line()
        assert not isinstance(typ, ArrayType)
        if isinstance(typ, (BuiltinType, EnumType, AlternateType,
                            ObjectType)):
            self.c.put('''
                bool visit_type_$list(Visitor *v, const char *name, $list **obj,
                                      Error **errp)
                {
                    bool ok = true;

                    if (!visit_start_list(v, name, (GenericList **)obj, sizeof(**obj),
                                          errp)) {
                        return false;
                    }
                    for ($list *tail = *obj; tail && ok;
                         tail = ($list *)visit_next_list(v, (GenericList *)tail,
                                                         sizeof(*tail))) {
                        ok = visit_type_$type(v, NULL, &tail->value, errp);
                    }
                    ok = ok && visit_check_list(v, errp);
                    visit_end_list(v, (void **)obj);
                    if (!ok && visit_is_input(v)) {
                        g_clear_pointer(obj, qapi_free_$list);
                    }
                    return ok;
                }
                ''', list=name, type=typ.c_fun())
            self.c.line()
