#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What tracetool.py accepts, and what it says about the rest."""

import subprocess
import sys
import tempfile

TOOL = sys.argv[1]

# line, text that the message has
BAD = [
    ('name', 'not a trace event'),
    ('name()', 'not a trace event'),
    ('name() fmt', 'not a trace event'),
    ('name( "x"', 'not a trace event'),
    ('name(int a) "x" junk', 'not a trace event'),
    ('9name(void) "x"', 'not a trace event'),
    ('name(void) "x', 'not a trace event'),
    ('name(void) "x\\n"', 'newline'),
    ('name(int) "x"', 'no type or no name'),
    ('name(struct foo *p) "x"', 'not a plain C type'),
    ('name(MyType p) "x"', 'not a plain C type'),
    ('name(void p) "x"', 'is void'),
    ('one(void) "x"\none(void) "y"', "also in line 1"),
]

GOOD = [
    ('a(void) "text"', 'static inline void trace_a(void)'),
    ('a() "text"', 'static inline void trace_a(void)'),
    ('a(int x, const char *s) "%d %s"', 'trace_a(int x, const char *s)'),
    ('a(const  void*p,uint64_t v) "%p 0x%" PRIx64 " end"',
     'trace_a(const void *p, uint64_t v)'),
    ('a(char **argv) "%p"', 'trace_a(char **argv)'),
    ('disable a(int x) "%d"', 'trace_a(int x)\n{\n}'),
    ('# comment\n\na(void) "say \\"hi\\""', 'trace_a(void)'),
    ('', '#define TRACE_TRACE_IO_H'),
]


def run(kind, text):
    with tempfile.NamedTemporaryFile('w', suffix='trace-events') as f:
        f.write(text + '\n')
        f.flush()
        return subprocess.run([sys.executable, TOOL, kind, 'io', f.name],
                              capture_output=True, text=True, check=False)


def main():
    results = []
    for text, want in BAD:
        r = run('header', text)
        results.append((text, r.returncode != 0 and want in r.stderr
                        and 'Traceback' not in r.stderr))
    for text, want in GOOD:
        r = run('header', text)
        ok = r.returncode == 0 and want in r.stdout
        r = run('source', text)
        results.append((text, ok and r.returncode == 0))
    print(f'1..{len(results)}')
    for n, (text, ok) in enumerate(results, 1):
        print(f'{"ok" if ok else "not ok"} {n} - {text!r}'.replace('#', '%'))
    sys.exit(0 if all(ok for _, ok in results) else 1)


main()
