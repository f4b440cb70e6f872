#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Jobs on disks and transactions, while another program writes to the disk
through an NBD export; results read by qemu-img."""
import json
import time

import ferrytest
from disks import (SIZE, Disks, Writer, backing_of, chain, check, failing,
                   full_raw, nodes, qcow2, refused)
from ferrytest import QmpError, Test, wait_for
from images import KIB, MIB, contents, make_raw


def test_stream(t: Test) -> None:
    images = chain(t)
    want = contents(t, images[-1])
    d = Disks(t)
    d.add('top', images[-1])
    d.qmp.raw('block-stream', {'job-id': 's', 'device': 'top',
                               'base': str(images[1])})
    assert 'error' not in d.done('s')
    d.qmp.raw('blockdev-del', {'node-name': 'top'})
    assert backing_of(t, images[-1]) == str(images[1])
    assert contents(t, images[-1]) == want
    d.add('top', images[-1])
    d.qmp.raw('block-stream', {'job-id': 's', 'device': 'top'})
    assert 'error' not in d.done('s')
    assert d.f.quit() == 0
    check(t, images[-1])
    assert backing_of(t, images[-1]) is None
    assert contents(t, images[-1]) == want


def test_chain_of_lengths(t: Test) -> None:
    """What a shorter image in the middle hides stays hidden without it."""
    base = qcow2(t, 'base.qcow2', 1)
    mid = t.path('mid.qcow2')
    t.run('qemu-img', 'create', '-q', '-f', 'qcow2', '-b', base, '-F', 'qcow2',
          mid, str(3 * MIB + 512))
    t.run('qemu-io', '-f', 'qcow2', '-c', 'write -q -P 9 1M 64k', mid)
    d = Disks(t)
    for options in ('compat=0.10', 'compat=1.1', 'cluster_size=2M',
                    'extended_l2=on'):
        top = t.path('top.qcow2')
        t.run('qemu-img', 'create', '-q', '-f', 'qcow2', '-b', mid, '-F',
              'qcow2', '-o', options, top, str(2 * SIZE))
        t.run('qemu-io', '-f', 'qcow2', '-c', 'write -q -P 7 5M 64k', top)
        want = contents(t, top)
        d.add('top', top)
        refused(d, 'would show', 'block-commit', job_id='c', device='top',
                top=str(mid))
        d.qmp.raw('block-stream', {'job-id': 's', 'device': 'top',
                                   'base': str(base)})
        assert 'error' not in d.done('s')
        d.qmp.raw('blockdev-del', {'node-name': 'top'})
        check(t, top)
        assert backing_of(t, top) == str(base)
        assert contents(t, top) == want, options
        d.add('top', top)
        d.qmp.raw('block-stream', {'job-id': 's', 'device': 'top'})
        assert 'error' not in d.done('s')
        d.qmp.raw('blockdev-del', {'node-name': 'top'})
        assert backing_of(t, top) is None
        assert contents(t, top) == want, options
    assert d.f.quit() == 0


def test_stream_while_written(t: Test) -> None:
    images = chain(t)
    d = Disks(t)
    d.add('top', images[-1])
    d.export('top')
    d.io('write -q -P 1 0 8M')
    w = Writer(d)
    d.qmp.raw('block-stream', {'job-id': 's', 'device': 'top',
                               'speed': 16 * MIB})
    assert 'error' not in d.done('s')
    w.stop()
    t.run('qemu-img', 'convert', '-f', 'raw', '-O', 'raw', d.uri,
          t.path('seen.raw'))
    want = t.path('seen.raw').read_bytes()
    assert d.f.quit() == 0
    check(t, images[-1])
    assert backing_of(t, images[-1]) is None
    assert contents(t, images[-1]) == want


def test_commit_down(t: Test) -> None:
    """All images above the lowest go into it at once."""
    images = chain(t)
    want = contents(t, images[-1])
    d = Disks(t)
    d.add('top', images[-1])
    d.qmp.raw('block-commit', {'job-id': 'c', 'device': 'top'})
    d.ready('c')
    d.qmp.raw('block-job-complete', {'device': 'c'})
    assert 'error' not in d.done('c')
    assert d.f.quit() == 0
    assert contents(t, images[0]) == want


def test_refused(t: Test) -> None:
    """What would harm another user of an image is said before it begins."""
    images = chain(t)
    want = contents(t, images[-1])
    d = Disks(t)
    d.qmp.raw('blockdev-add', {
        'driver': 'qcow2', 'node-name': 'base', 'read-only': True,
        'file': {'driver': 'file', 'filename': str(images[0])}})
    d.add('a', images[1], backing='base')
    d.add('b', qcow2(t, 'b.qcow2', 5, images[0]), backing='base')
    d.add('copy', qcow2(t, 'copy.qcow2'))
    refused(d, "below node 'b'", 'block-commit', job_id='c', device='a')
    refused(d, 'part of what', 'blockdev-mirror', job_id='m', device='a',
            target='base', sync='full')
    refused(d, 'Granularity', 'blockdev-mirror', job_id='m', device='a',
            target='copy', sync='full', granularity=4 * MIB)
    refused(d, 'nothing stays below', 'block-stream', job_id='s', device='a',
            backing_file='x')
    d.qmp.raw('block-stream', {'job-id': 's', 'device': 'b',
                               'base-node': 'base'})
    assert 'error' not in d.done('s')
    d.qmp.raw('blockdev-mirror', {'job-id': 'm', 'device': 'a',
                                  'target': 'copy', 'sync': 'full'})
    d.ready('m')
    refused(d, 'in use by block job', 'blockdev-backup', job_id='n',
            device='a', target='b', sync='full')
    refused(d, 'in use by block job', 'blockdev-snapshot-sync',
            node_name='a', snapshot_file=str(t.path('o.qcow2')))
    d.qmp.raw('block-job-cancel', {'device': 'm', 'force': True})
    d.qmp.event('BLOCK_JOB_CANCELLED')
    d.qmp.raw('block-dirty-bitmap-add', {'node': 'a', 'name': 'x'})
    remove = {'type': 'block-dirty-bitmap-remove',
              'data': {'node': 'a', 'name': 'x'}}
    refused(d, 'in use', 'transaction', actions=[remove, remove])
    d.qmp.raw('transaction', {'actions': [remove]})
    assert d.f.quit() == 0
    assert contents(t, images[-1]) == want


def test_commit(t: Test) -> None:
    images = chain(t)
    want = contents(t, images[-1])
    d = Disks(t)
    d.add('top', images[-1])
    # What is in between ...
    d.qmp.raw('block-commit', {'job-id': 'c', 'device': 'top',
                               'top': str(images[2]), 'base': str(images[0])})
    assert 'error' not in d.done('c')
    assert d.qmp.cmd('query-block-jobs') == []
    # ... and the active image.
    d.export('top')
    w = Writer(d)
    d.qmp.raw('block-commit', {'job-id': 'c', 'device': 'top'})
    d.ready('c')
    w.stop()
    d.qmp.raw('block-job-complete', {'device': 'c'})
    assert 'error' not in d.done('c')
    t.run('qemu-img', 'convert', '-f', 'raw', '-O', 'raw', d.uri,
          t.path('seen.raw'))
    seen = t.path('seen.raw').read_bytes()
    assert d.f.quit() == 0
    check(t, images[0])
    assert contents(t, images[0]) == seen
    assert seen != want
    assert backing_of(t, images[-1]) == str(images[0])


def test_commit_grows(t: Test) -> None:
    """A base that is shorter than what goes into it becomes as long; the image
    below it, which is longer, does not show where it grew."""
    deep = qcow2(t, 'deep.qcow2', 1)
    images = [t.path(f'{name}.qcow2') for name in ('base', 'mid', 'top')]
    for image, below, size in zip(images, [deep, *images],
                                  (3 * MIB + 512, SIZE, SIZE)):
        t.run('qemu-img', 'create', '-q', '-f', 'qcow2', '-b', below, '-F',
              'qcow2', image, str(size))
    t.run('qemu-io', '-f', 'qcow2', '-c', 'write -q -P 9 1M 64k', images[0])
    t.run('qemu-io', '-f', 'qcow2', '-c', 'write -q -P 8 5M 64k', images[1])
    t.run('qemu-io', '-f', 'qcow2', '-c', 'write -q -P 7 7M 64k', images[2])
    want = contents(t, images[2])
    assert want[4 * MIB:5 * MIB] == bytes(MIB)
    d = Disks(t)
    d.add('top', images[2])
    d.export('top')
    w = Writer(d)
    d.qmp.raw('block-commit', {'job-id': 'c', 'device': 'top',
                               'top': str(images[1]), 'base': str(images[0]),
                               'filter-node-name': 'seen'})
    assert 'error' not in d.done('c')
    w.stop()
    d.qmp.raw('block-commit', {'job-id': 'c', 'device': 'top',
                               'base': str(images[0])})
    d.ready('c')
    t.run('qemu-img', 'convert', '-f', 'raw', '-O', 'raw', d.uri,
          t.path('seen.raw'))
    want = t.path('seen.raw').read_bytes()
    d.qmp.raw('block-job-complete', {'device': 'c'})
    assert 'error' not in d.done('c')
    assert d.f.quit() == 0
    check(t, images[0])
    assert len(want) == SIZE and contents(t, images[0]) == want


def test_commit_active_grows(t: Test) -> None:
    """The same with the disk's own image, into a file without a format; where
    that cannot grow, nothing is lost."""
    base, top = t.path('base.raw'), t.path('top.qcow2')
    make_raw(base, 3 * MIB + 512)
    t.run('qemu-img', 'create', '-q', '-f', 'qcow2', '-b', base, '-F', 'raw',
          top, str(SIZE))
    t.run('qemu-io', '-f', 'qcow2', '-c', 'write -q -P 7 3M 1M', top)
    want = contents(t, top)
    d = Disks(t)
    # A host's file is as long as it is: here one that is never longer.
    d.add('fixed', base, 'raw', size=3 * MIB, **{'read-only': True})
    d.add('top', top, backing='fixed')
    refused(d, 'cannot be made as long', 'block-commit', job_id='c',
            device='top')
    assert base.stat().st_size == 3 * MIB + 512
    d.qmp.raw('blockdev-del', {'node-name': 'top'})
    d.qmp.raw('blockdev-del', {'node-name': 'fixed'})
    assert contents(t, top) == want
    d.add('top', top)
    d.qmp.raw('block-commit', {'job-id': 'c', 'device': 'top'})
    d.ready('c')
    d.qmp.raw('block-job-complete', {'device': 'c'})
    assert 'error' not in d.done('c')
    assert d.f.quit() == 0
    assert base.read_bytes() == want


def test_backup_incremental(t: Test) -> None:
    disk = qcow2(t, 'disk.qcow2', 1)
    d = Disks(t)
    d.add('disk', disk)
    d.export('disk')
    full = qcow2(t, 'full.qcow2')
    d.add('full', full)
    # The bitmap begins at the moment of the full backup.
    d.qmp.raw('transaction', {'actions': [
        {'type': 'block-dirty-bitmap-add',
         'data': {'node': 'disk', 'name': 'b0', 'persistent': True}},
        {'type': 'blockdev-backup',
         'data': {'job-id': 'j0', 'device': 'disk', 'target': 'full',
                  'sync': 'full'}}]})
    assert 'error' not in d.done('j0')
    d.qmp.raw('blockdev-del', {'node-name': 'full'})
    then = contents(t, full)
    d.io('write -q -P 200 1M 100k', 'write -q -z 3M 200k')
    [bitmap] = next(n for n in d.qmp.cmd('query-named-block-nodes')
                    if n['node-name'] == 'disk')['dirty-bitmaps']
    assert bitmap['name'] == 'b0' and bitmap['count'] > 0, bitmap
    inc = qcow2(t, 'inc.qcow2', 0, full)
    d.add('inc', inc)
    w = Writer(d)
    d.qmp.raw('blockdev-backup', {
        'job-id': 'j1', 'device': 'disk', 'target': 'inc', 'bitmap': 'b0',
        'sync': 'incremental'})
    assert 'error' not in d.done('j1')
    w.stop()
    d.qmp.raw('blockdev-del', {'node-name': 'inc'})
    got = contents(t, inc)
    assert got[MIB:MIB + 100 * KIB] == b'\xc8' * (100 * KIB)
    assert got[3 * MIB:3 * MIB + 200 * KIB] == bytes(200 * KIB)
    same = bytearray(then)
    same[MIB:MIB + 100 * KIB] = b'\xc8' * (100 * KIB)
    same[3 * MIB:3 * MIB + 200 * KIB] = bytes(200 * KIB)
    assert got == bytes(same)
    assert d.f.quit() == 0
    check(t, disk)


def test_mirror_pivot(t: Test) -> None:
    raw = t.path('disk.raw')
    make_raw(raw, SIZE)
    copy = qcow2(t, 'copy.qcow2')
    for mode in 'background', 'write-blocking':
        d = Disks(t)
        d.add('disk', raw, 'raw')
        d.add('copy', copy)
        d.export('disk')
        w = Writer(d)
        d.qmp.raw('blockdev-mirror', {
            'job-id': 'm', 'device': 'disk', 'target': 'copy', 'sync': 'full',
            'copy-mode': mode})
        d.ready('m')
        wait_for(lambda: w.rounds > 1, 'writes')
        d.qmp.raw('job-complete', {'id': 'm'})
        assert 'error' not in d.done('m')
        n = w.rounds
        wait_for(lambda: w.rounds > n, 'writes to the copy')
        w.stop()
        t.run('qemu-img', 'convert', '-f', 'raw', '-O', 'raw', d.uri,
              t.path('seen.raw'))
        assert d.f.quit() == 0
        check(t, copy)
        assert contents(t, copy) == t.path('seen.raw').read_bytes()


def test_snapshots(t: Test) -> None:
    disk = qcow2(t, 'disk.qcow2', 1)
    before = contents(t, disk)
    d = Disks(t)
    d.add('disk', disk)
    d.export('disk')
    d.qmp.raw('blockdev-snapshot-internal-sync',
              {'device': 'disk', 'name': 'one'})
    d.io('write -q -P 77 0 1M')
    d.qmp.raw('blockdev-snapshot-sync', {
        'node-name': 'disk', 'snapshot-file': str(t.path('over.qcow2')),
        'snapshot-node-name': 'over'})
    d.io('write -q -P 78 0 64k', 'read -q -P 77 64k 64k')
    try:
        d.qmp.raw('blockdev-snapshot-internal-sync',
                  {'device': 'disk', 'name': 'one'})
        assert False
    except QmpError as e:
        assert 'already exists' in e.desc, e
    info = d.qmp.raw('blockdev-snapshot-delete-internal-sync',
                     {'device': 'disk', 'name': 'one'})
    assert info['name'] == 'one', info
    assert d.f.quit() == 0
    for image in (disk, t.path('over.qcow2')):
        check(t, image)
    want = b'\x4e' * (64 * KIB) + b'\x4d' * (MIB - 64 * KIB) + before[MIB:]
    assert contents(t, t.path('over.qcow2')) == want


def test_transaction_undone(t: Test) -> None:
    disk = qcow2(t, 'disk.qcow2', 1)
    copy = qcow2(t, 'copy.qcow2')
    d = Disks(t)
    d.add('disk', disk)
    d.add('copy', copy)
    d.export('disk')
    before = d.qmp.cmd('query-named-block-nodes')
    try:
        d.qmp.raw('transaction', {'actions': [
            {'type': 'block-dirty-bitmap-add',
             'data': {'node': 'disk', 'name': 'b0'}},
            {'type': 'blockdev-snapshot-internal-sync',
             'data': {'device': 'disk', 'name': 'one'}},
            {'type': 'blockdev-snapshot-sync',
             'data': {'node-name': 'disk',
                      'snapshot-file': str(t.path('over.qcow2')),
                      'snapshot-node-name': 'over'}},
            {'type': 'blockdev-backup',
             'data': {'job-id': 'j', 'device': 'over', 'target': 'copy',
                      'sync': 'full'}},
            {'type': 'abort', 'data': {}}]})
        assert False
    except QmpError as e:
        assert 'Abort' in e.desc, e
    after = d.qmp.cmd('query-named-block-nodes')
    assert [n['node-name'] for n in before] == [n['node-name'] for n in after]
    assert d.qmp.cmd('query-jobs') == []
    d.io('write -q -P 9 0 1M', 'read -q -P 9 0 1M')
    assert d.f.quit() == 0
    check(t, disk)
    assert 'one' not in t.run('qemu-img', 'snapshot', '-l', disk).stdout


def test_errors(t: Test) -> None:
    disk = qcow2(t, 'disk.qcow2', 1)
    want = contents(t, disk)
    copy = t.path('copy.raw')
    with open(copy, 'wb') as f:
        f.truncate(SIZE)
    d = Disks(t)
    d.add('disk', disk)
    d.qmp.raw('blockdev-add', {
        'driver': 'raw', 'node-name': 'copy', 'file': {
            'driver': 'blkdebug', 'inject-error': [
                {'event': 'none', 'iotype': 'write', 'errno': 28,
                 'once': True}],
            'image': {'driver': 'file', 'filename': str(copy)}}})
    d.qmp.raw('blockdev-mirror', {
        'job-id': 'm', 'device': 'disk', 'target': 'copy', 'sync': 'full',
        'on-target-error': 'enospc'})
    ev = d.qmp.event('BLOCK_JOB_ERROR')['data']
    assert ev == {'device': 'm', 'operation': 'write', 'action': 'stop'}, ev
    [job] = wait_for(lambda: [j for j in d.qmp.cmd('query-block-jobs')
                              if j['paused']], 'a paused job')
    assert job['io-status'] == 'nospace', job
    d.qmp.raw('block-job-resume', {'device': 'm'})
    d.ready('m')
    d.qmp.raw('block-job-cancel', {'device': 'm'})
    assert 'error' not in d.done('m')
    assert d.f.quit() == 0
    assert copy.read_bytes() == want


def test_below_read_only(t: Test) -> None:
    """Images below a disk are open read-only: what has to note another
    backing file is opened read-write for the job, or the job is refused."""
    images = chain(t)
    want = contents(t, images[-1])
    d = Disks(t)
    base = {'driver': 'qcow2', 'node-name': 'base', 'read-only': True,
            'file': {'driver': 'file', 'filename': str(images[0])}}
    d.qmp.raw('blockdev-add', base)
    for name, image, below in (('mid', images[1], 'base'),
                               ('low', images[2], 'mid')):
        d.add(name, image, backing=below, **{'read-only': True})
    d.add('top', images[3], backing='low')
    d.export('top')
    # 'low' is above what is committed.
    d.qmp.raw('block-commit', {
        'job-id': 'c', 'device': 'top', 'top-node': 'mid',
        'base-node': 'base', 'filter-node-name': 'seen', 'speed': 64 * KIB})
    seen = nodes(d)
    assert seen['seen']['drv'] == 'commit_top', seen['seen']
    assert not seen['low']['ro'] and not seen['base']['ro'], seen
    refused(d, 'another job', 'block-stream', job_id='s', device='top')
    d.io('write -q -P 3 2M 64k')
    d.qmp.raw('block-job-set-speed', {'device': 'c', 'speed': 0})
    assert 'error' not in d.done('c')
    seen = nodes(d)
    assert 'seen' not in seen
    assert seen['low']['ro'] and seen['base']['ro'], seen
    # Now an image in the middle gets what is below it.
    d.qmp.raw('block-stream', {'job-id': 's', 'device': 'low',
                               'filter-node-name': 'cor', 'speed': 64 * KIB})
    seen = nodes(d)
    assert seen['cor']['drv'] == 'copy-on-read', seen['cor']
    d.io('read -q 0 8M')
    d.qmp.raw('block-job-set-speed', {'device': 's', 'speed': 0})
    assert 'error' not in d.done('s')
    assert 'cor' not in nodes(d) and nodes(d)['low']['ro']
    t.run('qemu-img', 'convert', '-f', 'raw', '-O', 'raw', d.uri,
          t.path('seen.raw'))
    assert d.f.quit() == 0
    want = want[:2 * MIB] + b'\3' * (64 * KIB) + want[2 * MIB + 64 * KIB:]
    assert t.path('seen.raw').read_bytes() == want
    assert backing_of(t, images[2]) is None
    check(t, images[2])
    assert contents(t, images[3]) == want


def test_refused_at_once(t: Test) -> None:
    """A backing file that somebody else has open cannot be changed at the end:
    nothing is copied."""
    images = chain(t)
    d = Disks(t)
    d.add('top', images[-1])
    other = Disks(t)
    other.qmp.raw('blockdev-add', {
        'driver': 'qcow2', 'node-name': 'x', 'read-only': True,
        'file': {'driver': 'file', 'filename': str(images[2])}})
    before = images[0].read_bytes()
    refused(d, 'read-write', 'block-commit', job_id='c', device='top',
            top=str(images[1]), base=str(images[0]))
    assert d.qmp.cmd('query-jobs') == []
    assert images[0].read_bytes() == before
    assert other.f.quit() == 0
    d.qmp.raw('block-commit', {'job-id': 'c', 'device': 'top',
                               'top': str(images[1]), 'base': str(images[0])})
    assert 'error' not in d.done('c')
    assert d.f.quit() == 0
    assert backing_of(t, images[2]) == str(images[0])


def test_internal_driver(t: Test) -> None:
    """Nodes that jobs make cannot be made by users."""
    d = Disks(t)
    d.qmp.raw('blockdev-add', {'driver': 'null-co', 'node-name': 'n',
                               'read-zeroes': True, 'size': MIB})
    for driver in 'mirror_top', 'commit_top':
        refused(d, 'by jobs alone', 'blockdev-add', driver=driver,
                node_name='m', file='n', target='n')
        refused(d, 'by jobs alone', 'blockdev-add', driver='raw',
                node_name='m', file={'driver': driver, 'file': 'n'})
        assert driver not in json.dumps(d.qmp.cmd('query-qmp-schema'))
    assert d.f.quit() == 0
    out = t.run(ferrytest.FERRY, '-blockdev', 'help').stdout
    assert 'copy-on-read' in out and '_top' not in out, out


def test_named_filters(t: Test) -> None:
    """A job's filter is the job's, with a name as without one: a second job
    there would take it for the disk."""
    images = chain(t)
    want = contents(t, images[-1])
    d = Disks(t)
    d.add('top', images[-1])
    d.add('copy', qcow2(t, 'copy.qcow2'))
    d.add('other', qcow2(t, 'other.qcow2'))
    for command, more in (('block-stream', {}),
                          ('blockdev-backup',
                           {'target': 'copy', 'sync': 'full'})):
        d.qmp.raw(command, {'job-id': 'j', 'device': 'top', 'speed': 64 * KIB,
                            'filter-node-name': 'seen', **more})
        for node in 'top', 'seen':
            for second in 'blockdev-mirror', 'blockdev-backup':
                refused(d, 'in use by block job', second, job_id='k',
                        device=node, target='other', sync='full')
            refused(d, 'in use by block job', 'block-stream', job_id='k',
                    device=node)
            refused(d, 'in use by block job', 'block-commit', job_id='k',
                    device=node)
        d.qmp.raw('block-job-cancel', {'device': 'j', 'force': True})
        d.qmp.event('BLOCK_JOB_CANCELLED')
        assert 'seen' not in nodes(d)
    assert d.f.quit() == 0
    check(t, images[-1])
    assert contents(t, images[-1]) == want


def test_ignored(t: Test) -> None:
    """What cannot be copied is left out; the rest is copied. A job that wants
    to end says why it cannot."""
    raw = full_raw(t)
    want = raw.read_bytes()
    for job in 'backup', 'mirror':
        copy = t.path(f'{job}.raw')
        with open(copy, 'wb') as f:
            f.truncate(SIZE)
        d = Disks(t)
        failing(d, 'disk', raw, 'read', 3 * MIB // 512)
        d.add('copy', copy, 'raw')
        d.qmp.raw(f'blockdev-{job}', {
            'job-id': 'j', 'device': 'disk', 'target': 'copy', 'sync': 'full',
            'on-source-error': 'ignore'})
        if job == 'mirror':
            d.ready('j')
            d.qmp.raw('job-complete', {'id': 'j'})
        end = d.done('j')
        assert 'Input/output error' in end['error'], end
        assert end['offset'] < end['len'], end
        assert d.f.quit() == 0
        got = copy.read_bytes()
        assert got[:3 * MIB] == want[:3 * MIB]
        assert got[4 * MIB:] == want[4 * MIB:]


def test_mirror_is_not_ready(t: Test) -> None:
    """A mirror that left much out is not ready, and does not count it; it tries
    again, and is ready when all is copied."""
    raw = full_raw(t)
    want = raw.read_bytes()
    copy = t.path('copy.raw')
    d = Disks(t)
    failing(d, 'bad', raw, 'read', *range(7, 3 * MIB // 512, 64 * KIB // 512))
    failing(d, 'slow', raw, 'read', *range(7, 3 * MIB // 512, 512), once=True)
    for disk in 'bad', 'slow':
        with open(copy, 'wb') as f:
            f.truncate(SIZE)
        d.add('copy', copy, 'raw')
        d.qmp.raw('blockdev-mirror', {
            'job-id': 'j', 'device': disk, 'target': 'copy', 'sync': 'full',
            'on-source-error': 'ignore'})
        if disk == 'bad':
            for _ in range(3 + 16):
                ev = d.qmp.event('BLOCK_JOB_ERROR')['data']
                assert ev['action'] == 'ignore', ev
            [job] = d.qmp.cmd('query-block-jobs')
            assert not job['ready'] and job['status'] == 'running', job
            assert job['len'] == SIZE and job['offset'] == 5 * MIB, job
            d.qmp.raw('block-job-cancel', {'device': 'j'})
            d.qmp.event('BLOCK_JOB_CANCELLED')
        else:
            d.ready('j')
            d.qmp.raw('block-job-complete', {'device': 'j'})
            end = d.done('j')
            assert 'error' not in end, end
            assert end['len'] == end['offset'] == SIZE, end
        d.qmp.raw('blockdev-del', {'node-name': 'copy'})
    assert d.f.quit() == 0
    assert copy.read_bytes() == want


def test_mirror_last_try(t: Test) -> None:
    """What a mirror that is ready left out is copied when it is to end."""
    raw, copy = t.path('disk.raw'), t.path('copy.raw')
    for path in raw, copy:
        with open(path, 'wb') as f:
            f.truncate(SIZE)
    d = Disks(t)
    d.add('disk', raw, 'raw')
    failing(d, 'copy', copy, 'write', *range(7, SIZE // 512, MIB // 512),
            once=True)
    d.export('disk')
    d.qmp.raw('blockdev-mirror', {
        'job-id': 'j', 'device': 'disk', 'target': 'copy', 'sync': 'full',
        'on-target-error': 'ignore'})
    d.ready('j')
    d.io(f'write -q -P 9 0 {SIZE}')
    assert d.qmp.event('BLOCK_JOB_ERROR')['data']['action'] == 'ignore'
    d.qmp.raw('block-job-complete', {'device': 'j'})
    end = d.done('j')
    assert 'error' not in end and end['len'] == end['offset'], end
    assert d.f.quit() == 0
    assert copy.read_bytes() == b'\x09' * SIZE


def test_ignored_and_stopped(t: Test) -> None:
    """What is ignored is not tried again with what the job stopped for."""
    raw = full_raw(t)
    copy = t.path('copy.raw')
    with open(copy, 'wb') as f:
        f.truncate(SIZE)
    d = Disks(t)
    failing(d, 'disk', raw, 'read', 5 * MIB // 512, once=True)
    failing(d, 'copy', copy, 'write', 3 * MIB // 512)
    d.qmp.raw('blockdev-backup', {
        'job-id': 'j', 'device': 'disk', 'target': 'copy', 'sync': 'full',
        'on-source-error': 'stop', 'on-target-error': 'ignore'})
    events = []
    while ('write', 'report') not in events:
        ev = d.qmp.event('BLOCK_JOB_ERROR')['data']
        events.append((ev['operation'], ev['action']))
        if ev['action'] == 'stop':
            d.qmp.raw('block-job-resume', {'device': 'j'})
    assert 'Input/output error' in d.done('j')['error']
    assert sorted(events) == [('read', 'stop'), ('write', 'ignore'),
                              ('write', 'report')], events
    assert d.f.quit() == 0
    want, got = raw.read_bytes(), copy.read_bytes()
    assert got[:3 * MIB] == want[:3 * MIB] and got[4 * MIB:] == want[4 * MIB:]


def test_last_try_is_slow(t: Test) -> None:
    """What is tried again keeps to the speed, and can be cancelled."""
    raw = full_raw(t)
    d = Disks(t)
    failing(d, 'base', raw, 'read', *range(7, SIZE // 512, MIB // 512),
            once=True)
    d.add('top', qcow2(t, 'top.qcow2'), backing='base')
    d.qmp.raw('block-stream', {'job-id': 's', 'device': 'top',
                               'on-error': 'ignore', 'speed': SIZE})
    for _ in range(SIZE // MIB):
        assert d.qmp.event('BLOCK_JOB_ERROR')['data']['action'] == 'ignore'
    time.sleep(0.4)
    [job] = d.qmp.cmd('query-block-jobs')
    assert 0 < job['offset'] <= SIZE * 3 // 4, job
    d.qmp.raw('block-job-cancel', {'device': 's'})
    end = d.qmp.event('BLOCK_JOB_CANCELLED')['data']
    assert end['offset'] < SIZE, end
    assert d.f.quit() == 0


def test_backup_progress(t: Test) -> None:
    """What the guest's writes made it copy counts as well."""
    disk = qcow2(t, 'disk.qcow2', 1)
    d = Disks(t)
    d.add('disk', disk)
    d.export('disk')
    d.add('copy', qcow2(t, 'copy.qcow2'))
    d.qmp.raw('blockdev-backup', {
        'job-id': 'j', 'device': 'disk', 'target': 'copy', 'sync': 'full',
        'speed': 64 * KIB})
    d.io('write -q -P 3 1M 3M')
    [job] = d.qmp.cmd('query-block-jobs')
    assert job['len'] == SIZE and job['offset'] >= 3 * MIB, job
    d.qmp.raw('block-job-set-speed', {'device': 'j', 'speed': 0})
    end = d.done('j')
    assert end['len'] == end['offset'] == SIZE, end
    assert d.f.quit() == 0


def test_target_stays(t: Test) -> None:
    """A mirror's target keeps its size, and is drained with its writers."""
    raw = t.path('disk.raw')
    make_raw(raw, SIZE)
    d = Disks(t)
    d.add('disk', raw, 'raw')
    copy = qcow2(t, 'copy.qcow2')
    d.qmp.raw('blockdev-add', {'driver': 'file', 'node-name': 'copyfile',
                               'filename': str(copy)})
    d.qmp.raw('blockdev-add', {'driver': 'qcow2', 'node-name': 'copy',
                               'file': 'copyfile'})
    d.export('disk')
    d.qmp.raw('blockdev-mirror', {
        'job-id': 'm', 'device': 'disk', 'target': 'copy', 'sync': 'full',
        'copy-mode': 'write-blocking'})
    d.ready('m')
    refused(d, 'resize', 'block_resize', node_name='copy', size=MIB)
    refused(d, 'in use', 'blockdev-del', node_name='copy')
    w = Writer(d)
    for discard in (True, False) * 3:
        d.qmp.raw('blockdev-reopen', {'options': [{
            'driver': 'qcow2', 'node-name': 'copy',
            'discard': 'unmap' if discard else 'ignore',
            'file': 'copyfile'}]})
    w.stop()
    d.qmp.raw('job-complete', {'id': 'm'})
    assert 'error' not in d.done('m')
    t.run('qemu-img', 'convert', '-f', 'raw', '-O', 'raw', d.uri,
          t.path('seen.raw'))
    assert d.f.quit() == 0
    check(t, copy)
    assert contents(t, copy) == t.path('seen.raw').read_bytes()


ferrytest.main()
