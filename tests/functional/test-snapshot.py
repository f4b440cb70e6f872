#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Snapshots of the whole machine in its disks' images: saved, loaded, deleted;
what goes wrong leaves disks and guest as they were, and nothing half loaded
runs. qemu-img reads and checks what was written."""
import json
import os
import re
import shutil
import socket
import struct
import time

import ferrytest
from ferrytest import STRESS, QmpError, Test, wait_for
from images import IMG as FERRY_IMG, img
from linuxguest import Linux

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


def test_over_and_over(t: Test) -> None:
    """savevm takes the place of its namesake; a job does not. Space that a
    state took comes back."""
    a = image(t, 'a.qcow2')
    g = Guest(t, *drive(a))
    g.goes_on(1)
    for _ in range(3):
        assert g.hmp('savevm same') == ''
        g.goes_on(1)
    size = a.stat().st_blocks * 512
    assert size < 50 * MIB, size
    assert g.hmp('info snapshots').count(' same ') == 1
    assert 'already exists' in g.job('save', tag='same', vmstate='n0',
                                     devices=['n0'])
    assert g.hmp('savevm') == ''
    assert re.search(r' vm-\d{14} ', g.hmp('info snapshots'))
    assert g.hmp('loadvm same') == ''
    g.goes_on(1)
    assert g.f.quit() == 0
    clean(t, a)


def test_refusals(t: Test) -> None:
    a, raw = image(t, 'a.qcow2'), image(t, 'raw', fmt='raw')
    ro = image(t, 'ro.qcow2')
    g = Guest(t, *drive(a), '-blockdev', f'driver=qcow2,node-name=ro,'
              f'read-only=on,file.driver=file,file.filename={ro}',
              '-device', 'virtio-blk-pci,drive=ro')
    assert g.hmp('savevm one') == ''  # without the one that is only read
    assert 'one' in listed(t, a) and not listed(t, ro)
    # What is wrong before anything happens leaves the guest running.
    assert "'none' does not exist on device" in g.hmp('loadvm none')
    for args, what in (
            ({'tag': '', 'vmstate': 'n0', 'devices': ['n0']}, 'name'),
            ({'tag': 'x' * 300, 'vmstate': 'n0', 'devices': ['n0']}, 'name'),
            ({'tag': 'x', 'vmstate': 'n0', 'devices': []}, 'device')):
        try:
            g.qmp.raw('snapshot-save', {'job-id': 'j', **args})
        except QmpError as e:
            assert what in e.desc, e
        else:
            raise AssertionError(args)
    assert 'ro' in g.job('save', tag='x', vmstate='n0', devices=['n0', 'ro'])
    assert 'nobody' in g.job('save', tag='x', vmstate='n0',
                             devices=['n0', 'nobody'])
    assert "'ro'" in g.job('save', tag='x', vmstate='ro', devices=['n0'])
    assert g.status() == 'running'
    g.goes_on(1)
    assert g.f.quit() == 0
    # A disk without snapshots is named.
    g = Guest(t, *drive(a), *drive(raw, 'd1', 'n1', 'raw'))
    for line in ('savevm x', 'loadvm one'):
        assert "'n1' is writable but does not support" in g.hmp(line)
    assert g.job('save', tag='x', vmstate='n0', devices=['n0']) is None
    g.goes_on(1)
    g.f.quit()
    t.run('qemu-img', 'snapshot', '-c', 'bare', a)
    g = Guest(t, *drive(a))
    assert 'no state' in g.hmp('loadvm bare')
    g.goes_on(1)
    g.f.quit()
    # What a save over an older one leaves that was cut off.
    for _ in range(2):
        t.run('qemu-img', 'snapshot', '-c', 'twice', a)
    g = Guest(t, *drive(a))
    text = g.hmp('loadvm twice')
    assert re.search(r"two snapshots 'twice' \(ids \d+, \d+\)", text), text
    g.goes_on(1)
    g.f.quit()
    clean(t, a)


def faulty(path, event: str, node: str, once=True, errno=5) -> list[str]:
    """A disk whose @event-th kind of request fails."""
    opts = {'driver': 'qcow2', 'node-name': node,
            'file': {'driver': 'blkdebug',
                     'inject-error': [{'event': event, 'errno': errno,
                                       'once': once}],
                     'image': {'driver': 'file', 'filename': str(path)}}}
    return ['-blockdev', json.dumps(opts),
            '-device', f'virtio-blk-pci,drive={node}']


def test_second_disk_fails(t: Test) -> None:
    """The first one's snapshot is taken back, the older one stays."""
    a, b = image(t, 'a.qcow2'), image(t, 'b.qcow2')
    g = Guest(t, *drive(a), *drive(b, 'd1', 'n1'))
    g.goes_on(1)
    assert g.hmp('savevm old') == ''
    g.f.quit()
    g = Guest(t, *drive(a), *faulty(b, 'flush_to_disk', 'n1', once=False))
    g.goes_on(1)
    for tag in ('old', 'new'):
        text = g.hmp(f'savevm {tag}')
        assert 'Error' in text and "'n1'" in text, text
        assert g.status() == 'running'
        g.goes_on(1)
    g.f.stop()
    assert list(listed(t, a)) == ['old'], listed(t, a)
    t.run('qemu-img', 'check', '-q', a)
    # One goes back and the other does not: no guest, from any state.
    g = Guest(t, *drive(a), *faulty(b, 'flush_to_disk', 'n1', once=False))
    g.goes_on(1)
    path = t.path('gdb')
    g.hmp(f'gdbserver unix:{path}')
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(path))
        sock.sendall(b'$s#73')
        ferrytest.read_until(sock, r'\$T05thread:01;#..')
        assert g.status() == 'debug'
        for _ in range(2):
            text = g.hmp('loadvm old')
            assert 'Error' in text and "'n1'" in text, text
            assert g.status() == 'internal-error'
    assert 'reset' in g.hmp('cont')
    assert g.status() == 'internal-error'
    g.f.stop()
    g = Guest(t, *drive(a), *drive(b, 'd1', 'n1'), '-loadvm', 'old')
    g.goes_on()


def test_goto_flush_fails(t: Test) -> None:
    """Whichever flush fails: the disk went back or it did not, and the program
    says which."""
    a, b = image(t, 'a.qcow2'), t.path('b.qcow2')
    fill(t, a, 1)
    t.run('qemu-img', 'snapshot', '-c', 'x', a)
    fill(t, a, 3)
    results = []
    for n in range(1, 9):
        shutil.copy(a, b)
        node = {'driver': 'qcow2', 'file': {
            'driver': 'blkdebug',
            'set-state': [{'event': 'flush_to_disk', 'state': i,
                           'new_state': i + 1} for i in range(1, n)],
            'inject-error': [{'event': 'flush_to_disk', 'state': n,
                              'once': True}],
            'image': {'driver': 'file', 'filename': str(b)}}}
        r = t.run(FERRY_IMG, 'snapshot', '-a', 'x', 'json:' + json.dumps(node),
                  check=False)
        results.append(r.returncode)
        holds(t, b, 3 if r.returncode else 1)
        # Leaks are allowed.
        r = t.run('qemu-img', 'check', '-q', b, check=False)
        assert r.returncode in (0, 3), (n, r)
    assert 1 in results and 0 in results, results


def test_disk_full(t: Test) -> None:
    """No room for the state: an error, and no space is lost."""
    a = image(t, 'a.qcow2')
    opts = {'driver': 'qcow2', 'node-name': 'n0',
            'file': {'driver': 'blkdebug',
                     'inject-error': [{'event': 'write_aio', 'errno': 28,
                                       'once': False}],
                     'image': {'driver': 'file', 'filename': str(a)}}}
    g = Guest(t, '-blockdev', json.dumps(opts),
              '-device', 'virtio-blk-pci,drive=n0')
    g.goes_on(1)
    text = g.hmp('savevm x')
    assert 'No space left' in text, text
    assert g.status() == 'running'
    g.goes_on(1)
    assert 'no snapshot' in g.hmp('info snapshots')
    g.f.quit()
    clean(t, a)


def slow(path, node='n0', bps=8 * MIB) -> list[str]:
    opts = {'driver': 'qcow2', 'node-name': node,
            'file': {'driver': 'throttle', 'throttle-group': 'g0',
                     'file': {'driver': 'file', 'filename': str(path)}}}
    return ['-object', f'throttle-group,id=g0,x-bps-total={bps}',
            '-blockdev', json.dumps(opts),
            '-device', f'virtio-blk-pci,drive={node}']


def debugged(t: Test, g: Guest) -> None:
    """A debugger that comes, lets the guest go on, and goes, while a state is
    written: the guest runs at the end, and not before."""
    path = t.path('gdb')
    assert 'rror' not in g.hmp(f'gdbserver unix:{path}')
    g.qmp.raw('snapshot-save', {'job-id': 'j', 'tag': 'x', 'vmstate': 'n0',
                                'devices': ['n0']})
    wait_for(lambda: g.status() == 'save-vm', 'the save to begin')
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(str(path))
        s.sendall(b'$?#3f')
        ferrytest.read_until(s, r'\$T05thread:01;#..')
        s.sendall(b'+$c#63\x03')
        ferrytest.read_until(s, r'\$T02thread:01;#..')
        assert g.status() == 'save-vm'
    g.hmp('info status')
    assert g.status() == 'save-vm'
    g.qmp.raw('job-cancel', {'id': 'j'})
    assert g.job_end() is not None
    wait_for(lambda: g.status() == 'running', 'the guest to run')
    g.goes_on(1)
    g.hmp('gdbserver none')


def test_cancel_and_answers(t: Test) -> None:
    """QMP answers while a state is written slowly; what may not happen
    meanwhile does not; a cancel leaves all as it was."""
    a = image(t, 'a.qcow2')
    g = Guest(t, *slow(a))
    g.goes_on(1)
    g.qmp.raw('snapshot-save', {'job-id': 'j', 'tag': 'x', 'vmstate': 'n0',
                                'devices': ['n0']})
    wait_for(lambda: g.status() == 'save-vm', 'the save to begin')
    for cmd, args in (
            ('migrate', {'uri': 'exec:cat > /dev/null'}),
            ('device_add', {'driver': 'virtio-rng-pci'}),
            ('block_resize', {'node-name': 'n0', 'size': 128 * MIB})):
        try:
            g.qmp.raw(cmd, args)
        except QmpError as e:
            assert 'snapshot' in e.desc, (cmd, e)
        else:
            raise AssertionError(cmd)
    assert 'another snapshot' in g.hmp('savevm y')
    worst = 0
    for _ in range(50):
        start = time.perf_counter()
        g.qmp.cmd('query-status')
        worst = max(worst, time.perf_counter() - start)
    assert worst < 0.5, worst
    # A guest that is told to stop meanwhile stands afterwards.
    g.qmp.cmd('stop')
    g.qmp.raw('job-cancel', {'id': 'j'})
    assert g.job_end() is not None
    assert g.status() == 'paused'
    g.qmp.cmd('cont')
    g.goes_on(1)
    assert 'no snapshot' in g.hmp('info snapshots')
    debugged(t, g)
    assert g.hmp('savevm z') == ''
    # The end of the program ends one, too.
    g.qmp.raw('snapshot-save', {'job-id': 'j', 'tag': 'x', 'vmstate': 'n0',
                                'devices': ['n0']})
    wait_for(lambda: g.status() == 'save-vm', 'the save to begin')
    g.qmp.events.clear()
    assert g.f.quit() == 0
    try:
        g.qmp.event('RESUME')
    except EOFError:
        pass
    else:
        raise AssertionError('the guest ran again')
    assert 'SHUTDOWN' in [e['event'] for e in g.qmp.events], g.qmp.events
    clean(t, a)
    assert list(listed(t, a)) == ['z']


def snapshot_header(path) -> tuple[int, bytes]:
    """Where the only snapshot's table entry is."""
    head = path.read_bytes()[:104]
    offset, = struct.unpack_from('>Q', head, 64)
    return offset, head


def encrypted(t: Test, name: str) -> tuple:
    """An encrypted image, the options of a node of it, and its secret."""
    key, path = t.path('key'), t.path(name)
    key.write_text('open sesame')
    secret = ('--object', f'secret,id=s,file={key}')
    img(t, 'create', '-q', '-f', 'qcow2', *secret, '-o',
        'encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10', path,
        '64M')
    return path, ('driver=qcow2,encrypt.key-secret=s,file.driver=file,'
                  f'file.filename={path}'), secret


def test_encrypted_state(t: Test) -> None:
    """A state of any length, at any place, in an encrypted image; the peer reads
    it as well."""
    path, opts, secret = encrypted(t, 'a.qcow2')
    io = FERRY_IMG.parent / 'ferry-io'
    reads = ['read -b -P 5 0 3000', 'read -b -P 6 3000 70001',
             'read -b -P 5 1000 1000', 'read -b -P 0 73001 100']
    r = t.run(io, *secret, '--image-opts', '-c', 'write -b -P 5 0 3000', '-c',
              'write -b -P 6 3000 70001', *[w for c in reads for w in ('-c', c)],
              opts)
    assert r.stdout.count('/') >= 6 and 'fail' not in r.stdout, r.stdout
    r = t.run('qemu-io', *secret, '--image-opts', '-c', 'read -b -P 5 0 2560',
              '-c', 'read -b -P 6 3072 69632', opts)
    assert 'fail' not in r.stdout + r.stderr, r


# What was written to both disks must be read back, whatever happened meanwhile.
WRITER = """i=0; (while :; do i=$((i+1)); printf '%0511d\\n' $i > /tmp/block;
for d in vda vdb; do dd if=/tmp/block of=/dev/$d bs=512 seek=$((i % 64 * 8))
oflag=direct || echo dd >> /tmp/wrong; done; for d in vda vdb; do dd if=/dev/$d
of=/tmp/back bs=512 count=1 skip=$((i % 64 * 8)) iflag=direct; cmp /tmp/block
/tmp/back || echo $i $d >> /tmp/wrong; done; echo $i > /tmp/count; done)
> /dev/null 2>&1 & true""".replace('\n', ' ')


def test_linux_encrypted(t: Test) -> None:
    """A Linux guest that writes to two disks, each with an iothread, one of them
    encrypted, goes back and forth; nothing of it is in the clear."""
    a, opts, secret = encrypted(t, 'a.qcow2')
    b = image(t, 'b.qcow2')
    args = ['-accel', 'soft', '-object', secret[1], '-object', 'iothread,id=io0',
            '-object', 'iothread,id=io1', '-blockdev', f'node-name=n0,{opts}',
            '-device', 'virtio-blk-pci,drive=n0,iothread=io0',
            '-blockdev', f'driver=qcow2,node-name=n1,file.driver=file,'
                         f'file.filename={b}',
            '-device', 'virtio-blk-pci,drive=n1,iothread=io1']
    modules = ['virtio_pci', 'virtio_blk']
    g = Linux(t, *args, modules=modules)

    def count() -> int:
        return int((g.run('cat /tmp/count 2>/dev/null; true').split() or [0])[-1])

    def goes_on() -> None:
        seen = count()
        wait_for(lambda: count() > seen + 1, 'the guest to write')
        wrong = g.run('cat /tmp/wrong 2>/dev/null; true').strip()
        assert not wrong, wrong

    def job(what: str, **kw) -> None:
        g.ferry.qmp.raw(f'snapshot-{what}', {'job-id': 'j',
                                             'devices': ['n0', 'n1'], **kw})
        info = wait_for(lambda: next((
            j for j in g.ferry.qmp.cmd('query-jobs')
            if j['status'] == 'concluded'), None), what)
        g.ferry.qmp.raw('job-dismiss', {'id': 'j'})
        assert 'error' not in info, info
        goes_on()

    g.run(WRITER)
    goes_on()
    assert g.ferry.qmp.hmp('savevm one') == ''
    goes_on()
    after = count()
    wait_for(lambda: count() > after + 5, 'the guest to write')
    assert g.ferry.qmp.hmp('loadvm one') == ''
    assert count() < after + 5
    goes_on()
    job('save', tag='two', vmstate='n1')
    job('save', tag='three', vmstate='n0')
    job('load', tag='two', vmstate='n1')
    job('load', tag='three', vmstate='n0')
    job('delete', tag='two')
    assert re.search(r'^--\s+three ', g.ferry.qmp.hmp('info snapshots'), re.M)
    assert g.ferry.quit() == 0
    # Four bytes may come by chance; these are the stream's name of its machine.
    assert b'QEVM\0\0\0\3' not in a.read_bytes()
    g = Linux(t, *args, '-loadvm', 'three', modules=modules, wait=False)
    goes_on()
    assert g.ferry.quit() == 0
    for program in FERRY_IMG, 'qemu-img':
        t.run(program, 'check', '-q', *secret, '--image-opts', opts)
    clean(t, b)


def test_hostile_state(t: Test) -> None:
    """States that are cut, damaged or of impossible length: an error, the
    guest stands, does not run, and a reset makes it a guest again."""
    a = image(t, 'a.qcow2')
    g = Guest(t, *drive(a))
    g.goes_on(1)
    assert g.hmp('savevm x') == ''
    g.f.quit()
    offset, _ = snapshot_header(a)
    whole = a.read_bytes()
    extra, = struct.unpack_from('>I', whole, offset + 36)
    assert extra >= 16, extra
    state = whole.index(b'QEVM')
    def at(pos: int, data: bytes) -> bytes:
        return whole[:pos] + data + whole[pos + len(data):]
    for bad in (at(offset + 40, struct.pack('>Q', 5 * MIB)),  # cut
                at(offset + 40, struct.pack('>Q', 1 << 63)),
                at(offset + 40, struct.pack('>Q', 1 << 45)),
                at(state, b'QEVX'),
                at(state + 8, b'\xff' * 64),
                at(state + 4096, b'\xff' * 4096)):
        a.write_bytes(bad)
        g = Guest(t, *drive(a))
        g.goes_on(1)
        text = g.hmp('loadvm x')
        assert 'Error' in text, text
        if 'Error while loading' in text:
            assert g.status() == 'internal-error', g.status()
            try:
                g.qmp.cmd('cont')
            except QmpError as e:
                assert 'reset' in e.desc
            else:
                raise AssertionError('half a guest runs')
            g.qmp.cmd('system_reset')
            wait_for(lambda: g.status() == 'prelaunch', 'the reset')
            g.qmp.cmd('cont')
            # It looks for zeroes in its memory, which a reset leaves alone.
            wait_for(lambda: g.text().count('stress boot') == 2, 'the boot')
        else:
            assert g.status() == 'running', (text, g.status())
            g.goes_on(1)
        g.f.quit()


def test_temporary_disks(t: Test) -> None:
    """-snapshot, snapshot=on: the image is not written until `commit`."""
    a, b = image(t, 'a.qcow2'), image(t, 'b.raw', fmt='raw')
    fill(t, a, 1)
    before = a.read_bytes(), b.read_bytes()
    sock = t.path('nbd')
    tmp = t.path('tmp')
    tmp.mkdir()
    f = t.ferry('-machine', 'none', '-snapshot',
                '-drive', f'file={a},format=qcow2,if=none,id=a',
                '-drive', f'file={b},format=raw,if=none,id=b,snapshot=on',
                env={**os.environ, 'TMPDIR': str(tmp)})
    q = f.qmp
    q.raw('nbd-server-start', {'addr': {'type': 'unix',
                                        'data': {'path': str(sock)}}})
    assert not list(tmp.iterdir()), list(tmp.iterdir())
    for dev in 'ab':
        q.raw('nbd-server-add', {'device': dev, 'name': dev, 'writable': True})
    for dev in 'ab':
        t.run('qemu-io', '-f', 'raw', '-c', 'write -P 7 2M 1M', '-c', 'flush',
              '-c', 'write -z 5M 1M',
              f'nbd+unix:///{dev}?socket={sock}')
    assert (a.read_bytes(), b.read_bytes()) == before
    for dev in 'ab':
        r = t.run('qemu-io', '-r', '-f', 'raw', '-c', 'read -P 7 2M 1M',
                  f'nbd+unix:///{dev}?socket={sock}')
        assert 'failed' not in r.stdout, r.stdout
    assert q.hmp('commit b') == ''
    assert b.read_bytes()[2 * MIB:3 * MIB] == b'\x07' * MIB
    assert a.read_bytes() == before[0]
    assert q.hmp('commit all') == ''
    assert 'not found' in q.hmp('commit nobody')
    t.run('qemu-io', '-f', 'raw', '-c', 'write -P 9 3M 1M',
          f'nbd+unix:///a?socket={sock}')
    f.quit()
    holds(t, a, 1)
    holds(t, a, 7, '2M')
    holds(t, a, 0, '3M')
    clean(t, a)


def test_old_contents(t: Test) -> None:
    """snapshot-access shows a disk as it was, while it is written."""
    t.requires('nbdcopy')
    a, tmp = image(t, 'a.raw', fmt='raw'), image(t, 'tmp.qcow2')
    a.write_bytes(os.urandom(4 * MIB) + bytes(60 * MIB))
    before = a.read_bytes()
    sock = t.path('nbd')
    f = t.ferry('-machine', 'none',
                '-blockdev', f'driver=raw,node-name=a,file.driver=file,'
                             f'file.filename={a}',
                '-blockdev', f'driver=qcow2,node-name=tmp,file.driver=file,'
                             f'file.filename={tmp}',
                '-blockdev', 'driver=copy-before-write,node-name=cbw,file=a,'
                             'target=tmp',
                '-blockdev', 'driver=snapshot-access,node-name=old,file=cbw')
    q = f.qmp
    q.raw('nbd-server-start', {'addr': {'type': 'unix',
                                        'data': {'path': str(sock)}}})
    for node, writable in (('cbw', True), ('old', False)):
        q.raw('block-export-add', {'type': 'nbd', 'id': node, 'name': node,
                                   'node-name': node, 'writable': writable})
    writer = t.spawn('qemu-io', '-f', 'raw',
                     *[x for n in range(16) for x in
                       ('-c', f'write -P {n + 1} {n * 1000}k 300k')],
                     f'nbd+unix:///cbw?socket={sock}')
    for n in range(2):
        out = t.path(f'copy{n}')
        t.run('nbdcopy', f'nbd+unix:///old?socket={sock}', out)
        assert out.read_bytes() == before, n
        writer.wait(ferrytest.TIMEOUT)
    assert writer.returncode == 0
    assert a.read_bytes() != before
    try:
        q.raw('blockdev-add', {'driver': 'snapshot-access', 'node-name': 'x',
                               'file': 'tmp'})
    except QmpError as e:
        assert 'copy-before-write' in e.desc, e
    else:
        raise AssertionError('above any node')
    # One that is put above another node has nothing to show.
    q.raw('blockdev-reopen', {'options': [
        {'driver': 'snapshot-access', 'node-name': 'old', 'file': 'a',
         'read-only': True}]})
    r = t.run('qemu-io', '-r', '-f', 'raw', '-c', 'read 0 64k',
              f'nbd+unix:///old?socket={sock}', check=False)
    assert 'failed' in r.stdout + r.stderr, r
    # A job's filter goes when the job does.
    q.raw('block-export-del', {'id': 'cbw'})
    b, c = image(t, 'b.raw', fmt='raw'), image(t, 'c.raw', fmt='raw')
    for name, path in (('b', b), ('c', c)):
        q.raw('blockdev-add', {'driver': 'raw', 'node-name': name, 'file': {
            'driver': 'file', 'filename': str(path)}})
    q.raw('blockdev-backup', {'job-id': 'j', 'device': 'b', 'target': 'c',
                              'sync': 'full', 'speed': 1,
                              'filter-node-name': 'f'})
    try:
        q.raw('blockdev-add', {'driver': 'snapshot-access', 'node-name': 'x',
                               'file': 'f'})
    except QmpError as e:
        assert 'belongs to a job' in e.desc, e
    else:
        raise AssertionError('above the filter of a job')
    f.quit()


ferrytest.main(at_once=2)
