# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the benchmarks of live migration share: two emulators with the same
guest (guest/stress.c), their monitors, and when points of the guest arrive."""
from __future__ import annotations

import json
import mmap
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

BENCH_MISSED = 10
QEMU = 'qemu-system-x86_64'
ROOT = Path(__file__).resolve().parent.parent

# Whoever ends a benchmark leaves no emulators behind.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


def peers(build: Path, alone: bool) -> dict[str, str]:
    """The programs that are compared."""
    if not os.access('/dev/kvm', os.R_OK | os.W_OK):
        sys.exit('bench: migration needs /dev/kvm')
    found = {'ferry': os.environ.get('BENCH_FERRY', str(build / 'ferry'))}
    if not alone and shutil.which(QEMU):
        found['qemu'] = QEMU
    return found


def fault_in(mib: int) -> None:
    """Has a virtual machine's host give memory, and leaves it free: what is
    touched next would else cost whoever comes first several times as much. Half
    of it are huge pages, which the host may take back after two seconds."""
    kind = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    with (mmap.mmap(-1, mib << 19, kind) as small,
          mmap.mmap(-1, mib << 19, kind) as huge):
        huge.madvise(mmap.MADV_HUGEPAGE)
        for m in (small, huge):
            for at in range(0, len(m), mmap.PAGESIZE):
                m[at] = 1


class Qmp:
    def __init__(self, path: Path, proc: subprocess.Popen):
        end = time.monotonic() + 60
        self.sock = socket.socket(socket.AF_UNIX)
        while True:
            try:
                self.sock.connect(str(path))
                break
            except OSError:
                if proc.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(f'{proc.args[0]} does not start')
                time.sleep(0.01)
        self.file = self.sock.makefile('rwb', buffering=0)
        self.file.readline()
        self.events: list[dict] = []
        self.cmd('qmp_capabilities')

    def cmd(self, name: str, **arguments):
        self.file.write(json.dumps({'execute': name,
                                    'arguments': arguments}).encode() + b'\n')
        while True:
            msg = json.loads(self.file.readline())
            if 'error' in msg:
                raise RuntimeError(f'{name}: {msg["error"]["desc"]}')
            if 'return' in msg:
                return msg['return']
            self.events.append(msg)


class Ticks(threading.Thread):
    """When the points of both guests arrive."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.times: list[float] = []
        self.text = bytearray()
        self.r, self.w = os.pipe()
        self.start()

    def run(self) -> None:
        while data := os.read(self.r, 4096):
            self.times.append(time.monotonic())
            self.text += data

    def wait_line(self, pattern: str, timeout: float) -> re.Match:
        end = time.monotonic() + timeout
        while not (found := re.search(pattern.encode(), bytes(self.text))):
            if time.monotonic() > end:
                raise RuntimeError(f'the guest does not say {pattern}')
            time.sleep(0.02)
        return found

    def wait_for(self, points: int) -> None:
        """The firmware of one of them takes a while."""
        end = time.monotonic() + 60
        while len(self.times) < points:
            if time.monotonic() > end:
                raise RuntimeError('the guest prints no points')
            time.sleep(0.01)

    def longest(self, start: float, end: float) -> float:
        t = [x for x in self.times if start <= x <= end]
        return max((b - a for a, b in zip(t, t[1:])), default=0) * 1000


class Emulator:
    def __init__(self, program: str, where: Path, name: str, mib: int,
                 ram: Path | None, touched: bool, out: int, tls: str | None,
                 stress: Path, append: str, *args: str):
        self.qmp_path = where / f'{name}.qmp'
        self.qmp_path.unlink(missing_ok=True)
        backend = (f'memory-backend-file,mem-path={ram},share=on' if ram
                   else 'memory-backend-ram')
        backend += f',id=ram0,size={mib}M'
        if touched:
            backend += ',prealloc=on'
        argv = [program, '-accel', 'kvm', '-nodefaults', '-display', 'none',
                '-m', f'{mib}M', '-object', backend, '-machine',
                'pc,memory-backend=ram0', '-smp', '1', '-serial', 'stdio',
                '-kernel', str(stress), '-append', append,
                '-qmp', f'unix:{self.qmp_path},server=on,wait=off',
                *(['-object', tls] if tls else []), *args]
        self.proc = subprocess.Popen(argv, stdin=subprocess.DEVNULL,
                                     stdout=out, stderr=subprocess.PIPE)
        try:
            self.qmp = Qmp(self.qmp_path, self.proc)
        except BaseException:
            self.end()
            raise

    def cpu(self) -> float:
        f = Path(f'/proc/{self.proc.pid}/stat').read_text().rsplit(')')[1]
        ticks = f.split()
        return (int(ticks[11]) + int(ticks[12])) / os.sysconf('SC_CLK_TCK')

    def end(self) -> None:
        self.proc.kill()
        self.proc.wait()
        self.proc.stderr.close()


def make_pki(where: Path) -> Path:
    sys.path.insert(0, str(ROOT / 'tests' / 'functional'))
    from pki import Pki
    server, client = Pki(where / 'pki').standard()
    for f in client.iterdir():
        if not (server / f.name).exists():
            (server / f.name).symlink_to(f.resolve())
    return server
