#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Snapshots of the whole machine in its disks' images: saved, loaded, deleted;
what goes wrong leaves disks and guest as they were, and nothing half loaded
runs. qemu-img reads and checks what was written."""
import json
import re
import struct
import threading
import time

import ferrytest
from ferrytest import STRESS, QmpError, Test, wait_for
from images import IMG as FERRY_IMG

VERIFY = 'mem=20M kept=8M pattern=verify rate=20000 tick=20000 end=halt'
MIB = 1 << 20


def image(t: Test, name: str, size: str = '64M', fmt: str = 'qcow2', *more):
    path = t.path(name)
    t.run('qemu-img', 'create', '-q', '-f', fmt, *more, path, size)
    return path


def fill(t: Test, path, pattern: int, offset: str = '1M', fmt='qcow2') -> None:
    t.run('qemu-io', '-f', fmt, '-c', f'write -P {pattern} {offset} 1M', path)


def holds(t: Test, path, pattern: int, offset: str = '1M') -> None:
    r = t.run('qemu-io', '-r', '-U', '-f', 'qcow2', '-c',
              f'read -P {pattern} {offset} 1M', path)
    assert 'verification failed' not in r.stdout, r.stdout


def clean(t: Test, *paths) -> None:
    for p in paths:
        t.run('qemu-img', 'check', '-q', p)
        t.run(FERRY_IMG, 'check', '-q', p)


class Guest:
    """The memory-checking guest, with disks that it leaves alone; they are
    written through an export of their nodes' drives (qemu-io HMP has none)."""

    def __init__(self, t: Test, *args, accel='soft', append=VERIFY, **kw):
        if accel == 'kvm':
            t.requires_kvm()
        self.t = t
        self.log = t.path(f'serial{len(t.ferries)}')
        self.f = t.ferry('-accel', accel, '-m', '64', '-kernel', STRESS,
                         '-append', append, '-no-reboot',
                         '-serial', f'file:{self.log}', *args, **kw)
        self.qmp = self.f.qmp

    def text(self) -> str:
        return self.log.read_text(errors='replace') if self.log.exists() else ''

    def rounds(self) -> int:
        text = self.text()
        assert 'WRONG' not in text and 'exception' not in text, text[-2000:]
        return len(re.findall(r'kept round \d+ pages \d+ errors 0', text))

    def goes_on(self, n: int = 2) -> None:
        seen = self.rounds()
        wait_for(lambda: self.rounds() >= seen + n, 'the guest to check memory',
                 2 * ferrytest.TIMEOUT)

    def hmp(self, line: str) -> str:
        return self.qmp.hmp(line)

    def status(self) -> str:
        return self.qmp.cmd('query-status')['status']

    def job(self, what: str, timeout: float = ferrytest.TIMEOUT, **args):
        """Run snapshot-@what to its end; its error or None."""
        self.qmp.raw(f'snapshot-{what}', {'job-id': 'j', **args})
        return self.job_end(timeout)

    def job_end(self, timeout: float = ferrytest.TIMEOUT):
        def over():
            jobs = self.qmp.cmd('query-jobs')
            assert len(jobs) == 1, jobs
            return jobs[0] if jobs[0]['status'] == 'concluded' else None
        info = wait_for(over, 'the job', timeout)
        self.qmp.raw('job-dismiss', {'id': 'j'})
        return info.get('error')


def listed(t: Test, path) -> dict[str, dict]:
    r = t.run('qemu-img', 'info', '-U', '--output=json', path)
    return {s['name']: s for s in json.loads(r.stdout).get('snapshots', [])}


def drive(path, name='d0', node='n0', fmt='qcow2') -> list[str]:
    return ['-blockdev', f'driver={fmt},node-name={node},file.driver=file,'
                         f'file.filename={path}',
            '-device', f'virtio-blk-pci,drive={node},id={name}']


def two_disks(t: Test, accel: str) -> None:
    """Two disks and memory go back together."""
    a, b = image(t, 'a.qcow2'), image(t, 'b.qcow2')
    fill(t, a, 1)
    fill(t, b, 2)
    g = Guest(t, *drive(a), *drive(b, 'd1', 'n1'), accel=accel)
    g.goes_on(1)
    assert g.hmp('savevm first') == '', g.hmp('info snapshots')
    assert g.status() == 'running'
    table = g.hmp('info snapshots')
    m = re.search(r'^--\s+first\s+(\S+ \S+)\s+\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\s+'
                  r'00:00:\d\d\.\d\d\d', table, re.M)
    assert m, table
    g.goes_on(1)
    before = g.rounds()
    assert g.hmp('loadvm first') == ''
    assert g.status() == 'running'
    g.goes_on()
    # By jobs, with devices and the place of the state chosen.
    assert g.job('save', tag='second', vmstate='n1',
                 devices=['n0', 'n1']) is None
    names = [e for e in g.qmp.events if e['event'] == 'JOB_STATUS_CHANGE']
    assert [e['data']['status'] for e in names][:2] == ['created', 'running']
    assert g.job('load', tag='second', vmstate='n1',
                 devices=['n1', 'n0']) is None
    g.goes_on()
    g.qmp.cmd('stop')
    assert g.hmp('loadvm first') == ''
    assert g.status() == 'paused'
    g.qmp.cmd('cont')
    g.goes_on(1)
    assert g.f.quit() == 0
    clean(t, a, b)
    in_a, in_b = listed(t, a), listed(t, b)
    assert in_a['first']['vm-state-size'] > 8 * MIB, in_a
    assert in_b['first']['vm-state-size'] == 0
    assert in_b['second']['vm-state-size'] > 8 * MIB, in_b
    assert in_a['second']['vm-state-size'] == 0
    for tool in ('qemu-img', FERRY_IMG):
        r = t.run(tool, 'snapshot', '-l', a)
        assert re.search(r'^1 +first +[\d.]+ MiB', r.stdout, re.M), r.stdout
    # The disks alone, by the other program.
    fill(t, a, 3)
    t.run('qemu-img', 'snapshot', '-a', 'first', a)
    holds(t, a, 1)
    clean(t, a)
    # A new process begins with it.
    g = Guest(t, *drive(a), *drive(b, 'd1', 'n1'), '-loadvm', 'first',
              accel=accel)
    g.goes_on()
    assert 'stress' not in g.text(), 'it booted'
    assert g.hmp('delvm first') == ''
    assert g.job('delete', tag='second', devices=['n0', 'n1']) is None
    assert 'no snapshot available' in g.hmp('info snapshots')
    assert "'first'" in g.hmp('delvm first')
    g.goes_on(1)
    assert g.f.quit() == 0
    clean(t, a, b)
    assert not listed(t, a) and not listed(t, b)


def test_two_disks(t: Test) -> None:
    two_disks(t, 'soft')


def test_kvm(t: Test) -> None:
    two_disks(t, 'kvm')


ferrytest.main()
