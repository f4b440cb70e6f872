#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The program as a whole, beside qemu-system-x86_64 where it is installed:
QMP round trip, time from exec to greeting, memory beside guest RAM, libraries
at start. Runs of the two alternate; figures are medians.

usage: bench-program.py BUILDDIR
Exit status: 0; 10 if a target was missed; 1 if something could not run.
"""
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BUILD = Path(sys.argv[1] if len(sys.argv) > 1 else 'build').resolve()
PEERS = {'ferry': [str(BUILD / 'ferry')]}
if shutil.which('qemu-system-x86_64'):
    PEERS['qemu'] = ['qemu-system-x86_64', '-nic', 'none']
COMMON = ['-nodefaults', '-display', 'none']
ROUNDS = 20
BENCH_MISSED = 10
missed: list[str] = []


class Instance:
    def __init__(self, argv: list[str], *args: str):
        self.dir = tempfile.mkdtemp(prefix='ferry-bench-')
        path = os.path.join(self.dir, 'qmp')
        # A socket that already listens: no polling in the measured time.
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen(1)
        fd = listener.fileno()
        start = time.perf_counter()
        self.proc = subprocess.Popen(
            [*argv, *COMMON, *args, '-chardev',
             f'socket,id=q,fd={fd},server=on,wait=off', '-mon',
             'chardev=q,mode=control'], pass_fds=[fd],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE)
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(30)
        self.sock.connect(path)
        self.buf = b''
        self.line()
        self.greeting_s = time.perf_counter() - start
        listener.close()
        self.cmd('{"execute":"qmp_capabilities"}')

    def line(self) -> bytes:
        while b'\n' not in self.buf:
            data = self.sock.recv(65536)
            if not data:
                raise EOFError(self.proc.stderr.read().decode())
            self.buf += data
        line, self.buf = self.buf.split(b'\n', 1)
        return line

    def cmd(self, text: str) -> dict:
        self.sock.sendall(text.encode())
        while True:
            msg = json.loads(self.line())
            if 'event' not in msg:
                return msg

    def close(self) -> None:
        self.sock.close()
        self.proc.terminate()
        self.proc.wait()
        self.proc.stderr.close()
        shutil.rmtree(self.dir, ignore_errors=True)


def table(title: str, unit: str, rows: dict[str, list[float]],
          fmt: str = '.1f', limit: float | None = None,
          ratio_limit: float | None = None) -> None:
    """Print the medians; @limit is the target for ferry's figure, which it
    must stay below, @ratio_limit that for its share of QEMU's."""
    medians = {name: statistics.median(v) for name, v in rows.items()}
    for name, m in medians.items():
        line = f'{title:36} {name:8} {m:{fmt}} {unit}'
        if name == 'ferry':
            ratio = m / medians['qemu'] if 'qemu' in medians else 0
            if ratio:
                line += f'  {ratio:.2f} x qemu'
            if (limit is not None and m >= limit) or \
               (ratio_limit is not None and ratio > ratio_limit):
                line += '  misses the target'
                missed.append(title)
        print(line, flush=True)


def round_trip() -> None:
    rows: dict[str, list[float]] = {n: [] for n in PEERS}
    inst = {n: Instance(a, '-machine', 'none') for n, a in PEERS.items()}
    for _ in range(40):
        for name, i in inst.items():
            for _ in range(50):
                start = time.perf_counter()
                i.cmd('{"execute":"query-status"}')
                rows[name].append((time.perf_counter() - start) * 1e6)
    for i in inst.values():
        i.close()
    table('QMP query-status round trip', 'us', rows, ratio_limit=0.5)


def start_up(machine: list[str], title: str) -> None:
    rows: dict[str, list[float]] = {n: [] for n in PEERS}
    for _ in range(ROUNDS):
        for name, argv in PEERS.items():
            i = Instance(argv, *machine)
            rows[name].append(i.greeting_s * 1e3)
            i.close()
    table(title, 'ms', rows, limit=10)


def memory() -> None:
    """Private bytes beside guest RAM, and mapped libraries."""
    rows: dict[str, list[float]] = {n: [] for n in PEERS}
    libs: dict[str, list[float]] = {n: [] for n in PEERS}
    accel = ['-accel', 'kvm'] if os.access('/dev/kvm', os.R_OK | os.W_OK) \
        else ['-machine', 'none']
    for _ in range(3):
        for name, argv in PEERS.items():
            i = Instance(argv, *accel, '-S', '-m', '256', '-object',
                         'memory-backend-memfd,id=ram,size=256M,share=on',
                         *(['-machine', 'memory-backend=ram']
                           if accel[0] == '-accel' else []))
            i.cmd('{"execute":"query-status"}')
            pid = i.proc.pid
            private = sum(int(m) for m in re.findall(
                r'^Private_(?:Clean|Dirty): +(\d+)',
                Path(f'/proc/{pid}/smaps_rollup').read_text(), re.M))
            maps = Path(f'/proc/{pid}/maps').read_text()
            ram = sum(int(m) for m in re.findall(
                r'memfd:.*?\n(?:.*\n)*?Private_Dirty: +(\d+)',
                Path(f'/proc/{pid}/smaps').read_text())) \
                if 'memfd:' in maps else 0
            rows[name].append((private - ram) / 1024)
            libs[name].append(len(set(re.findall(r'\S+\.so[.0-9]*$', maps,
                                                 re.M))))
            i.close()
    table('private memory beside 256 MiB RAM', 'MiB', rows, limit=8)
    table('shared libraries at start', '', libs, '.0f', limit=20)


def main() -> None:
    round_trip()
    start_up(['-machine', 'none'], 'exec to QMP greeting, no machine')
    if os.access('/dev/kvm', os.R_OK | os.W_OK):
        start_up(['-accel', 'kvm', '-m', '256', '-S'],
                 'exec to QMP greeting, 256 MiB guest')
    else:
        print('no /dev/kvm: figures of a guest are left out')
    memory()
    if missed:
        sys.exit(BENCH_MISSED)


main()
