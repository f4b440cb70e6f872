#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a user asks of jobs on disks while they run and when they end: pause and
resume, rate, finalize, dismiss, jobs that end together."""
import ferrytest
from disks import SIZE, Disks, backing_of, failing, full_raw, qcow2, refused
from ferrytest import Test, wait_for
from images import MIB, contents, make_raw


def start(t: Test) -> Disks:
    """A disk that is full, and room for a copy."""
    d = Disks(t)
    d.add('disk', full_raw(t), 'raw')
    copy = t.path('copy.raw')
    with open(copy, 'wb') as f:
        f.truncate(SIZE)
    d.add('copy', copy, 'raw')
    return d


def one(d: Disks, command: str = 'query-block-jobs') -> dict:
    [job] = d.qmp.cmd(command)
    return job


def status(d: Disks, want: str) -> None:
    wait_for(lambda: one(d)['status'] == want, f'a job that is {want}')


def backup(d: Disks, **more) -> None:
    d.qmp.raw('blockdev-backup', {
        'job-id': 'j', 'device': 'disk', 'target': 'copy', 'sync': 'full',
        **{k.replace('_', '-'): v for k, v in more.items()}})


def cancel(d: Disks) -> None:
    d.qmp.raw('block-job-cancel', {'device': 'j', 'force': True})
    d.qmp.event('BLOCK_JOB_CANCELLED')


def test_rate(t: Test) -> None:
    """A job that goes on at a steady speed says so, and when it will be done."""
    d = start(t)
    backup(d, speed=2 * MIB)
    for query, done in (('query-jobs', 'current-progress'),
                        ('query-block-jobs', 'offset')):
        job = wait_for(lambda: (j := one(d, query)).get('rate') and j, 'a rate')
        left = (SIZE - job[done]) / job['rate']
        assert MIB <= job['rate'] <= 4 * MIB, job
        assert abs(job['eta'] - left) <= 1, job
    d.qmp.raw('job-pause', {'id': 'j'})
    status(d, 'paused')
    assert 'rate' not in one(d) and 'eta' not in one(d, 'query-jobs')
    d.qmp.raw('job-resume', {'id': 'j'})
    status(d, 'running')
    job = one(d)
    assert MIB <= job['rate'] <= 4 * MIB and job['eta'] >= 0, job
    cancel(d)
    d.qmp.raw('blockdev-mirror', {'job-id': 'j', 'device': 'disk',
                                  'target': 'copy', 'sync': 'full'})
    d.ready('j')
    assert 'eta' not in one(d)
    cancel(d)
    assert d.f.quit() == 0


def dirty(d: Disks, name: str = 'b') -> int:
    [node] = [n for n in d.qmp.cmd('query-named-block-nodes')
              if n['node-name'] == 'disk']
    [count] = [b['count'] for b in node['dirty-bitmaps'] if b['name'] == name]
    return count


def with_bitmap(t: Test) -> Disks:
    """A disk of which 2 MiB are dirty; 3 MiB of the copy cannot be written."""
    d = start(t)
    d.export('disk')
    d.qmp.raw('block-dirty-bitmap-add', {'node': 'disk', 'name': 'b'})
    d.io('write -q -P 9 1M 2M')
    assert dirty(d) == 2 * MIB
    bad = t.path('bad.raw')
    make_raw(bad, SIZE)
    failing(d, 'bad', bad, 'write', 6 * MIB // 512)
    return d


def test_bitmap_full(t: Test) -> None:
    """A full backup that went well leaves nothing dirty. One that did not
    leaves the bitmap, or (always) what the copy lacks."""
    d = with_bitmap(t)
    for mode, count in (('on-success', 2 * MIB), ('always', SIZE)):
        backup(d, target='bad', bitmap='b', bitmap_mode=mode,
               x_perf={'max-workers': 1})
        assert 'error' in d.done('j')
        left = dirty(d)
        assert left == count if mode == 'on-success' else \
            MIB <= left < SIZE, (mode, left)
    d.io('write -q -P 9 3M 64k')
    backup(d, bitmap='b', bitmap_mode='on-success')
    d.io('write -q -P 9 7M 64k')
    assert 'error' not in d.done('j')
    assert dirty(d) <= 64 * 1024
    # One that never began changes nothing.
    d.io('write -q -P 9 3M 128k')
    before = dirty(d)
    refused(d, 'Abort', 'transaction', actions=[
        {'type': 'blockdev-backup', 'data': {
            'job-id': 'j', 'device': 'disk', 'target': 'copy', 'sync': 'full',
            'bitmap': 'b', 'bitmap-mode': 'always'}},
        {'type': 'abort', 'data': {}}])
    assert dirty(d) == before
    refused(d, 'must be given', 'blockdev-backup', job_id='j', device='disk',
            target='copy', sync='full', bitmap='b')
    for sync, words in (('none', "'none'"), ('top', "'never'"),
                        ('full', "'never'")):
        refused(d, words, 'blockdev-backup', job_id='j', device='disk',
                target='copy', sync=sync, bitmap='b', bitmap_mode='never')
    assert d.f.quit() == 0


def test_bitmap_modes(t: Test) -> None:
    """Of a backup of what a bitmap says."""
    d = with_bitmap(t)
    d.io('write -q -P 9 6M 1M')
    for mode, failed, well in (('never', 3 * MIB, 3 * MIB),
                               ('always', MIB, 0),
                               ('on-success', 3 * MIB, 0)):
        backup(d, target='bad', sync='bitmap', bitmap='b', bitmap_mode=mode,
               x_perf={'max-workers': 1})
        assert 'error' in d.done('j')
        assert dirty(d) == failed, (mode, dirty(d))
        backup(d, sync='bitmap', bitmap='b', bitmap_mode=mode)
        assert 'error' not in d.done('j')
        assert dirty(d) == well, (mode, dirty(d))
        d.io('write -q -P 9 1M 2M', 'write -q -P 9 6M 1M')
    assert d.f.quit() == 0


def test_grouped(t: Test) -> None:
    """Jobs of one transaction end together: one fails, and the other, which
    had done its work, is cancelled; backups to files of one moment."""
    d = with_bitmap(t)
    files = [t.path('one.raw'), t.path('two.raw')]
    action = {'type': 'drive-backup', 'data': {
        'job-id': 'j', 'device': 'disk', 'target': str(files[0]),
        'format': 'raw', 'sync': 'full', 'bitmap': 'b',
        'bitmap-mode': 'on-success'}}
    other = t.path('other.raw')
    other.write_bytes(b'\5' * SIZE)
    d.add('other', other, 'raw')
    bad = {'type': 'blockdev-backup', 'data': {
        'job-id': 'k', 'device': 'other', 'target': 'bad', 'sync': 'full',
        'speed': 16 * MIB}}
    d.qmp.raw('transaction', {'actions': [action, bad],
                              'properties': {'completion-mode': 'grouped'}})
    assert d.qmp.event('BLOCK_JOB_CANCELLED')['data']['device'] == 'j'
    assert 'error' in d.done('k')
    assert dirty(d) == 2 * MIB
    want = t.path('disk.raw').read_bytes()
    del action['data']['bitmap'], action['data']['bitmap-mode']
    action['data']['mode'] = 'existing'
    second = {'type': 'drive-backup', 'data': {
        **action['data'], 'job-id': 'k', 'device': 'other', 'format': 'raw',
        'target': str(files[1]), 'mode': 'absolute-paths'}}
    d.qmp.raw('transaction', {'actions': [action, second],
                              'properties': {'completion-mode': 'grouped'}})
    for _ in range(2):
        assert 'error' not in d.qmp.event('BLOCK_JOB_COMPLETED')['data']
    refused(d, 'Abort', 'transaction', actions=[
        action, {'type': 'abort', 'data': {}}])
    assert d.qmp.cmd('query-jobs') == []
    assert d.f.quit() == 0
    assert files[0].read_bytes() == want
    assert files[1].read_bytes() == other.read_bytes()


def test_hmp(t: Test) -> None:
    base = qcow2(t, 'base.qcow2', 1)
    disk = qcow2(t, 'disk.qcow2', 2, base)
    want = contents(t, disk)
    d = Disks(t, '-drive', f'if=none,id=d0,format=qcow2,file={disk}')
    hmp = d.qmp.hmp

    def well(line: str) -> None:
        answer = hmp(line)
        assert answer.strip() == '', (line, answer)

    def end() -> None:
        assert 'error' not in d.done('d0')

    assert 'No active jobs' in hmp('info block-jobs')
    for command in ('block_stream', 'block_job_set_speed', 'block_job_cancel',
                    'block_job_complete', 'block_job_pause', 'drive_backup',
                    'block_job_resume', 'drive_mirror', 'snapshot_blkdev',
                    'snapshot_blkdev_internal', 'block_set_io_throttle',
                    'snapshot_delete_blkdev_internal'):
        assert f'{command} ' in hmp(f'help {command}'), command
        assert 'Error' in hmp(f'{command} nothing x 1 2 3 4 5'), command
    well(f'drive_backup -f d0 {t.path("backup.qcow2")}')
    end()
    assert contents(t, t.path('backup.qcow2')) == want
    well(f'drive_mirror -f d0 {t.path("mirror.raw")} raw')
    d.ready('d0')
    well('block_job_pause d0')
    status(d, 'standby')
    well('block_job_resume d0')
    status(d, 'ready')
    # It is told once that it is ready: the next such event is another job's.
    well('block_job_cancel d0')
    end()
    assert t.path('mirror.raw').read_bytes() == want
    well('snapshot_blkdev_internal d0 s')
    assert 's' in t.run('qemu-img', 'snapshot', '-U', '-l', disk).stdout
    well('snapshot_delete_blkdev_internal d0 s')
    assert 'Error' in hmp('snapshot_delete_blkdev_internal d0 s')
    assert 'missing' in hmp('snapshot_blkdev d0')
    over = t.path('over.qcow2')
    well(f'snapshot_blkdev d0 {over} qcow2')
    well(f'block_stream d0 1 {base}')
    assert 'Type stream, device d0' in hmp('info block-jobs')
    well('block_job_set_speed d0 0')
    end()
    well('block_set_io_throttle d0 1000000 0 0 7 0 0')
    [block] = d.qmp.cmd('query-block')
    assert block['inserted']['bps'] == 1000000, block
    assert block['inserted']['iops'] == 7, block
    well('block_set_io_throttle d0 0 0 0 0 0 0')
    well(f'drive_mirror -f d0 {t.path("to.qcow2")}')
    d.ready('d0')
    well('block_job_complete d0')
    end()
    assert 'to.qcow2' in hmp('info block')
    assert d.f.quit() == 0
    assert backing_of(t, over) == str(base)
    for image in over, t.path('to.qcow2'):
        assert contents(t, image) == want


def test_pause(t: Test) -> None:
    """By both commands; a job that rests does nothing."""
    d = start(t)
    backup(d, speed=2 * MIB)
    for pause, resume, key in (('job-pause', 'job-resume', 'id'),
                               ('block-job-pause', 'block-job-resume',
                                'device')):
        d.qmp.raw(pause, {key: 'j'})
        status(d, 'paused')
        refused(d, 'already paused', pause, **{key: 'j'})
        before = one(d)
        assert before['paused'] and not before['busy'], before
        d.qmp.raw('block-job-set-speed', {'device': 'j', 'speed': 0})
        assert one(d)['offset'] == before['offset']
        d.qmp.raw('block-job-set-speed', {'device': 'j', 'speed': 2 * MIB})
        d.qmp.raw(resume, {key: 'j'})
        status(d, 'running')
        refused(d, 'not paused', resume, **{key: 'j'})
    d.qmp.raw('block-job-set-speed', {'device': 'j', 'speed': 0})
    assert 'error' not in d.done('j')
    assert d.f.quit() == 0
    assert t.path('copy.raw').read_bytes() == t.path('disk.raw').read_bytes()


def test_end_by_hand(t: Test) -> None:
    """A job waits for job-finalize, and stays until job-dismiss."""
    d = start(t)
    for finalize, dismiss in (('job-finalize', 'job-dismiss'),
                              ('block-job-finalize', 'block-job-dismiss')):
        backup(d, auto_finalize=False, auto_dismiss=False)
        ev = d.qmp.event('BLOCK_JOB_PENDING')['data']
        assert ev == {'type': 'backup', 'id': 'j'}, ev
        job = one(d)
        assert job['status'] == 'pending', job
        assert not job['auto-finalize'] and not job['auto-dismiss'], job
        refused(d, 'dismiss', dismiss, id='j')
        d.qmp.raw(finalize, {'id': 'j'})
        assert 'error' not in d.done('j')
        assert one(d, 'query-jobs')['status'] == 'concluded'
        refused(d, 'finalize', finalize, id='j')
        refused(d, 'already in use', 'blockdev-backup', job_id='j',
                device='disk', target='copy', sync='full')
        d.qmp.raw(dismiss, {'id': 'j'})
        assert d.qmp.cmd('query-jobs') == []
    # Cancelled while it is pending: it has no result, and tells why.
    backup(d, auto_finalize=False, auto_dismiss=False)
    d.qmp.event('BLOCK_JOB_PENDING')
    d.qmp.raw('job-cancel', {'id': 'j'})
    d.qmp.event('BLOCK_JOB_CANCELLED')
    assert 'anceled' in one(d, 'query-jobs')['error']
    d.qmp.raw('job-dismiss', {'id': 'j'})
    assert d.f.quit() == 0


def test_sync_none_and_top(t: Test) -> None:
    """none: only what is overwritten, as it was; top: the topmost image."""
    d = start(t)
    d.export('disk')
    backup(d, sync='none')
    d.io('write -q -P 9 2M 64k')
    cancel(d)
    copy = t.path('copy.raw').read_bytes()
    was = t.path('disk.raw').read_bytes()
    assert copy[:2 * MIB] == bytes(2 * MIB)
    assert len(set(copy[2 * MIB:2 * MIB + 65536])) > 1
    assert was[2 * MIB:2 * MIB + 65536] == b'\x09' * 65536
    base = qcow2(t, 'base.qcow2', 1)
    top, to = qcow2(t, 'top.qcow2', 0, base), qcow2(t, 'to.qcow2', 0, base)
    t.run('qemu-io', '-f', 'qcow2', '-c', 'write -q -P 7 1M 64k', top)
    want = contents(t, top)
    d.add('top', top)
    d.add('to', to)
    backup(d, device='top', target='to', sync='top')
    assert 'error' not in d.done('j')
    assert d.f.quit() == 0
    assert contents(t, to) == want
    assert to.stat().st_size < MIB


def test_bitmap_commands(t: Test) -> None:
    d = with_bitmap(t)
    d.qmp.raw('block-dirty-bitmap-disable', {'node': 'disk', 'name': 'b'})
    d.io('write -q -P 9 5M 64k')
    assert dirty(d) == 2 * MIB
    d.qmp.raw('block-dirty-bitmap-enable', {'node': 'disk', 'name': 'b'})
    d.io('write -q -P 9 5M 64k')
    assert dirty(d) == 2 * MIB + 65536
    d.qmp.raw('block-dirty-bitmap-add', {'node': 'disk', 'name': 'c'})
    d.io('write -q -P 9 7M 64k')
    d.qmp.raw('block-dirty-bitmap-clear', {'node': 'disk', 'name': 'b'})
    assert dirty(d) == 0 and dirty(d, 'c') == 65536
    d.qmp.raw('block-dirty-bitmap-merge', {'node': 'disk', 'target': 'b',
                                           'bitmaps': ['c']})
    assert dirty(d) == 65536
    assert d.f.quit() == 0


def test_backing(t: Test) -> None:
    """change-backing-file and blockdev-snapshot."""
    base = qcow2(t, 'base.qcow2', 1)
    top = qcow2(t, 'top.qcow2', 2, base)
    over = qcow2(t, 'over.qcow2', 0, top)
    other = t.path('other.qcow2')
    other.hardlink_to(base)
    want = contents(t, top)
    d = Disks(t)
    d.add('top', top)
    d.add('over', over, backing=None)
    d.qmp.raw('blockdev-snapshot', {'node': 'top', 'overlay': 'over'})
    refused(d, 'not in the backing chain', 'change-backing-file', device='top',
            image_node_name='over', backing_file=str(other))
    d.qmp.raw('change-backing-file', {
        'device': 'over', 'image-node-name': 'top', 'backing-file': str(other)})
    assert d.f.quit() == 0
    assert backing_of(t, top) == str(other)
    assert contents(t, over) == want


def test_drive_mirror(t: Test) -> None:
    """To a file that is made, to one that is there, by the topmost image."""
    base = qcow2(t, 'base.qcow2', 1)
    disk = qcow2(t, 'disk.qcow2', 2, base)
    want = contents(t, disk)
    d = Disks(t)
    d.add('disk', disk)
    for name, sync, mode in (('a', 'full', 'absolute-paths'),
                             ('a', 'full', 'existing'),
                             ('b', 'top', 'absolute-paths')):
        d.qmp.raw('drive-mirror', {
            'job-id': 'j', 'device': 'disk', 'target': str(t.path(name)),
            'format': 'qcow2', 'sync': sync, 'mode': mode})
        d.ready('j')
        d.qmp.raw('block-job-cancel', {'device': 'j'})
        assert 'error' not in d.done('j')
        assert contents(t, t.path(name), 'qcow2') == want
    assert d.f.quit() == 0
    assert backing_of(t, t.path('a')) is None
    assert backing_of(t, t.path('b')) == str(base)


def test_corrupted(t: Test) -> None:
    """An image whose table leads to no cluster's beginning: it is told, the
    request fails, and the process goes on."""
    disk = qcow2(t, 'disk.qcow2', 1)
    with open(disk, 'r+b') as f:
        f.seek(40)
        l1 = int.from_bytes(f.read(8), 'big')
        f.seek(l1)
        f.write((1 << 63 | 512).to_bytes(8, 'big'))  # no cluster's beginning
    d = Disks(t)
    d.add('disk', disk)
    d.export('disk')
    r = t.run('qemu-io', '-f', 'raw', d.uri, '-c', 'write -P 1 0 64k',
              check=False)
    assert 'rror' in r.stdout + r.stderr, r
    ev = d.qmp.event('BLOCK_IMAGE_CORRUPTED')['data']
    assert ev['node-name'] == 'disk' and 'table entry' in ev['msg'], ev
    assert d.f.quit() == 0


ferrytest.main(at_once=2)
