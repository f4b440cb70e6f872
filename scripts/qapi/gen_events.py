# SPDX-License-Identifier: LGPL-2.1-or-later
"""qapi_event_send_x()."""

from __future__ import annotations

from typing import List

from .common import c_name
from .gen_commands import parameters
from .output import CText
from .model import Entity, Event, ObjectType, c_special_features


class EventsGen:
    """The events of one module."""

    def __init__(self) -> None:
        self.h = CText()
        self.c = CText()

    def run(self, entities: List[Entity]) -> None:
        """Generate for all events among @entities."""
        for event in entities:
            if isinstance(event, Event):
                with self.h.when(event.cond), self.c.when(event.cond):
                    self._event(event)

    def _event(self, event: Event) -> None:
        name = c_name(event.name.lower(), False)
        params = ['void']
        if event.arg and event.boxed:
            params = [f'{event.arg.c_fun()} *arg']
        elif event.arg:
            params = parameters(event.arg.all_members())
        prototype = f'void qapi_event_send_{name}(' \
            + ',\n    '.join(params) + ')'
        self.h.line(prototype + ';')
        self.c.line(prototype)
        self.c.line('{')
        self.c.line('    g_autoptr(json_t) qmp = NULL;')
        if event.arg:
            self._param(event, event.arg)
        self.c.put('''

            if (!qmp_event_wanted($features)) {
                return;
            }
            qmp = qmp_event_build_dict("$name");
            ''', indent=4, features=c_special_features(event.features),
                   name=event.name)
        if event.arg:
            self.c.put('''
                v = qobject_output_visitor_new(&data);
                visit_set_policy(v, qmp_event_policy());
                visit_start_struct(v, "$name", NULL, 0, &error_abort);
                visit_type_${arg}_members(v, $value, &error_abort);
                visit_check_struct(v, &error_abort);
                visit_end_struct(v, NULL);
                visit_complete(v, &data);
                json_object_set_new(qmp, "data", data);
                ''', indent=4, name=event.name, arg=event.arg.c_fun(),
                       value='arg' if event.boxed else '&param')
        self.c.line(f'    qmp_event_emit("{event.name}", qmp);')
        self.c.line('}')
        self.c.line()

    def _param(self, event: Event, arg: ObjectType) -> None:
        self.c.line('    g_autoptr(Visitor) v = NULL;')
        self.c.line('    json_t *data = NULL;')
        if event.boxed:
            return
        self.c.line(f'    {arg.c_fun()} param = {{')
        for member in arg.all_members():
            cast = '(char *)' if member.type.name == 'str' else ''
            if member.needs_has():
                has = 'has_' + c_name(member.name, False)
                self.c.line(f'        .{has} = {has},')
            self.c.line(f'        .{member.c_name} = {cast}{member.c_name},')
        self.c.line('    };')
