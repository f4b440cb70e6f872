#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""NBD servers side by side: ferry-nbd, nbdkit, qemu-nbd, with one raw file that
stands in the page cache. Runs alternate; figures are medians.

usage: bench-nbd.py [--rounds N] [--seconds S] [--mib N] BUILDDIR [CASE...]

fio drives the UNIX socket cases, nbdcopy the ones that copy all of the disk. CPU
is the server's, user and system, for one request (fio) or for one MiB (nbdcopy).

Exit status: 0; 10 if a target was missed; 1 if something could not run.
"""
from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / 'tests/functional'))
from pki import Pki  # noqa: E402

BENCH_MISSED = 10
TICK = os.sysconf('SC_CLK_TCK')

# name: kind, fio's arguments or nothing, image format, must, aim; times the
# peer's throughput, which is nbdkit's, for qcow2 qemu-nbd's
CASES = {
    'read-4k-16': ('unix', ['--rw=randread', '--bs=4k', '--iodepth=16'], 'raw', 1.0, 1.5),
    'read-4k-1': ('unix', ['--rw=randread', '--bs=4k', '--iodepth=1'], 'raw', 1.0, 1.3),
    'read-1m-8': ('unix', ['--rw=read', '--bs=1M', '--iodepth=8'], 'raw', 1.0, 1.5),
    'write-1m-8': ('unix', ['--rw=write', '--bs=1M', '--iodepth=8'], 'raw', 1.0, 1.3),
    'copy-tcp': ('tcp', None, 'raw', 1.0, 1.3),
    'copy-tls': ('tls', None, 'raw', 1.0, 2.0),
    'qcow2-4k-16': ('unix', ['--rw=randread', '--bs=4k', '--iodepth=16'], 'qcow2', 1.7, 2.0),
}


def cpu_seconds(pid: int) -> float:
    fields = Path(f'/proc/{pid}/stat').read_text().rsplit(')', 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def free_port() -> int:
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


class Server:
    def __init__(self, bench: Bench, name: str, kind: str, fmt: str):
        self.sock = bench.dir / f'{name}.sock'
        self.port = free_port()
        image = str(bench.images[fmt])
        unix = kind == 'unix'
        creds = ['--object', f'tls-creds-x509,id=t,endpoint=server,dir={bench.srv}',
                 '--tls-creds', 't'] if kind == 'tls' else []
        where = ['-k', str(self.sock)] if unix else ['-b', '127.0.0.1', '-p', str(self.port)]
        if name == 'nbdkit':
            argv = ['nbdkit', '-f', *(['-U', str(self.sock)] if unix else
                                      ['-i', '127.0.0.1', '-p', str(self.port)]),
                    *(['--tls=require', f'--tls-certificates={bench.srv}']
                      if kind == 'tls' else []), 'file', image]
        else:
            program = str(bench.build / 'tools/ferry-nbd') if name == 'ferry' else 'qemu-nbd'
            argv = [program, '-t', '-e', '16', '-f', fmt, *creds, *where, image]
        self.sock.unlink(missing_ok=True)
        self.proc = subprocess.Popen(argv, stderr=subprocess.DEVNULL)
        family, addr = ((socket.AF_UNIX, str(self.sock)) if unix else
                        (socket.AF_INET, ('127.0.0.1', self.port)))
        for _ in range(500):
            with socket.socket(family) as s:
                if s.connect_ex(addr) == 0:
                    break
            time.sleep(0.02)
        self.uri = {'unix': f'nbd+unix:///?socket={self.sock}',
                    'tcp': f'nbd://127.0.0.1:{self.port}',
                    'tls': f'nbds://localhost:{self.port}/?tls-certificates={bench.cli}'}[kind]

    def stop(self) -> None:
        self.proc.terminate()
        self.proc.wait()


class Bench:
    def __init__(self, args, where: Path):
        self.args, self.build, self.dir = args, Path(args.build), where
        self.images = {'raw': where / 'disk.raw', 'qcow2': where / 'disk.qcow2'}
        with open(self.images['raw'], 'wb') as f:
            for _ in range(args.mib):
                f.write(os.urandom(1 << 20))
        if shutil.which('qemu-img'):
            subprocess.run(['qemu-img', 'convert', '-f', 'raw', '-O', 'qcow2',
                            str(self.images['raw']), str(self.images['qcow2'])], check=True)
        self.srv, self.cli = (Pki(where / 'pki').standard() if shutil.which('certtool')
                              else (None, None))

    def once(self, name: str, case: str) -> tuple[float, float]:
        """Returns: throughput (requests or MiB per second), CPU us for one."""
        kind, fio, fmt, _, _ = CASES[case]
        self.images[fmt].read_bytes()
        server = Server(self, name, kind, fmt)
        try:
            before, begin = cpu_seconds(server.proc.pid), time.monotonic()
            if fio:
                count, seconds = self.fio(server, fio)
            else:
                subprocess.run(['nbdcopy', server.uri, 'null:'], check=True,
                               stderr=subprocess.DEVNULL)
                count, seconds = self.args.mib, time.monotonic() - begin
            cpu = cpu_seconds(server.proc.pid) - before
        finally:
            server.stop()
        return count / seconds, cpu / count * 1e6

    def fio(self, server: Server, fio: list[str]) -> tuple[float, float]:
        r = subprocess.run(['fio', '--name=b', '--ioengine=nbd', f'--uri={server.uri}', *fio,
                            f'--size={self.args.mib}M', '--time_based', '--output-format=json',
                            f'--runtime={self.args.seconds}'], capture_output=True, text=True,
                           check=True)
        job = json.loads(r.stdout[r.stdout.index('{'):])['jobs'][0]
        part = job['read'] if job['read']['total_ios'] else job['write']
        return part['total_ios'], part['runtime'] / 1000


def servers_of(case: str) -> list[str]:
    kind, _, fmt, _, _ = CASES[case]
    names = ['ferry']
    if fmt == 'raw' and shutil.which('nbdkit'):
        names.append('nbdkit')
    if shutil.which('qemu-nbd'):
        names.append('qemu-nbd')
    return names


def run_case(bench: Bench, case: str) -> bool:
    """Returns: whether the targets are met."""
    _, fio, fmt, must, aim = CASES[case]
    names = servers_of(case)
    results: dict[str, list[tuple[float, float]]] = {n: [] for n in names}
    for _ in range(bench.args.rounds):
        for n in names:
            results[n].append(bench.once(n, case))
    rate = {n: statistics.median(r[0] for r in rs) for n, rs in results.items()}
    cpu = {n: statistics.median(r[1] for r in rs) for n, rs in results.items()}
    unit = 'IOPS' if fio else 'MiB/s'
    print(f'{case}: ' + ', '.join(f'{n} {rate[n]:.0f} {unit} {cpu[n]:.1f} us' for n in names))
    other = 'nbdkit' if fmt == 'raw' else 'qemu-nbd'
    if other not in names:
        return True
    ratio, cpu_ratio = rate['ferry'] / rate[other], cpu['ferry'] / max(cpu[other], 1e-9)
    ok = ratio >= must and (fmt != 'raw' or cpu_ratio <= 1)
    print(f'  {ratio:.2f} times {other} (must {must}, aim {aim}), CPU {cpu_ratio:.2f} times'
          f'{"" if ok else "  MISSED"}')
    return ok


def main() -> int:
    p = argparse.ArgumentParser(description='NBD servers side by side')
    p.add_argument('--rounds', type=int, default=3)
    p.add_argument('--seconds', type=int, default=3)
    p.add_argument('--mib', type=int, default=256)
    p.add_argument('build')
    p.add_argument('cases', nargs='*', choices=[[], *CASES])
    args = p.parse_args()
    if not all(map(shutil.which, ('fio', 'nbdcopy'))):
        print('fio and nbdcopy are needed', file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as where:
        bench = Bench(args, Path(where))
        results = [run_case(bench, c) for c in args.cases or CASES]
    return 0 if all(results) else BENCH_MISSED


if __name__ == '__main__':
    sys.exit(main())
