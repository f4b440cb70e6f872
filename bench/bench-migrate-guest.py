#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a live migration takes from a guest that has not moved yet, beside
qemu-system-x86_64.

usage: bench-migrate-guest.py [--rounds N] [--alone] BUILDDIR [CASE...]

The guest (guest/stress.c, under KVM) writes to the same memory over and over, which
is sent at a limited rate, so that the migration never ends. Cases:

pass-start  the longest time between two of the guest's points in the WINDOW_MS after
            a pass began, and as far from any such moment as can be: lower quartiles,
            for others' work on the machine makes gaps as well
postcopy    pages that the guest writes in a second of its vCPU thread's CPU time,
            with the capability postcopy-ram as a share of without, and without any
            migration. CPU time hardly changes when others use the machine.

Exit status: 0; 10 if a target was missed; 1 if something could not run.
"""
from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

from migration import BENCH_MISSED, QEMU, Emulator, Ticks, peers

GUEST = 'mem=32M rate=0 pattern=byte tick='
PAGES = (32 << 20) // 4096
WINDOW_MS = 10
SECONDS = 4
SETTINGS = {'downtime-limit': 20}
# The limit does not hold in the pause, which ours reckons with.
OURS = {'avail-switchover-bandwidth': 1_000_000}
# "None measurable": so much cannot be told from noise.
PASS_MUST = 1     # ms
POSTCOPY_MUST = 0.95
missed: list[str] = []


class Pair:
    def __init__(self, program: str, where: Path, stress: Path, tick: int,
                 rate: int, caps: list[str]):
        self.ticks = Ticks()
        args = (64, None, False, self.ticks.w, None, stress, GUEST + str(tick))
        self.source = Emulator(program, where, 'source', *args)
        try:
            self.target = Emulator(program, where, 'target', *args,
                                   '-incoming', 'defer')
        except BaseException:
            self.source.end()
            raise
        for e in (self.source, self.target):
            e.qmp.cmd('migrate-set-capabilities', capabilities=[
                {'capability': c, 'state': True} for c in caps])
            e.qmp.cmd('migrate-set-parameters', **SETTINGS, **{'max-bandwidth': rate},
                      **(OURS if program != QEMU else {}))
        self.uri = f'unix:{where}/mig'
        (where / 'mig').unlink(missing_ok=True)
        self.target.qmp.cmd('migrate-incoming', uri=self.uri)
        self.ticks.wait_line(r'pass 1 cpu 0', 90)

    def __enter__(self) -> Pair:
        return self

    def __exit__(self, *_) -> None:
        self.source.end()
        self.target.end()

    def migrate(self) -> None:
        self.source.qmp.cmd('migrate', uri=self.uri)
        while self.source.qmp.cmd('query-migrate').get('status') != 'active':
            time.sleep(0.01)

    def check(self) -> None:
        """It must not have ended."""
        info = self.source.qmp.cmd('query-migrate')
        if info.get('status') != 'active':
            raise RuntimeError(f'the migration is over: {info}')

    def work(self) -> float:
        """Pages written in a CPU second of the vCPU."""
        tid = self.source.qmp.cmd('query-cpus-fast')[0]['thread-id']
        stat = Path(f'/proc/{self.source.proc.pid}/task/{tid}/schedstat')
        text = self.ticks.text
        passes, cpu = [], []
        for pause in (0, SECONDS):
            time.sleep(pause)
            # From the end of a pass to the end of a pass.
            n = text.count(b' took ')
            while text.count(b' took ') == n:
                time.sleep(0.0005)
            passes.append(text.count(b' took '))
            cpu.append(int(stat.read_text().split()[0]) / 1e9)
        return (passes[1] - passes[0]) * PAGES / (cpu[1] - cpu[0])


def pass_starts(program: str, where: Path, stress: Path) -> dict[str, float]:
    with Pair(program, where, stress, 1000, 60_000_000, ['events']) as p:
        events: list[dict] = []
        p.source.qmp.events = events
        p.migrate()
        time.sleep(SECONDS)
        p.check()
        skew = time.monotonic() - time.time()
        starts = [e['timestamp']['seconds'] + e['timestamp']['microseconds'] / 1e6
                  + skew for e in events if e['event'] == 'MIGRATION_PASS']
        starts = starts[1:] # the first comes with all that is made
        between = [(a + b) / 2 for a, b in zip(starts, starts[1:])]
        if len(between) < 3:
            raise RuntimeError(f'only {len(starts)} passes')

        points = p.ticks.times
        gaps = list(zip(points, points[1:]))

        def gap(times: list[float]) -> float:
            # Also those that begin before the window or end after it.
            # The lower quartile: others' work on the machine makes gaps, too.
            return 1000 * statistics.quantiles(
                [max((b - a for a, b in gaps
                      if b > t and a < t + WINDOW_MS / 1000), default=0)
                 for t in times], n=4)[0]
        return {'ms': gap(starts), 'else ms': gap(between), 'passes': len(starts)}


def postcopy(program: str, where: Path, stress: Path) -> dict[str, float]:
    with Pair(program, where, stress, 0, 20_000_000, []) as p:
        alone = p.work()
        p.migrate()
        plain = p.work()
        p.check()
    with Pair(program, where, stress, 0, 20_000_000, ['postcopy-ram']) as p:
        p.migrate()
        ours = p.work()
        p.check()
    return {'of plain': ours / plain, 'plain of alone': plain / alone,
            'pages/s': ours}


CASES = {'pass-start': pass_starts, 'postcopy': postcopy}


def report(case: str, results: dict[str, list[dict]]) -> None:
    line = f'{case:12}'
    for name, rs in results.items():
        mid = {k: statistics.median(r[k] for r in rs) for k in rs[0]} if rs else {}
        line += f' {name} ' + ', '.join(f'{v:.4g} {k}' for k, v in mid.items()) + ' |'
        if name != 'ferry':
            continue
        if case == 'pass-start':
            bad = mid['ms'] - mid['else ms'] > PASS_MUST
        else:
            bad = mid['of plain'] < POSTCOPY_MUST
        if bad:
            missed.append(case)
            line += ' MISSED |'
    print(line, flush=True)


def main() -> None:
    p = argparse.ArgumentParser()
    p.add_argument('--rounds', type=int, default=3)
    p.add_argument('--alone', action='store_true', help='without QEMU')
    p.add_argument('build', nargs='?', default='build')
    p.add_argument('cases', nargs='*')
    a = p.parse_args()
    build = Path(a.build).resolve()
    programs = peers(build, a.alone)
    with tempfile.TemporaryDirectory(prefix='ferry-bench-', dir='/dev/shm') as d:
        for case in a.cases or CASES:
            results: dict[str, list[dict]] = {n: [] for n in programs}
            for _ in range(a.rounds):
                for name, program in programs.items():
                    try:
                        results[name].append(CASES[case](
                            program, Path(d), build / 'guest' / 'stress.elf'))
                    except RuntimeError as e:
                        print(f'{name}: {e}', file=sys.stderr)
            if not results['ferry']:
                sys.exit('bench-migrate-guest: cannot run')
            report(case, results)
    if missed:
        print('missed:', *missed)
        sys.exit(BENCH_MISSED)


main()
