#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A destination whose source took the guest back does not wait for ever: it
says what it waits for, and takes another migration. What a kernel says of a
connection that ended in the commit is used."""
import socket
import struct
import time

import ferrytest
from ferrytest import QmpError, Test, wait_for
from migrate import Pair
from wiresteps import StepRelay

GUEST = 'mem=12M kept=4M pattern=verify rate=20000 tick=1000 end=halt'


def paused_before_the_commit(t: Test, **kw) -> Pair:
    """The destination has loaded the guest, and nobody says whose it is."""
    p = Pair(t, memory='64', append=GUEST)
    target = p.new_target()
    try:
        p.settings(['postcopy-ram'], {'max-bandwidth': 8 << 20})
    except QmpError as e:
        raise ferrytest.Skip(e.desc) from e
    relay = StepRelay(t, p.listen('unix', **kw), stop='<PONG 3')
    p.source.qmp.cmd('migrate', uri=relay.uri)
    p.wait_status('active')
    p.source.qmp.cmd('migrate-start-postcopy')
    relay.wait_stop(lambda: False)
    relay.cut()
    p.wait_status('failed')
    wait_for(lambda: p.source.qmp.cmd('query-status')['running'],
             'the guest to go on')
    info = wait_for(lambda: (s := p.status(target))['status'] ==
                    'postcopy-paused' and s, 'the destination to notice')
    assert 'has not run here' in info['error-desc'], info
    assert 'migrate-incoming' in info['error-desc'], info
    assert not target.qmp.cmd('query-status')['running']
    return p


def test_another_attempt(t: Test) -> None:
    p = paused_before_the_commit(t)
    uri = f'unix:{t.path("again")}'
    p.target.qmp.cmd('migrate-incoming', uri=uri)
    wait_for(lambda: p.status(p.target)['status'] == 'setup',
             'the destination to listen again')
    p.settings(['postcopy-ram'], {'max-bandwidth': 0})
    p.source.qmp.cmd('migrate', uri=uri)
    p.finish()
    p.check()


def test_another_attempt_that_cannot_begin(t: Test) -> None:
    p = paused_before_the_commit(t)
    p.target.qmp.cmd('migrate-incoming', uri=f'unix:{t.path("no/where")}',
                     **{'exit-on-error': False})
    info = wait_for(lambda: (s := p.status(p.target))['status'] == 'failed'
                    and s, 'the failure')
    assert 'no/where' in info['error-desc'], info
    # And one that can.
    uri = f'unix:{t.path("again")}'
    p.target.qmp.cmd('migrate-incoming', uri=uri)
    p.settings(['postcopy-ram'], {'max-bandwidth': 0})
    p.source.qmp.cmd('migrate', uri=uri)
    p.finish()
    p.check()


def test_quit(t: Test) -> None:
    p = paused_before_the_commit(t)
    p.target.qmp.cmd('quit')
    p.target.proc.wait(timeout=ferrytest.TIMEOUT)
    p.check_of(0)


def test_given_away_is_not_given_up(t: Test) -> None:
    """Where the guest runs, migrate-incoming is refused."""
    p = Pair(t, memory='64', append=GUEST)
    target = p.new_target()
    try:
        p.settings(['postcopy-ram'], {'max-bandwidth': 8 << 20,
                                      'max-postcopy-bandwidth': 2 << 20})
    except QmpError as e:
        raise ferrytest.Skip(e.desc) from e
    relay = StepRelay(t, p.listen('unix'))
    p.source.qmp.cmd('migrate', uri=relay.uri)
    p.wait_status('active')
    p.source.qmp.cmd('migrate-start-postcopy')
    p.wait_status('postcopy-active')
    wait_for(lambda: target.qmp.cmd('query-status')['running'], 'the guest')
    relay.cut()
    info = wait_for(lambda: (s := p.status(target))['status'] ==
                    'postcopy-paused' and s, 'the pause')
    assert info['error-desc'] and 'has not run' not in info['error-desc']
    info = wait_for(lambda: (s := p.status())['status'] == 'postcopy-paused'
                    and s, 'the pause of the source')
    assert info.get('error-desc'), info
    try:
        target.qmp.cmd('migrate-incoming', uri=f'unix:{t.path("x")}')
        raise AssertionError('a guest that runs was given up')
    except QmpError as e:
        assert 'already' in e.desc, e.desc
    target.qmp.cmd('migrate-recover', uri=f'unix:{t.path("back")}')
    p.source.qmp.raw('migrate-set-parameters', {'max-postcopy-bandwidth': 0})
    p.source.qmp.cmd('migrate', uri=f'unix:{t.path("back")}', resume=True)
    p.finish()
    p.check()


def test_commit_that_nobody_read(t: Test) -> None:
    """Over a descriptor, with nobody to ask: a peer that ends with the commit
    unread proves that the guest is still here."""
    p = Pair(t, memory='64', append=GUEST)
    ours, theirs = socket.socketpair()
    p.source.qmp.raw('getfd', {'fdname': 'mig'}, [theirs.fileno()])
    theirs.close()
    p.settings([], {'max-bandwidth': 0})
    p.source.qmp.cmd('migrate', uri='fd:mig')
    for value in (1, 0x46594553, 0x46455252):  # PONG 1, FYES, FERR
        ours.sendall(struct.pack('>HHI', 2, 4, value))
    ours.settimeout(0.3)

    def drain() -> None:
        try:
            while ours.recv(1 << 20):
                pass
        except TimeoutError:
            pass
    while p.status()['status'] != 'device':
        drain()
    drain()
    ours.sendall(struct.pack('>HHI', 1, 4, 0))  # SHUT 0: everything is here
    ours.settimeout(ferrytest.TIMEOUT)
    assert ours.recv(8, socket.MSG_PEEK)[-4:]
    start = time.monotonic()
    ours.close()
    info = wait_for(lambda: (s := p.status())['status'] == 'failed' and s,
                    'the failure')
    assert 'not read' in info['error-desc'], info
    assert time.monotonic() - start < 15  # nobody is asked, for 20 s
    wait_for(lambda: p.source.qmp.cmd('query-status')['running'],
             'the guest to go on')
    p.check()


def test_destination_refuses_after_the_commit(t: Test) -> None:
    """It has read the commit, but cannot have the disks: its word counts."""
    p = Pair(t, memory='64', append=GUEST)
    ours, theirs = socket.socketpair()
    p.source.qmp.raw('getfd', {'fdname': 'mig'}, [theirs.fileno()])
    theirs.close()
    p.settings([], {'max-bandwidth': 0})
    p.source.qmp.cmd('migrate', uri='fd:mig')
    for value in (1, 0x46594553, 0x46455252):
        ours.sendall(struct.pack('>HHI', 2, 4, value))
    ours.settimeout(0.3)
    data = b''
    end = time.monotonic() + ferrytest.TIMEOUT
    shut = False
    while b'FCOM' not in data and time.monotonic() < end:
        try:
            data = data[-64:] + ours.recv(1 << 20)
        except TimeoutError:
            if not shut and p.status()['status'] == 'device':
                ours.sendall(struct.pack('>HHI', 1, 4, 0))
                shut = True
    text = b'no disk'
    ours.sendall(struct.pack('>HHI', 1, 4 + len(text), 1) + text)
    info = wait_for(lambda: (s := p.status())['status'] == 'failed' and s,
                    'the failure')
    assert info['error-desc'] == 'destination: no disk', info
    p.check()


if __name__ == '__main__':
    ferrytest.main()
