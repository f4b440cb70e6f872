#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Mode cpr-transfer: a guest goes to another process on this host, which gets
its memory by descriptors; nothing is copied, and nobody is ever left with half
of it."""
import json
import re
import socket
import struct
import time

import ferrytest
from ferrytest import QmpError, Test, wait_for
from migrate import Pair

GUEST = 'mem=12M kept=4M pattern=verify rate=20000 tick=1000 end=halt'
MEMFD = ('-object', 'memory-backend-memfd,id=pc.ram,size=64M,share=on',
         '-machine', 'memory-backend=pc.ram')


def channel(kind: str, path) -> dict:
    return {'channel-type': kind, 'addr': {
        'transport': 'socket', 'type': 'unix', 'path': str(path)}}


class CprPair(Pair):
    def __init__(self, t: Test, **kw):
        kw.setdefault('args', MEMFD)
        kw.setdefault('append', GUEST)
        super().__init__(t, memory='64', **kw)

    def mode(self, mode: str = 'cpr-transfer') -> None:
        self.source.qmp.cmd('migrate-set-parameters', mode=mode)

    def channels(self) -> list:
        self.count += 1
        return [channel('main', self.t.path(f'main{self.count}')),
                channel('cpr', self.t.path(f'cpr{self.count}'))]

    def go(self, channels: list) -> dict:
        self.source.qmp.cmd('migrate', channels=channels)
        return self.finish()

    def fails(self, channels: list, words: str) -> None:
        self.source.qmp.cmd('migrate', channels=channels)
        info = wait_for(lambda: (s := self.status())['status'] == 'failed'
                        and s, 'the failure')
        assert re.search(words, info['error-desc']), info
        wait_for(lambda: self.source.qmp.cmd('query-status')['running'],
                 'the guest to go on')


def listens(path: str) -> bool:
    """The socket is in the file system a little earlier than it can be used."""
    with socket.socket(socket.AF_UNIX) as s:
        return s.connect_ex(path) == 0


def cross(t: Test, accel: str, smp: int = 1) -> None:
    """Back and forth; by QMP and by the command line."""
    p = CprPair(t, accel=accel, smp=smp, append=GUEST + f' cpus={smp}')
    for n in range(2):
        channels = p.channels()
        p.mode()
        if n % 2:
            p.new_target()
            p.target.qmp.cmd('migrate-incoming', channels=channels)
        else:
            p.target = p.emulator(*[a for c in channels for a in
                                    ('-incoming', json.dumps(c))])
            wait_for(lambda: listens(channels[1]['addr']['path']),
                     'the destination to listen')
        source = p.source
        info = p.go(channels)
        ram = info['ram']
        print(f'# {accel}: {info["total-time"]} ms, downtime '
              f'{info["downtime"]} ms, {ram["transferred"] >> 10} KiB',
              flush=True)
        assert ram['transferred'] < 4 << 20, ram
        p.check()
        # The source has no memory any more to run it on.
        try:
            source.qmp.cmd('cont')
            raise AssertionError('the guest runs twice')
        except QmpError as e:
            assert 'memory' in e.desc, e.desc
        source.qmp.cmd('system_reset')
        p.check()
        if n == 0:
            source.qmp.cmd('quit')
            p.check()


def test_kvm(t: Test) -> None:
    cross(t, 'kvm', 2)


def test_software_cpu(t: Test) -> None:
    cross(t, 'soft')


def test_refused_by_the_command(t: Test) -> None:
    p = CprPair(t, args=(), start=False)
    channels = p.channels()

    def refused(words: str, **arguments) -> None:
        try:
            p.source.qmp.cmd('migrate', **arguments)
            raise AssertionError(words)
        except QmpError as e:
            assert re.search(words, e.desc), e.desc
    refused('needs mode', channels=channels)
    p.mode()
    refused("needs a channel of type 'cpr'", channels=channels[:1])
    refused("RAM block 'pc.ram' is not", channels=channels)
    bad = [channels[0], {'channel-type': 'cpr', 'addr': {
        'transport': 'socket', 'type': 'inet', 'host': 'x', 'port': '1'}}]
    refused('UNIX', channels=bad)
    refused('twice', channels=channels + channels[1:])
    p = CprPair(t, start=False)
    p.mode()
    p.source.qmp.cmd('migrate-set-capabilities', capabilities=[
        {'capability': 'multifd', 'state': True}])
    refused("'multifd'", channels=channels)


def test_mismatch(t: Test) -> None:
    """Found before anything is mapped; the guest goes on and can still go."""
    p = CprPair(t)
    p.mode()
    for args, words in (
            ((), 'shared memory with a descriptor at the source'),
            (('-object', 'memory-backend-memfd,id=pc.ram,size=64M,share=on',
              '-machine', 'memory-backend=pc.ram', '-smp', '2'),
             'number of CPUs')):
        common, p.common = p.common, [
            a for a in p.common if a not in MEMFD]
        p.new_target(*args)
        p.common = common
        channels = p.channels()
        p.target.qmp.cmd('migrate-incoming', channels=channels,
                         **{'exit-on-error': False})
        p.fails(channels, words)
        # Nobody there who passes it: the main channel alone is refused.
        p.target.qmp.cmd('quit')
    p.new_target()
    channels = p.channels()
    p.target.qmp.cmd('migrate-incoming', channels=channels)
    p.mode('normal')
    p.source.qmp.cmd('migrate', channels=channels[:1])
    info = wait_for(lambda: (s := p.status())['status'] == 'failed' and s,
                    'the failure')
    assert 'cpr-transfer' in info['error-desc'], info
    p.mode()
    p.go(channels)
    p.check()


def test_strangers(t: Test) -> None:
    """Garbage, too little, descriptors that are no memory: refused; the source
    still gets in."""
    p = CprPair(t)
    p.new_target()
    channels = p.channels()
    p.target.qmp.cmd('migrate-incoming', channels=channels)
    path = channels[1]['addr']['path']

    def client(data: bytes, fds=()) -> bytes:
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(5)
        s.connect(path)
        s.sendall(b'FCPR')
        try:
            if data:
                socket.send_fds(s, [data], fds) if fds else s.sendall(data)
            s.shutdown(socket.SHUT_WR)
            return s.recv(600)
        except OSError:
            return b''

    def message(n: int, *blocks, version: int = 1) -> bytes:
        body = b''.join(struct.pack('>B', len(b[0])) + b[0] +
                        struct.pack('>QQQ', *b[1:]) for b in blocks)
        return struct.pack('>I16sII', version, b'\x01' * 16, n,
                           len(body)) + body
    block = (b'pc.ram', 64 << 20, 4096, 0)
    with open('/dev/null', 'rb') as null:
        for data, fds, words in (
                (b'', (), ''), (b'\xff' * 28, (), 'version'),
                (message(1, block, version=2), (), 'version 2'),
                (message(0), (), '0 blocks'),
                (message(17), (), '17 blocks'),
                (message(1, (b'x', 4096, 4096, 0)), (null.fileno(),), "'x'"),
                (message(1, block), (), 'descriptors'),
                (message(1, block), (null.fileno(),) * 3, 'descriptors'),
                (message(1, block), (null.fileno(),), 'not memory'),
                (message(1, (b'pc.ram', 1 << 20, 4096, 0)), (null.fileno(),),
                 'bytes in pages'),
                (message(2, block, block), (null.fileno(),) * 2, 'twice'),
                (message(1, (b'pc.ram', 64 << 20, 4096, 1 << 60)),
                 (null.fileno(),), 'malformed')):
            got = client(data, fds)
            assert words in got[4:].decode(), (words, got)
    s = socket.socket(socket.AF_UNIX)
    s.connect(path)
    s.sendall(b'QEVM')  # a stream does not belong here
    s.settimeout(5)
    assert s.recv(1) == b''
    p.mode()
    p.go(channels)
    p.check()


def test_destination_dies(t: Test) -> None:
    """With the memory mapped: the source goes on with it."""
    p = CprPair(t)
    t.any_status = True
    p.mode()
    for n in range(3):
        p.new_target()
        channels = p.channels()
        p.target.qmp.cmd('migrate-incoming', channels=channels)
        if n:
            p.source.qmp.cmd('migrate-set-capabilities', capabilities=[
                {'capability': 'pause-before-switchover', 'state': True}])
        p.source.qmp.cmd('migrate', channels=channels)
        if n:
            p.wait_status('pre-switchover')
        if n == 2:
            p.source.qmp.cmd('migrate_cancel')
            wait_for(lambda: p.status()['status'] == 'cancelled', 'the end')
        p.target.proc.kill()
        info = wait_for(lambda: (s := p.status())['status'] in
                        ('failed', 'cancelled', 'completed') and s, 'the end')
        if info['status'] == 'completed':
            return  # it was faster than the signal
        wait_for(lambda: p.source.qmp.cmd('query-status')['running'],
                 'the guest to go on')
    p.check_of(0)


if __name__ == '__main__':
    ferrytest.main()
