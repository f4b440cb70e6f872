#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Post-copy: a guest runs at the destination before its memory is there; the
connection breaks at any moment and comes back."""
import contextlib
import itertools
import os
import random
import socket
import re
import struct
import time
from pathlib import Path

import ferrytest
import migrate
from ferrytest import LONG, QmpError, Skip, Test, wait_for
from migrate import Pair, Relay

BUSY = migrate.BUSY.replace('20M', '40M')
# Takes longer to have asked for every page.
PATIENT = BUSY.replace('40M', '64M').replace('rate=0', 'rate=5000')
CUTS = 20 if LONG else 3


def requires_userfaultfd(t: Test) -> None:
    if not os.access('/dev/userfaultfd', os.R_OK | os.W_OK) and \
            os.geteuid() != 0:
        raise Skip('userfaultfd is not allowed')


def first_pass(p: Pair) -> None:
    p.wait_status('active')
    wait_for(lambda: p.status().get('ram', {}).get('dirty-sync-count', 0) >= 1,
             'the first pass')


def start_postcopy(p: Pair) -> None:
    first_pass(p)
    p.source.qmp.cmd('migrate-start-postcopy')


# Requested pages take the main channel.
MAIN_ONLY = ('-global', 'migration.x-urgent-channel=off')


class Recoverable:
    """A pair between which a relay stands, in post-copy."""

    number = itertools.count()

    def __init__(self, t: Test, capabilities=(), tls=None, accel='soft',
                 transport='unix', bandwidth=10 << 20, append=BUSY, args=(),
                 before_switch=lambda relay: None, relay=Relay):
        self.t = t
        self.relay_class = relay
        self.p = p = Pair(t, memory='96', append=append, tls=tls,
                          accel=accel, args=args)
        p.new_target()
        p.settings(['postcopy-ram', *capabilities],
                   {'max-bandwidth': 60 << 20,
                    'max-postcopy-bandwidth': bandwidth})
        self.relay = self.relay_to(p.listen(transport))
        p.source.qmp.cmd('migrate', uri=self.relay.uri)
        first_pass(p)
        before_switch(self.relay)
        begin = time.monotonic()
        p.source.qmp.cmd('migrate-start-postcopy')
        p.wait_status('postcopy-active')
        self.switch_seconds = time.monotonic() - begin

    def relay_to(self, uri: str) -> Relay:
        kind, rest = uri.split(':', 1)
        target = rest if kind == 'unix' else \
            (rest.split(':')[0], int(rest.split(':')[1]))
        return self.relay_class(self.t, target, f'relay{next(self.number)}')

    def wait_paused(self) -> None:
        self.p.wait_status('postcopy-paused')
        self.p.wait_status('postcopy-paused', f=self.p.target)

    def recover(self) -> None:
        uri = f'unix:{self.t.path(f"recover{next(self.number)}")}'
        self.p.target.qmp.cmd('migrate-recover', uri=uri)
        self.relay = self.relay_to(uri)
        self.p.source.qmp.cmd('migrate', uri=self.relay.uri, resume=True)

    def finish(self) -> None:
        self.p.source.qmp.raw('migrate-set-parameters',
                              {'max-postcopy-bandwidth': 0})
        self.p.finish()
        self.p.check()


def crosses(t: Test, transport: str, capabilities=(), **kw) -> dict:
    p = Pair(t, memory='96', append=BUSY, **kw)
    p.migrate(transport, ['postcopy-ram', *capabilities],
              {'max-bandwidth': 30 << 20}, after_start=start_postcopy)
    p.check()
    print(f'# {transport} {capabilities} {kw}')
    times = p.wait_status('completed', f=p.source)
    times['hmp'] = p.source.qmp.hmp('info migrate')
    t.cleanup_ferries()
    return times


def test_crosses(t: Test) -> None:
    requires_userfaultfd(t)
    for transport, capabilities, kw in (
            ('unix', [], {}),
            ('unix', [], {'args': MAIN_ONLY}),
            ('tcp', ['postcopy-preempt'], {}),
            ('unix', ['multifd'], {}),
            ('unix', ['multifd', 'postcopy-preempt', 'release-ram'], {}),
            ('tcp', ['postcopy-preempt'], {'tls': 'psk'}),
            ('unix', [], {'tls': 'x509'}),
            ('unix', ['postcopy-preempt'], {'args': (
                '-object', 'memory-backend-memfd,id=m,size=96M,share=on',
                '-machine', 'memory-backend=m')})):
        info = crosses(t, transport, capabilities, **kw)
        assert info['status'] == 'completed', info


def test_blocktime(t: Test) -> None:
    requires_userfaultfd(t)
    info = crosses(t, 'unix', ['postcopy-blocktime'])
    assert len(info['postcopy-vcpu-blocktime']) == 1, info
    assert 'postcopy-blocktime' in info, info
    median = info['postcopy-latency-median'] / 1000
    assert f'median {median:.1f} us, 99 % within' in info['hmp'], info
    assert 'postcopy latency distribution:\n  from ' in info['hmp'], info


def cut_at_random(r: Recoverable, rnd: random.Random, cuts: int) -> int:
    """Also while it recovers. Returns: cuts before the guest had it all."""
    for n in range(cuts):
        time.sleep(rnd.random() * 0.1)
        twice = rnd.random() < 0.5
        for _ in range(1 + twice):
            if r.p.status()['status'] == 'completed':
                return n
            r.relay.cut()
            if r.p.wait_status('postcopy-paused',
                               'completed')['status'] == 'completed':
                return n
            r.wait_paused()
            r.recover()
            time.sleep(rnd.random() * 0.01)
        r.p.wait_status('postcopy-active', 'completed')
    return cuts


def test_random_cuts(t: Test) -> None:
    requires_userfaultfd(t)
    seed = int.from_bytes(os.urandom(4), 'big')
    rnd = random.Random(seed)
    for capabilities, tls, args in (([], None, ()), ([], None, MAIN_ONLY),
                                    (['postcopy-preempt'], None, ()),
                                    (['multifd'], None, ()), ([], 'x509', ()),
                                    (['postcopy-preempt'], 'psk', ())):
        cuts = rounds = 0
        while cuts < CUTS:
            r = Recoverable(t, capabilities, tls, bandwidth=64 << 10,
                            append=PATIENT if LONG else BUSY, args=args)
            cuts += cut_at_random(r, rnd, CUTS - cuts)
            rounds += 1
            r.finish()
            t.cleanup_ferries()
            assert rounds < 10, 'post-copies that end at once'
        print(f'# {cuts} cuts, {capabilities}, TLS {tls}, seed {seed}',
              flush=True)


def test_cut_in_message(t: Test) -> None:
    """Cut after so many bytes of the new connection, down to none."""
    requires_userfaultfd(t)
    r = Recoverable(t, ['postcopy-preempt'], bandwidth=64 << 10)
    r.relay.cut()
    for after in (1, 3, 20, 60, 100, 400, 5000, 70000):
        r.wait_paused()
        uri = f'unix:{t.path(f"after{after}")}'
        r.p.target.qmp.cmd('migrate-recover', uri=uri)
        relay = Relay(t, uri.split(':', 1)[1], f'relay-after{after}',
                      after=after)
        r.p.source.qmp.cmd('migrate', uri=relay.uri, resume=True)
        wait_for(lambda: relay.passed >= after, 'the cut')
    r.wait_paused()
    r.recover()
    r.finish()


def test_pause_command(t: Test) -> None:
    requires_userfaultfd(t)
    r = Recoverable(t, ['postcopy-preempt'])
    for side in (r.p.source, r.p.target):
        side.qmp.cmd('migrate-pause')
        r.wait_paused()
        try:
            side.qmp.cmd('migrate-pause')
            raise AssertionError('paused twice')
        except QmpError:
            pass
        # Questions are answered, whoever hangs.
        for f in (r.p.source, r.p.target):
            f.qmp.cmd('query-status')
            f.qmp.cmd('query-migrate')
        r.recover()
        r.p.wait_status('postcopy-active')
    r.finish()


def scheduling(f: ferrytest.Ferry, name: str) -> list[tuple[int, int]]:
    """Policy and nice value of the threads of that name."""
    found = []
    for task in Path(f'/proc/{f.proc.pid}/task').iterdir():
        with contextlib.suppress(OSError):  # it has ended
            if (task / 'comm').read_text().strip() == name:
                tid = int(task.name)
                found.append((os.sched_getscheduler(tid),
                              os.getpriority(os.PRIO_PROCESS, tid)))
    return found


def test_requests_are_urgent_again(t: Test) -> None:
    """Who serves them after a recovery is as before it."""
    requires_userfaultfd(t)
    r = Recoverable(t, bandwidth=64 << 10)
    before = scheduling(r.p.source, 'return-path')
    assert len(before) == 1, before
    r.p.source.qmp.cmd('migrate-pause')
    r.wait_paused()
    r.recover()
    r.p.wait_status('postcopy-active')
    after = scheduling(r.p.source, 'return-path')
    assert after == before, (before, after)
    r.finish()


def urgent(r: Recoverable) -> int:
    return len(scheduling(r.p.target, 'postcopy/urgent'))


class Listening(Relay):
    """Notes what each connection begins with."""

    def __init__(self, *args):
        self.first: dict[socket.socket, bytes] = {}
        super().__init__(*args)

    def edit(self, src, data: bytes, there: bool) -> bytes:
        if there:
            self.first.setdefault(src, data[:8])
        return data

    def words(self) -> list[bytes]:
        return [b[4:] for b in self.first.values() if b.startswith(b'FURG')]


def test_urgent_channel(t: Test) -> None:
    """Both sides agree upon it without the capability, also for a recovery, by
    another word. A connection that does not get there, or a stranger's, does no
    harm."""
    requires_userfaultfd(t)

    r = Recoverable(t, bandwidth=64 << 10, relay=Listening)
    assert urgent(r) == 1
    words = r.relay.words()
    r.relay.cut()
    r.wait_paused()
    r.recover()
    r.p.wait_status('postcopy-active')
    assert urgent(r) == 1
    words += r.relay.words()
    assert len(words) == len(set(words)) == 2, words
    r.finish()
    t.cleanup_ferries()

    mute = socket.socket(socket.AF_UNIX)
    mute.bind(str(t.path('mute')))
    mute.listen()

    def lead_astray(relay: Relay) -> None:
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(relay.target)
            s.sendall(b'FURG\xf0\0\0\0')
            assert s.recv(1) == b'', 'a stranger'
        relay.target = str(t.path('mute'))

    # Nor does it try, and wait, once more in a recovery.
    r = Recoverable(t, bandwidth=64 << 10, before_switch=lead_astray)
    assert urgent(r) == 0
    r.relay.cut()
    r.wait_paused()
    r.recover()
    r.p.wait_status('postcopy-active')
    assert urgent(r) == 0
    r.finish()
    t.cleanup_ferries()

    def lead_to_mute(relay: Relay) -> None:
        relay.target = str(t.path('mute'))

    # A handshake that is not answered has 20 seconds elsewhere.
    r = Recoverable(t, tls='psk', before_switch=lead_to_mute)
    assert r.switch_seconds < 10, r.switch_seconds
    assert urgent(r) == 0
    r.finish()
    t.cleanup_ferries()


class Echoing(Relay):
    """The destination answers that PING as any other, as one does that knows
    nothing of it."""

    def __init__(self, *args):
        self.asked = False
        super().__init__(*args)

    def edit(self, src, data: bytes, there: bool) -> bytes:
        if there:
            self.asked |= b'FURG' in data
            return data
        return data.replace(b'FUOK', b'FURG')


def test_peer_that_echoes(t: Test) -> None:
    """It gets one connection, and is not asked again in a recovery."""
    requires_userfaultfd(t)
    r = Recoverable(t, bandwidth=64 << 10, relay=Echoing)
    for asked in True, False:
        assert r.relay.asked == asked
        assert len(r.relay.conns) == 1 and urgent(r) == 0
        if asked:
            r.relay.cut()
            r.wait_paused()
            r.recover()
            r.p.wait_status('postcopy-active')
    r.finish()


def test_preempt_channel_that_broke(t: Test) -> None:
    """... long before post-copy begins: the guest is not stopped for that."""
    requires_userfaultfd(t)
    p = Pair(t, memory='96', append=BUSY)
    p.new_target()
    p.settings(['postcopy-ram', 'postcopy-preempt'],
               {'max-bandwidth': 60 << 20})
    relay = Relay(t, p.listen('unix', **{
        'exit-on-error': False}).removeprefix('unix:'))
    p.source.qmp.cmd('migrate', uri=relay.uri)
    first_pass(p)
    wait_for(lambda: len(relay.conns) == 2, 'both channels')
    for s in relay.conns[1]:
        s.shutdown(socket.SHUT_RDWR)
    p.source.qmp.cmd('migrate-start-postcopy')
    info = p.wait_status('failed')
    assert 'postcopy-preempt' in info['error-desc'], info
    assert not any(e['event'] == 'STOP' for e in p.source.qmp.events)
    p.still_here()


def affinity(f: ferrytest.Ferry, name: str) -> set[int]:
    """Where the thread of that name may run."""
    for task in Path(f'/proc/{f.proc.pid}/task').iterdir():
        with contextlib.suppress(OSError):
            if (task / 'comm').read_text().strip() == name:
                return os.sched_getaffinity(int(task.name))
    return set()


def test_near_again(t: Test) -> None:
    """On one host both ends of the background share a processor, and who waits
    for faults stays away from it: after a recovery as before."""
    requires_userfaultfd(t)
    allowed = os.sched_getaffinity(0)
    if len(allowed) < 2:
        raise Skip('one processor')
    r = Recoverable(t, bandwidth=64 << 10)
    for again in False, True:
        if again:
            r.p.source.qmp.cmd('migrate-pause')
            r.wait_paused()
            assert affinity(r.p.target, 'postcopy/fault') == allowed
            r.recover()
            r.p.wait_status('postcopy-active')
        here = wait_for(lambda: len(a := affinity(
            r.p.target, 'postcopy/listen')) == 1 and a, 'the shared processor')
        assert affinity(r.p.source, 'migration') == here
        wait_for(lambda: affinity(r.p.target, 'postcopy/fault') ==
                 allowed - here, f'faults off {here}: '
                 f'{affinity(r.p.target, "postcopy/fault")}, {again}')
    r.finish()


def stranger(t: Test, r: Recoverable, first: bytes = b'\x08') -> socket.socket:
    """Takes the place of a source that recovers, and says no more."""
    path = t.path(f'strange{next(r.number)}')
    r.p.target.qmp.cmd('migrate-recover', uri=f'unix:{path}')
    s = socket.socket(socket.AF_UNIX)
    s.connect(str(path))
    s.sendall(first)
    return s


def test_recover_again(t: Test) -> None:
    """Another migrate-recover counts, whatever has come before it: also what
    has broken without the destination having seen that."""
    requires_userfaultfd(t)
    r = Recoverable(t, bandwidth=64 << 10)
    r.relay.cut()
    r.wait_paused()
    with stranger(t, r):
        r.p.wait_status('postcopy-recover', f=r.p.target)
        r.recover()
        r.p.wait_status('postcopy-active')
    for _ in range(8):
        r.relay.cut()
        r.wait_paused()
        stranger(t, r).close()
        r.recover()
        r.p.wait_status('postcopy-active')
    r.finish()


def mute(t: Test, r: Recoverable) -> socket.socket:
    """The source recovers over a connection that nobody reads."""
    path = t.path(f'mute{next(r.number)}')
    s = socket.socket(socket.AF_UNIX)
    s.bind(str(path))
    s.listen(4)
    r.p.source.qmp.cmd('migrate', uri=f'unix:{path}', resume=True)
    r.p.wait_status('postcopy-recover')
    return s


def test_pause_while_recovering(t: Test) -> None:
    requires_userfaultfd(t)
    r = Recoverable(t, bandwidth=64 << 10)
    r.relay.cut()
    r.wait_paused()
    with stranger(t, r), mute(t, r):
        r.p.wait_status('postcopy-recover', f=r.p.target)
        r.p.source.qmp.cmd('migrate-pause')
        r.p.target.qmp.cmd('migrate-pause')
        r.wait_paused()
    r.recover()
    r.finish()


def test_silent_recovery(t: Test) -> None:
    """A peer that is there and says nothing is given up, on either side, and
    both are paused again; so is a peer that has begun to speak."""
    requires_userfaultfd(t)
    r = Recoverable(t, bandwidth=64 << 10,
                    args=('-global', 'migration.x-recovery-limit=500'))
    r.relay.cut()
    r.wait_paused()
    # The first byte of a command, and all of a PING.
    ping = struct.pack('>BHHI', 0x08, 2, 4, 0)
    for first in (b'\x08', ping):
        with stranger(t, r, first), mute(t, r):
            r.wait_paused()
            for f, peer in ((r.p.source, 'destination'),
                            (r.p.target, 'source')):
                why = f.qmp.cmd('query-migrate').get('error-desc', '')
                if f'the {peer} has said nothing for 500 mill' not in why:
                    raise AssertionError(f'{peer}: {why!r}')
    r.recover()
    r.p.wait_status('postcopy-active')
    r.finish()


def test_commands_refuse(t: Test) -> None:
    requires_userfaultfd(t)
    r = Recoverable(t)
    for name, args in (('migrate', {'uri': 'unix:/nowhere'}),
                       ('migrate', {'uri': 'unix:/nowhere', 'resume': True}),
                       ('migrate_cancel', {})):
        try:
            r.p.source.qmp.cmd(name, **args)
            raise AssertionError(f'{name} during post-copy')
        except QmpError:
            pass
    try:
        r.p.target.qmp.cmd('migrate-recover', uri=f'unix:{t.path("x")}')
        raise AssertionError('recover while it runs')
    except QmpError:
        pass
    assert r.p.status()['status'] == 'postcopy-active'
    # A way to nowhere leads back to paused.
    r.relay.cut()
    r.wait_paused()
    r.p.source.qmp.cmd('migrate', uri=f'unix:{t.path("none")}', resume=True)
    r.p.wait_status('postcopy-paused')
    r.recover()
    r.finish()


def test_destination_cannot_load(t: Test) -> None:
    """A device that cannot take its state: the package does not load, and the
    guest goes on where it was."""
    requires_userfaultfd(t)
    p = Pair(t, memory='96', append=BUSY,
             source_args=('-device', 'virtio-rng-pci', '-global',
                          'migration.x-send-devices=off'),
             target_args=('-device', 'virtio-rng-pci,max-bytes=1,period=1000'))
    p.new_target()
    p.settings(['postcopy-ram'], {'max-bandwidth': 30 << 20})
    p.source.qmp.cmd('migrate', uri=p.listen('unix', **{
        'exit-on-error': False}))
    start_postcopy(p)
    info = p.wait_status('failed')
    assert 'destination' in info['error-desc'], info
    p.wait_status('failed', f=p.target)
    p.still_here()


class HugePages:
    """So many of 2 MiB, as long as a test needs them."""

    FILE = Path('/proc/sys/vm/nr_hugepages')

    def __init__(self, n: int):
        self.n = n

    def __enter__(self) -> None:
        free = re.search(r'MemAvailable: +(\d+) kB',
                         Path('/proc/meminfo').read_text())
        if os.geteuid() or not self.FILE.exists() or not free or \
                int(free[1]) < 8 * 2048 * self.n:
            raise Skip('huge pages need root and memory')
        self.before = int(self.FILE.read_text())
        self.FILE.write_text(f'{self.before + self.n}\n')
        if int(self.FILE.read_text()) < self.before + self.n:
            self.__exit__()
            raise Skip('the kernel has no huge pages left')

    def __exit__(self, *args) -> None:
        self.FILE.write_text(f'{self.before}\n')


HUGE = ('-object', 'memory-backend-memfd,id=m,size=64M,hugetlb=on,'
        'hugetlbsize=2M', '-machine', 'memory-backend=m')


def test_huge_pages(t: Test) -> None:
    """They are placed whole; the other side must have the same."""
    requires_userfaultfd(t)
    with HugePages(70):
        p = Pair(t, append=BUSY, args=HUGE)
        for capabilities in ([], ['postcopy-ram'],
                             ['postcopy-ram', 'postcopy-preempt']):
            p.migrate('unix', capabilities, {'max-bandwidth': 100 << 20,
                                             'downtime-limit': 1000},
                      after_start=start_postcopy if capabilities else None)
            p.check(1)
            for f in t.ferries:
                if f is not p.source:
                    f.stop()
        p.common = [a for a in p.common if a not in HUGE or a == '-machine']
        p.common.remove('-machine')
        p.new_target()
        p.settings(['postcopy-ram'])
        uri = p.listen('unix', **{'exit-on-error': False})
        p.source.qmp.cmd('migrate', uri=uri)
        info = p.wait_status('failed')
        assert 'page' in info['error-desc'], info
        p.still_here()
        t.cleanup_ferries()


def test_quit_while_paused(t: Test) -> None:
    requires_userfaultfd(t)
    r = Recoverable(t)
    r.relay.cut()
    r.wait_paused()
    r.p.source.qmp.cmd('quit')
    r.p.source.proc.wait(timeout=ferrytest.TIMEOUT)
    r.p.target.qmp.cmd('quit')
    r.p.target.proc.wait(timeout=ferrytest.TIMEOUT)


def test_urgent_is_not_limited(t: Test) -> None:
    """At 1 MB/s the guest still makes its rounds."""
    requires_userfaultfd(t)
    for args in ((), MAIN_ONLY):
        r = Recoverable(t, bandwidth=1 << 20, args=args,
                        append=BUSY.replace('kept=8M', 'kept=24M'))
        start = time.monotonic()
        r.p.wait_guest(r'kept round \d+ pages \d+ errors 0')
        took = time.monotonic() - start
        # 24 MiB that it reads would take 24 s.
        assert took < 12, took
        assert r.p.status()['status'] == 'postcopy-active'
        requests = r.p.status()['ram']['postcopy-requests']
        assert requests > 10, requests  # each brings its neighbours
        r.finish()
        t.cleanup_ferries()


if __name__ == '__main__':
    ferrytest.main()
