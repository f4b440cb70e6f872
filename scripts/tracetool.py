#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Make C from trace-events files.

tracetool.py header FOLDER INPUT   prints trace/trace-FOLDER.h
tracetool.py source FOLDER INPUT   prints trace/trace-FOLDER.c
tracetool.py table FOLDER...       prints the table of all folders

A line of the input declares one event:

    name(type arg, type arg) "format" PRIx64 " more format"

The word "disable" before the name compiles the event out: calls stay valid
and cost nothing. Empty lines and lines that begin with '#' are skipped.
Types are those every C file knows, so that the header needs no other.
"""

import re
import sys

EVENT = re.compile(r'''
    (?P<disable>disable\s+)?
    (?P<name>[A-Za-z_]\w*)\s*
    \((?P<args>[^()]*)\)\s*
    (?P<fmt>"(?:[^"\\]|\\.)*"(?:\s*(?:PRI[A-Za-z0-9]+|"(?:[^"\\]|\\.)*"))*)
    \s*$''', re.X)

WORDS = {'const', 'unsigned', 'signed', 'char', 'short', 'int', 'long', 'bool',
         'float', 'double', 'size_t', 'ssize_t', 'uintptr_t', 'intptr_t',
         'void', 'pid_t', 'time_t'}
WORDS |= {f'{u}int{n}_t' for u in ('', 'u') for n in (8, 16, 32, 64)}


class Event:
    def __init__(self, name, args, fmt, disabled):
        self.name = name
        self.args = args
        self.fmt = fmt
        self.disabled = disabled

    def params(self):
        return ', '.join(t + ('' if t.endswith('*') else ' ') + n
                         for t, n in self.args) or 'void'

    def names(self):
        return ', '.join(n for _, n in self.args)


def fail(where, why):
    sys.exit(f'{where}: {why}')


def parse_args(text, where):
    text = text.strip()
    if text in ('', 'void'):
        return []
    args = []
    for arg in text.split(','):
        m = re.fullmatch(r'\s*(.*?[\s*])([A-Za-z_]\w*)\s*', arg)
        if not m:
            fail(where, f"argument '{arg.strip()}' has no type or no name")
        ctype = re.sub(r'\s*\*', '*', ' '.join(m[1].split()))
        ctype = re.sub(r'([^*])\*', r'\1 *', ctype)
        unknown = set(re.findall(r'\w+', ctype)) - WORDS
        if unknown:
            fail(where, f"type '{ctype}' is not a plain C type")
        if ctype == 'void':
            fail(where, f"argument '{m[2]}' is void")
        args.append((ctype, m[2]))
    return args


def parse(path):
    events = []
    seen = {}
    with open(path, encoding='utf-8') as f:
        for number, line in enumerate(f, 1):
            where = f'{path}:{number}'
            line = line.strip()
            if not line or line.startswith('#'):
                continue
            m = EVENT.match(line)
            if not m:
                fail(where, 'not a trace event: NAME(ARGS) "FORMAT"')
            name = m['name']
            if name in seen:
                fail(where, f"event '{name}' is also in line {seen[name]}")
            if '\\n' in m['fmt']:
                fail(where, 'a format must not contain a newline')
            seen[name] = number
            events.append(Event(name, parse_args(m['args'], where), m['fmt'],
                                bool(m['disable'])))
    return events


def banner(folder):
    print(f'/* Made by scripts/tracetool.py from {folder}/trace-events. */')


def header(folder, events):
    guard = f'TRACE_TRACE_{folder.upper()}_H'
    banner(folder)
    print(f'#ifndef {guard}\n#define {guard}\n\n#include <inttypes.h>\n'
          '#include <stdbool.h>\n#include <stddef.h>\n#include <sys/types.h>\n'
          '\n#include "trace/control.h"\n#include "util/compiler.h"\n')
    print('#pragma GCC diagnostic push')
    print('#pragma GCC diagnostic ignored "-Wshadow"')
    for e in events:
        if e.disabled:
            print(f'static inline void trace_{e.name}({e.params()})\n{{\n}}\n')
            continue
        print(f'extern TraceEvent trace_event_{e.name};\n'
              f'void trace_emit_{e.name}({e.params()});\n'
              f'static inline void trace_{e.name}({e.params()})\n{{\n'
              f'    if (unlikely(trace_event_get_state({e.name}))) {{\n'
              f'        trace_emit_{e.name}({e.names()});\n    }}\n}}\n')
    print('#pragma GCC diagnostic pop\n')
    print('#endif')


def source(folder, events):
    banner(folder)
    print('#include "util/osdep.h"\n')
    print(f'#include "trace/trace-{folder}.h"\n')
    print(f'extern TraceEvent *const trace_events_{folder}[];\n')
    live = [e for e in events if not e.disabled]
    for e in live:
        names = f', {e.names()}' if e.args else ''
        print(f'TraceEvent trace_event_{e.name} = {{ "{e.name}", false }};\n'
              f'void trace_emit_{e.name}({e.params()})\n{{\n'
              f'    trace_emit(&trace_event_{e.name}, {e.fmt}{names});\n}}\n')
    print(f'TraceEvent *const trace_events_{folder}[] = {{')
    for e in live:
        print(f'    &trace_event_{e.name},')
    print('    NULL,\n};')


def table(folders):
    print('/* Made by scripts/tracetool.py: every folder\'s events. */')
    print('#include "util/osdep.h"\n\n#include "trace/trace-internal.h"\n')
    for folder in folders:
        print(f'extern TraceEvent *const trace_events_{folder}[];')
    print('\nTraceEvent *const *const trace_all_events[] = {')
    for folder in folders:
        print(f'    trace_events_{folder},')
    print('    NULL,\n};')


def main(argv):
    if len(argv) >= 2 and argv[1] == 'table':
        table(argv[2:])
    elif len(argv) == 4 and argv[1] in ('header', 'source'):
        {'header': header, 'source': source}[argv[1]](argv[2], parse(argv[3]))
    else:
        sys.exit(__doc__)


if __name__ == '__main__':
    main(sys.argv)
