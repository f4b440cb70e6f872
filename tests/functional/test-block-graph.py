#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Nodes, drives and media by QMP; a disk whose requests run in an iothread,
while nodes above its image come and go."""
import json
import os

import ferrytest
from ferrytest import QmpError, Test, wait_for
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
