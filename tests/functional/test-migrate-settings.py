#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Capabilities, parameters and options of migration by what they do:
switchover-ack, avail-switchover-bandwidth, late-block-activate, mode=cpr-reboot,
x-ignore-shared with memory that both sides have, limits of vCPUs,
-only-migratable."""
import os
import re
import time

import ferrytest
from ferrytest import BUILD, QmpError, Skip, Test, wait_for
from migrate import Pair, Relay

GUEST = 'mem=8M kept=4M pattern=verify rate=2000 tick=2000 end=halt'
BUSY = GUEST.replace('rate=2000', 'rate=0')
ACK = b'\0\7\0\0'               # RP message SWITCHOVER_ACK, no payload


def stays_active(p: Pair, passes: int = 3) -> None:
    """The guest runs, pass follows pass, and it does not switch."""
    info = wait_for(lambda: (s := p.status()).get('ram', {}).get(
        'dirty-sync-count', 0) > passes and s, f'{passes} passes')
    assert info['status'] == 'active', info
    time.sleep(0.3)
    assert p.status()['status'] == 'active', p.status()
    assert p.source.qmp.cmd('query-status')['running']


class NoAck(Relay):
    """Keeps the destination's leave to switch."""
    kept = 0

    def edit(self, src, data: bytes, there: bool) -> bytes:
        if not there and ACK in data:
            self.kept += 1
            return data.replace(ACK, b'')
        return data


def test_switchover_ack(t: Test) -> None:
    """Not before the destination allows it, however little is left."""
    p = Pair(t, memory='32', append=GUEST)
    p.new_target()
    p.settings(['return-path', 'switchover-ack'],
               {'max-bandwidth': 0, 'downtime-limit': 5000})
    relay = NoAck(t, p.listen('unix').removeprefix('unix:'))
    p.source.qmp.cmd('migrate', uri=relay.uri)
    stays_active(p)
    assert relay.kept == 1, relay.kept
    relay.conns[0][0].sendall(ACK)
    p.finish()
    p.check(1)


def test_avail_switchover_bandwidth(t: Test) -> None:
    """What the pause is taken to be: too long at that bandwidth, short at
    another; the pages go as fast as ever: slow enough here for a guest that
    waits for a processor to have written meanwhile."""
    p = Pair(t, memory='32', append=BUSY)
    p.new_target()
    p.settings([], {'max-bandwidth': 16 << 20, 'downtime-limit': 1500,
                    'avail-switchover-bandwidth': 1 << 10})
    p.source.qmp.cmd('migrate', uri=p.listen('unix'))
    stays_active(p, 5)
    p.source.qmp.raw('migrate-set-parameters',
                     {'avail-switchover-bandwidth': 10 << 30})
    info = p.finish()
    assert info['downtime'] < 1500, info
    p.check(1)


def writes(t: Test, image) -> bool:
    """May another program write to @image?"""
    r = t.run(BUILD / 'tools/ferry-io', '-f', 'raw', '-c', 'write 0 512', image,
              check=False)
    assert r.returncode == 0 or 'lock' in r.stderr + r.stdout, r
    return r.returncode == 0


def test_late_block_activate(t: Test) -> None:
    """A destination that is to stand takes the disks when it starts, not
    before; without the capability at once."""
    image = t.path('disk.raw')
    with open(image, 'wb') as f:
        f.truncate(1 << 20)
    for late in (False, True):
        p = Pair(t, memory='32', append=GUEST, target_args=('-S',), args=(
            '-drive', f'file={image},if=virtio,format=raw'))
        assert not writes(t, image)
        p.new_target()
        p.settings()
        p.target.qmp.cmd('migrate-set-capabilities', capabilities=[
            {'capability': 'late-block-activate', 'state': late}])
        p.source.qmp.cmd('migrate', uri=p.listen('unix'))
        p.wait_status('completed')
        p.wait_status('completed', f=p.target)
        assert not p.target.qmp.cmd('query-status')['running']
        assert writes(t, image) == late, late
        p.target.qmp.cmd('cont')
        assert not writes(t, image), 'a running guest has its disk'
        p.finish()
        p.check(1)
        t.cleanup_ferries()


def shared(t: Test) -> tuple[str, ...]:
    return ('-object', 'memory-backend-file,id=m,size=32M,share=on,mem-path='
            f'{t.path("memory")}', '-machine', 'memory-backend=m')


def test_cpr_reboot(t: Test) -> None:
    """The guest stands from the begin, so one pass is all; saved to a file
    with its memory, and with memory that outlives the host's kernel."""
    for capabilities, args, most in (
            ([], (), 64 << 20), (['x-ignore-shared'], shared(t), 2 << 20)):
        p = Pair(t, memory='32', append=BUSY, args=args)
        file = f'file:{t.path("image")}'
        p.settings(capabilities, {'mode': 'cpr-reboot', 'max-bandwidth': 8 << 20})
        p.source.qmp.cmd('migrate', uri=file)
        info = wait_for(lambda: (s := p.status())['status'] in
                        ('active', 'device', 'completed') and s, 'the begin')
        wait_for(lambda: not p.source.qmp.cmd('query-status')['running'],
                 'the guest to stand')
        said = len(p.text())
        info = p.wait_status('completed')
        assert len(p.text()) == said, 'the guest ran on'
        assert info['ram']['dirty-sync-count'] <= 2, info
        assert info['ram']['transferred'] < most, info
        p.source.quit()
        p.new_target()
        p.source = p.target
        p.settings(capabilities, {'mode': 'cpr-reboot'})
        p.target.qmp.cmd('migrate-incoming', uri=file)
        wait_for(lambda: p.target.qmp.cmd('query-status')['running'],
                 'the guest to run')
        p.check(1)
        t.cleanup_ferries()


def test_shared_memory_stays(t: Test) -> None:
    """x-ignore-shared, live: both sides have the same file as memory, of which
    nothing is sent, and nothing is written by who loads."""
    p = Pair(t, memory='32', append=BUSY, args=shared(t))
    for transport, capabilities in (('unix', []), ('tcp', ['multifd'])):
        info = p.migrate(transport, ['x-ignore-shared', *capabilities])
        ram = info['ram']
        print(f'# {transport} {capabilities}: {ram["transferred"]} bytes, guest '
              f'stood {info["downtime"]} ms', flush=True)
        assert ram['transferred'] < 2 << 20 and ram['normal'] < 512, ram
        p.check()


def pages_a_second(p: Pair) -> float:
    """As the guest counts them."""
    def count() -> int:
        return sum(map(int, re.findall(r'pass \d+ cpu \d+ .* pages (\d+)',
                                       p.text())))
    begin, first = time.monotonic(), count()
    time.sleep(0.6)
    return (count() - first) / (time.monotonic() - begin)


def refused(q, words: str, command: str, **arguments) -> None:
    try:
        q.cmd(command, **arguments)
    except QmpError as e:
        assert re.search(words, e.desc), e.desc
    else:
        raise AssertionError(f'{command} {arguments} was taken')


def limits(p: Pair, cpus: int) -> None:
    q = p.source.qmp
    assert q.cmd('query-vcpu-dirty-limit') == []
    free = pages_a_second(p)
    q.cmd('set-vcpu-dirty-limit', **{'dirty-rate': 2})
    got = q.cmd('query-vcpu-dirty-limit')
    assert [(x['cpu-index'], x['limit-rate']) for x in got] == \
        [(n, 2) for n in range(cpus)], got

    def slow() -> bool:
        # 512 pages a second of each, and some time to get there.
        return pages_a_second(p) < min(free / 2, cpus * 512 * 3)
    wait_for(slow, f'a guest of {free:.0f} pages/s to be slowed down')
    assert 'limit rate 2' in q.hmp('info vcpu_dirty_limit').lower(), \
        q.hmp('info vcpu_dirty_limit')
    q.cmd('cancel-vcpu-dirty-limit', **{'cpu-index': 0})
    got = q.cmd('query-vcpu-dirty-limit')
    assert [x['cpu-index'] for x in got] == list(range(1, cpus)), got
    q.cmd('cancel-vcpu-dirty-limit')
    assert q.cmd('query-vcpu-dirty-limit') == []
    wait_for(lambda: pages_a_second(p) > free / 2, 'the guest to be free again')
    refused(q, '77', 'set-vcpu-dirty-limit',
            **{'cpu-index': 77, 'dirty-rate': 2})
    refused(q, '77', 'cancel-vcpu-dirty-limit', **{'cpu-index': 77})
    assert q.cmd('query-vcpu-dirty-limit') == []


def test_vcpu_dirty_limit(t: Test) -> None:
    limits(Pair(t, accel='soft', append='mem=8M rate=0 pattern=byte'), 1)


def test_vcpu_dirty_limit_kvm(t: Test) -> None:
    limits(Pair(t, accel='kvm,dirty-ring-size=4096', smp=2,
                append='mem=8M rate=0 pattern=byte cpus=2'), 2)
    p = Pair(t, accel='kvm')
    refused(p.source.qmp, 'dirty-ring-size', 'set-vcpu-dirty-limit',
            **{'dirty-rate': 2})


def test_only_migratable(t: Test) -> None:
    """What can be carried is taken, and is carried."""
    p = Pair(t, memory='32', append=GUEST, args=(
        '-only-migratable', '-device', 'VGA', '-device', 'virtio-rng-pci',
        '-device', 'virtio-serial-pci', '-chardev', 'null,id=lp', '-parallel',
        'chardev:lp'))
    p.migrate('unix')
    p.check(1)


def test_only_migratable_refuses(t: Test) -> None:
    """... and a port of this host is not."""
    if not os.path.exists('/dev/parport0'):
        raise Skip('no /dev/parport0')
    err = t.fails('-only-migratable', '-machine', 'pc', '-parallel',
                  '/dev/parport0')
    assert '-only-migratable' in err and 'parallel port of this host' in err


if __name__ == '__main__':
    ferrytest.main(at_once=4)
