#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""ferry-img convert beside qemu-img: runs of the two alternate, figures are
medians of the copied bytes in a second, and of CPU time.

Images are in memory (/dev/shm if there is room), so that disks do not count.
nbd-10ms delays each request of the client, block status as well; nbd-10ms-read
only reads, which is shown without a target. luks is what another GiB takes, so
that the time of making the key does not count.

usage: bench-img.py BUILDDIR [MIB [ROUNDS [NAME...]]]
Exit status: 0; 10 if a target was missed; 1 if something could not run.
"""
import os
import random
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent
                       / 'tests/functional'))
from pki import Pki  # noqa: E402

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
    report(name, mib, w, c, target)


def report(name: str, mib: int, w: dict, c: dict, target: float) -> None:
    ratio = w['qemu'] / w['ferry']
    bad = '' if ratio >= target else '  MISSED'
    print(f'{name:<14} ferry {mib / 1024 / w["ferry"]:6.2f} GiB/s '
          f'{c["ferry"]:6.2f} s CPU   qemu {mib / 1024 / w["qemu"]:6.2f} GiB/s '
          f'{c["qemu"]:6.2f} s CPU   x{ratio:.2f}'
          f'{f" (target x{target})" if target else ""}{bad}', flush=True)
    if bad:
        missed.append(name)


def compare_growth(name: str, small: int, large: int, argv, target: float,
                   rounds: int = 3) -> None:
    """What the step from @small to @large MiB takes. @argv prepares a copy of
    a size and returns it."""
    if NAMES and name not in NAMES:
        return
    runs = {(p, m): [] for p in PEERS for m in (small, large)}
    for _ in range(rounds):
        for m in (small, large):
            for p, program in PEERS.items():
                runs[p, m].append(once([program, *map(str, argv(m))], None))
    growth = [{p: statistics.median(r[i] for r in runs[p, large])
               - statistics.median(r[i] for r in runs[p, small])
               for p in PEERS} for i in (0, 1)]
    report(name, large - small, *growth, target)


class Server:
    def __init__(self, *args: str, port: int = 0):
        self.path = DIR / 'sock'
        self.path.unlink(missing_ok=True)
        pid = DIR / 'pid'
        pid.unlink(missing_ok=True)
        where = (['-i', '127.0.0.1', '-p', str(port)] if port
                 else ['-U', str(self.path)])
        self.proc = subprocess.Popen(['nbdkit', '-f', '-P', str(pid), *where,
                                      *args])
        while not pid.exists():             # it accepts then
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
    for name, more, target in (('nbd-10ms', ['delay-extents=10ms'], 5),
                               ('nbd-10ms-read', [], 0)):
        with Server('--filter=delay', 'file', str(DIR / 'a.raw'),
                    'rdelay=10ms', *more) as s:
            compare(name, MIB, ['convert', '-f', 'raw', '-O', 'raw', s.uri,
                                DIR / 'out'], target, rounds=3)


def free_port() -> int:
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def tls() -> None:
    server, client = Pki(DIR / 'pki').standard()
    port = free_port()
    with Server('--tls=require', f'--tls-certificates={server}', 'file',
                str(DIR / 'a.raw'), port=port):
        compare('nbd-tls-raw', MIB,
                ['convert', '--object',
                 f'tls-creds-x509,id=t,endpoint=client,dir={client}',
                 '--image-opts', '-O', 'raw',
                 f'driver=nbd,host=localhost,port={port},tls-creds=t',
                 DIR / 'out'], 1.2, rounds=3)


def luks() -> None:
    key, out, small, large = DIR / 'key', DIR / 'out', MIB // 2, MIB // 2 + 1024
    key.write_text('passphrase')
    secret = ['--object', f'secret,id=s,file={key}']

    def argv(mib: int) -> list:
        out.unlink(missing_ok=True)
        subprocess.run([PEERS['ferry'], 'create', '-q', *secret, '-f', 'luks',
                        '-o', 'key-secret=s,iter-time=10', out, f'{mib}M'],
                       check=True)
        return ['convert', *secret, '-n', '-f', 'raw', '--target-image-opts',
                DIR / f'{mib}.raw',
                f'driver=luks,key-secret=s,file.filename={out}']

    for mib in small, large:
        with open(DIR / f'{mib}.raw', 'wb') as f:
            for _ in range(mib):
                f.write(os.urandom(1 << 20))
    compare_growth('luks', small, large, argv, 4)
    for mib in small, large:
        (DIR / f'{mib}.raw').unlink()


try:
    local()
    luks()
    if shutil.which('nbdkit'):
        nbd()
    if shutil.which('nbdkit') and shutil.which('certtool'):
        tls()
finally:
    shutil.rmtree(DIR, ignore_errors=True)
sys.exit(BENCH_MISSED if missed else 0)
