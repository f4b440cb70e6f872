#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Make the manual page of an image tool: a template, and what the program's
own --help says about its options and commands.

usage: gen-man-tool.py TOOL TEMPLATE VERSION OUTPUT

In the template @OPTIONS@ stands for the general options and @COMMANDS@ for all
commands: those of ferry-img with their options, or the lines of `ferry-io -c
help`.
"""
import re
import subprocess
import sys


def run(*argv: str) -> str:
    return subprocess.run(argv, check=True, capture_output=True,
                          text=True).stdout


def escape(text: str) -> str:
    return text.replace('\\', '\\e').replace('-', '\\-').replace("'", '\\(aq')


def options(text: str) -> list[str]:
    """The lines between "Options:" and the next empty one."""
    out = []
    lines = text.split('\nOptions:\n', 1)[1].split('\n\n', 1)[0].splitlines()
    for line in lines:
        m = re.match(r'  (-\S.*?)(?:  +(\S.*))?$', line)
        if m:
            out += ['.TP', f'.B {escape(m[1])}']
            if m[2]:
                out.append(escape(m[2]))
        else:
            out.append(escape(line.strip()))
    return out


def img_command(tool: str, name: str) -> list[str]:
    text = run(tool, name, '--help')
    usage, help_, rest = text.split('\n\n', 2)
    out = [f'.SS {name}', f'.B {escape(usage.split(": ", 1)[1])}', '.PP',
           escape(help_), *options('\n' + rest)]
    more = rest.split('\n\n', 1)
    if len(more) > 1:
        out += ['.PP', '.nf', escape(more[1].rstrip()), '.fi']
    return out


def commands(tool: str, text: str) -> list[str]:
    if 'Commands (' in text:
        part = text.split('Commands (', 1)[1].split('\n\n', 1)[0]
        names = re.findall(r'^  ([a-z]+) ', part, re.M)
        return [line for n in names for line in img_command(tool, n)]
    out = []
    for line in run(tool, '-c', 'help').splitlines():
        m = re.match(r'(\S+) (.*)-- (.*)', line)
        if m:
            out += ['.TP', f'.B {escape(m[1])} {escape(m[2].strip())}'.rstrip(),
                    escape(m[3])]
    return out


tool, template, version, output = sys.argv[1:]
text = run(tool, '--help')
page = open(template).read().replace('@VERSION@', version)
page = page.replace('@OPTIONS@', '\n'.join(options(text)))
if '@COMMANDS@' in page:
    page = page.replace('@COMMANDS@', '\n'.join(commands(tool, text)))
open(output, 'w').write(page)
