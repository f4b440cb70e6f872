#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Live migration of a guest that works, beside qemu-system-x86_64: what its user
feels of a post-copy, and whether methods for busy guests do their work.

usage: bench-migrate-busy.py [--rounds N] [--alone] BUILDDIR [CASE...]

The guest (guest/stress.c, under KVM) times its own first touch of each page, and
prints how many took how long, beyond SLOW_US. Those that were faults are the
slowest of them, as many as the source was asked for; the others the host has
delayed. At full speed nearly all pages are there before the guest touches them, so
the cases of faults have the background at the speed of a gigabit network. Its points
tell how long the guest stood still. Runs of the two programs alternate; figures are
medians.

Exit status: 0; 10 if a target was missed; 1 if something could not run.
"""
from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

from migration import BENCH_MISSED, Emulator, Ticks, fault_in, peers

SLOW_US = 20 # to read the clock and touch a page that is there takes 15
GIGABIT = {'max-postcopy-bandwidth': 100_000_000}
LIMIT_S = 40 # a migration that takes longer does not converge
FAR = f'mem=192M rate=0 pattern=byte order=far slow={SLOW_US}'
BYTE = 'mem=192M rate=0 pattern=byte tick=1000'

# name: guest, transport, capabilities, parameters, post-copy
CASES = {
    'plain': (BYTE, 'unix', [], {}, False),
    'xbzrle': (BYTE, 'unix', ['xbzrle'],
               {'xbzrle-cache-size': 256 << 20}, False),
    # What the method is for: memory is written faster than it can be sent.
    'xbzrle-gigabit': (BYTE, 'unix', ['xbzrle'],
                       {'xbzrle-cache-size': 256 << 20,
                        'max-bandwidth': 100_000_000}, False),
    # Few points: what reads them takes a processor as well.
    'postcopy-unix': (f'{FAR} tick=10000', 'unix', ['postcopy-ram'], {}, True),
    'postcopy-preempt': (f'{FAR} tick=10000', 'tcp',
                         ['postcopy-ram', 'postcopy-preempt'], {}, True),
    'faults-unix': (f'{FAR} tick=10000', 'unix', ['postcopy-ram'], GIGABIT, True),
    'faults-preempt': (f'{FAR} tick=10000', 'tcp',
                       ['postcopy-ram', 'postcopy-preempt'], GIGABIT, True),
    'stall': (f'{FAR} tick=1000', 'tcp', ['postcopy-ram', 'postcopy-preempt'],
              GIGABIT, True),
    'converge': ('mem=128M rate=0 pattern=byte tick=1000', 'tcp',
                 ['auto-converge'], {'max-bandwidth': 64_000_000}, False),
}
# case: (figure, times the peer's, absolute), ...
FAULTS = [('median us', 0.6, None), ('p99 us', 0.6, None)]
SLOW = [('slow median us', 0.6, None), ('slow p99 us', 0.6, None)]
TARGETS = {
    'xbzrle-gigabit': [('GB/s of RAM', 1.5, None)],
    'postcopy-unix': SLOW,
    'postcopy-preempt': SLOW,
    'faults-unix': FAULTS,
    'faults-preempt': FAULTS,
    'stall': [('stall ms', None, 30)],
    'converge': [('seconds', None, LIMIT_S)],
}
missed: list[str] = []


def start(program: str, where: Path, case: str, mib: int, stress: Path,
          ticks: Ticks) -> tuple[Emulator, Emulator, str]:
    append, transport, caps, params, _ = CASES[case]
    source = Emulator(program, where, 'source', mib, None, False, ticks.w, None,
                      stress, append)
    try:
        target = Emulator(program, where, 'target', mib, None, False, ticks.w,
                          None, stress, append, '-incoming', 'defer')
    except BaseException:
        source.end()
        raise
    for e in (source, target):
        e.qmp.cmd('migrate-set-capabilities', capabilities=[
            {'capability': c, 'state': True} for c in caps])
        e.qmp.cmd('migrate-set-parameters', **{'max-bandwidth': 0, **params})
    (where / 'mig').unlink(missing_ok=True)
    uri = f'unix:{where}/mig' if transport == 'unix' else 'tcp:127.0.0.1:0'
    target.qmp.cmd('migrate-incoming', uri=uri)
    if transport == 'tcp':
        port = target.qmp.cmd('query-migrate')['socket-address'][0]['port']
        uri = f'tcp:127.0.0.1:{port}'
    return source, target, uri


def wait_end(source: Emulator, postcopy: bool) -> dict:
    end = time.monotonic() + LIMIT_S
    switched = False
    while True:
        info = source.qmp.cmd('query-migrate')
        status = info.get('status')
        if status == 'completed':
            return info
        if status in ('failed', 'cancelled'):
            raise RuntimeError(info.get('error-desc', status))
        if time.monotonic() > end:
            raise TimeoutError
        if postcopy and not switched and status == 'active':
            source.qmp.cmd('migrate-start-postcopy')
            switched = True
        # Who asks takes a processor from the guest, which times its pages.
        time.sleep(0.03 if switched else 0.002)


def faults(classes: str, requests: int) -> dict[str, float]:
    """Of the slowest touches, as many as were requested."""
    took = [int(ns) / 1000 for ns, n in
            (c.split(':') for c in classes.split()) for _ in range(int(n))]
    took = took[-requests:] if requests else []
    if not took:
        return {}
    return {'faults': len(took), 'median us': statistics.median(took),
            'p99 us': took[len(took) * 99 // 100]}


def one_run(program: str, where: Path, case: str, mib: int,
            stress: Path) -> dict[str, float]:
    postcopy = CASES[case][4]
    ticks = Ticks()
    source, target, uri = start(program, where, case, mib, stress, ticks)
    try:
        ticks.wait_line(r'pass 1 cpu 0', 90)
        # The target's memory, what the methods take, and some to spare.
        fault_in(4 * mib)
        begin = time.monotonic()
        spent = -source.cpu() - target.cpu()
        del ticks.text[:]
        source.qmp.cmd('migrate', uri=uri)
        try:
            info = wait_end(source, postcopy)
        except TimeoutError:
            return {'seconds': float('inf')}
        took = time.monotonic() - begin
        spent += source.cpu() + target.cpu()
        result = {'seconds': info['total-time'] / 1000,
                  'stall ms': ticks.longest(begin, begin + took)}
        ram = info['ram']
        # What its user waits for, however often pages were sent.
        result['GB/s of RAM'] = ram['total'] / 1e9 / result['seconds']
        if postcopy:
            # The pass that began before the switch, and the one behind it.
            m = ticks.wait_line(r'slow pass \d+ pages (\d+) median_ns (\d+) '
                                r'p99_ns (\d+) [^\n]*\s+'
                                r'slow classes([ 0-9:.]*)\s*\n', 60)
            result |= {'requests': ram['postcopy-requests'], 'CPU s': spent,
                       'slow': int(m[1]), 'slow median us': int(m[2]) / 1000,
                       'slow p99 us': int(m[3]) / 1000,
                       **faults(m[4].decode().replace('.', ''),
                                ram['postcopy-requests'])}
        return result
    finally:
        source.end()
        target.end()


def report(case: str, results: dict[str, list[dict]]) -> None:
    mid = {p: {k: statistics.median(r.get(k, float('nan')) for r in rs)
               for k in rs[0]} for p, rs in results.items() if rs}
    line = f'{case:16}'
    for p, m in mid.items():
        line += f' {p} ' + ', '.join(f'{v:.4g} {k}' for k, v in m.items()) + ' |'
    for figure, times, most in TARGETS.get(case, []):
        ours = mid['ferry'].get(figure, float('inf'))
        bad = most is not None and ours > most
        if times is not None and 'qemu' in mid and figure in mid['qemu']:
            ratio = ours / mid['qemu'][figure]
            line += f' {figure} {ratio:.2f} x (must {times})'
            bad = ratio < times if times > 1 else ratio > times
        elif most is not None:
            line += f' (must {most})'
        if bad:
            missed.append(case)
            line += ' MISSED'
    print(line, flush=True)


def main() -> None:
    p = argparse.ArgumentParser()
    p.add_argument('--rounds', type=int, default=3)
    p.add_argument('--mib', type=int, default=384)
    p.add_argument('--alone', action='store_true', help='without QEMU')
    p.add_argument('build', nargs='?', default='build')
    p.add_argument('cases', nargs='*')
    a = p.parse_args()
    build = Path(a.build).resolve()
    programs = peers(build, a.alone)
    with tempfile.TemporaryDirectory(prefix='ferry-bench-',
                                     dir='/dev/shm') as d:
        for case in a.cases or CASES:
            results: dict[str, list[dict]] = {n: [] for n in programs}
            for _ in range(a.rounds):
                for name, program in programs.items():
                    try:
                        results[name].append(one_run(
                            program, Path(d), case, a.mib,
                            build / 'guest' / 'stress.elf'))
                    except RuntimeError as e:
                        print(f'{name}: {case}: {e}', file=sys.stderr)
            if not results['ferry']:
                sys.exit('bench-migrate-busy: cannot run')
            report(case, results)
    if missed:
        print('missed:', *missed)
        sys.exit(BENCH_MISSED)


main()
