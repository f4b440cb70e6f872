# SPDX-License-Identifier: LGPL-2.1-or-later
"""The command line of the generator; scripts/qapi-gen.py runs it.

Three modes: --builtin writes the built-in types; --module FILE writes the
types, visitors, commands, events and reference of that file (not of its
includes); --root FILE writes what needs the whole schema: introspection
data, the list of all command tables, the names of all events.
"""

from __future__ import annotations

import argparse
import sys
from typing import List, Optional

from . import output
from .common import c_name
from .gen_commands import CommandsGen
from .gen_docs import DocsGen
from .gen_events import EventsGen
from .gen_introspect import IntrospectGen
from .gen_types import TypesGen
from .gen_visit import VisitGen
from .schema import Schema, load_schema
from .source import QAPIError
from .model import Command, builtin_types

TYPES = ['qapi/dealloc-visitor.h']
COMMANDS = ['qapi/dealloc-visitor.h', 'qapi/qobject-input-visitor.h',
            'qapi/qobject-output-visitor.h']
EVENTS = ['qapi/compat-policy.h', 'qapi/qmp-event.h',
          'qapi/qobject-output-visitor.h']


def write_builtin(out: str) -> None:
    """qapi-builtin-types.*, qapi-builtin-visit.*"""
    types = TypesGen()
    types.run_builtins(builtin_types())
    visit = VisitGen()
    visit.run_builtins(builtin_types())
    output.write_file(out, 'qapi-builtin-types.h', output.header(
        'qapi-builtin-types.h', 'Lists of the built-in QAPI types.',
        ['qapi/json.h', 'qapi/util.h'], types.h.text()))
    output.write_file(out, 'qapi-builtin-types.c', output.source(
        'Lists of the built-in QAPI types.',
        ['qapi/qapi-builtin-types.h', 'qapi/dealloc-visitor.h',
         'qapi/qapi-builtin-visit.h'], types.c.text()))
    output.write_file(out, 'qapi-builtin-visit.h', output.header(
        'qapi-builtin-visit.h', 'Visitors of lists of built-in QAPI types.',
        ['qapi/visitor.h', 'qapi/qapi-builtin-types.h'], visit.h.text()))
    output.write_file(out, 'qapi-builtin-visit.c', output.source(
        'Visitors of lists of built-in QAPI types.',
        ['qapi/qapi-builtin-visit.h'], visit.c.text()))


class ModuleWriter:
    """The files of one module."""

    def __init__(self, schema: Schema, out: str):
        self._schema = schema
        self._out = out
        self._module = schema.modules[schema.root]
        self._entities = schema.of_module(schema.root)

    def _name(self, what: str, ext: str) -> str:
        return f'qapi-{what}-{self._module.name}.{ext}'

    def _own(self, what: str) -> str:
        return 'qapi/' + self._name(what, 'h')

    def _included(self, what: str) -> List[str]:
        return [f'qapi/qapi-{what}-{name}.h' for name in
                self._module.includes]

    def _pair(self, what: str, purpose: str, h_includes: List[str],
              c_includes: List[str], texts: 'List[str]') -> None:
        purpose = f'{purpose} of the QAPI module {self._module.name}.'
        name = self._name(what, 'h')
        output.write_file(self._out, name,
                          output.header(name, purpose, h_includes, texts[0]))
        output.write_file(self._out, self._name(what, 'c'), output.source(
            purpose, [self._own(what)] + c_includes, texts[1]))

    def run(self) -> None:
        """Write all files."""
        types = TypesGen()
        types.run(self._entities)
        self._pair('types', 'Types',
                   ['qapi/qapi-builtin-types.h'] + self._included('types'),
                   TYPES + [self._own('visit')],
                   [types.h.text(), types.c.text()])
        visit = VisitGen()
        visit.run(self._entities)
        self._pair('visit', 'Visitors',
                   ['qapi/qapi-builtin-visit.h', self._own('types')]
                   + self._included('visit'), [],
                   [visit.h.text(), visit.c.text()])
        commands = CommandsGen(self._module.name)
        commands.run(self._entities)
        self._pair('commands', 'Commands',
                   ['qapi/qmp-dispatch.h', self._own('types')],
                   COMMANDS + [self._own('visit')],
                   [commands.h.text(), commands.c.text()])
        events = EventsGen()
        events.run(self._entities)
        self._pair('events', 'Events', [self._own('types')],
                   EVENTS + [self._own('visit')],
                   [events.h.text(), events.c.text()])
        output.write_file(self._out, f'{self._module.name}.md',
                          DocsGen().run(self._module, self._entities))


def write_root(schema: Schema, out: str) -> None:
    """qapi-introspect.*, qapi-init-commands.*"""
    data = IntrospectGen()
    data.run(schema)
    output.write_file(out, 'qapi-introspect.h', output.header(
        'qapi-introspect.h', 'Data of query-qmp-schema.',
        ['qapi/introspect.h'],
        'extern const char *const qapi_introspect_data[];\n'))
    output.write_file(out, 'qapi-introspect.c', output.source(
        'Data of query-qmp-schema.', ['qapi/qapi-introspect.h'],
        data.c.text()))
    modules = [m for m in schema.modules if any(
        isinstance(e, Command) for e in schema.of_module(m))]
    body = output.CText()
    body.line('void qmp_init_commands(QmpCommandList *cmds)\n{')
    for module in modules:
        body.line(f'    qmp_register_table(cmds, &qmp_commands_'
                  f'{c_name(module)});')
    body.line('}')
    output.write_file(out, 'qapi-init-commands.h', output.header(
        'qapi-init-commands.h', 'All commands of the schema.',
        ['qapi/qmp-dispatch.h'],
        '/* Register the commands of every module. */\n'
        'void qmp_init_commands(QmpCommandList *cmds);\n'))
    output.write_file(out, 'qapi-init-commands.c', output.source(
        'All commands of the schema.', ['qapi/qapi-init-commands.h']
        + [f'qapi/qapi-commands-{m}.h' for m in modules], body.text()))


def main(argv: Optional[List[str]] = None) -> int:
    """Run the generator; returns the exit status."""
    parser = argparse.ArgumentParser(description='QAPI code generator')
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument('--builtin', action='store_true')
    mode.add_argument('--module', metavar='FILE')
    mode.add_argument('--root', metavar='FILE')
    mode.add_argument('--check', metavar='FILE',
                      help='parse and check only')
    parser.add_argument('-o', '--output-dir', default='.')
    parser.add_argument('--depfile')
    parser.add_argument('--target', help='target named in the depfile')
    args = parser.parse_args(argv)
    try:
        if args.builtin:
            write_builtin(args.output_dir)
            return 0
        schema = load_schema(args.module or args.root or args.check)
        if args.module:
            ModuleWriter(schema, args.output_dir).run()
        elif args.root:
            write_root(schema, args.output_dir)
        if args.depfile:
            with open(args.depfile, 'w', encoding='utf-8') as dep:
                dep.write(f'{args.target}: ' + ' '.join(schema.files) + '\n')
    except QAPIError as err:
        print(err, file=sys.stderr)
        return 1
    return 0
