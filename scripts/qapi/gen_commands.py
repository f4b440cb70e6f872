# SPDX-License-Identifier: LGPL-2.1-or-later
"""qmp_marshal_x(), prototypes of the handlers, and a module's table."""

from __future__ import annotations

from typing import List, Set

from .common import c_name
from .output import CText
from .model import Command, Entity, Member, Type, c_special_features

OPTIONS = (
    ('allow_oob', 'QCO_ALLOW_OOB'),
    ('allow_preconfig', 'QCO_ALLOW_PRECONFIG'),
    ('coroutine', 'QCO_COROUTINE'),
    ('concurrent', 'QCO_CONCURRENT'),
)


def parameters(members: List[Member]) -> List[str]:
    """C parameters for members, as handlers and event senders take them."""
    result = []
    for member in members:
        if member.needs_has():
            result.append(f'bool has_{c_name(member.name, False)}')
        c_type = member.type.c_param_type()
        gap = '' if c_type.endswith('*') else ' '
        result.append(f'{c_type}{gap}{member.c_name}')
    return result


class CommandsGen:
    """The commands of one module."""

    def __init__(self, module: str) -> None:
        self.h = CText()
        self.c = CText()
        self._module = c_name(module)
        self._returns: Set[str] = set()

    def run(self, entities: List[Entity]) -> None:
        """Generate for all commands among @entities."""
        commands = [e for e in entities if isinstance(e, Command)]
        for command in commands:
            with self.h.when(command.cond), self.c.when(command.cond):
                if command.gen:
                    self._prototype(command)
                    self._marshal(command)
                else:
                    self.h.line(f'QmpCommandFunc qmp_'
                                f'{c_name(command.name, False)};')
        self._table(commands)

    # -- pieces -------------------------------------------------------------

    def _prototype(self, command: Command) -> None:
        name = c_name(command.name, False)
        params = ['QmpContext *ctx'] if command.context else []
        if command.arg and command.boxed:
            params.append(f'{command.arg.c_fun()} *arg')
        elif command.arg:
            params += parameters(command.arg.all_members())
        params.append('Error **errp')
        ret = command.ret.c_type() if command.ret else 'void'
        gap = '' if ret.endswith('*') else ' '
        self.h.line(f'{ret}{gap}qmp_{name}(' + ',\n    '.join(params) + ');')
        self.h.line(f'QmpCommandFunc qmp_marshal_{name};')

    def _ret_marshal(self, ret: Type, command: Command) -> str:
        name = ret.c_fun()
        function = f'marshal_ret_{name}'
        if name in self._returns:
            return function
        if not command.cond:
            self._returns.add(name)
        else:
            function += '_' + c_name(command.name, False)
        c_type = ret.c_type()
        self.c.put('''
            static void $function(QmpContext *ctx, ${c_type}value,
                                  json_t **ret, Error **errp)
            {
                g_autoptr(Visitor) v = qobject_output_visitor_new(ret);
                g_autoptr(Visitor) dealloc = qapi_dealloc_visitor_new();

                visit_set_policy(v, ctx->compat);
                if (visit_type_$name(v, "return", &value, errp)) {
                    visit_complete(v, ret);
                }
                visit_type_$name(dealloc, "return", &value, NULL);
            }

            ''', function=function, name=name,
                   c_type=c_type if c_type.endswith('*') else c_type + ' ')
        self.c.line()
        return function

    def _marshal(self, command: Command) -> None:
        ret = self._ret_marshal(command.ret, command) if command.ret else ''
        name = c_name(command.name, False)
        arg = command.arg
        self.c.put('''
            void qmp_marshal_$name(QmpContext *ctx, json_t *args, json_t **ret,
                                   Error **errp)
            {
                g_autoptr(Visitor) v = qobject_input_visitor_new(args);
                Error *err = NULL;
                bool ok;
            ''', name=name)
        if arg:
            self.c.line(f'    {arg.c_fun()} arg = {{ 0 }};')
        if command.ret:
            c_type = command.ret.c_type()
            gap = '' if c_type.endswith('*') else ' '
            self.c.line(f'    {c_type}{gap}retval;')
        visit = f'visit_type_{arg.c_fun()}_members(v, &arg, errp) &&\n' \
            '         ' if arg else ''
        self.c.put('''

            visit_set_policy(v, ctx->compat);
            if (!visit_start_struct(v, NULL, NULL, 0, errp)) {
                return;
            }
            ok = ${visit}visit_check_struct(v, errp);
            visit_end_struct(v, NULL);
            ''', indent=4, visit=visit)
        self.c.line('    if (ok) {')
        self._call(command, name)
        self.c.put('''
            if (err) {
                error_propagate(errp, err);
            }''', indent=8)
        if ret:
            self.c.line(f'        else {{')
            self.c.line(f'            {ret}(ctx, retval, ret, errp);')
            self.c.line('        }')
        self.c.line('    }')
        if arg:
            self.c.put('''

                visit_free(v);
                v = qapi_dealloc_visitor_new();
                visit_type_${arg}_members(v, &arg, NULL);
                ''', indent=4, arg=arg.c_fun())
        self.c.line('}')
        self.c.line()

    def _call(self, command: Command, name: str) -> None:
        values = ['ctx'] if command.context else []
        if command.arg and command.boxed:
            values.append('&arg')
        elif command.arg:
            for member in command.arg.all_members():
                if member.needs_has():
                    values.append(f'arg.has_{c_name(member.name, False)}')
                values.append(f'arg.{member.c_name}')
        values.append('&err')
        assign = 'retval = ' if command.ret else ''
        self.c.line(f'        {assign}qmp_{name}('
                    + ',\n            '.join(values) + ');')

    def _table(self, commands: List[Command]) -> None:
        self.h.line()
        self.h.line(f'extern const QmpCommandTable qmp_commands_'
                    f'{self._module};')
        self.c.line('static const QmpCommandEntry entries[] = {')
        for command in commands:
            flags = [flag for attr, flag in OPTIONS if getattr(command, attr)]
            if not command.success_response:
                flags.append('QCO_NO_SUCCESS_RESP')
            marshal = 'qmp_marshal_' if command.gen else 'qmp_'
            with self.c.when(command.cond):
                self.c.line(
                    f'    {{ "{command.name}", '
                    f'{marshal}{c_name(command.name, False)}, '
                    f'{" | ".join(flags) or "QCO_NO_OPTIONS"}, '
                    f'{c_special_features(command.features)} }},')
        self.c.put('''
                { .name = NULL },
            };

            const QmpCommandTable qmp_commands_$module = {
                .module = "$module",
                .entries = entries,
            };
            ''', module=self._module)
