# SPDX-License-Identifier: LGPL-2.1-or-later
"""C types, enum tables and qapi_free_T()."""

from __future__ import annotations

from typing import Dict, List, Set

from .common import c_name
from .output import CText
from .model import (AlternateType, Entity, EnumType, Member, ObjectType, Type,
                    c_special_features)


class TypesGen:
    """The types of one module (or the built-in ones)."""

    def __init__(self) -> None:
        self.h = CText()
        self.c = CText()
        self._done: Set[str] = set()
        self._local: Dict[str, ObjectType] = {}

    def run(self, entities: List[Entity]) -> None:
        """Generate for all types among @entities."""
        types = [e for e in entities if isinstance(e, Type)]
        for enum in types:
            if isinstance(enum, EnumType):
                self._enum(enum)
        for named in types:
            self._forward(named)
        self.h.line()
        self._local = {t.name: t for t in types if isinstance(t, ObjectType)}
        for typ in types:
            if isinstance(typ, ObjectType):
                self._object(typ)
        for typ in types:
            if isinstance(typ, AlternateType):
                self._alternate(typ)
        for typ in types:
            if not (isinstance(typ, ObjectType) and typ.implicit):
                self._list_and_free(typ)

    def run_builtins(self, types: List[Type]) -> None:
        """Lists of the built-in types."""
        for typ in types:
            self.h.line(f'typedef struct {typ.c_fun()}List '
                        f'{typ.c_fun()}List;')
            self._list(typ)

    # -- pieces -------------------------------------------------------------

    def _forward(self, typ: Type) -> None:
        names = [] if isinstance(typ, EnumType) else [typ.c_fun()]
        if not (isinstance(typ, ObjectType) and typ.implicit):
            names.append(typ.c_fun() + 'List')
        with self.h.when(typ.cond):
            for name in names:
                self.h.line(f'typedef struct {name} {name};')

    def _enum(self, enum: EnumType) -> None:
        name = enum.c_fun()
        with self.h.when(enum.cond):
            self.h.line(f'typedef enum {name} {{')
            for value in enum.values:
                with self.h.when(value.cond):
                    self.h.line(f'    {enum.const(value.name)},')
            self.h.put('''
                    $max,
                } $name;

                #define ${name}_str(val) qapi_enum_lookup(&${name}_lookup, (val))

                extern const QEnumLookup ${name}_lookup;
                ''', name=name, max=enum.const('_MAX'))
            self.h.line()
        with self.c.when(enum.cond):
            self._enum_table(enum, name)
            self.c.line()

    def _enum_table(self, enum: EnumType, name: str) -> None:
        special = [v for v in enum.values
                   if c_special_features(v.features) != '0']
        if special:
            self.c.line(f'static const unsigned char {name}_special_features'
                        f'[{enum.const("_MAX")}] = {{')
            for value in special:
                with self.c.when(value.cond):
                    self.c.line(f'    [{enum.const(value.name)}] = '
                                f'{c_special_features(value.features)},')
            self.c.put('};\n')
        self.c.line(f'static const char *const {name}_names'
                    f'[{enum.const("_MAX")} + 1] = {{')
        for value in enum.values:
            with self.c.when(value.cond):
                self.c.line(f'    [{enum.const(value.name)}] = '
                            f'"{value.name}",')
        self.c.put('''
            };

            const QEnumLookup ${name}_lookup = {
                .array = ${name}_names,
                .special_features = $special,
                .size = $max,
            };
            ''', name=name, max=enum.const('_MAX'),
                   special=f'{name}_special_features' if special else 'NULL')

    def _member(self, member: Member) -> None:
        with self.h.when(member.cond):
            if member.needs_has():
                self.h.line(f'    bool has_{c_name(member.name, False)};')
            c_type = member.type.c_type()
            gap = '' if c_type.endswith('*') else ' '
            self.h.line(f'    {c_type}{gap}{member.c_name};')

    def _object(self, obj: ObjectType) -> None:
        if obj.name in self._done:
            return
        self._done.add(obj.name)
        for branch in obj.branches:
            if branch.type.name in self._local:
                self._object(self._local[branch.type.name])
        name = obj.c_fun()
        with self.h.when(obj.cond):
            self.h.line(f'struct {name} {{')
            if obj.base:
                self.h.line(f'    /* of {obj.base.name} */')
                for member in obj.base.all_members():
                    self._member(member)
                self.h.line(f'    /* of {obj.name} */')
            for member in obj.members:
                self._member(member)
            if obj.branches:
                self._branches(obj)
            if obj.open:
                self.h.line('    /* all other members, an object or NULL */')
                self.h.line('    QObject *open_members;')
            if obj.is_empty():
                self.h.line('    char qapi_dummy_for_empty_struct;')
            self.h.line('};')
            if obj.base and not obj.base.implicit:
                self._upcast(obj, obj.base)
            self.h.line()

    def _branches(self, obj: ObjectType) -> None:
        assert obj.tag
        self.h.line(f'    union {{ /* tag is @{obj.tag.c_name} */')
        for branch in obj.branches:
            with self.h.when(branch.cond):
                self.h.line(f'        {branch.type.c_fun()} {branch.c_name};')
        self.h.line('    } u;')

    def _upcast(self, obj: ObjectType, base: ObjectType) -> None:
        self.h.line()
        self.h.put('''
            static inline $base *qapi_${name}_base(const $name *obj)
            {
                return ($base *)obj;
            }
            ''', name=obj.c_fun(), base=base.c_fun())

    def _alternate(self, alt: AlternateType) -> None:
        with self.h.when(alt.cond):
            self.h.line(f'struct {alt.c_fun()} {{')
            self.h.line('    QType type;')
            self.h.line('    union { /* tag is @type */')
            for branch in alt.branches:
                with self.h.when(branch.cond):
                    c_type = branch.type.c_type()
                    if isinstance(branch.type, ObjectType):
                        c_type = branch.type.c_fun()
                    gap = '' if c_type.endswith('*') else ' '
                    self.h.line(f'        {c_type}{gap}{branch.c_name};')
            self.h.put('''
                    } u;
                };
                ''')
            self.h.line()

    def _list_and_free(self, typ: Type) -> None:
        with self.h.when(typ.cond), self.c.when(typ.cond):
            if not isinstance(typ, EnumType):
                self._free(typ.c_fun())
            self._list(typ)

    def _list(self, typ: Type) -> None:
        c_type = typ.c_type()
        self.h.put('''
            struct ${name}List {
                ${name}List *next;
                ${value}value;
            };

            ''', name=typ.c_fun(),
                   value=c_type if c_type.endswith('*') else c_type + ' ')
        self._free(typ.c_fun() + 'List')

    def _free(self, name: str) -> None:
        self.h.put('''
            void qapi_free_$name($name *obj);
            G_DEFINE_AUTOPTR_CLEANUP_FUNC($name, qapi_free_$name)
            ''', name=name)
        self.h.line()
        self.c.put('''
            void qapi_free_$name($name *obj)
            {
                if (obj) {
                    g_autoptr(Visitor) v = qapi_dealloc_visitor_new();
                    visit_type_$name(v, NULL, &obj, NULL);
                }
            }
            ''', name=name)
        self.c.line()
