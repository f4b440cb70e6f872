#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest goes from one emulator to another while it writes its memory, by
every way and method; migrations that fail leave it where it was."""
import json
import os
import re
import socket
import struct
import time

import ferrytest
from ferrytest import QmpError, Skip, Test, wait_for
from migrate import BUSY, VERIFY, Pair, Relay

def test_transports(t: Test) -> None:
    p = Pair(t)
    for transport in ('unix', 'tcp', 'tcp6', 'fd', 'exec'):
        p.migrate(transport)
        p.check()


def test_kvm(t: Test) -> None:
    p = Pair(t, accel='kvm', smp=4, append=VERIFY.replace(
        'mem=20M kept=8M', 'mem=8M kept=4M') + ' cpus=4')
    for transport in ('unix', 'tcp', 'unix'):
        p.migrate(transport)
        p.check(1)


def test_smp(t: Test) -> None:
    for cpus in (2, 4):
        p = Pair(t, smp=cpus, append=f'{VERIFY} cpus={cpus}')
        for capabilities in ([], ['multifd'], ['xbzrle']):
            p.migrate('unix', capabilities)
            p.check()
        t.cleanup_ferries()


def test_cancel(t: Test) -> None:
    p = Pair(t, append=BUSY)
    for wait in (0, 0.05, 0.3):
        p.new_target()
        p.settings([], {'max-bandwidth': 8 << 20})
        p.source.qmp.cmd('migrate', uri=p.listen('tcp'))
        time.sleep(wait)
        p.source.qmp.cmd('migrate_cancel')
        wait_for(lambda: p.status()['status'] == 'cancelled', 'the end')
        p.still_here()
    # And it can still go.
    p.target = None
    p.settings([], {'max-bandwidth': 0})
    p.migrate('tcp')
    p.check()


def test_destination_dies(t: Test) -> None:
    p = Pair(t, append=BUSY)
    t.any_status = True
    for wait in (0.05, 0.3, 1):
        target = p.new_target()
        p.settings([], {'max-bandwidth': 16 << 20})
        p.source.qmp.cmd('migrate', uri=p.listen('unix'))
        time.sleep(wait)
        target.proc.kill()
        info = wait_for(lambda: (s := p.status())['status'] == 'failed' and s,
                        'the failure')
        assert info.get('error-desc'), info
        p.still_here()
    p.target = None
    p.settings([], {'max-bandwidth': 0})
    p.migrate()
    p.check()


def test_network_cut(t: Test) -> None:
    p = Pair(t)
    for after in (1, 100, 5000, 1 << 20, 8 << 20):
        p.new_target('-name', 'target')
        p.settings()
        uri = p.listen('unix', **{'exit-on-error': False})
        relay = Relay(t, uri.split(':', 1)[1], f'cut{after}', after)
        p.source.qmp.cmd('migrate', uri=relay.uri)
        info = wait_for(lambda: (s := p.status())['status'] == 'failed' and s,
                        'the failure')
        assert info.get('error-desc'), info
        p.still_here()
        # The destination still answers and knows why.
        info = p.target.qmp.cmd('query-migrate')
        assert info['status'] == 'failed' and info['error-desc'], info
        relay.close()


def test_destination_of_another_program(t: Test) -> None:
    """One that knows no commit runs the guest when it says SHUT 0; what
    becomes of the connection then is no reason to take the guest back."""
    p = Pair(t)
    path = t.path('other')
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    p.settings()
    p.source.qmp.cmd('migrate', uri=f'unix:{path}')
    s, _ = listener.accept()
    s.sendall(struct.pack('>HHI', 2, 4, 1))  # PONG 1
    s.settimeout(0.3)

    def sent() -> bool:
        try:
            while s.recv(1 << 20):
                pass
        except TimeoutError:
            pass
        return p.status()['status'] == 'device'
    wait_for(sent, 'the end of the stream')
    s.shutdown(socket.SHUT_RD)
    s.sendall(struct.pack('>HHI', 1, 4, 0))  # SHUT 0
    s.close()
    p.wait_status('completed')
    assert p.source.qmp.cmd('query-status')['status'] == 'postmigrate'


def test_nobody_answers(t: Test) -> None:
    """The guest does not stop for a destination that has to answer and is
    silent from the start."""
    p = Pair(t)
    for capability in ('return-path', 'postcopy-ram'):
        p.settings([capability], {'max-bandwidth': 0, 'downtime-limit': 2000})
        p.source.qmp.cmd('migrate', uri='exec:cat >/dev/null')
        wait_for(lambda: p.status().get('ram', {}).get(
            'dirty-sync-count', 0) > 1, 'memory to be sent')
        end = time.monotonic() + 1
        while time.monotonic() < end:
            assert p.status()['status'] == 'active', p.status()
            assert p.source.qmp.cmd('query-status')['running']
        p.source.qmp.cmd('migrate_cancel')
        p.wait_status('cancelled')
        assert not [e for e in p.source.qmp.events if e['event'] == 'STOP']
        p.still_here()


def test_mismatch(t: Test) -> None:
    """Found before a page is sent, and told to the source."""
    t.any_status = True
    net, ports = 'virtio-net-pci', 'virtio-serial-pci,max_ports='
    for source, target, words in (
            ((), ('-m', '32'), ('pc.ram',)),
            ((), ('-smp', '2'), ('number of CPUs is 1',)),
            (('-smp', '2,sockets=2'), ('-smp', '2,sockets=1,cores=2'),
             ('number of sockets', 'number of cores')),
            ((), ('-cpu', 'qemu64,cx16=off,lahf-lm=off'),
             ("device 'cpu'", 'cx16', 'lahf-lm')),
            (('-device', net), ('-device', f'{net},disable-modern=on'),
             ('02.0/virtio-net', 'configuration space', 'size of BAR')),
            (('-device', f'{ports}31'), ('-device', f'{ports}4'),
             ('02.0/virtio-console', 'max_ports is 31 at the source and 4'))):
        p = Pair(t, start=False, args=('-cpu', 'qemu64'), source_args=source)
        p.target = p.emulator('-incoming', 'defer', *target)
        p.settings()
        uri = p.listen('unix', **{'exit-on-error': False})
        p.source.qmp.cmd('migrate', uri=uri)
        info = wait_for(lambda: (s := p.status())['status'] == 'failed' and s,
                        'the failure')
        for word in words:
            assert word in info['error-desc'], (word, info)
        assert info.get('ram', {}).get('normal', 0) == 0, info
        p.still_here()
        t.cleanup_ferries()


def test_file(t: Test) -> None:
    """To a file and back, also where it is mapped; a reader of its own
    understands the stream."""
    p = Pair(t)
    for capabilities in ([], ['mapped-ram'], ['mapped-ram', 'multifd']):
        p.settings(capabilities)
        path = t.path('image' + str(len(capabilities)))
        p.source.qmp.cmd('migrate', uri=f'file:{path}')
        p.wait_status('completed')
        if not capabilities:
            r = t.run(ferrytest.SOURCE / 'scripts/analyze-stream', '-f', path,
                      '-d', 'state', timeout=120)
            state = json.loads(r.stdout)
            assert any('cpu' in k for k in state), list(state)
        p.new_target()
        p.settings(capabilities)
        p.target.qmp.cmd('migrate-incoming', uri=f'file:{path}')
        p.finish()
        p.check()


def test_settings(t: Test) -> None:
    f = t.ferry('-machine', 'none')
    f.started()
    q = f.qmp
    p = q.cmd('query-migrate-parameters')
    assert p['max-bandwidth'] == 128 << 20 and p['downtime-limit'] == 300, p
    caps = {c['capability']: c['state']
            for c in q.cmd('query-migrate-capabilities')}
    assert not any(caps.values()) and len(caps) > 15, caps
    for name, value in (('multifd-channels', 0), ('multifd-channels', 256),
                        ('cpu-throttle-initial', 100), ('max-cpu-throttle', 5),
                        ('xbzrle-cache-size', 5000),
                        ('compress-level', 10), ('downtime-limit', 2000001),
                        ('announce-step', 0)):
        try:
            q.raw('migrate-set-parameters', {name: value})
            raise AssertionError(f'{name}={value} was taken')
        except QmpError as e:
            assert name in e.desc, e
    for wrong in (['postcopy-preempt'], ['multifd', 'compress'],
                  ['zero-copy-send'], ['postcopy-ram', 'x-ignore-shared']):
        try:
            q.cmd('migrate-set-capabilities', capabilities=[
                {'capability': c, 'state': True} for c in wrong])
            raise AssertionError(f'{wrong} were taken')
        except QmpError:
            pass
    for uri in ('nonsense', 'tcp:', 'unix:', 'tcp:127.0.0.1:99999',
                'fd:none', 'http://x', 'exec:', 'exec:  ',
                'unix:/' + 108 * 'x'):
        try:
            q.cmd('migrate', uri=uri)
            raise AssertionError(f'{uri} was taken')
        except QmpError as e:
            assert e.desc, uri


def test_zero_copy_needs_tcp(t: Test) -> None:
    """The command says so, not a channel later."""
    f = t.ferry('-machine', 'none')
    f.started()
    f.qmp.cmd('migrate-set-capabilities', capabilities=[
        {'capability': c, 'state': True}
        for c in ('multifd', 'zero-copy-send')])
    for uri in ('unix:/x', 'exec:cat'):
        try:
            f.qmp.cmd('migrate', uri=uri)
            raise AssertionError(f'{uri} was taken')
        except QmpError as e:
            assert 'zero-copy-send' in e.desc or uri != 'unix:/x', e


def test_handshake_refused(t: Test) -> None:
    """Why a client was refused by TLS stands at the waiting destination; a
    source without TLS is told to use it."""
    p = Pair(t, tls='psk', start=False)
    p.new_target()
    p.settings()
    p.source.qmp.raw('migrate-set-parameters', {'tls-creds': ''})
    p.source.qmp.cmd('migrate', uri=p.listen('tcp'))
    info = p.wait_status('failed')
    assert 'expects TLS' in info['error-desc'], info
    why = wait_for(lambda: p.status(p.target).get('error-desc'), 'the reason')
    assert 'does not speak TLS' in why and 'QEVM' in why, why
    p.still_here()


def test_pause_before_switchover(t: Test) -> None:
    p = Pair(t)

    def go_on(p: Pair) -> None:
        p.wait_status('pre-switchover')
        p.source.qmp.cmd('migrate-continue', state='pre-switchover')
    p.migrate('unix', source_only=['pause-before-switchover'],
              after_start=go_on)
    p.check()


def test_vsock(t: Test) -> None:
    """Where nobody answers: the reason, and the guest stays."""
    p = Pair(t, start=False)
    for uri in ('vsock:', 'vsock:3', 'vsock:x:4444', 'vsock:3:99999999999'):
        try:
            p.source.qmp.cmd('migrate', uri=uri)
            raise AssertionError(f'{uri} was taken')
        except QmpError as e:
            assert e.desc, uri
    p.settings()
    p.source.qmp.cmd('migrate', uri='vsock:77:4444')
    info = p.wait_status('failed')
    assert 'vsock:77:4444' in info['error-desc'], info
    p.wait_guest('pass 1')
    assert p.source.qmp.cmd('query-status')['running']


def test_events_and_monitor(t: Test) -> None:
    p = Pair(t)
    p.source.qmp.cmd('migrate-set-capabilities', capabilities=[
        {'capability': 'events', 'state': True}])
    p.migrate('unix', source_only=['events'])
    names = [e['data']['status'] for e in p.t.ferries[0].qmp.events
             if e['event'] == 'MIGRATION']
    assert names[0] == 'setup' and 'completed' in names, names
    text = p.t.ferries[0].qmp.hmp('info migrate')
    assert re.search('completed', text), text
    p.check()


def test_control_answers(t: Test) -> None:
    """query-status while a migration runs at full speed."""
    p = Pair(t, memory='192', append=BUSY.replace('20M', '120M'))
    times: list[float] = []

    def poll(p: Pair) -> None:
        while p.status()['status'] in ('setup', 'active') and \
                len(times) < 2000:
            start = time.perf_counter()
            p.source.qmp.cmd('query-status')
            times.append(time.perf_counter() - start)
            if len(times) == 300:
                p.source.qmp.raw('migrate-set-parameters',
                                 {'downtime-limit': 2000})
    p.migrate('unix', parameters={'max-bandwidth': 0, 'downtime-limit': 1},
              after_start=poll)
    times.sort()
    print(f'# query-status: median {times[len(times) // 2] * 1e6:.0f} us, '
          f'p99 {times[len(times) * 99 // 100] * 1e3:.2f} ms', flush=True)
    p.check()


def pongs(relay: Relay) -> list[bytes]:
    return re.findall(rb'\0\x02\0\x04(....)', bytes(relay.back), re.DOTALL)


def run_on(f: ferrytest.Ferry, cpus: set[int]) -> None:
    for tid in os.listdir(f'/proc/{f.proc.pid}/task'):
        os.sched_setaffinity(int(tid), cpus)


def test_destination_cannot_follow(t: Test) -> None:
    """On one host, but no processor is allowed to both: the destination says
    so, and the source goes on alone, at once and for good."""
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        raise Skip('one processor')
    for n, (capabilities, apart) in enumerate(
            (([], True), (['multifd'], True), ([], False))):
        p = Pair(t, memory='96', append=BUSY.replace('20M', '40M'))
        p.new_target()
        if apart:
            run_on(p.source, {cpus[0]})
            run_on(p.target, {cpus[1]})
        p.settings(capabilities, {'max-bandwidth': 20 << 20})
        relay = Relay(t, p.listen('unix').removeprefix('unix:'), f'relay{n}')
        p.source.qmp.cmd('migrate', uri=f'unix:{relay.path}')
        if apart:
            wait_for(lambda: b'\xc9\xff\xff\xff' in pongs(relay),
                     'threads apart')
            info = p.status()
            assert info['status'] == 'active', info
            assert info['ram']['dirty-sync-count'] <= 1, info
        p.source.qmp.raw('migrate-set-parameters', {'max-bandwidth': 0})
        p.finish()
        said = pongs(relay)
        assert said.count(b'FNEA') == 1, said
        assert said.count(b'FFAR') == apart, said
        if apart:
            assert said.count(b'\xc9\xff\xff\xff') == 1, said
        relay.close()
        t.cleanup_ferries()


if __name__ == '__main__':
    ferrytest.main(at_once=3)
