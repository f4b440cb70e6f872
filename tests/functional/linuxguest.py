# SPDX-License-Identifier: LGPL-2.1-or-later
"""A small Linux guest: Debian's stock kernel, our init and busybox, a shell
on the first serial port that tests type into.

    g = Linux(t, '-accel', 'soft', modules=['virtio_blk'])
    assert g.run('cat /proc/cpuinfo') ...
    g.power_off()
"""
from __future__ import annotations

import os
import re
import socket
import subprocess
import time
from pathlib import Path

import ferrytest
from ferrytest import BUILD, Skip, Test, read_until

SOURCE = Path(__file__).resolve().parents[2]
PROMPT = 'ferry-guest# '
# A software CPU under a sanitizer, on a busy machine.
BOOT_SECONDS = 6 * ferrytest.TIMEOUT


def kernel(flavour: str = 'cloud') -> Path:
    """Directory with vmlinuz and modules/; scripts/check fetches it."""
    d = Path(os.environ.get('FERRY_LINUX', SOURCE / 'build/linux')) / flavour
    if not (d / 'vmlinuz').exists():
        raise Skip(f'no kernel: run scripts/guest-linux {flavour}')
    return d


def initrd(t: Test, modules: list[str] = (), add: list[str] = (),
           script: str | None = None, flavour: str = 'cloud',
           name: str = 'initrd') -> Path:
    # Many emulators of a test, the same disk: it is made once.
    made = t.__dict__.setdefault('initrds', {})
    files = [os.stat(a.split(':')[0]) for a in add]
    key = (tuple(modules), tuple(add), script, flavour,
           tuple((f.st_size, f.st_mtime_ns) for f in files))
    if key in made:
        return made[key]
    out = t.path(name)
    args = [SOURCE / 'scripts/make-initrd', '--init',
            BUILD / 'guest/linux-init', '--add',
            f'{BUILD}/guest/linux-cpubench:bin/cpubench', '--modules',
            kernel(flavour) / 'modules']
    for m in modules:
        args += ['--module', m]
    for a in add:
        args += ['--add', a]
    if script is not None:
        t.path('run').write_text(script)
        args += ['--script', t.path('run')]
    t.run(*args, out, timeout=4 * ferrytest.TIMEOUT)
    made[key] = out
    return out


class Linux:
    def __init__(self, t: Test, *args: str, modules: list[str] = (),
                 add: list[str] = (), append: str = '', memory: str = '256',
                 flavour: str = 'cloud', wait: bool = True, **kw) -> None:
        self.test = t
        n = len(t.ferries)
        self.path = t.path(f'console{n}')
        self.seen = b''
        self.ferry = t.ferry(
            '-m', memory, '-kernel', kernel(flavour) / 'vmlinuz',
            '-initrd', initrd(t, modules, add, flavour=flavour,
                              name=f'initrd{n}'),
            '-append', f'console=ttyS0 quiet panic=-1 {append}'.strip(),
            '-chardev', f'socket,id=console,path={self.path},server=on,wait=off',
            '-serial', 'chardev:console', *args, **kw)
        self.connect()
        if wait:
            self.wait_shell()

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        end = time.monotonic() + ferrytest.TIMEOUT
        while True:
            try:
                self.sock.connect(str(self.path))
                break
            except OSError:
                if time.monotonic() > end or self.ferry.proc.poll() is not None:
                    raise AssertionError('no console: ' + self.ferry.output())
                time.sleep(0.01)

    def expect(self, pattern: str, timeout: float = BOOT_SECONDS) -> str:
        """Text of the console up to the end of a match."""
        try:
            data = read_until(self.sock, pattern, timeout)
        except AssertionError as e:
            raise AssertionError(f'{e}\n{self.ferry.output()}') from None
        return data.decode(errors='replace')

    def wait_shell(self) -> None:
        self.expect(r'ferry-init: up, milliseconds: \d+')
        # Whatever the kernel says meanwhile, this prompt is ours alone; the
        # quotes keep the echo of the line from looking like it.
        self.sock.sendall(b"PS1='ferry-'guest'# '; stty -echo; "
                          b"dmesg -n 1 2>/dev/null\n")
        self.expect(re.escape(PROMPT))
        self.sock.sendall(b'\n')
        self.expect(re.escape(PROMPT))

    def run(self, command: str, check: bool = True,
            timeout: float = BOOT_SECONDS) -> str:
        """Output of a shell command; its status must be 0 unless not asked."""
        self.sock.sendall(f'{command}; echo "status"-$?\n'.encode())
        text = self.expect(r'status-\d+\r\n' + PROMPT, timeout)
        m = re.search(r'status-(\d+)\r\n' + PROMPT + '$', text)
        out = text[:m.start()].replace('\r\n', '\n')
        if check and m.group(1) != '0':
            raise AssertionError(f'{command}: {m.group(1)}: {out}')
        return out

    def power_off(self) -> None:
        """From inside; the emulator must end with status 0."""
        self.sock.sendall(b'exit 0\n')
        status = self.ferry.wait(BOOT_SECONDS)
        assert status == 0, (status, self.ferry.output())
