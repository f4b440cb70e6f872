# SPDX-License-Identifier: LGPL-2.1-or-later
"""The reference of one module as Markdown."""

from __future__ import annotations

import re
from typing import List, Optional

from .doc import Doc, Section
from .parser import Module
from .model import (AlternateType, ArrayType, Command, Entity, EnumType,
                    EnumValue, Event, Member, ObjectType, Type)

KINDS = {Command: 'command', Event: 'event', EnumType: 'enum',
         ObjectType: 'struct', AlternateType: 'alternate'}


def flow(text: str) -> str:
    """Doc text to Markdown: @name becomes `name`, headings keep levels."""
    text = re.sub(r'(?<![\w@])@([A-Za-z0-9_][A-Za-z0-9_-]*)', r'`\1`', text)
    return re.sub(r'^(=+) ', lambda m: '#' * (len(m.group(1)) + 1) + ' ',
                  text, flags=re.MULTILINE)


def type_text(typ: Type) -> str:
    """A type for a reader."""
    if isinstance(typ, ArrayType):
        return f'array of `{typ.element.name}`'
    return f'`{typ.name}`'


class DocsGen:
    """Builds the text."""

    def __init__(self) -> None:
        self._out: List[str] = []

    def run(self, module: Module, entities: List[Entity]) -> str:
        """Returns the whole page."""
        title = f'QMP reference: {module.name}'
        self._out = [f'# {title}', '']
        for doc in module.free_docs:
            self._out += [flow(doc.body), '']
        for entity in entities:
            if not (isinstance(entity, ObjectType) and entity.implicit):
                self._entity(entity)
        return '\n'.join(self._out).rstrip('\n') + '\n'

    def _entity(self, entity: Entity) -> None:
        kind = KINDS[type(entity)]
        if isinstance(entity, ObjectType) and entity.is_union():
            kind = 'union'
        self._out += [f'### `{entity.name}` ({kind})', '']
        doc = entity.doc
        if doc and doc.body:
            self._out += [flow(doc.body), '']
        if entity.cond:
            self._out += [f'Only if the build has {entity.cond.text()}.', '']
        self._members(entity, doc)
        self._returns(entity, doc)
        self._options(entity)
        self._features(entity, doc)
        for section in doc.sections[1:] if doc else []:
            if section.tag != 'Returns':
                self._section(section)

    def _section(self, section: Section) -> None:
        text = section.text
        if section.tag.startswith('Example'):
            self._out += [f'{section.tag}:', '', '```', text.strip(), '```',
                          '']
        else:
            self._out += [f'{section.tag}: {flow(text)}', '']

    def _row(self, name: str, what: str, text: str) -> None:
        text = ' '.join(flow(text).split())
        middle = f' ({what})' if what else ''
        self._out.append(f'- `{name}`{middle}: {text}' if text
                         else f'- `{name}`{middle}')

    def _doc_text(self, doc: Optional[Doc], name: str) -> str:
        section = doc.args.get(name) if doc else None
        return section.text if section else ''

    def _value(self, value: EnumValue, doc: Optional[Doc]) -> None:
        notes = [f.name for f in value.features]
        if value.cond:
            notes.append(f'if {value.cond.text()}')
        self._row(value.name, ', '.join(notes),
                  self._doc_text(doc, value.name))

    def _member(self, member: Member, doc: Optional[Doc]) -> None:
        notes = [type_text(member.type)]
        if member.optional:
            notes.append('optional')
        notes += [f.name for f in member.features]
        if member.cond:
            notes.append(f'if {member.cond.text()}')
        self._row(member.name, ', '.join(notes),
                  self._doc_text(doc, member.name))

    def _members(self, entity: Entity, doc: Optional[Doc]) -> None:
        start = len(self._out)
        if isinstance(entity, EnumType):
            for value in entity.values:
                self._value(value, doc)
        elif isinstance(entity, AlternateType):
            for branch in entity.branches:
                self._member(branch, doc)
        elif isinstance(entity, ObjectType):
            self._object(entity, doc)
        elif isinstance(entity, (Command, Event)) and entity.arg:
            if entity.arg.implicit:
                self._object(entity.arg, doc)
            else:
                self._out.append('Members: those of '
                                 f'{type_text(entity.arg)}.')
        if len(self._out) > start:
            self._out.append('')

    def _object(self, obj: ObjectType, doc: Optional[Doc]) -> None:
        if obj.base:
            self._out.append(f'- the members of {type_text(obj.base)}')
        for member in obj.members:
            self._member(member, doc)
        for branch in obj.branches:
            self._out.append(f'- if `{obj.discriminator}` is '
                             f'`{branch.name}`: the members of '
                             f'{type_text(branch.type)}')
        if obj.open:
            self._out.append(f'- the properties of the {obj.open} that '
                             f'`{obj.discriminator}` names')

    def _returns(self, entity: Entity, doc: Optional[Doc]) -> None:
        if not isinstance(entity, Command) or not entity.ret:
            return
        section = doc.section('Returns') if doc else None
        text = f': {flow(section.text)}' if section else ''
        self._out += [f'Returns {type_text(entity.ret)}{text}', '']

    def _options(self, entity: Entity) -> None:
        if not isinstance(entity, Command):
            return
        notes = []
        if entity.allow_oob:
            notes.append('May be sent out of band (`exec-oob`).')
        if entity.concurrent:
            notes.append('Answered at once, whatever else is going on.')
        if entity.allow_preconfig:
            notes.append('Allowed before machine initialisation.')
        if not entity.success_response:
            notes.append('Sends no response on success.')
        if notes:
            self._out += [' '.join(notes), '']

    def _features(self, entity: Entity, doc: Optional[Doc]) -> None:
        if not entity.features:
            return
        self._out.append('Features:')
        self._out.append('')
        for feature in entity.features:
            section = doc.features.get(feature.name) if doc else None
            self._row(feature.name, '', section.text if section else '')
        self._out.append('')
