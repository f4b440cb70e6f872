#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Live migration between two processes of this host, beside
qemu-system-x86_64 with the same guest, memory and settings. Runs of the two
alternate; figures are medians.

usage: bench-migrate.py [--rounds N] [--mib N] [--alone] BUILDDIR [CASE...]

The source's RAM is a prepared file in memory (random words, text, zeros), so
that both programs send the same bytes, or memory that nobody touched; the guest
(guest/stress.c, idle, under KVM) prints a point each millisecond, and the
longest time between two of them is the pause as its user feels it. Both sides
have their memory in place before the clock starts, but for the cases about
untouched memory: the first touch of a page costs what the host makes it cost,
and on a host that is a guest itself that is more than copying it.

Exit status: 0; 10 if a target was missed; 1 if something could not run.
"""
from __future__ import annotations

import argparse
import os
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

from migration import BENCH_MISSED, Emulator, Ticks, make_pki, peers

# name: contents, transport, tls, capabilities, parameters, target, aim; the
# targets are times QEMU's throughput
CASES = {
    'unix': ('random', 'unix', False, [], {}, 1.2, None),
    'tcp': ('random', 'tcp', False, [], {}, 1.2, None),
    'multifd': ('random', 'unix', False, ['multifd'], {}, 1.2, None),
    'zero': ('zero', 'unix', False, [], {}, 2, None),
    'untouched': ('hole', 'unix', False, [], {}, 4, None),
    'tls': ('random', 'tcp', True, [], {}, 2.5, 4),
    'tls-multifd': ('random', 'tcp', True, ['multifd'], {}, 2.5, 4),
    'compress': ('text', 'unix', False, ['compress'],
                 {'compress-threads': 2, 'decompress-threads': 2}, 3, None),
    'zlib': ('text', 'unix', False, ['multifd'],
             {'multifd-compression': 'zlib'}, 1.3, None),
    'zstd': ('text', 'unix', False, ['multifd'],
             {'multifd-compression': 'zstd'}, 1.3, None),
}
CPU_MUST, CPU_AIM = 0.8, 0.5   # of QEMU's CPU seconds per GB, case unix
IDLE = 'idle end=halt tick=1000'
PAUSE_MUST, PAUSE_AIM = 10, 2  # ms, idle guest, default settings
missed: list[str] = []


def contents(kind: str, mib: int, where: Path) -> Path:
    path = where / f'{kind}.ram'
    if path.exists():
        return path
    with open(path, 'wb') as f:
        f.truncate(mib << 20)
        rng = random.Random(7)
        words = [w.encode() for w in
                 'the and memory page of guest writes in time is host one a '
                 'record 1 17 2026 error status ok user name value'.split()]
        block = bytes(1 << 20)
        if kind == 'text':
            block = b' '.join(rng.choices(words, k=220000))[:1 << 20]
        # The first 16 MiB are the guest's own.
        f.seek(16 << 20)
        for _ in range(16, mib):
            if kind == 'random':
                f.write(rng.randbytes(1 << 20))
            elif kind == 'text':
                cut = rng.randrange(1 << 20)
                f.write(block[cut:] + block[:cut])
            else:
                f.write(block)
    return path


def one_run(program: str, where: Path, case: str, mib: int, pki: Path,
            stress: Path, defaults: bool = False) -> dict[str, float]:
    kind, transport, tls, caps, params, *_ = CASES[case]
    ram = contents(kind, mib, where) if kind != 'hole' else None
    ticks = Ticks()
    creds = 'tls-creds-x509,id=tls0,endpoint={},dir={}'
    source = Emulator(program, where, 'source', mib, ram, ram is not None,
                      ticks.w, creds.format('client', pki) if tls else None,
                      stress, IDLE)
    target = None
    try:
        target = Emulator(program, where, 'target', mib, None,
                          kind in ('random', 'text'), ticks.w,
                          creds.format('server', pki) if tls else None,
                          stress, IDLE, '-incoming', 'defer')
        params = {} if defaults else {'max-bandwidth': 0, **params}
        if tls:
            params['tls-creds'] = 'tls0'
        for e in (source, target):
            e.qmp.cmd('migrate-set-capabilities', capabilities=[
                {'capability': c, 'state': True} for c in caps])
            e.qmp.cmd('migrate-set-parameters', **params)
        uri = f'unix:{where}/mig' if transport == 'unix' else 'tcp:127.0.0.1:0'
        (where / 'mig').unlink(missing_ok=True)
        target.qmp.cmd('migrate-incoming', uri=uri)
        if transport == 'tcp':
            a = target.qmp.cmd('query-migrate')['socket-address'][0]
            uri = f'tcp:127.0.0.1:{a["port"]}'
        ticks.wait_for(100)
        cpu = source.cpu() + target.cpu()
        start = time.monotonic()
        source.qmp.cmd('migrate', uri=uri)
        while True:
            info = source.qmp.cmd('query-migrate')
            if info.get('status') in ('completed', 'failed', 'cancelled'):
                break
            time.sleep(0.002)
        took = time.monotonic() - start
        if info['status'] != 'completed':
            raise RuntimeError(f'{case}: {info.get("error-desc", info)}')
        time.sleep(0.3)
        # The bytes of RAM, without the guest's own 16 MiB.
        gb = (mib << 20) / 1e9
        return {'GB/s': gb / took, 'total': info['total-time'],
                'downtime': info['downtime'],
                'pause': ticks.longest(start - 0.2, start + took + 0.25),
                'cpu': (source.cpu() + target.cpu() - cpu) / gb}
    finally:
        source.end()
        if target:
            target.end()
        os.close(ticks.w)


def compare(case: str, results: dict[str, list[dict]]) -> None:
    *_, must, aim = CASES[case]
    mid = {p: {k: statistics.median(r[k] for r in rs) for k in rs[0]}
           for p, rs in results.items() if rs}
    line = f'{case:12}'
    for p, m in mid.items():
        line += (f' {p} {m["GB/s"]:6.2f} GB/s {m["cpu"]:5.2f} s/GB '
                 f'pause {m["pause"]:6.1f} ms |')
    if len(mid) == 2:
        ratio = mid['ferry']['GB/s'] / mid['qemu']['GB/s']
        line += f' {ratio:5.2f} x (must {must}{f", aim {aim}" if aim else ""})'
        if ratio < must:
            missed.append(case)
            line += ' MISSED'
        if case == 'unix':
            share = mid['ferry']['cpu'] / mid['qemu']['cpu']
            line += f' CPU {share:.2f} x (must {CPU_MUST}, aim {CPU_AIM})'
            if share > CPU_MUST:
                missed.append('cpu')
                line += ' MISSED'
    print(line, flush=True)


def main() -> None:
    p = argparse.ArgumentParser()
    p.add_argument('--rounds', type=int, default=3)
    p.add_argument('--mib', type=int, default=2048)
    p.add_argument('--alone', action='store_true', help='without QEMU')
    p.add_argument('build', nargs='?', default='build')
    p.add_argument('cases', nargs='*')
    a = p.parse_args()
    build = Path(a.build).resolve()
    programs = peers(build, a.alone)
    with tempfile.TemporaryDirectory(prefix='ferry-bench-',
                                     dir='/dev/shm') as d:
        where = Path(d)
        pki = make_pki(where)
        for case in a.cases or [*CASES, 'pause']:
            for old in where.glob('*.ram'):
                if old.stem != CASES.get(case, 'h')[0]:
                    old.unlink()
            real = 'untouched' if case == 'pause' else case
            results: dict[str, list[dict]] = {n: [] for n in programs}
            for _ in range(a.rounds):
                for name, program in programs.items():
                    try:
                        results[name].append(one_run(
                            program, where, real, a.mib, pki,
                            build / 'guest' / 'stress.elf',
                            defaults=case == 'pause'))
                    except RuntimeError as e:
                        print(f'{name}: {e}', file=sys.stderr)
            if not results['ferry']:
                sys.exit('bench-migrate: cannot run')
            if case != 'pause':
                compare(case, results)
                continue
            mid = {n: statistics.median(r['pause'] for r in rs)
                   for n, rs in results.items() if rs}
            print('pause        idle guest, default settings: '
                  + ', '.join(f'{n} {v:.1f} ms' for n, v in mid.items())
                  + f' (must {PAUSE_MUST}, aim {PAUSE_AIM})', flush=True)
            if mid['ferry'] > PAUSE_MUST:
                missed.append('pause')
    if missed:
        print('missed:', *missed)
        sys.exit(BENCH_MISSED)


main()
