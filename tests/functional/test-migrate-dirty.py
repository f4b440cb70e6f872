#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""How fast guests write, and slowing them down so that a migration ends."""
from __future__ import annotations

import json
import subprocess
import time

import ferrytest
from ferrytest import BUILD, QmpError, Test, wait_for
from migrate import Pair

REPLAY = BUILD / 'tools/ferry-replay'
# A working set that is written much faster than it can be sent.
BUSY = 'mem=32M pattern=byte rate=0 tick=20000'


def measured(p: Pair, command: str, **arguments) -> dict:
    q = p.source.qmp
    q.cmd(f'calc-dirty-{command}', **arguments)
    wait_for(lambda: q.cmd(f'query-dirty-{command}')['status'] == 'measured',
             f'the dirty {command}')
    return q.cmd(f'query-dirty-{command}')


def check_rates(p: Pair, modes: tuple[str, ...]) -> None:
    """The guest writes 5000 pages a second, about 20 MiB; less when this machine
    has no time for it, never more."""
    for mode in modes:
        for _ in range(10):
            info = measured(p, 'rate', **{'calc-time': 1, 'mode': mode})
            if info['dirty-rate'] >= 5:
                break
        assert 5 <= info['dirty-rate'] <= 40, (mode, info)
        assert info['mode'] == mode, info
    assert 'vcpu-dirty-rate' not in info or info['vcpu-dirty-rate'], info


def test_rates(t: Test) -> None:
    for accel, modes in (
            ('kvm', ('page-sampling', 'dirty-bitmap')),
            ('kvm,dirty-ring-size=4096', ('dirty-bitmap', 'dirty-ring')),
            ('soft', ('page-sampling', 'dirty-bitmap', 'dirty-ring'))):
        p = Pair(t, accel=accel, append='mem=64M rate=5000 pattern=byte')
        time.sleep(1)
        check_rates(p, modes)


def test_forecast(t: Test) -> None:
    p = Pair(t, append='mem=64M rate=5000 pattern=byte')
    time.sleep(1)
    measured(p, 'rate', **{'calc-time': 1500, 'calc-time-unit': 'millisecond'})
    text = p.source.qmp.hmp('info dirty_rate')
    assert 'Period: 1500 (ms)' in text, text
    try:
        p.source.qmp.cmd('migrate-forecast')
        raise AssertionError('a forecast out of nothing')
    except QmpError as e:
        assert 'calc-dirty-curve' in str(e), e
    curve = measured(p, 'curve', **{'calc-time': 1000})
    pages = [point['pages'] for point in curve['points']]
    assert pages == sorted(pages) and pages[-1] > 500, curve
    table = p.source.qmp.cmd('migrate-forecast', **{
        'bandwidth': [4000000, 10**10], 'downtime-limit': [10, 60000]})
    assert [e['converges'] for e in table] == [False, True, True, True], table


def test_auto_converge(t: Test) -> None:
    """... and its record, replayed."""
    record = t.path('record')
    p = Pair(t, append=BUSY)
    time.sleep(1)
    source = p.source
    info = p.migrate('unix', capabilities=['auto-converge'],
                     parameters={'max-bandwidth': 16 << 20,
                                 'cpu-throttle-initial': 50,
                                 'cpu-throttle-increment': 40,
                                 'x-record': str(record)})
    # What it cost and brought is there when it is over, too.
    cost = info['throttle']
    assert cost['vcpu-time'] > 100 and cost['percentage-max'] >= 50, cost
    assert cost['dirty-rate-before'] > 0 < cost['dirty-rate-after'], cost
    assert 'throttled: vCPUs slept' in source.qmp.hmp('info migrate')
    lines = [json.loads(line) for line in record.read_text().splitlines()]
    assert lines[0] == {'ferry-run': 1, 'policy': 'classic'}, lines[0]
    assert lines[-1]['end'] == 'completed', lines[-1]
    passes = [line for line in lines if 'report' in line]
    throttles = [line['decision']['throttle'] for line in passes]
    assert max(throttles) >= 50, throttles
    assert passes[-1]['decision']['action'] == 'switch', passes[-1]
    subprocess.run([REPLAY, record], check=True, stdout=subprocess.DEVNULL)
    other = subprocess.run([REPLAY, '-k', 'auto-converge=false', record],
                           capture_output=True, text=True, check=False)
    assert other.returncode == 1 and 'DIFFERS' in other.stdout, other


def test_first_pass(t: Test) -> None:
    """There is a forecast in the first pass already."""
    p = Pair(t, append='mem=64M rate=5000 pattern=byte')
    time.sleep(1)
    p.new_target()
    p.settings([], {'max-bandwidth': 30 << 20, 'downtime-limit': 300})
    p.source.qmp.cmd('migrate', uri=p.listen('unix'))
    seen = wait_for(lambda: (s := p.status()) and 'expected-time' in s and s,
                    'a forecast')
    assert seen['ram']['dirty-sync-count'] == 1, seen
    # 64 MiB at 30 MiB/s, one second of which is over, and what is written.
    assert 500 < seen['expected-time'] < 30000, seen
    p.source.qmp.raw('migrate-set-parameters',
                     {'max-bandwidth': 0, 'downtime-limit': 2000})
    p.finish()


if __name__ == '__main__':
    ferrytest.main(at_once=2)
