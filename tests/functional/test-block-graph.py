#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Nodes, drives and media by QMP; a disk whose requests run in an iothread,
while nodes above its image come and go."""
import json
import os
import time

import ferrytest
from ferrytest import QmpError, Test, wait_for
from images import contents, img
from linuxguest import Linux

SOFT = ['-accel', 'soft']
MIB = 1 << 20


def raw(t: Test, name: str, size: int = 8 * MIB):
    path = t.path(name)
    with open(path, 'wb') as f:
        f.truncate(size)
    return path


def error(q, command: str, **arguments) -> str:
    try:
        q.cmd(command, **arguments)
    except QmpError as e:
        return str(e)
    raise AssertionError(f'{command} did not fail')


def test_blockdev_life(t: Test) -> None:
    image = raw(t, 'a.raw')
    f = t.ferry('-machine', 'none')
    q = f.qmp
    q.cmd('blockdev-add', driver='file', filename=str(image),
          **{'node-name': 'file'})
    q.cmd('blockdev-add', driver='raw', file='file', **{'node-name': 'fmt'})
    nodes = {n['node-name']: n for n in q.cmd('query-named-block-nodes')}
    assert nodes['fmt']['drv'] == 'raw' and nodes['file']['drv'] == 'file'
    assert nodes['fmt']['image']['virtual-size'] == 8 * MIB
    assert nodes['fmt']['file'] == str(image)
    e = error(q, 'blockdev-del', **{'node-name': 'file'})
    assert 'in use' in e, e
    q.cmd('block_resize', **{'node-name': 'fmt', 'size': 16 * MIB})
    assert os.stat(image).st_size == 16 * MIB
    q.cmd('blockdev-reopen', options=[
        {'driver': 'file', 'filename': str(image), 'node-name': 'file',
         'read-only': True},
        {'driver': 'raw', 'file': 'file', 'node-name': 'fmt',
         'read-only': True}])
    nodes = {n['node-name']: n for n in q.cmd('query-named-block-nodes')}
    assert nodes['fmt']['ro'] and nodes['file']['ro']
    e = error(q, 'blockdev-reopen', options=[
        {'driver': 'file', 'filename': str(raw(t, 'b')), 'node-name': 'file'}])
    assert "'filename'" in e, e
    e = error(q, 'blockdev-reopen', options=[
        {'driver': 'raw', 'file': 'file', 'node-name': 'fmt',
         'read-only': False}])
    assert 'read-only' in e, e
    stats = q.cmd('query-blockstats', **{'query-nodes': True})
    assert {s['node-name'] for s in stats} == {'fmt', 'file'}
    q.cmd('blockdev-del', **{'node-name': 'fmt'})
    q.cmd('blockdev-del', **{'node-name': 'file'})
    assert q.cmd('query-named-block-nodes') == []
    f.quit()


def test_drive_spellings(t: Test) -> None:
    image = raw(t, 'a.raw')
    name = json.dumps({'driver': 'raw', 'file': {'driver': 'file',
                                                 'filename': str(image)}})
    spellings = [
        f'file={image},format=raw',
        f'file.filename={image},format=raw',
        f'file.driver=file,file.filename={image},driver=raw',
        f'driver=file,filename={image}',
        f'file=file:{image},format=raw,cache.direct=on',
        f'file=json:{name.replace(",", ",,")}',
        'driver=null-co,size=8M',
        f'file={image}',
        f'file={image},file.locking=off,format=raw',
        f'file={image},file.aio=threads',
        f'file.cache.direct=on,file={image},format=raw,readonly',
        f'file={image},format=raw,discard=on,group=g,iops=10',
        f'file={image},format=raw,discard=off,copy-on-read',
        f'read-only,file={image},format=raw,snapshot',
        f'file={raw(t, "a,,b").parent}/a,,,,b,format=raw,file.locking=off',
    ]
    for s in spellings:
        f = t.ferry('-machine', 'none', '-drive', f'{s},if=none,id=d,read-only=on')
        inserted = f.qmp.cmd('query-block')[0]['inserted']
        assert inserted['image']['virtual-size'] == 8 * MIB, (s, inserted)
        f.quit()
    for s, message in ((f'file={image},format=none', 'Unknown driver'),
                       ('file=what:ever', 'Unknown protocol'),
                       (f'file={image},format=raw,if=none,bad=1', 'bad'),
                       (f'file={t.path("none")},format=raw', 'No such file')):
        assert message in t.fails('-drive', s), s


def test_backing_names(t: Test) -> None:
    """What a snapshot notes about the image below shows the same contents to
    whoever opens it, to QEMU too; what it needs besides a path is there."""
    t.requires('qemu-img')
    disk = t.path('a.raw')
    disk.write_bytes(b''.join(bytes([i]) * MIB for i in range(4)))
    f = t.ferry('-machine', 'none', '-object', 'secret,id=s0,data=12345678')
    q = f.qmp
    cases = {
        'part': {'driver': 'raw', 'offset': MIB, 'size': MIB},
        'end': {'driver': 'raw', 'offset': 3 * MIB},
        'all': {'driver': 'raw'},
        'twice': {'driver': 'raw', 'offset': 512,
                  'file': {'driver': 'raw', 'size': 2 * MIB, 'file': {
                      'driver': 'file', 'filename': str(disk)}}},
        'throttled': {'driver': 'raw', 'size': MIB,
                      'file': {'driver': 'throttle', 'throttle-group': 'g',
                               'file': {'driver': 'file',
                                        'filename': str(disk)}}},
    }
    q.cmd('object-add', **{'qom-type': 'throttle-group', 'id': 'g'})
    for name, options in cases.items():
        q.cmd('blockdev-add', **{'node-name': name, 'file': {
            'driver': 'file', 'filename': str(disk), 'locking': 'off'},
            'read-only': True} | options)
        overlay = t.path(f'{name}.qcow2')
        q.cmd('blockdev-snapshot-sync', **{
            'node-name': name, 'snapshot-file': str(overlay)})
        node = next(n for n in q.cmd('query-named-block-nodes')
                    if n['node-name'] == name)
        noted = json.loads(t.run('qemu-img', 'info', '--output=json', '-U',
                                 overlay).stdout)['backing-filename']
        assert node['file'] == noted, (node['file'], noted)
        assert (noted == str(disk)) == (name == 'all'), noted
        q.cmd('blockdev-add', **{'driver': 'qcow2', 'node-name': 'again',
                                 'file': {'driver': 'file',
                                          'filename': str(overlay)}})
        q.cmd('blockdev-del', **{'node-name': 'again'})
        begin = options.get('offset', 0)
        want = disk.read_bytes()[begin:]
        size = {'part': MIB, 'throttled': MIB, 'twice': 2 * MIB - 512}
        assert contents(t, overlay) == want[:size.get(name)], name
    # Of secrets the name has the id, and not the value.
    luks = t.path('a.luks')
    img(t, 'create', '-q', '--object', 'secret,id=s0,data=12345678', '-f',
        'luks', '-o', 'key-secret=s0,iter-time=10', luks, '1M')
    q.cmd('blockdev-add', **{'driver': 'luks', 'node-name': 'l',
                             'key-secret': 's0', 'file': {
                                 'driver': 'file', 'filename': str(luks)}})
    q.cmd('blockdev-snapshot-sync', **{
        'node-name': 'l', 'snapshot-file': str(t.path('l.qcow2'))})
    text = t.run('qemu-img', 'info', '--backing-chain', '-U', '--object',
                 'secret,id=s0,data=12345678', t.path('l.qcow2')).stdout
    assert '"key-secret":"s0"' in text and '12345678' not in text, text
    assert text.count('virtual size: 1 MiB') == 2, text
    f.quit()


def test_names_in_long_chain(t: Test) -> None:
    """Every image notes the one below with its options: names take no longer
    than the chain is, and are plain where the note says no more than that."""
    below = None
    for i in range(60):
        path = t.path(f'{i}.qcow2')
        img(t, 'create', '-q', '-u', '-f', 'qcow2',
            *(['-F', 'qcow2', '-b', f'json:{json.dumps(below)}']
              if below else []), path, '1M')
        below = {'driver': 'qcow2',
                 'file': {'driver': 'file', 'filename': str(path)}}
        if i >= 2:
            below['discard'] = 'unmap'
    f = t.ferry('-machine', 'none', '-drive',
                f'file={path},format=qcow2,if=none,id=d')
    q = f.qmp
    began = time.monotonic()
    inserted = q.cmd('query-block')[0]['inserted']
    nodes = q.cmd('query-named-block-nodes', flat=True)
    whole = q.cmd('query-named-block-nodes')
    assert time.monotonic() - began < 30
    assert len(nodes) == len(whole) == 120
    assert inserted['backing_file_depth'] == 59
    name, depth = json.loads(inserted['file'].removeprefix('json:')), 0
    while 'backing' in name:
        name, depth = name['backing'], depth + 1
    assert depth == 57, depth
    assert name['file']['filename'] == str(t.path('2.qcow2')), name
    plain = {n['file'] for n in nodes if n['drv'] == 'qcow2'
             and not n['file'].startswith('json:')}
    assert plain == {str(t.path(f'{i}.qcow2')) for i in range(3)}, plain
    f.quit()


def test_reopen_children(t: Test) -> None:
    """Options of a child inside those of its parent count, or are refused; a
    backing file comes and goes."""
    image = t.path('a.qcow2')
    img(t, 'create', '-q', '-f', 'qcow2', image, '8M')
    f = t.ferry('-machine', 'none')
    q = f.qmp
    top = {'driver': 'qcow2', 'node-name': 'top', 'backing': None,
           'file': {'driver': 'file', 'filename': str(image)}}
    q.cmd('blockdev-add', **top)
    q.cmd('blockdev-add', **{'driver': 'raw', 'node-name': 'low', 'file': {
        'driver': 'file', 'filename': str(raw(t, 'low'))}})

    def reopen(**more) -> None:
        q.cmd('blockdev-reopen', options=[top | more])

    def shown(name: str) -> dict:
        nodes = {n['node-name']: n for n in q.cmd('query-named-block-nodes')}
        if name == 'file':
            own = [n for n in nodes.values() if n['file'] == str(image)
                   and n['drv'] == 'file']
            return own[0]
        return nodes[name]

    assert not shown('file')['cache']['direct']
    reopen(file=top['file'] | {'cache': {'direct': True}})
    assert shown('file')['cache']['direct']
    assert not shown('top')['cache']['direct']
    reopen(cache={'no-flush': True}, **{'read-only': True})
    assert shown('file')['ro'] and shown('file')['cache']['no-flush']
    reopen()
    assert not shown('file')['ro'] and not shown('file')['cache']['direct']
    for change, word in ((({'filename': '/x'}), "'filename'"),
                         ({'driver': 'null-co'}, "'file'"),
                         ({'node-name': 'low'}, "'file'"),
                         ({'bad': 1}, 'bad')):
        e = error(q, 'blockdev-reopen',
                  options=[top | {'file': top['file'] | change}])
        assert word in e, e
    low = {'driver': 'raw', 'node-name': 'low', 'file': {
        'driver': 'file', 'filename': str(t.path('low'))}}
    q.cmd('blockdev-reopen', options=[low | {'offset': MIB, 'size': MIB}])
    assert shown('low')['image']['virtual-size'] == MIB
    e = error(q, 'blockdev-reopen', options=[low | {'offset': 9 * MIB}])
    assert 'inside the file' in e, e
    assert shown('low')['image']['virtual-size'] == MIB
    q.cmd('blockdev-reopen', options=[low])
    assert shown('low')['image']['virtual-size'] == 8 * MIB
    reopen(backing='low')
    assert shown('top')['backing_file_depth'] == 1
    e = error(q, 'blockdev-del', **{'node-name': 'low'})
    assert 'in use' in e, e
    reopen()
    assert shown('top')['backing_file_depth'] == 0
    q.cmd('blockdev-del', **{'node-name': 'low'})
    f.quit()


def test_histograms(t: Test) -> None:
    """Boundaries of one kind leave the others as they are; none: all go."""
    f = t.ferry('-machine', 'none', '-drive', 'driver=null-co,if=none,id=d')
    q = f.qmp

    def kinds() -> set:
        stats = q.cmd('query-blockstats')[0]['stats']
        return {k[:2] for k in stats if k.endswith('latency_histogram')}

    q.cmd('block-latency-histogram-set', id='d',
          **{'boundaries-write': [10, 50]})
    q.cmd('block-latency-histogram-set', id='d', **{'boundaries-read': [10]})
    assert kinds() == {'rd', 'wr'}, kinds()
    q.cmd('block-latency-histogram-set', id='d', boundaries=[10, 20])
    assert kinds() == {'rd', 'wr', 'fl'}, kinds()
    q.cmd('block-latency-histogram-set', id='d')
    assert kinds() == set()
    f.quit()


def test_drive_behaviour(t: Test) -> None:
    """What older spellings say is done."""
    image = t.path('a.qcow2')
    img(t, 'create', '-q', '-f', 'qcow2', image, '1M')
    f = t.ferry('-machine', 'none', '-drive',
                f'file={image},format=qcow2,if=none,id=d,snapshot,copy-on-read,'
                'stats-account-failed=off,file.aio=threads,group=g,iops=10')
    q = f.qmp
    inserted = q.cmd('query-block')[0]['inserted']
    assert inserted['drv'] == 'copy-on-read', inserted
    assert inserted['image']['backing-image']['filename'] == str(image)
    assert inserted['group'] == 'g' and inserted['iops'] == 10, inserted
    stats = q.cmd('query-blockstats')[0]['stats']
    assert not stats['account_failed'] and stats['account_invalid'], stats
    f.quit()


def test_probed_raw_is_guarded(t: Test) -> None:
    image = t.path('vmdk')
    image.write_bytes(b'KDMV' + bytes(MIB - 4))
    assert 'is not a raw image' in t.fails('-drive', f'file={image},if=none')


def test_media(t: Test) -> None:
    one, two = raw(t, 'one'), raw(t, 'two', 4 * MIB)
    f = t.ferry(*SOFT, '-S', '-drive',
                f'file={one},format=raw,if=none,id=d,media=cdrom', '-device',
                'ide-cd,drive=d,id=cd0', '-drive',
                'driver=null-co,size=1M,if=none,id=hd', '-device',
                'ide-hd,drive=hd')
    q = f.qmp
    q.cmd('blockdev-open-tray', id='cd0')
    e = q.event('DEVICE_TRAY_MOVED')['data']
    assert e == {'device': 'd', 'id': 'cd0', 'tray-open': True}, e
    assert q.cmd('query-block')[0]['tray_open']
    q.cmd('blockdev-remove-medium', id='cd0')
    assert 'inserted' not in q.cmd('query-block')[0]
    e = error(q, 'blockdev-insert-medium', id='cd0', **{'node-name': 'n2'})
    assert 'not found' in e
    q.cmd('blockdev-add', driver='raw', file={
        'driver': 'file', 'filename': str(two)}, **{
        'node-name': 'n2', 'read-only': True})
    q.cmd('blockdev-insert-medium', id='cd0', **{'node-name': 'n2'})
    q.cmd('blockdev-close-tray', id='cd0')
    info = q.cmd('query-block')[0]
    assert not info['tray_open'] and info['inserted']['node-name'] == 'n2'
    e = error(q, 'blockdev-remove-medium', id='cd0')
    assert 'not open' in e, e
    q.cmd('blockdev-change-medium', id='cd0', filename=str(one), format='raw')
    info = q.cmd('query-block')[0]['inserted']
    assert info['file'] == str(one) and info['ro'], info
    assert 'Removable device: not locked' in q.hmp('info block')
    assert q.hmp(f'change d {two} raw') == ''
    assert q.cmd('query-block')[0]['inserted']['file'] == str(two)
    assert 'not removable' in q.hmp('eject hd')
    assert q.hmp('eject d') == ''
    assert 'inserted' not in q.cmd('query-block')[0]
    q.cmd('blockdev-change-medium', id='cd0', filename=str(one), format='raw')
    q.cmd('eject', device='d')
    assert 'inserted' not in q.cmd('query-block')[0]
    q.cmd('blockdev-del', **{'node-name': 'n2'})
    f.quit()


def test_iothread(t: Test) -> None:
    image = raw(t, 'disk', 32 * MIB)
    g = Linux(t, *SOFT, '-object', 'iothread,id=t0', '-blockdev',
              f'driver=file,filename={image},node-name=file', '-blockdev',
              'driver=raw,file=file,node-name=fmt', '-device',
              'virtio-blk-pci,drive=fmt,iothread=t0,id=vd',
              modules=['virtio_pci', 'virtio_blk'])
    q = g.ferry.qmp
    threads = q.cmd('query-iothreads')
    assert threads[0]['id'] == 't0' and threads[0]['thread-id'] > 0
    q.cmd('block-latency-histogram-set', id='vd',
          boundaries=[100000, 10000000])
    q.cmd('block-set-write-threshold', **{'node-name': 'file',
                                          'write-threshold': 4 * MIB})
    g.sock.sendall(b'for i in 1 2 3 4 5 6; do dd if=/dev/urandom of=/tmp/f '
                   b'bs=1M count=8 2>/dev/null; cat /tmp/f > /dev/vda; sync; '
                   b'echo 3 > /proc/sys/vm/drop_caches; cmp -n 8388608 /tmp/f '
                   b"/dev/vda || echo di''ffer; done; echo fini''shed\n")
    done = False
    for i in range(40):
        q.cmd('blockdev-reopen', options=[
            {'driver': 'file', 'filename': str(image), 'node-name': 'file',
             'cache': {'direct': bool(i % 2)}},
            {'driver': 'raw', 'file': 'file', 'node-name': 'fmt',
             'detect-zeroes': 'on' if i % 2 else 'off'}])
        q.cmd('stop')
        q.cmd('cont')
    q.cmd('blockdev-reopen', options=[
        {'driver': 'file', 'filename': str(image), 'node-name': 'file'},
        {'driver': 'raw', 'file': 'file', 'node-name': 'fmt'}])
    assert 'differ' not in g.expect('finished')
    e = q.event('BLOCK_WRITE_THRESHOLD')['data']
    assert e['node-name'] == 'file' and e['write-threshold'] == 4 * MIB
    s = q.cmd('query-blockstats')[0]
    assert s['qdev'] == 'vd' and s['parent']['stats']['wr_highest_offset'] \
        >= 8 * MIB, s
    bins = s['stats']['wr_latency_histogram']['bins']
    assert len(bins) == 3 and sum(bins) > 0, bins
    e = error(q, 'x-blockdev-set-iothread', iothread=None,
                **{'node-name': 'fmt'})
    assert 'in use' in e
    e = error(q, 'object-del', id='t0')
    assert 'in use' in e, e
    wait_for(lambda: q.cmd('query-status')['running'], 'the guest')
    g.power_off()


if __name__ == '__main__':
    ferrytest.main()
