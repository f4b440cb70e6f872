# SPDX-License-Identifier: LGPL-2.1-or-later
"""A relay that knows what a migration's channels carry, and stops it at a
named step.

    relay = StepRelay(t, uri, stop='>PING FCOM')
    ...migrate to relay.uri...
    relay.wait_stop()           # nothing passes any more, in no direction
    relay.cut()

Each thing that goes over the main channel is an item with a name: `>` from the
source to the destination, `<` back. `>X` is the moment before its first byte
passes, `in >X` the one when half of it has passed. relay.names has all that were
come by, in their order. Things that come often have names for the first few:
`>PART ram`, `>PART ram#2`. The reader follows the documented stream alone; what
it cannot understand ends the test.
"""
from __future__ import annotations

import socket
import struct
import threading

from ferrytest import Test, wait_for

EOF, START, PART, END, FULL, _, VMDESC, CONFIG, COMMAND = range(9)
FOOTER = 0x7e
RAM_ZERO, RAM_MEM_SIZE, RAM_PAGE, RAM_EOS = 0x02, 0x04, 0x08, 0x10
RAM_CONTINUE, RAM_XBZRLE, RAM_HOOK = 0x20, 0x40, 0x80
RAM_COMPRESS, RAM_MULTIFD_FLUSH = 0x100, 0x200
PAGE = 4096
COMMANDS = {1: 'OPEN_RETURN_PATH', 2: 'PING', 3: 'POSTCOPY_ADVISE',
            4: 'POSTCOPY_LISTEN', 5: 'POSTCOPY_RUN', 6: 'POSTCOPY_RAM_DISCARD',
            7: 'PACKAGED', 9: 'POSTCOPY_RESUME', 10: 'RECV_BITMAP',
            11: 'SWITCHOVER_START'}
ANSWERS = {1: 'SHUT', 2: 'PONG', 3: 'REQ_PAGES_ID', 4: 'REQ_PAGES',
           5: 'RECV_BITMAP', 6: 'RESUME_ACK', 7: 'SWITCHOVER_ACK'}
BATCH = 1 << 18
# So many of a kind are named.
NAMED = 2


class Gone(Exception):
    """The connection ended."""


class Cut(Exception):
    """... and what was held back goes nowhere."""


def ping_name(value: int) -> str:
    text = struct.pack('>I', value)
    return text.decode() if text.isalpha() else str(value)


class Flow:
    """One direction of a connection. What was read and looked at is passed on
    when an item ends or much has come together."""

    def __init__(self, relay: StepRelay, src: socket.socket,
                 dst: socket.socket, arrow: str):
        self.relay, self.src, self.dst, self.arrow = relay, src, dst, arrow
        self.buf = bytearray()
        self.at = 0
        self.gone = 0

    def where(self) -> int:
        return self.gone + self.at

    def need(self, n: int) -> None:
        """Have @n bytes behind the place that was reached."""
        while len(self.buf) < self.at + n:
            self.forward()
            data = self.src.recv(1 << 16)
            if not data:
                raise Gone
            self.buf += data

    def peek(self, form: str, ahead: int = 0) -> int:
        self.need(ahead + struct.calcsize(form))
        return struct.unpack_from(form, self.buf, self.at + ahead)[0]

    def forward(self) -> None:
        self.relay.hold()
        if self.at:
            self.dst.sendall(self.buf[:self.at])
            del self.buf[:self.at]
            self.gone += self.at
            self.at = 0

    def skip(self, n: int) -> None:
        self.need(n)
        self.at += n
        if self.at >= BATCH:
            self.forward()

    def point(self, name: str) -> None:
        self.forward()
        self.relay.reach(name)

    def item(self, name: str, n: int) -> None:
        """@n bytes that have a name."""
        name = self.relay.unique(f'{self.arrow}{name}')
        if not name:
            self.skip(n)
            return
        self.need(n)
        self.point(name)
        if n > 1:
            self.at += n // 2
            self.point(f'in {name}')
        self.at += n - n // 2 if n > 1 else n
        self.forward()
        self.relay.passed.add(name)

    # -- there ---------------------------------------------------------------

    def stream(self) -> None:
        self.item('header', 8)
        if self.peek('B') == CONFIG:
            self.configuration()
        while self.section():
            pass
        # Behind the end: the description, the last words.
        while True:
            self.need(1)
            if self.peek('B') == VMDESC:
                self.item('VMDESC', 5 + self.peek('>I', 1))
            else:
                self.section()

    def resumed(self) -> None:
        """A connection that goes on with a post-copy."""
        while self.section():
            pass
        while True:
            self.skip(1)
            self.forward()

    def configuration(self) -> None:
        n = 5 + self.peek('>I', 1)
        while self.peek('B', n) == 5:
            name = self.peek('B', n + 1)
            text = bytes(self.buf[self.at + n + 2:self.at + n + 2 + name])
            n += 2 + name + 4
            if text.endswith((b'uuid', b'ferry-cpr')):
                n += 16
            elif text.endswith(b'target-page-bits'):
                n += 4
            elif text.endswith(b'capabilities'):
                n = self.list(n, 0)
            elif text.endswith(b'ferry-devices'):
                n = self.list(n + 4, 8)
            elif text.endswith(b'ferry-constants'):
                n += 4 + self.peek('>I', n)
            else:
                raise AssertionError(f'{text} in the configuration')
        self.item('configuration', n)

    def list(self, n: int, more: int) -> int:
        """Past a list of names, each with @more bytes behind it."""
        count = self.peek('>I', n)
        n += 4
        for _ in range(count):
            n += 1 + self.peek('B', n) + more
        return n

    def section(self) -> bool:
        kind = self.peek('B')
        if kind == COMMAND:
            self.command()
        elif kind == EOF:
            self.item('EOF', 1)
            return False
        elif kind == FULL:
            self.device()
        elif kind in (START, PART, END):
            self.ram(kind)
        else:
            raise AssertionError(f'section type {kind} at {self.arrow}')
        return True

    def command(self) -> None:
        code, size = self.peek('>H', 1), self.peek('>H', 3)
        name = COMMANDS[code]
        if name == 'PING':
            name += ' ' + ping_name(self.peek('>I', 5))
        length = self.peek('>I', 5) if name == 'PACKAGED' else 0
        self.item(name, 5 + size)
        if length:
            self.package(length)

    def package(self, length: int) -> None:
        """A stream in one piece."""
        end = self.where() + length
        while self.where() < end:
            self.section()

    def header_len(self) -> tuple[str, int]:
        n = self.peek('B', 5)
        self.need(6 + n)
        return (bytes(self.buf[self.at + 6:self.at + 6 + n]).decode(),
                6 + n + 8)

    def device(self) -> None:
        number = self.peek('>I', 1)
        name, n = self.header_len()
        footer = struct.pack('>BI', FOOTER, number)
        while True:
            i = self.buf.find(footer, self.at + n)
            if i >= 0:
                n = i + 5 - self.at
                if self.peek('B', n) in (EOF, START, PART, END, FULL, COMMAND):
                    break
                n -= 4
            else:
                self.need(len(self.buf) - self.at + 1)
        self.item(name, n)

    def ram(self, kind: int) -> None:
        name = {START: 'START', PART: 'PART', END: 'END'}[kind]
        n = self.header_len()[1] if kind == START else 5
        self.item(f'{name} ram', n)
        first = True
        while True:
            word = self.peek('>Q')
            flags = word & (PAGE - 1) & ~RAM_CONTINUE
            n = 8
            if flags == RAM_EOS:
                break
            if flags in (RAM_HOOK, RAM_MULTIFD_FLUSH):
                self.item('MULTIFD_FLUSH', n)
                continue
            if flags == RAM_MEM_SIZE:
                self.blocks(word & ~(PAGE - 1))
                continue
            if not word & RAM_CONTINUE:
                n += 1 + self.peek('B', 8)
            if flags == RAM_ZERO:
                n += 1
            elif flags == RAM_PAGE:
                n += PAGE
            elif flags == RAM_COMPRESS:
                n += 4 + self.peek('>I', n)
            else:
                n += 3 + self.peek('>H', n + 1)
            if first:
                self.item(f'{name} ram page', n)
            else:
                self.skip(n)
            first = False
        self.item(f'{name} ram end', 8 + 5)

    def blocks(self, total: int) -> None:
        n = 8
        while total > 0:
            name = self.peek('B', n)
            total -= self.peek('>Q', n + 1 + name)
            n += 1 + name + 8
        self.item('RAM blocks', n)

    # -- back ----------------------------------------------------------------

    def answers(self) -> None:
        while True:
            kind, size = self.peek('>H'), self.peek('>H', 2)
            name = ANSWERS[kind]
            if name in ('PONG', 'SHUT'):
                name += ' ' + ping_name(self.peek('>I', 4))
            n = 4 + size
            if name == 'RECV_BITMAP':
                n += 8 + self.peek('>Q', n) + 8
            self.item(name, n)

    def blind(self) -> None:
        while True:
            self.skip(1)
            self.at = len(self.buf)
            self.forward()

    def run(self, read) -> None:
        try:
            read()
        except Cut:
            return
        except (Gone, OSError):
            pass
        except Exception as e:  # the test says it
            self.relay.error = e
            raise
        try:
            self.at = len(self.buf)
            self.forward()
            self.dst.shutdown(socket.SHUT_WR)
        except (OSError, Cut):
            pass


class StepRelay:
    """Between a source and the destination's UNIX socket."""

    number = 0

    def __init__(self, t: Test, uri: str, stop: str | None = None):
        StepRelay.number += 1
        self.target = uri.removeprefix('unix:')
        self.stop = stop
        self.names: list[str] = []
        self.seen: dict[str, int] = {}
        self.passed: set[str] = set()
        self.error: Exception | None = None
        self.lock = threading.Lock()
        self.frozen = threading.Event()
        self.thawed = threading.Event()
        self.dead = False
        self.dark = False
        self.sockets: list[socket.socket] = []
        self.path = str(t.path(f'step{StepRelay.number}'))
        self.uri = f'unix:{self.path}'
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(64)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        while True:
            try:
                a, _ = self.listener.accept()
            except OSError:
                return
            self.sockets.append(a)
            if not self.dark:
                threading.Thread(target=self.serve, args=(a,),
                                 daemon=True).start()

    def serve(self, a: socket.socket) -> None:
        b = socket.socket(socket.AF_UNIX)
        self.sockets.append(b)
        try:
            b.connect(self.target)
            first = a.recv(4, socket.MSG_PEEK | socket.MSG_WAITALL)
        except OSError:
            a.close()
            return
        there, back = Flow(self, a, b, '>'), Flow(self, b, a, '<')
        read = (there.blind, back.blind)
        if first == b'QEVM':
            read = (there.stream, back.answers)
        elif first[:1] == bytes([COMMAND]):
            read = (there.resumed, back.answers)
        for flow, way in zip((there, back), read):
            threading.Thread(target=flow.run, args=(way,), daemon=True).start()

    # -- called by flows -------------------------------------------------------

    def unique(self, name: str) -> str | None:
        with self.lock:
            n = self.seen[name] = self.seen.get(name, 0) + 1
        return None if n > NAMED else f'{name}#{n}' if n > 1 else name

    def reach(self, name: str) -> None:
        self.names.append(name)
        if name == self.stop and not self.dead:
            self.frozen.set()
        self.hold()

    def hold(self) -> None:
        """Nothing passes from the stop on, and nothing that was held passes
        after a cut."""
        if self.frozen.is_set():
            self.thawed.wait()
            raise Cut

    # -- called by tests ---------------------------------------------------------

    def wait_stop(self, ended) -> bool:
        """Returns: was the step come by before @ended() was true?"""
        def there():
            assert not self.error, self.error
            return self.frozen.is_set() or ended()
        wait_for(there, f'step {self.stop}')
        return self.frozen.is_set()

    def cut(self, dark: bool = False) -> None:
        """The connections break. @dark: later ones reach nobody."""
        self.dead, self.dark = True, dark
        sockets, self.sockets = self.sockets, []
        for s in sockets:
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.thawed.set()
        if not dark:
            # Those that come from now on pass.
            self.frozen.clear()

    def close(self) -> None:
        """... and nobody listens any more."""
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        self.cut()
