#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Capability background-snapshot: the state of one moment is saved while the
guest writes its memory, which does not see it; what was saved is whole."""
import re
import time

import ferrytest
from ferrytest import QmpError, Test, wait_for
from migrate import Pair

CAP = 'background-snapshot'
GUEST = 'mem=12M kept=4M pattern=verify rate=0 tick=20000 end=halt'


def can_do(p: Pair) -> bool:
    """Needs userfaultfd with write protection."""
    try:
        p.settings([], source_only=[CAP])
        return True
    except QmpError as e:
        assert CAP in e.desc, e
        print(f'# {e.desc}', flush=True)
        return False


def goes_on(p: Pair, f) -> None:
    """The guest of @f runs, and all of its memory is right."""
    which = p.serial.index(p.serial_of(f))
    seen = len(re.findall(r'kept round', p.text(which)))

    def on():
        text = p.text(which)
        assert 'WRONG' not in text and 'exception' not in text, text[-2000:]
        return len(re.findall(r'kept round \d+ pages \d+ errors 0',
                              text)) >= seen + 2
    wait_for(on, 'the guest to check its memory', 2 * ferrytest.TIMEOUT)


def snapshot(p: Pair, uri: str) -> dict:
    p.source.qmp.cmd('migrate', uri=uri)
    info = p.wait_status('completed')
    s = p.source.qmp.cmd('query-status')
    assert s['status'] == 'running' and s['running'], s
    return info


def to_file(t: Test, accel: str, smp: int) -> None:
    p = Pair(t, accel=accel, smp=smp, memory='64', append=GUEST + f' cpus={smp}')
    if not can_do(p):
        raise ferrytest.Skip('userfaultfd cannot protect memory here')
    source = p.source
    path = t.path('snapshot')
    # Slow, so that the guest writes most of its memory meanwhile.
    p.settings([], {'max-bandwidth': 16 << 20}, [CAP])
    info = snapshot(p, f'file:{path}')
    print(f'# {accel}: {info["total-time"]} ms, downtime '
          f'{info["downtime"]} ms, {path.stat().st_size >> 20} MiB', flush=True)
    # No page goes twice.
    assert path.stat().st_size < 30 << 20, path.stat().st_size
    goes_on(p, source)
    r = t.run(ferrytest.SOURCE / 'scripts/analyze-stream', '-f', path,
              '-d', 'sections')
    assert 'FULL' in r.stdout and 'OPEN_RETURN_PATH' not in r.stdout
    target = p.emulator('-incoming', f'file:{path}')
    goes_on(p, target)
    target.qmp.cmd('quit')
    p.settings([], {'max-bandwidth': 0})
    # It can still go as a whole.
    p.migrate('unix')
    p.check()


def test_kvm(t: Test) -> None:
    to_file(t, 'kvm', 2)


def test_software_cpu(t: Test) -> None:
    to_file(t, 'soft', 1)


def test_tcp_and_paused_guest(t: Test) -> None:
    """To another process, at once; and of a guest that stands."""
    p = Pair(t, memory='64', append=GUEST)
    if not can_do(p):
        raise ferrytest.Skip('userfaultfd cannot protect memory here')
    target = p.new_target()
    p.settings([], {'max-bandwidth': 0})
    p.source.qmp.cmd('migrate-set-capabilities', capabilities=[
        {'capability': CAP, 'state': True}])
    snapshot(p, p.listen('tcp'))
    wait_for(lambda: target.qmp.cmd('query-status')['running'],
             'the copy to run')
    goes_on(p, target)
    goes_on(p, p.source)
    target.qmp.cmd('quit')
    p.source.qmp.cmd('stop')
    p.source.qmp.cmd('migrate', uri=f'file:{t.path("stands")}')
    p.wait_status('completed')
    assert p.source.qmp.cmd('query-status')['status'] == 'paused'
    p.source.qmp.cmd('cont')
    goes_on(p, p.source)


def test_shared_memory(t: Test) -> None:
    p = Pair(t, memory='64', append=GUEST,
             args=('-object', 'memory-backend-memfd,id=ram0,size=64M,'
                      'share=on', '-machine', 'memory-backend=ram0'))
    if not can_do(p):
        raise ferrytest.Skip('no protection of shared memory here')
    source = p.source
    path = t.path('shared')
    snapshot(p, f'file:{path}')
    goes_on(p, source)
    goes_on(p, p.emulator('-incoming', f'file:{path}'))


def test_slow_reader(t: Test) -> None:
    """Nobody takes the bytes: the guest goes on until the copies that wait are
    too many, QMP answers always, and a cancel sets all free."""
    p = Pair(t, memory='64', append=GUEST)
    if not can_do(p):
        raise ferrytest.Skip('userfaultfd cannot protect memory here')
    for cancel in (True, False):
        p.source.qmp.cmd('migrate', uri='exec:sleep 1; cat > /dev/null')
        time.sleep(0.5)
        start = time.perf_counter()
        info = p.source.qmp.cmd('query-migrate')
        p.source.qmp.cmd('query-status')
        assert time.perf_counter() - start < 0.3
        assert info['status'] == 'active', info
        if cancel:
            p.source.qmp.cmd('migrate_cancel')
            p.wait_status('cancelled')
        else:
            p.wait_status('completed')
        goes_on(p, p.source)


def test_refusals(t: Test) -> None:
    p = Pair(t, memory='64', start=False)
    if not can_do(p):
        raise ferrytest.Skip('userfaultfd cannot protect memory here')
    others = [c['capability'] for c in
              p.source.qmp.cmd('query-migrate-capabilities')
              if c['capability'] not in (CAP, 'events')]
    for other in others:
        try:
            p.source.qmp.cmd('migrate-set-capabilities', capabilities=[
                {'capability': other, 'state': True}])
            raise AssertionError(f'{other} with {CAP}')
        except QmpError as e:
            assert other in e.desc or CAP in e.desc, (other, e.desc)


if __name__ == '__main__':
    ferrytest.main()
