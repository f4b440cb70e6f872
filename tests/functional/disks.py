# SPDX-License-Identifier: LGPL-2.1-or-later
"""Disks without a machine, for tests of jobs: nodes over QMP, an NBD export
through which another program writes, images that differ."""
import json
import threading

import ferrytest
from ferrytest import QmpError, Test
from images import MIB

SIZE = 8 * MIB


class Disks:
    """A process without a machine, that has disks."""

    def __init__(self, t: Test, *args: str):
        t.requires('qemu-img', 'qemu-io')
        self.t = t
        self.f = t.ferry('-machine', 'none', *args)
        self.qmp = self.f.qmp
        self.uri = ''

    def add(self, name: str, path, driver: str = 'qcow2', **more) -> None:
        self.qmp.raw('blockdev-add', {
            'driver': driver, 'node-name': name,
            'file': {'driver': 'file', 'filename': str(path)}, **more})

    def export(self, node: str) -> None:
        sock = self.t.path('nbd.sock')
        self.qmp.raw('nbd-server-start', {
            'addr': {'type': 'unix', 'data': {'path': str(sock)}}})
        self.qmp.raw('block-export-add', {
            'type': 'nbd', 'id': 'e0', 'node-name': node, 'name': 'disk',
            'writable': True})
        self.uri = f'nbd+unix:///disk?socket={sock}'

    def io(self, *commands: str) -> None:
        r = self.t.run('qemu-io', '-f', 'raw', self.uri,
                       *[w for c in commands for w in ('-c', c)])
        assert 'failed' not in r.stdout + r.stderr, r.stdout + r.stderr

    def done(self, job: str) -> dict:
        """Its last event."""
        while True:
            ev = self.qmp.event('BLOCK_JOB_COMPLETED', 4 * ferrytest.TIMEOUT)
            if ev['data']['device'] == job:
                return ev['data']

    def ready(self, job: str) -> None:
        ev = self.qmp.event('BLOCK_JOB_READY', 4 * ferrytest.TIMEOUT)
        assert ev['data']['device'] == job, ev


class Writer(threading.Thread):
    """Writes to the export until it is told to stop."""

    def __init__(self, d: Disks):
        super().__init__(daemon=True)
        self.d = d
        self.over = threading.Event()
        self.rounds = 0
        self.start()

    def run(self) -> None:
        while not self.over.is_set():
            n = self.rounds
            self.d.io(*[f'write -q -P {(n * 7 + i) % 255 + 1} '
                        f'{(n * 5 + i * 37) % 120 * 64}k {4 + i * 12}k'
                        for i in range(8)])
            self.rounds += 1

    def stop(self) -> None:
        self.over.set()
        self.join()
        assert self.rounds > 0


def qcow2(t: Test, name: str, seed: int = 0, backing=None):
    """An image with some contents of its own."""
    path = t.path(name)
    more = ['-b', str(backing), '-F', 'qcow2'] if backing else []
    t.run('qemu-img', 'create', '-q', '-f', 'qcow2', *more, path, str(SIZE))
    if seed:
        t.run('qemu-io', '-f', 'qcow2', str(path), *[
            w for i in range(12) for w in
            ('-c', f'write -q -P {seed * 16 + i} '
                   f'{(seed * 331 + i * 613) % 7800}k {64 + 13 * i}k')])
    return path


def chain(t: Test) -> list:
    base = qcow2(t, 'base.qcow2', 1)
    mid = qcow2(t, 'mid.qcow2', 2, base)
    low = qcow2(t, 'low.qcow2', 3, mid)
    return [base, mid, low, qcow2(t, 'top.qcow2', 4, low)]


def backing_of(t: Test, path) -> str | None:
    info = json.loads(t.run('qemu-img', 'info', '--output=json', path).stdout)
    return info.get('full-backing-filename')


def check(t: Test, path) -> None:
    t.run('qemu-img', 'check', '-q', '-f', 'qcow2', path)


def refused(d: Disks, words: str, command: str, **arguments) -> None:
    try:
        d.qmp.raw(command, {k.replace('_', '-'): v
                            for k, v in arguments.items()})
    except QmpError as e:
        assert words in e.desc, e
        return
    raise AssertionError(f'{command} {arguments} went well')


def nodes(d: Disks) -> dict:
    return {n['node-name']: n for n in d.qmp.cmd('query-named-block-nodes')}


def failing(d: Disks, name: str, path, iotype: str, *sectors: int,
            once: bool = False) -> None:
    """A raw node with sectors that are broken."""
    d.qmp.raw('blockdev-add', {
        'driver': 'raw', 'node-name': name, 'file': {
            'driver': 'blkdebug', 'inject-error': [
                {'event': 'none', 'iotype': iotype, 'sector': sector,
                 'once': once} for sector in sectors],
            'image': {'driver': 'file', 'filename': str(path)}}})


def full_raw(t: Test):
    """No piece of it is zero."""
    raw = t.path('disk.raw')
    raw.write_bytes((bytes(range(1, 251)) * (SIZE // 250 + 1))[:SIZE])
    return raw
