#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""ferry-img convert beside qemu-img: runs of the two alternate, figures are
medians of the copied bytes in a second, and of CPU time.

Images are in memory (/dev/shm if there is room), so that disks do not count.

usage: bench-img.py BUILDDIR [MIB [ROUNDS [NAME...]]]
Exit status: 0; 10 if a target was missed; 1 if something could not run.
"""
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BUILD = Path(sys.argv[1] if len(sys.argv) > 1 else 'build').resolve()
MIB = int(sys.argv[2]) if len(sys.argv) > 2 else 512
ROUNDS = int(sys.argv[3]) if len(sys.argv) > 3 else 5
NAMES = sys.argv[4:]
PEERS = {'ferry': str(BUILD / 'tools/ferry-img'), 'qemu': 'qemu-img'}
BENCH_MISSED = 10
SHM = Path('/dev/shm')
NEED = 6 * MIB << 20
DIR = Path(tempfile.mkdtemp(prefix='ferry-bench-', dir=(
    SHM if shutil.disk_usage(SHM).free > NEED else None)))
missed: list[str] = []


def make_raw(path: Path, mib: int) -> None:
    """Three quarters of data that shrinks to about a half, the rest a hole."""
    rng = random.Random(1)
    words = [rng.randbytes(rng.randrange(3, 12)) for _ in range(3000)]
    block = b''.join(rng.choice(words) for _ in range(150000))[:1 << 20]
    with open(path, 'wb') as f:
        for i in range(mib):
            if i % 4 == 3:
                f.seek(1 << 20, 1)
            else:
                k = rng.randrange(1 << 20)
                f.write(block[k:] + block[:k])
        f.truncate(mib << 20)


def once(argv: list[str], out: Path | None) -> tuple[float, float]:
    if out and out.exists():
        out.unlink()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, (after.ru_utime + after.ru_stime
                  - before.ru_utime - before.ru_stime)


def compare(name: str, mib: int, args: list, target: float,
            out: Path | None = DIR / 'out', rounds: int = ROUNDS) -> None:
    if NAMES and name not in NAMES:
        return
    wall = {p: [] for p in PEERS}
    cpu = {p: [] for p in PEERS}
    for n in range(rounds + 1):
        for p, program in PEERS.items():
            w, c = once([program, *map(str, args)], out)
            if n:                       # the first one faults memory in
                wall[p].append(w)
                cpu[p].append(c)
    w = {p: statistics.median(v) for p, v in wall.items()}
    c = {p: statistics.median(v) for p, v in cpu.items()}
    ratio = w['qemu'] / w['ferry']
    bad = '' if ratio >= target else '  MISSED'
    print(f'{name:<14} ferry {mib / 1024 / w["ferry"]:6.2f} GiB/s '
          f'{c["ferry"]:6.2f} s CPU   qemu {mib / 1024 / w["qemu"]:6.2f} GiB/s '
          f'{c["qemu"]:6.2f} s CPU   x{ratio:.2f} (target x{target}){bad}',
          flush=True)
    if bad:
        missed.append(name)


class Server:
    def __init__(self, *args: str):
        self.path = DIR / 'sock'
        self.path.unlink(missing_ok=True)
        self.proc = subprocess.Popen(['nbdkit', '-f', '-U', str(self.path),
                                      *args])
        while not self.path.exists():
            time.sleep(0.01)
        self.uri = f'nbd+unix:///?socket={self.path}'

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.proc.terminate()
        self.proc.wait()


def local() -> None:
    raw, q = DIR / 'a.raw', DIR / 'a.qcow2'
    small = DIR / 'small.raw'
    make_raw(raw, MIB)
    make_raw(small, MIB // 4)
    subprocess.run(['qemu-img', 'convert', '-f', 'raw', '-O', 'qcow2', raw, q],
                   check=True)
    compare('raw-qcow2', MIB, ['convert', '-f', 'raw', '-O', 'qcow2', raw,
                               DIR / 'out'], 1.2)
    compare('qcow2-raw', MIB, ['convert', '-f', 'qcow2', '-O', 'raw', q,
                               DIR / 'out'], 1.2)
    compare('zlib', MIB // 4, ['convert', '-c', '-f', 'raw', '-O', 'qcow2',
                               small, DIR / 'out'], 3, rounds=3)
    compare('zstd', MIB // 4, ['convert', '-c', '-o', 'compression_type=zstd',
                               '-f', 'raw', '-O', 'qcow2', small, DIR / 'out'],
            1.5, rounds=3)
    q.unlink()


def nbd() -> None:
    target = f'driver=null-co,size={MIB << 20}'
    with Server('memory', f'{MIB}M') as s:
        # nbdkit's memory is a hole until it is written.
        subprocess.run(['qemu-img', 'convert', '-n', '-f', 'raw', '-O', 'raw',
                        DIR / 'a.raw', s.uri], check=True)
        compare('nbd-null', MIB, ['convert', '-f', 'raw', '-n',
                                  '--target-image-opts', s.uri, target], 1.2,
                out=None)
    with Server('--filter=delay', 'file', str(DIR / 'a.raw'),
                'rdelay=10ms') as s:
        compare('nbd-10ms', MIB, ['convert', '-f', 'raw', '-O', 'raw', s.uri,
                                  DIR / 'out'], 5, rounds=3)


try:
    local()
    if shutil.which('nbdkit'):
        nbd()
finally:
    shutil.rmtree(DIR, ignore_errors=True)
sys.exit(BENCH_MISSED if missed else 0)
