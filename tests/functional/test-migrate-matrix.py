#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every way, every method, with TLS and without, on both accelerators: a guest
crosses while it writes its memory and finds it as it left it. What does not go
together is refused by the command itself, on both sides, with the reason.

Suite `slow` takes all combinations, else a part that differs from those that the
other tests take.
"""
import itertools
import os
import socket

import ferrytest
from ferrytest import LONG, QmpError, Test, wait_for
from migrate import Pair

# The guest writes all the time, and looks at its devices and registers, too; the
# faster processor has more to write.
GUEST = 'state pattern=verify rate=0 tick=20000 end=halt '
GUESTS = {'soft': GUEST + 'mem=all kept=8M whole=1M',
          'kvm': GUEST + ('mem=all kept=8M whole=512K' if LONG else
                          'mem=8M kept=2M whole=128K')}
METHODS = {
    'plain': ([], {}),
    'multifd': (['multifd'], {}),
    'multifd-zlib': (['multifd'], {'multifd-compression': 'zlib'}),
    'multifd-zstd': (['multifd'], {'multifd-compression': 'zstd',
                                   'multifd-channels': 3}),
    'xbzrle': (['xbzrle'], {}),
    'compress': (['compress'], {'compress-threads': 2}),
    'postcopy': (['postcopy-ram'], {}),
    'preempt': (['postcopy-ram', 'postcopy-preempt'], {}),
    'multifd+postcopy': (['postcopy-ram', 'multifd'], {}),
}
TRANSPORTS = ('tcp', 'unix', 'fd', 'exec', 'file')


def refusals(transport: str, tls: str | None, capabilities: list) -> list[str]:
    """What a command may name when it refuses; empty: it does not."""
    names = []
    if transport in ('fd', 'exec', 'file'):
        names += [c for c in capabilities
                  if c in ('multifd', 'postcopy-preempt')]
    if transport == 'file':
        names += [c for c in capabilities if c == 'postcopy-ram']
        names += ['TLS'] if tls else []
    return names


def address(p: Pair, transport: str, f) -> str:
    """One that a command may take, if nothing else speaks against it."""
    if transport == 'fd':
        a, b = socket.socketpair()
        f.qmp.raw('getfd', {'fdname': 'mig'}, [a.fileno()])
        a.close()
        b.close()
        return 'fd:mig'
    return {'tcp': 'tcp:127.0.0.1:0', 'unix': f'unix:{p.t.path("never")}',
            'exec': 'exec:cat >/dev/null',
            'file': f'file:{p.t.path("never")}'}[transport]


def is_refused(p: Pair, transport: str, names: list[str]) -> None:
    for f, command in ((p.target, 'migrate-incoming'), (p.source, 'migrate')):
        try:
            f.qmp.cmd(command, uri=address(p, transport, f))
        except QmpError as e:
            assert any(n in e.desc for n in names), (names, e)
            assert transport in e.desc or 'exec' in e.desc, e
        else:
            raise AssertionError(f'{command} takes {names} over {transport}')
        assert 'status' not in p.status(f) or \
            p.status(f)['status'] in ('none', 'completed'), p.status(f)
    assert p.source.qmp.cmd('query-status')['running']


def by_file(p: Pair, uri: str) -> None:
    p.source.qmp.cmd('migrate', uri=uri)
    p.wait_status('completed')
    p.target.qmp.cmd('migrate-incoming', uri=uri)
    p.finish()


def by_stream(p: Pair, transport: str, capabilities: list) -> None:
    p.source.qmp.cmd('migrate', uri=p.listen(transport))
    if 'postcopy-ram' in capabilities:
        wait_for(lambda: p.status()['status'] != 'setup' and
                 p.status()['ram']['dirty-sync-count'] >= 1, 'the first pass')
        p.source.qmp.cmd('migrate-start-postcopy')
    info = p.finish()
    assert info['ram']['total'] > 30 << 20, info


def combine(p: Pair, transport: str, method: str) -> str:
    """One migration, or its refusal; p.source has the guest afterwards."""
    capabilities, parameters = METHODS[method]
    p.new_target()
    # As slow as it must be for post-copy to find something to do. Otherwise the
    # pause may be long: a guest that writes all the time does not come to rest
    # where TLS is slower than it (1 MB/s in an emulated machine on a busy host).
    late = 'postcopy-ram' in capabilities
    p.settings(capabilities, {'max-bandwidth': (60 << 20) if late else 0,
                              'multifd-compression': 'none',
                              'downtime-limit': 1000 if late else 30000,
                              **parameters})
    names = refusals(transport, p.tls, capabilities)
    if names:
        is_refused(p, transport, names)
        p.target.quit()
        p.target = None
        return 'refused'
    if transport == 'file':
        by_file(p, f'file:{p.t.path("image")}')
    else:
        by_stream(p, transport, capabilities)
    p.check(1)
    return 'crossed'


def combinations(accel: str, tls: str | None, chosen: list) -> None:
    """With one guest, which goes from each emulator to the next."""
    t = Test()
    try:
        p = Pair(t, accel=accel, tls=tls, memory='32', append=GUESTS[accel])
        for transport, method in chosen:
            how = combine(p, transport, method)
            print(f'# {accel} {transport} {"TLS " if tls else ""}{method}: '
                  f'{how}', flush=True)
            for f in t.ferries:
                if f is not p.source:
                    f.stop()
    finally:
        t.cleanup()
    assert not t.problems, t.problems


def some(kind: int) -> list:
    """All, or a part that is another one for each kind."""
    everything = list(itertools.product(TRANSPORTS, METHODS))
    return everything if LONG else everything[kind * 3::11]


def test_soft(t: Test) -> None:
    combinations('soft', None, some(0))


def test_soft_tls(t: Test) -> None:
    t.requires('certtool', 'psktool')
    combinations('soft', 'x509', some(1))
    if LONG:
        combinations('soft', 'psk', [('tcp', m) for m in METHODS])


def test_kvm(t: Test) -> None:
    t.requires_kvm()
    combinations('kvm', None, some(2) if LONG else
                 [('unix', 'plain'), ('tcp', 'multifd'), ('unix', 'preempt')])


def test_kvm_tls(t: Test) -> None:
    t.requires_kvm()
    t.requires('certtool', 'psktool')
    if LONG:
        combinations('kvm', 'psk', some(3))
    else:
        combinations('kvm', 'psk', [('unix', 'multifd')])


def test_pipe(t: Test) -> None:
    """A descriptor of a pipe carries bytes one way."""
    p = Pair(t, accel='soft', memory='32', append=GUESTS['soft'])
    p.settings(['postcopy-ram'])
    r, w = os.pipe()
    p.source.qmp.raw('getfd', {'fdname': 'mig'}, [w])
    try:
        p.source.qmp.cmd('migrate', uri='fd:mig')
        raise AssertionError('post-copy over a pipe')
    except QmpError as e:
        assert 'postcopy-ram' in e.desc and 'fd:mig' in e.desc, e
    p.new_target()
    p.settings()
    p.source.qmp.raw('getfd', {'fdname': 'mig'}, [w])
    p.target.qmp.raw('getfd', {'fdname': 'mig'}, [r])
    os.close(r)
    os.close(w)
    p.target.qmp.cmd('migrate-incoming', uri='fd:mig')
    p.source.qmp.cmd('migrate', uri='fd:mig')
    p.finish()
    p.check(1)


if __name__ == '__main__':
    ferrytest.main()
