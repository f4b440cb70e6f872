#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Migrations over a real, bad network: two namespaces with a link between them
that delays, loses, is slow, or is pulled (link-shaper.c). Needs root, for the
namespaces, and TUN."""
from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

import ferrytest
from ferrytest import BUILD, LONG, Skip, Test, read_until, wait_for
from migrate import BUSY, VERIFY, Pair

# So little that a bad link can carry it, too.
SMALL = 'mem=8M kept=4M pattern=verify rate=2000 tick=20000 end=halt'
SHAPER = BUILD / 'tests/functional/link-shaper'
HERE, THERE = '10.213.0.1', '10.213.0.2'


class Network:
    """Two namespaces and the link; gone when the test ends."""

    def __init__(self, t: Test):
        t.requires('ip', 'nsenter')
        if os.geteuid() != 0 or not os.path.exists('/dev/net/tun'):
            raise Skip('namespaces and TUN need root')
        self.t = t
        self.names = [f'ferry-{os.getpid()}-{side}' for side in 'ab']
        try:
            for name in self.names:
                t.run('ip', 'netns', 'add', name)
                t.run('ip', '-n', name, 'link', 'set', 'lo', 'up')
                # The one that every kernel has; its times are known.
                t.run('ip', 'netns', 'exec', name, 'sh', '-c', 'echo reno > '
                      '/proc/sys/net/ipv4/tcp_congestion_control')
        except AssertionError as e:
            self.remove()
            raise Skip(f'no namespaces: {e}') from None
        self.shaper = t.spawn(SHAPER, self.names[0], HERE, self.names[1],
                              THERE)
        read_until(self.shaper.stdout, r'ready\n')

    def set(self, **shape: float) -> None:
        line = ' '.join(f'{k}={v}' for k, v in shape.items())
        os.write(self.shaper.stdin.fileno(), f'{line}\n'.encode())
        read_until(self.shaper.stdout, r'ok\n')

    def remove(self) -> None:
        for name in self.names:
            self.t.run('ip', 'netns', 'del', name, check=False)


class FarPair(Pair):
    """One emulator in each namespace; the guest goes from a to b, from b to a
    and so on."""

    def __init__(self, t: Test, net: Network, **kw):
        self.net = net
        self.side = 0
        kw.setdefault('memory', '48')
        super().__init__(t, **kw)

    def wrapper(self) -> tuple[str, ...]:
        """The first emulator and every second later are in a."""
        return 'nsenter', f'--net=/run/netns/{self.net.names[self.side]}'

    def emulator(self, *args):
        f = super().emulator(*args)
        f.address = (HERE, THERE)[self.side]
        self.side = 1 - self.side
        return f

    def listen(self, transport: str = 'tcp', **arguments) -> str:
        q = self.target.qmp
        q.cmd('migrate-incoming', uri=f'tcp:{self.target.address}:0',
              **arguments)
        a = wait_for(lambda: q.cmd('query-migrate').get('socket-address'),
                     'the address of the destination')
        return f'tcp:{self.target.address}:{a[0]["port"]}'


def with_network(func):
    def test(t: Test) -> None:
        net = Network(t)
        try:
            func(t, net)
        finally:
            t.cleanup_ferries()
            net.remove()
    test.__name__ = func.__name__
    return test


@with_network
def test_slow_and_lossy(t: Test, net: Network) -> None:
    """Delay, loss and a low rate cost time, never the guest."""
    net.set(delay=5, loss=0.05, rate=200)
    p = FarPair(t, net, append=SMALL)
    for capabilities in ([], ['multifd'], ['postcopy-ram'],
                         ['postcopy-ram', 'postcopy-preempt'],
                         ['xbzrle'])[:5 if LONG else 4]:
        def start(p: Pair) -> None:
            if 'postcopy-ram' in capabilities:
                p.wait_status('active')
                p.source.qmp.cmd('migrate-start-postcopy')
        info = p.migrate('tcp', capabilities, {'downtime-limit': 2000},
                         after_start=start)
        print(f'# {capabilities}: {info["total-time"]} ms, guest stood '
              f'{info["downtime"]} ms', flush=True)
        # The link is what it claims to be.
        assert info['ram']['transferred'] * 8 / 200e6 < \
            info['total-time'] / 1000 * 1.2, info
        p.check(1)


@with_network
def test_changes_on_the_way(t: Test, net: Network) -> None:
    """A link that becomes bad and good again while the first pass runs."""
    net.set(rate=100)
    p = FarPair(t, net, append=BUSY)
    p.new_target()
    p.settings(['multifd'], {'max-bandwidth': 20 << 20,
                             'downtime-limit': 1})
    p.source.qmp.cmd('migrate', uri=p.listen())
    p.wait_status('active')
    for shape in ({'loss': 5, 'delay': 30}, {'down': 1},
                  {'down': 0, 'loss': 0}, {'delay': 0, 'rate': 0}):
        net.set(**shape)
        time.sleep(0.5)
        assert p.status()['status'] == 'active', p.status()
    p.source.qmp.raw('migrate-set-parameters',
                     {'max-bandwidth': 0, 'downtime-limit': 5000})
    p.finish()
    p.check(1)


@with_network
def test_cable_is_pulled(t: Test, net: Network) -> None:
    """No packet passes any more, and nobody is told: cancel gets the guest
    back at once, and it crosses when the link is there again."""
    net.set(rate=100)
    p = FarPair(t, net, append=BUSY)
    p.new_target()
    p.settings([], {'downtime-limit': 1})
    p.source.qmp.cmd('migrate', uri=p.listen())
    wait_for(lambda: p.status().get('ram', {}).get('transferred', 0) > 1 << 20,
             'some memory to pass')
    net.set(down=1)
    time.sleep(1)
    assert p.source.qmp.cmd('query-status')['running']
    start = time.monotonic()
    p.source.qmp.cmd('migrate_cancel')
    wait_for(lambda: p.status()['status'] == 'cancelled', 'the end')
    assert time.monotonic() - start < 5
    net.set(down=0, rate=0)
    p.target.qmp.cmd('quit')
    p.target.wait()
    p.side = 1
    p.target = None
    p.migrate('tcp', [], {'downtime-limit': 1000})
    p.check(1)


@with_network
def test_pulled_in_the_switchover(t: Test, net: Network) -> None:
    """The guest stands at its source when the link dies: the pause has a
    budget, then the guest goes on there."""
    p = FarPair(t, net, append=VERIFY)
    p.new_target()
    p.settings([], {}, ['pause-before-switchover'])
    p.source.qmp.cmd('migrate', uri=p.listen(**{'exit-on-error': False}))
    p.wait_status('pre-switchover')
    net.set(down=1)
    p.source.qmp.cmd('migrate-continue', state='pre-switchover')
    info = p.wait_status('failed')
    assert 'goes on here' in info['error-desc'], info
    p.still_here()


@with_network
def test_cancel_in_the_switchover(t: Test, net: Network) -> None:
    """... of a post-copy: until the guest was given away it comes back."""
    p = FarPair(t, net, append=VERIFY)
    p.new_target()
    p.settings(['postcopy-ram'], {}, ['pause-before-switchover'])
    p.source.qmp.cmd('migrate', uri=p.listen(**{'exit-on-error': False}))
    p.wait_status('active', 'pre-switchover')
    p.source.qmp.cmd('migrate-start-postcopy')
    p.wait_status('pre-switchover')
    net.set(down=1)
    p.source.qmp.cmd('migrate-continue', state='pre-switchover')
    p.wait_status('device')
    time.sleep(1.5)  # no urgent channel was to be had
    start = time.monotonic()
    p.source.qmp.cmd('migrate_cancel')
    wait_for(lambda: p.status()['status'] == 'cancelled', 'the end')
    assert time.monotonic() - start < 5
    p.still_here()


def threads(f: ferrytest.Ferry, name: str) -> int:
    n = 0
    for task in Path(f'/proc/{f.proc.pid}/task').iterdir():
        with contextlib.suppress(OSError):
            n += (task / 'comm').read_text().strip() == name
    return n


def recover(p: FarPair) -> None:
    uri = f'tcp:{p.target.address}:45454'
    p.target.qmp.cmd('migrate-recover', uri=uri)
    p.source.qmp.cmd('migrate', uri=uri, resume=True)
    p.wait_status('postcopy-active', 'completed')


@with_network
def test_firewall(t: Test, net: Network) -> None:
    """It drops a second connection: urgent pages go without one, which costs a
    second once."""
    p = FarPair(t, net, append=BUSY.replace('20M', '36M'))
    p.new_target()
    p.settings(['postcopy-ram'], {'max-bandwidth': 20 << 20,
                                  'max-postcopy-bandwidth': 64 << 10})
    p.source.qmp.cmd('migrate', uri=p.listen())
    p.wait_status('active')
    net.set(firewall=1)
    start = time.monotonic()
    p.source.qmp.cmd('migrate-start-postcopy')
    p.wait_status('postcopy-active')
    assert time.monotonic() - start < 5
    assert threads(p.target, 'postcopy/urgent') == 0
    p.source.qmp.cmd('migrate-pause')
    for f in (p.source, p.target):
        p.wait_status('postcopy-paused', f=f)
    net.set(firewall=0)
    recover(p)
    assert threads(p.target, 'postcopy/urgent') == 0
    p.source.qmp.raw('migrate-set-parameters', {'max-postcopy-bandwidth': 0})
    p.finish()
    p.check(1)


@with_network
def test_silence(t: Test, net: Network) -> None:
    """No packet passes any more, and nobody is told: both sides pause by
    themselves, be there little or much on its way. A destination that does not
    read, while its host answers, is no reason."""
    if not LONG:
        raise Skip('takes its time')
    for bandwidth in (64 << 10, 0):
        net.set(rate=20)
        p = FarPair(t, net, append=BUSY.replace('20M', '36M'))
        p.new_target()
        p.settings(['postcopy-ram'], {'max-postcopy-bandwidth': bandwidth})
        p.source.qmp.cmd('migrate', uri=p.listen())
        p.wait_status('active')
        p.source.qmp.cmd('migrate-start-postcopy')
        p.wait_status('postcopy-active')
        if not bandwidth:
            p.target.proc.send_signal(signal.SIGSTOP)
            time.sleep(18)
            assert p.status()['status'] == 'postcopy-active', p.status()
            p.target.proc.send_signal(signal.SIGCONT)
            time.sleep(0.5)
        net.set(down=1)
        start = time.monotonic()
        for f in (p.source, p.target):
            p.wait_status('postcopy-paused', f=f)
        took = time.monotonic() - start
        print(f'# {bandwidth} bytes/s: paused after {took:.1f} s: '
              f'{p.status().get("error-desc")}; '
              f'{p.status(p.target).get("error-desc")}', flush=True)
        assert took < 22, took
        net.set(down=0, rate=0)
        recover(p)
        p.source.qmp.raw('migrate-set-parameters',
                         {'max-postcopy-bandwidth': 0})
        p.finish()
        p.check(1)
        t.cleanup_ferries()


@with_network
def test_postcopy_recovers(t: Test, net: Network) -> None:
    """The link dies in post-copy; both sides are told to pause, and go on over
    the link when it is back."""
    net.set(delay=2)
    p = FarPair(t, net, append=BUSY.replace('20M', '36M'))
    p.new_target()
    p.settings(['postcopy-ram', 'postcopy-preempt'],
               {'max-postcopy-bandwidth': 256 << 10})
    p.source.qmp.cmd('migrate', uri=p.listen())
    p.wait_status('active')
    p.source.qmp.cmd('migrate-start-postcopy')
    p.wait_status('postcopy-active')
    for _ in range(3):
        time.sleep(0.2)
        net.set(down=1)
        for f in (p.source, p.target):
            if p.status(f)['status'] == 'postcopy-active':
                f.qmp.cmd('migrate-pause')
        for f in (p.source, p.target):
            p.wait_status('postcopy-paused', 'completed', f=f)
        net.set(down=0)
        if p.status()['status'] == 'completed':
            break
        recover(p)
    p.source.qmp.raw('migrate-set-parameters', {'max-postcopy-bandwidth': 0})
    p.finish()
    p.check(1)


if __name__ == '__main__':
    ferrytest.main(at_once=2)
