#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A Linux guest crosses while its network is busy: a TCP connection whose every
byte comes back, and questions and answers over UDP. The emulators have a port each of
one bridge, so the connections of the guest cross with it. Needs root, for a
namespace, and TAP."""
import ctypes
import os
import random
import re
import socket
import threading
import time

import ferrytest
import linuxguest
from ferrytest import LONG, Skip, Test, wait_for
from linuxguest import Linux

CROSSINGS = 12 if LONG else 3
HOST, GUEST = '10.214.0.1', '10.214.0.2'
TCP, UDP = 7000, 53
CLONE_NEWNET = 0x40000000
CHUNK = 4096
AHEAD = 16 * CHUNK              # what is sent and has not come back
MODULES = ['virtio_pci', 'virtio_net']
ADDRESS = bytes((10, 11, 12, 13))
UDP_WORKER = f'''
i=0
while [ ! -e /tmp/stop ]; do
  i=$((i + 1))
  nslookup n$i.test {HOST} > /tmp/answer 2>&1
  grep -q 'Name:.*n'$i'.test' /tmp/answer && grep -q 10.11.12.13 /tmp/answer &&
    echo $i > /tmp/count
done
'''
QUESTION = re.compile(rb'(..)..\0\x01\0\0\0\0\0\0'
                      rb'(.n(\d+)\x04test\0\0[\x01\x1c]\0\x01)', re.DOTALL)


class Bridge:
    """A namespace with a bridge, of which the host is a part."""

    def __init__(self, t: Test):
        t.requires('ip', 'nsenter')
        if os.geteuid() != 0 or not os.path.exists('/dev/net/tun'):
            raise Skip('namespaces and TAP need root')
        self.t = t
        self.name = f'ferry-{os.getpid()}-bridge'
        try:
            t.run('ip', 'netns', 'add', self.name)
            self.ip('link', 'add', 'br0', 'type', 'bridge')
            self.ip('addr', 'add', f'{HOST}/24', 'dev', 'br0')
            self.ip('link', 'set', 'br0', 'up')
        except AssertionError as e:
            self.remove()
            raise Skip(f'no bridge: {e}') from None

    def ip(self, *args: str) -> None:
        self.t.run('ip', '-n', self.name, *args)

    def tap(self, name: str) -> None:
        self.ip('tuntap', 'add', 'dev', name, 'mode', 'tap')
        self.ip('link', 'set', name, 'master', 'br0')
        self.ip('link', 'set', name, 'up')

    def bound(self, kind: int, port: int) -> socket.socket:
        """A socket there; a thread goes, and stays, for it."""
        made = []

        def make() -> None:
            with open(f'/run/netns/{self.name}', 'rb') as f:
                if ctypes.CDLL(None).setns(f.fileno(), CLONE_NEWNET):
                    return
            s = socket.socket(socket.AF_INET, kind)
            s.bind((HOST, port))
            made.append(s)
        thread = threading.Thread(target=make)
        thread.start()
        thread.join()
        return made[0]

    def remove(self) -> None:
        self.t.run('ip', 'netns', 'del', self.name, check=False)


class Echo:
    """What is sent on one TCP connection to the guest must come back, all of
    it and in order."""

    def __init__(self, bridge: Bridge):
        self.listener = bridge.bound(socket.SOCK_STREAM, TCP)
        self.listener.listen()
        self.back = 0
        self.longest = 0.0
        self.wrong = ''
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            self.listener.settimeout(ferrytest.TIMEOUT)
            s, _ = self.listener.accept()
            with s:
                s.settimeout(ferrytest.TIMEOUT)
                self._serve(s)
        except OSError as e:
            self.wrong = f'after {self.back} bytes: {e}'

    def _serve(self, s: socket.socket) -> None:
        numbers = random.Random(1)
        wait = bytearray()      # sent, not back yet
        last = time.monotonic()
        while not self.over.is_set():
            while len(wait) < AHEAD:
                data = numbers.randbytes(CHUNK)
                s.sendall(data)
                wait += data
            data = s.recv(65536)
            if not data or data != wait[:len(data)]:
                self.wrong = f'after {self.back} bytes: {data[:16]!r}'
                return
            del wait[:len(data)]
            self.back += len(data)
            now = time.monotonic()
            self.longest = max(self.longest, now - last)
            last = now

    def end(self) -> None:
        self.over.set()
        self.thread.join()
        self.listener.close()


class Names:
    """A name server over UDP. Its client asks for n1.test, n2.test, ... one
    after the other; a question that was lost is asked again. Whatever comes is
    whole, and no question comes late."""

    def __init__(self, bridge: Bridge):
        self.sock = bridge.bound(socket.SOCK_DGRAM, UDP)
        self.sock.settimeout(0.2)
        self.last = self.count = 0
        self.wrong = ''
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        while not self.over.is_set():
            try:
                data, who = self.sock.recvfrom(65536)
            except TimeoutError:
                continue
            # A question of type A or AAAA in class IN; RFC 1035, 4.1.
            m = QUESTION.fullmatch(data)
            number = int(m.group(3)) if m else -1
            if number < self.last:
                self.wrong = f'{data!r} after {self.last}'
                return
            self.count += number > self.last
            self.last = number
            wants_a = m.group(2)[-3] == 1
            answer = b'\xc0\x0c\0\1\0\1\0\0\0\0\0\4' + ADDRESS
            self.sock.sendto(
                m.group(1) + b'\x84\0\0\1\0' + bytes([wants_a]) + bytes(4) +
                m.group(2) + (answer if wants_a else b''), who)

    def end(self) -> None:
        self.over.set()
        self.thread.join()
        self.sock.close()


class Busy:
    """The guest, its traffic, and the emulators one after another."""

    def __init__(self, t: Test, bridge: Bridge, accel: str):
        self.t, self.bridge, self.accel = t, bridge, accel
        self.count = 0
        t.path('udp').write_text(UDP_WORKER)
        self.guest = self.emulator()
        self.echo = Echo(bridge)
        self.names = Names(bridge)
        g = self.guest
        g.run(f'ip link set lo up; ip link set eth0 up; '
              f'ip addr add {GUEST}/24 dev eth0')
        g.run(f'(nc {HOST} {TCP} -e /bin/cat > /tmp/tcp 2>&1 &)')
        g.run('(sh /etc/udp > /tmp/udp 2>&1 &)')
        self.moves()

    def emulator(self, *args: str, **kw) -> Linux:
        name = f'tap{self.count}'
        self.bridge.tap(name)
        self.count += 1
        return Linux(
            self.t, '-accel', self.accel, '-netdev',
            f'tap,id=n,ifname={name},script=no,downscript=no', '-device',
            'virtio-net-pci,netdev=n,mac=52:54:00:12:34:56', *args,
            modules=MODULES, add=[f'{self.t.path("udp")}:etc/udp'],
            memory='128', wrapper=(
                'nsenter', f'--net=/run/netns/{self.bridge.name}'), **kw)

    def moves(self) -> None:
        """Both get on."""
        tcp, udp = self.echo.back + AHEAD, self.names.count + 3
        answers = self.answers()

        def on() -> bool:
            for worker in (self.echo, self.names):
                assert not worker.wrong, worker.wrong
            return self.echo.back > tcp and self.names.count > udp
        wait_for(on, 'traffic', linuxguest.BOOT_SECONDS)
        wait_for(lambda: self.answers() > answers, 'answers',
                 linuxguest.BOOT_SECONDS)

    def answers(self) -> int:
        """The last question that the guest has a right answer to."""
        return int(self.guest.run('cat /tmp/count 2>/dev/null', check=False)
                   .strip() or 0)

    def cross(self, capabilities: list, parameters: dict) -> None:
        old = self.guest
        new = self.emulator('-incoming', 'defer', wait=False)
        for f in (old.ferry, new.ferry):
            f.qmp.cmd('migrate-set-capabilities', capabilities=[
                {'capability': c, 'state': c in capabilities}
                for c in ('postcopy-ram', 'multifd', 'xbzrle')])
            f.qmp.raw('migrate-set-parameters', {
                'downtime-limit': 1000, 'max-bandwidth': 0, **parameters})
        uri = f'unix:{self.t.path(f"mig{self.count}")}'
        new.ferry.qmp.cmd('migrate-incoming', uri=uri)
        before = self.echo.back
        old.ferry.qmp.cmd('migrate', uri=uri)
        if 'postcopy-ram' in capabilities:
            wait_for(lambda: old.ferry.qmp.cmd('query-migrate')['status'] ==
                     'active', 'the first pass')
            old.ferry.qmp.cmd('migrate-start-postcopy')

        def ended():
            info = old.ferry.qmp.cmd('query-migrate')
            assert info['status'] not in ('failed', 'cancelled'), info
            return info['status'] == 'completed' and info
        info = wait_for(ended, 'the end', linuxguest.BOOT_SECONDS)
        during = self.echo.back - before
        wait_for(lambda: new.ferry.qmp.cmd('query-status')['running'],
                 'the guest to run')
        self.guest = new
        self.moves()
        print(f'# {capabilities}: {info["total-time"]} ms, guest stood '
              f'{info["downtime"]} ms, {during >> 10} KiB came back meanwhile',
              flush=True)
        if 'max-bandwidth' in parameters:
            assert during > AHEAD, during
        old.ferry.quit()
        old.sock.close()

    def end(self) -> None:
        for worker in (self.echo, self.names):
            worker.end()


WAYS = (([], {'max-bandwidth': 40 << 20}), (['multifd'], {}),
        (['postcopy-ram'], {}), (['xbzrle'], {'max-bandwidth': 40 << 20}))


def travel(t: Test, accel: str, crossings: int) -> None:
    bridge = Bridge(t)
    busy = None
    try:
        busy = Busy(t, bridge, accel)
        for n in range(crossings):
            busy.cross(*WAYS[n % len(WAYS)])
        print(f'# {busy.echo.back >> 10} KiB over TCP, longest silence '
              f'{busy.echo.longest * 1000:.0f} ms; {busy.names.count} '
              f'questions over UDP', flush=True)
        # One that is not told where the guest is now waits for seconds.
        assert busy.echo.longest < 15, busy.echo.longest
    finally:
        if busy:
            busy.end()
        t.cleanup_ferries()
        bridge.remove()
    assert not busy.echo.wrong and not busy.names.wrong


def test_soft(t: Test) -> None:
    travel(t, 'soft', CROSSINGS)


if __name__ == '__main__':
    ferrytest.main()
