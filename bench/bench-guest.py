#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Debian's kernel on the software CPU, beside qemu-system-x86_64 -accel tcg on
the same kernel, initial RAM disk and command line: time from exec to /init,
speed of guest/linux/cpubench.c, memory beside guest RAM. Runs of the two
alternate; figures are medians. Then, where /dev/kvm opens, the time from exec
to the moment the first CPU runs the same kernel under KVM.

usage: bench-guest.py BUILDDIR
The kernel is what scripts/guest-linux fetches into build/linux/cloud.
Exit status: 0; 10 if a target was missed; 1 if something could not run.
"""
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = Path(sys.argv[1] if len(sys.argv) > 1 else 'build').resolve()
KERNEL = ROOT / 'build' / 'linux' / 'cloud' / 'vmlinuz'
PEERS = {'ferry': [str(BUILD / 'ferry'), '-accel', 'soft']}
if shutil.which('qemu-system-x86_64'):
    PEERS['qemu'] = ['qemu-system-x86_64', '-accel', 'tcg', '-nic', 'none']
RAM_MIB = 512
ROUNDS = 3
SECONDS = 0.5  # for each loop of cpubench
BENCH_MISSED = 10
# Of QEMU's speed.
MUST = {'scalar': 1, 'vector': 1, 'x87': 1, 'xor': 1}
AIM = {'sha256': 1, 'interp': 1, 'sort': 1, 'scalar': 3, 'vector': 3, 'x87': 3}
INIT_MUST = 4      # times QEMU's time to /init
MEMORY_MUST = 0.5  # of QEMU's memory
FIRST_MUST = 20    # ms from exec to the guest's first instruction under KVM
FIRST_ROUNDS = 15
missed: list[str] = []

SCRIPT = f'''#!/bin/sh
/bin/cpubench {SECONDS}
echo bench: idle
sleep 2
'''


def make_initrd(where: Path) -> Path:
    script, out = where / 'rc.sh', where / 'initrd.img'
    script.write_text(SCRIPT)
    subprocess.run(
        [ROOT / 'scripts' / 'make-initrd', '--init',
         BUILD / 'guest' / 'linux-init', '--add',
         f'{BUILD}/guest/linux-cpubench:bin/cpubench', '--script', script, out],
        check=True)
    return out


def beside_ram_mib(pid: int) -> float:
    """Memory of a process, shared pages counted once, without guest RAM."""
    total = 0.0
    for m in re.finditer(r'^[0-9a-f]+-[0-9a-f]+ .*?^Size: +(\d+) kB.*?'
                         r'^Pss: +(\d+) kB',
                         Path(f'/proc/{pid}/smaps').read_text(),
                         re.M | re.S):
        if int(m[1]) < (RAM_MIB - 1) * 1024:
            total += int(m[2])
    return total / 1024


def run(argv: list[str], initrd: Path, rows: dict[str, list[float]]) -> None:
    start = time.perf_counter()
    proc = subprocess.Popen(
        [*argv, '-m', str(RAM_MIB), '-nographic', '-no-reboot', '-kernel',
         str(KERNEL), '-initrd', str(initrd), '-append',
         'console=ttyS0 quiet panic=-1 ferry.run=/etc/run'],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT)
    try:
        for raw in proc.stdout:
            line = raw.decode(errors='replace')
            if 'ferry-init: up' in line:
                rows.setdefault('init', []).append(time.perf_counter() - start)
            elif 'bench: idle' in line:
                rows.setdefault('memory', []).append(beside_ram_mib(proc.pid))
            elif m := re.match(r'(\w+) +([\d.]+) (\S+(?: \S+)?) +[0-9a-f]{16}',
                               line):
                rows.setdefault(m[1], []).append(float(m[2]))
        proc.wait(timeout=20)
    finally:
        proc.kill()
        proc.wait()


def report(results: dict[str, dict[str, list[float]]]) -> None:
    for name in results['ferry']:
        ours = statistics.median(results['ferry'][name])
        line = f'{name:10} ferry {ours:10.2f}'
        theirs = results.get('qemu', {}).get(name)
        if theirs:
            peer = statistics.median(theirs)
            ratio = ours / peer
            line += f'   qemu {peer:10.2f}   {ratio:6.2f} x qemu'
            if name == 'init':
                bad = ratio > INIT_MUST
            elif name == 'memory':
                bad = ratio > MEMORY_MUST
            else:
                bad = ratio < MUST.get(name, 0)
                if ratio < AIM.get(name, 0):
                    line += f'   (aim {AIM[name]})'
            if bad:
                line += '   misses the target'
                missed.append(name)
        print(line, flush=True)


def first_instruction(initrd: Path) -> float:
    """Milliseconds, median; the CPUs are let go when the machine runs."""
    times = []
    for _ in range(FIRST_ROUNDS):
        start = time.perf_counter()
        proc = subprocess.Popen(
            [str(BUILD / 'ferry'), '-accel', 'kvm', '-m', str(RAM_MIB),
             '-nodefaults', '-display', 'none', '-serial', 'null', '-kernel',
             str(KERNEL), '-initrd', str(initrd), '-append', 'console=ttyS0',
             '-trace', 'run_state_move'], stderr=subprocess.PIPE)
        for line in proc.stderr:
            if b'-> running' in line:
                times.append((time.perf_counter() - start) * 1000)
                break
        proc.kill()
        proc.wait()
    if len(times) < FIRST_ROUNDS:
        sys.exit('bench-guest: the guest does not run under KVM')
    return statistics.median(times)


def main() -> None:
    if not KERNEL.exists():
        subprocess.run([ROOT / 'scripts' / 'guest-linux', 'cloud'], cwd=ROOT, check=True,
                       stdout=subprocess.DEVNULL)
    results: dict[str, dict[str, list[float]]] = {n: {} for n in PEERS}
    with tempfile.TemporaryDirectory(prefix='ferry-bench-') as where:
        initrd = make_initrd(Path(where))
        for _ in range(ROUNDS):
            for name, argv in PEERS.items():
                run(argv, initrd, results[name])
        first = os.access('/dev/kvm', os.R_OK | os.W_OK) and \
            first_instruction(initrd)
    print('init: seconds; memory: MiB beside RAM; the others: rates, more is '
          'better')
    report(results)
    if first:
        print(f'kvm        exec to first instruction {first:.1f} ms')
        if first >= FIRST_MUST:
            missed.append('kvm')
    if missed:
        sys.exit(BENCH_MISSED)


main()
