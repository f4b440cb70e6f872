# SPDX-License-Identifier: LGPL-2.1-or-later
"""Two emulators and a guest that goes from one to the other.

    p = Pair(t)
    p.migrate('unix', capabilities=['xbzrle'], parameters={...})
    p.check()           # the guest runs there, and its memory is what it was

The guest is guest/stress.c with `pattern=verify`: it looks at its memory
itself and says WRONG on its serial port.
"""
from __future__ import annotations

import re
import socket
import threading
import time
from pathlib import Path

import ferrytest
from ferrytest import FERRY, STRESS, Ferry, Test, wait_for
from pki import Pki

ENDED = ('completed', 'failed', 'cancelled')
VERIFY = 'mem=20M kept=8M pattern=verify rate=20000 tick=20000 end=halt'
# Writes without a pause: at a low bandwidth a pre-copy never ends.
BUSY = VERIFY.replace('rate=20000', 'rate=0')


class Relay:
    """A TCP port or UNIX socket in front of another; connections can be held
    (no byte passes) and cut, those too that come later. `after` cuts once so
    many bytes went to the destination. `back` is what came from there."""

    def __init__(self, t: Test, target: tuple | str, name: str = 'relay',
                 after: int | None = None):
        self.target = target
        self.after = after
        self.passed = 0
        self.back = bytearray()
        self.dead = False
        self.held = threading.Event()
        self.conns: list[tuple[socket.socket, socket.socket]] = []
        if isinstance(target, str):
            self.path = str(t.path(name))
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(self.path)
            self.uri = f'unix:{self.path}'
        else:
            self.listener = socket.socket()
            self.listener.bind(('127.0.0.1', 0))
            self.uri = f'tcp:127.0.0.1:{self.listener.getsockname()[1]}'
        self.listener.listen(64)
        self.lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                a, _ = self.listener.accept()
            except OSError:
                return
            b = socket.socket(socket.AF_UNIX if isinstance(self.target, str)
                              else socket.AF_INET)
            try:
                b.connect(self.target)
            except OSError:
                a.close()
                continue
            with self.lock:
                self.conns.append((a, b))
                dead = self.dead
            if dead:
                self.cut()
                continue
            for src, dst, there in ((a, b, True), (b, a, False)):
                threading.Thread(target=self._pump, args=(src, dst, there),
                                 daemon=True).start()

    def _pump(self, src, dst, there: bool) -> None:
        try:
            while True:
                data = src.recv(65536)
                while self.held.is_set():
                    time.sleep(0.005)
                if not data:
                    break
                data = self.edit(src, data, there)
                if not there:
                    self.back += data
                dst.sendall(data)
                if there:
                    self.passed += len(data)
                    if self.after is not None and self.passed >= self.after:
                        self.cut()
                        return
            dst.shutdown(socket.SHUT_WR)
        except OSError:
            # A reset, or nobody to pass it on to: both ends learn of it.
            for s in (src, dst):
                try:
                    s.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def edit(self, src: socket.socket, data: bytes, there: bool) -> bytes:
        """What is passed on in place of @data."""
        return data

    def cut(self) -> None:
        with self.lock:
            self.dead = True
            for pair in self.conns:
                for s in pair:
                    try:
                        s.shutdown(socket.SHUT_RDWR)
                    except OSError:
                        pass
            self.conns.clear()

    def close(self) -> None:
        self.listener.close()
        self.cut()


class Credentials:
    """x509 and PSK for both sides; made once per test."""

    def __init__(self, t: Test):
        t.requires('certtool', 'psktool')
        server, client = Pki(t.path('pki')).standard()
        psk = t.path('psk')
        psk.mkdir()
        t.run('psktool', '-u', 'ferry', '-p', psk / 'keys.psk')
        self.objects = {
            'x509': {
                'source': 'tls-creds-x509,id=tls-source,endpoint=client,'
                          f'dir={client}',
                'target': 'tls-creds-x509,id=tls-target,endpoint=server,'
                          f'dir={server}'},
            'psk': {
                'source': 'tls-creds-psk,id=tls-source,endpoint=client,'
                          f'username=ferry,dir={psk}',
                'target': 'tls-creds-psk,id=tls-target,endpoint=server,'
                          f'dir={psk}'}}


class Pair:
    def __init__(self, t: Test, accel: str = 'soft', memory: str = '64',
                 smp: int = 1, append: str = VERIFY, tls: str | None = None,
                 args: tuple = (), source_args: tuple = (),
                 target_args: tuple = (), start: bool = True,
                 program: str | Path = FERRY, kernel: Path = STRESS):
        if accel == 'kvm':
            t.requires_kvm()
        self.t = t
        self.tls = tls
        self.count = 0
        self.program = program
        self.source_args, self.target_args = source_args, target_args
        self.append = append
        self.common = ['-accel', accel, '-m', memory, '-smp', str(smp),
                       '-kernel', str(kernel), '-append', append,
                       '-no-reboot', *map(str, args)]
        if tls:
            if not hasattr(t, 'credentials'):
                t.credentials = Credentials(t)
            # Whoever is the destination now may be the source later.
            for creds in t.credentials.objects[tls].values():
                self.common += ['-object', creds]
        self.serial: list[Path] = []
        self.source = self.emulator(*source_args)
        self.target: Ferry | None = None
        if start:
            self.wait_guest('pass 2')

    def emulator(self, *args) -> Ferry:
        out = self.t.path(f'serial{len(self.serial)}')
        out.write_bytes(b'')
        self.serial.append(out)
        return self.t.ferry(
            *self.common, '-chardev', f'file,id=com1,path={out}', '-serial',
            'chardev:com1', *args, program=self.program, monitors=2,
            wrapper=self.wrapper())

    def wrapper(self) -> tuple[str, ...]:
        """A command before the emulator's."""
        return ()

    def new_target(self, *args) -> Ferry:
        self.target = self.emulator(
            '-incoming', 'defer', *self.target_args, *args)
        return self.target

    def text(self, which: int = -1) -> str:
        return self.serial[which].read_text(errors='replace')

    def wait_guest(self, pattern: str, which: int = -1,
                   timeout: float = ferrytest.TIMEOUT) -> str:
        def seen():
            text = self.text(which).replace('.', '')
            assert 'WRONG' not in text, text[-2000:]
            return re.search(pattern, text) and text
        return wait_for(seen, f'{pattern!r} from the guest', timeout)

    def listen(self, transport: str, multi: bool = False, **arguments) -> str:
        """Let the destination listen; returns the URI for the source."""
        self.count += 1
        q = self.target.qmp
        if transport == 'unix':
            uri = f'unix:{self.t.path(f"mig{self.count}")}'
            q.cmd('migrate-incoming', uri=uri, **arguments)
        elif transport in ('tcp', 'tcp6'):
            host = '[::1]' if transport == 'tcp6' else '127.0.0.1'
            q.cmd('migrate-incoming', uri=f'tcp:{host}:0', **arguments)
            a = wait_for(lambda: q.cmd('query-migrate').get('socket-address'),
                         'the address of the destination')
            uri = f'tcp:{host}:{a[0]["port"]}'
        elif transport == 'exec':
            path = self.t.path(f'mig{self.count}')
            q.cmd('migrate-incoming',
                  uri=f'exec:socat UNIX-LISTEN:{path} -', **arguments)
            wait_for(path.exists, 'socat')
            uri = f'exec:socat - UNIX-CONNECT:{path}'
        elif transport == 'fd':
            a, b = socket.socketpair()
            q.raw('getfd', {'fdname': 'mig'}, [b.fileno()])
            self.source.qmp.raw('getfd', {'fdname': 'mig'}, [a.fileno()])
            a.close()
            b.close()
            q.cmd('migrate-incoming', uri='fd:mig', **arguments)
            uri = 'fd:mig'
        else:
            raise ValueError(transport)
        return uri

    def settings(self, capabilities=(), parameters=None,
                 source_only=()) -> None:
        """The same on both sides, but for capabilities of the source; all
        other capabilities are off."""
        parameters = dict(parameters or {})
        for f in (self.source, self.target):
            caps = list(capabilities)
            if self.tls:
                parameters['tls-creds'] = \
                    'tls-source' if f is self.source else 'tls-target'
            if f is self.source:
                caps += source_only
                if self.tls == 'x509':
                    parameters['tls-hostname'] = 'localhost'
            elif f:
                parameters.pop('tls-hostname', None)
            if not f:
                continue
            on = f.qmp.cmd('query-migrate-capabilities')
            f.qmp.cmd('migrate-set-capabilities', capabilities=[
                {'capability': c['capability'],
                 'state': c['capability'] in caps}
                for c in on if c['state'] or c['capability'] in caps])
            f.qmp.raw('migrate-set-parameters', dict(parameters))

    def status(self, f: Ferry | None = None) -> dict:
        return (f or self.source).qmp.cmd('query-migrate')

    def wait_status(self, *wanted: str, f: Ferry | None = None,
                    timeout: float = 4 * ferrytest.TIMEOUT) -> dict:
        last = {}

        def there():
            s = self.status(f)
            last.clear()
            last.update(s)
            if s.get('status') in wanted:
                return s
            assert s.get('status') not in ENDED, s
            return None
        try:
            return wait_for(there, f'status {wanted}', timeout)
        except AssertionError as e:
            raise AssertionError(f'{e}; it is {last}') from None

    def migrate(self, transport: str = 'unix', capabilities=(),
                parameters=None, source_only=(), wait: bool = True,
                after_start=None) -> dict:
        """From self.source to a new destination, which becomes the source of
        the next one."""
        if not self.target:
            self.new_target()
        self.settings(capabilities, parameters, source_only)
        uri = self.listen(transport)
        self.source.qmp.cmd('migrate', uri=uri)
        if after_start:
            after_start(self)
        return self.finish() if wait else {}

    def finish(self) -> dict:
        info = self.wait_status('completed')
        wait_for(lambda: self.target.qmp.cmd('query-status')['running'],
                 'the guest to run at the destination')
        s = self.source.qmp.cmd('query-status')
        assert s['status'] == 'postmigrate', s
        self.source, self.target = self.target, None
        return info

    def check(self, rounds: int = 2) -> None:
        """The guest goes on and finds all its memory as it left it."""
        text = self.text()
        n = len(re.findall(r'kept round', text))
        passes = len(re.findall(r'pass \d+ cpu', text))
        # What the guest was told to look at, too.
        also = [what for what in ('state', 'whole')
                if re.search(rf'\b{what}\b', self.append)]
        seen = {what: text.count(f'{what} round') for what in also}

        def on():
            text = self.text()
            assert 'WRONG' not in text and 'exception' not in text, text[-2000:]
            if any(text.count(f'{what} round') <= seen[what] for what in also):
                return False
            return (len(re.findall(r'kept round \d+ pages \d+ errors 0', text))
                    >= n + rounds
                    and len(re.findall(r'pass \d+ cpu', text)) >= passes + 2)
        wait_for(on, 'the guest to check its memory', 2 * ferrytest.TIMEOUT)

    def still_here(self) -> None:
        """The source runs the guest, and nobody else does."""
        wait_for(lambda: self.source.qmp.cmd('query-status')['running'],
                 'the source to run the guest again')
        try:
            if self.target:
                s = self.target.qmp.cmd('query-status')
                assert not s['running'], s
        except (EOFError, OSError):
            assert self.target.wait() != 0  # it failed, or was killed
        self.check_of(self.serial.index(self.serial_of(self.source)))

    def serial_of(self, f: Ferry) -> Path:
        return self.serial[self.t.ferries.index(f)]

    def check_of(self, which: int) -> None:
        before = len(self.text(which))
        wait_for(lambda: len(self.text(which)) > before + 50,
                 'output of the guest')
        assert 'WRONG' not in self.text(which), self.text(which)[-2000:]
