#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Does throughput block control? Round trips of QMP's query-status, at the source
and at the destination, while a migration without a limit runs between them,
beside qemu-system-x86_64.

usage: bench-migrate-control.py [--answers N] [--alone] BUILDDIR [CASE...]

The guest (guest/stress.c, under KVM) is idle in RAM full of random bytes; what is
over before there are enough answers is done again.

Exit status: 0; 10 if a target was missed; 1 if something could not run.
"""
from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from migration import BENCH_MISSED, Emulator, Ticks, make_pki, peers

MIB = 1024
GUEST = 'idle end=halt tick=10000'
MUST_MS = 10  # p99
CREDS = 'tls-creds-x509,id=tls0,endpoint={},dir={}'
# name: TLS, capabilities
CASES = {
    'plain': (False, []),
    'multifd': (False, ['multifd']),
    'tls': (True, []),
    'tls-multifd': (True, ['multifd']),
    'xbzrle': (False, ['xbzrle']),
    'compress': (False, ['compress']),
}


def random_ram(where: Path) -> Path:
    path = where / 'random.ram'
    if not path.exists():
        with open(path, 'wb') as f:
            block = os.urandom(1 << 20)
            f.seek(16 << 20)        # what is below is the guest's own
            for n in range(16, MIB):
                cut = n * 1021      # no two pages are the same
                f.write(block[cut:] + block[:cut])
    return path


class Pair:
    """A source and a destination, connected by a migration."""

    def __init__(self, program: str, where: Path, case: str, pki: Path,
                 stress: Path):
        self.ticks = Ticks()
        self.sides: dict[str, Emulator] = {}
        try:
            self.start(program, where, case, pki, stress)
        except BaseException:
            self.end()
            raise

    def start(self, program: str, where: Path, case: str, pki: Path,
              stress: Path) -> None:
        tls, caps = CASES[case]
        for name, endpoint, ram, args in (
                ('source', 'client', random_ram(where), []),
                ('target', 'server', None, ['-incoming', 'defer'])):
            self.sides[name] = Emulator(
                program, where, name, MIB, ram, True, self.ticks.w,
                CREDS.format(endpoint, pki) if tls else None, stress, GUEST,
                *args)
        for e in self.sides.values():
            e.qmp.cmd('migrate-set-capabilities', capabilities=[
                {'capability': c, 'state': True} for c in caps])
            e.qmp.cmd('migrate-set-parameters', **{
                'max-bandwidth': 0, **({'tls-creds': 'tls0',
                                        'tls-hostname': 'localhost'}
                                       if tls else {})})
        (where / 'mig').unlink(missing_ok=True)
        uri = f'unix:{where}/mig'
        self.sides['target'].qmp.cmd('migrate-incoming', uri=uri)
        self.ticks.wait_for(10)
        self.sides['source'].qmp.cmd('migrate', uri=uri)

    def goes_on(self) -> bool:
        info = self.sides['source'].qmp.cmd('query-migrate')
        if info.get('status') in ('failed', 'cancelled'):
            raise RuntimeError(info.get('error-desc', info['status']))
        self.info = info
        return info.get('status') != 'completed'

    def end(self) -> None:
        for e in self.sides.values():
            e.end()


def one_run(program: str, where: Path, case: str, pki: Path, stress: Path,
            took: dict[str, list[float]]) -> float:
    """Appends round trips in milliseconds. Returns: GB/s of RAM."""
    pair = Pair(program, where, case, pki, stress)
    try:
        while pair.goes_on():
            for name, e in pair.sides.items():
                start = time.perf_counter()
                e.qmp.cmd('query-status')
                took.setdefault(name, []).append(
                    (time.perf_counter() - start) * 1000)
            time.sleep(0.001)
        return (MIB << 20) / 1e6 / max(pair.info['total-time'], 1)
    finally:
        pair.end()


def quantile(values: list[float], q: float) -> float:
    return sorted(values)[min(int(len(values) * q), len(values) - 1)]


def main() -> None:
    p = argparse.ArgumentParser()
    p.add_argument('--answers', type=int, default=300,
                   help='of each side, at least')
    p.add_argument('--alone', action='store_true', help='without QEMU')
    p.add_argument('build', nargs='?', default='build')
    p.add_argument('cases', nargs='*')
    a = p.parse_args()
    build = Path(a.build).resolve()
    missed: list[str] = []
    with tempfile.TemporaryDirectory(prefix='ferry-bench-',
                                     dir='/dev/shm') as d:
        pki = make_pki(Path(d))
        for case in a.cases or CASES:
            for name, program in peers(build, a.alone).items():
                took: dict[str, list[float]] = {}
                speed = 0
                try:
                    while len(took.get('source', [])) < a.answers:
                        speed = one_run(program, Path(d), case, pki,
                                        build / 'guest' / 'stress.elf', took)
                except RuntimeError as e:
                    if name == 'ferry':
                        sys.exit(f'bench-migrate-control: {case}: {e}')
                    print(f'{case:12} {name:6} {e}')
                    continue
                line = f'{case:12} {name:6} {speed:5.2f} GB/s of RAM |'
                for side, values in took.items():
                    p99 = quantile(values, 0.99)
                    line += (f' {side} n {len(values)} median '
                             f'{quantile(values, 0.5):.2f} p99 {p99:.2f} '
                             f'max {max(values):.2f} ms |')
                    if name == 'ferry' and p99 >= MUST_MS:
                        missed.append(f'{case} {side}')
                print(line, flush=True)
    print(f'must: p99 under {MUST_MS} ms')
    if missed:
        print('missed:', *missed)
        sys.exit(BENCH_MISSED)


main()
