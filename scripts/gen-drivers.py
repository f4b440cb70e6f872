#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Make one reference page a kind from the property tables, by asking the
program itself: FERRY -object TYPE,help and its like.

usage: gen-drivers.py FERRY OUTPUT
"""
import re
import subprocess
import sys

ferry, output = sys.argv[1:]
KINDS = [('object', 'Objects (`-object`)'),
         ('chardev', 'Character devices (`-chardev`)'),
         ('device', 'Devices (`-device`)')]


def ask(*args: str) -> list[str]:
    return subprocess.run([ferry, *args], check=True, capture_output=True,
                          text=True).stdout.splitlines()


def names(kind: str) -> list[str]:
    found = []
    for line in ask(f'-{kind}', 'help'):
        m = re.match(r'name "([^"]+)"|  ([a-z][\w-]*)', line)
        if m:
            found.append(m[1] or m[2])
    return found


with open(output, 'w') as page:
    page.write('# What can be created\n')
    for kind, title in KINDS:
        page.write(f'\n## {title}\n')
        for name in names(kind):
            page.write(f'\n### {name}\n\n')
            page.writelines(f'    {line.strip()}\n' for line in
                            ask(f'-{kind}', f'{name},help')[1:])
