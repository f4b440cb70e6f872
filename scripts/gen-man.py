#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Make ferry.1: the template with the option list of `ferry -help`.

usage: gen-man.py FERRY TEMPLATE VERSION OUTPUT
"""
import re
import subprocess
import sys


def escape(text: str) -> str:
    return text.replace('\\', '\\e').replace('-', '\\-').replace("'", '\\(aq')


def options(text: str) -> str:
    out = []
    lines = text.splitlines()
    for i, line in enumerate(lines):
        m = re.match(r'  -(\S+) ?(.*)', line)
        if m:
            out += ['.TP', f'.BR \\-{escape(m[1])} " {escape(m[2])}"'.rstrip(),
                    escape(lines[i + 1].strip())]
        elif re.match(r'[A-Z].*:$', line) and not line.startswith('Usage'):
            out.append(f'.SS {line[:-1]}')
    return '\n'.join(out)


ferry, template, version, output = sys.argv[1:]
text = subprocess.run([ferry, '-help'], check=True, capture_output=True,
                      text=True).stdout
page = open(template).read().replace('@VERSION@', version)
open(output, 'w').write(page.replace('@OPTIONS@', options(text)))
