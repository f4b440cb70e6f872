#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Conformance programs of tests/soft/cputest/ on the software CPU.

They check themselves and print TAP on the first serial port; see cputest.h.
"""
import os
import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / 'functional'))

import ferrytest  # noqa: E402
from ferrytest import FERRY, Test  # noqa: E402

GUESTS = Path(os.environ.get('FERRY_CPUTEST', '.'))
# One under a sanitizer: races of the guest are not ours.
CPUS = int(os.environ.get('FERRY_CPUTEST_CPUS', '3'))


def run(t: Test, name: str, accel: str, cpus: int = CPUS) -> None:
    out = t.path('com1')
    try:
        r = subprocess.run(
            [str(FERRY), '-nodefaults', '-display', 'none', '-no-reboot',
             '-accel', accel, '-smp', str(cpus), '-m', '64',
             '-chardev', f'file,id=com1,path={out}',
             '-device', 'isa-serial,chardev=com1', '-device', 'isa-debug-exit',
             '-kernel', str(GUESTS / f'{name}.elf')],
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=4 * ferrytest.TIMEOUT)
        status, stderr = r.returncode, r.stderr
    except subprocess.TimeoutExpired as e:
        status, stderr = 'timeout', e.stderr
    text = out.read_text(errors='replace')
    failed = re.findall(r'^not ok .*$', text, re.M)
    assert not failed, '\n'.join(failed)
    assert status == 1, (status, stderr, text[-300:])
    plan = re.search(r'^1\.\.(\d+)$', text, re.M)
    assert plan, text[-300:]
    passed = re.findall(r'^ok \d+', text, re.M)
    assert len(passed) == int(plan[1]) > 20, (len(passed), plan[0])


def test_64bit_interpreter(t: Test) -> None:
    run(t, 'cputest64', 'soft,jit=off')


def test_64bit_translator(t: Test) -> None:
    run(t, 'cputest64', 'soft')


def test_32bit_interpreter(t: Test) -> None:
    run(t, 'cputest32', 'soft,jit=off', cpus=1)


def test_32bit_translator(t: Test) -> None:
    run(t, 'cputest32', 'soft', cpus=1)


if __name__ == '__main__':
    ferrytest.main()
