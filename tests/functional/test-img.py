#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""ferry-img beside qemu-img: images, texts and exit status."""
import json
import os
import re
import shutil
from pathlib import Path

import ferrytest
from ferrytest import Test
from images import (IMG, IO, KIB, MIB, commands, contents, fails, img, io,
                    make_raw, timeless)


def same(t: Test, *args, status: int | None = None, lines: bool = False):
    """Both programs say the same and end in the same way."""
    a = t.run(IMG, *args, check=False)
    b = t.run('qemu-img', *args, check=False)
    x, y = timeless(a.stdout), timeless(b.stdout)
    if lines:
        x, y = sorted(x.splitlines()), sorted(y.splitlines())
    assert (x, a.returncode) == (y, b.returncode), (args, x, y, a, b)
    if status is not None:
        assert a.returncode == status, (args, a)
    return a


def same_json(t: Test, *args, ignore: tuple = ()):
    def load(program):
        value = json.loads(t.run(program, *args, '--output=json').stdout)
        for key in ignore:
            if isinstance(value, dict):
                value.pop(key, None)
        return value

    a, b = load(IMG), load('qemu-img')
    assert a == b, (args, a, b)
    return a


CREATE = [
    [], ['compat=0.10'], ['compat=v3'], ['cluster_size=512'],
    ['cluster_size=2M'], ['refcount_bits=1'], ['refcount_bits=64'],
    ['lazy_refcounts=on'], ['extended_l2=on'], ['compression_type=zstd'],
    ['preallocation=metadata'], ['preallocation=falloc'],
    ['preallocation=full'], ['cluster_size=4k,refcount_bits=8'],
]


def test_create(t: Test) -> None:
    """Every option: QEMU finds the image in order and of these options."""
    t.requires('qemu-img')
    for n, opts in enumerate(CREATE):
        ours, theirs = t.path(f'o{n}.qcow2'), t.path(f't{n}.qcow2')
        argv = ['create', '-f', 'qcow2', *(['-o', *opts] if opts else [])]
        text = img(t, *argv, ours, '8M').stdout
        assert text.startswith(f"Formatting '{ours}', fmt=qcow2 "), text
        assert 'size=8388608' in text
        t.run('qemu-img', *argv, theirs, '8M')
        t.run('qemu-img', 'check', ours)
        a = json.loads(t.run('qemu-img', 'info', '--output=json', ours).stdout)
        b = json.loads(t.run('qemu-img', 'info', '--output=json', theirs).stdout)
        assert a['format-specific'] == b['format-specific'], (opts, a, b)
        assert a['virtual-size'] == b['virtual-size']
        assert a.get('cluster-size') == b.get('cluster-size')
        assert contents(t, ours) == bytes(8 * MIB)
        same_json(t, 'info', theirs, ignore=('children',))


def test_create_quietly(t: Test) -> None:
    raw = t.path('d.raw')
    assert img(t, 'create', '-q', raw, '1.5M').stdout == ''
    assert raw.stat().st_size == 3 * MIB // 2
    # What was there is gone, and its space.
    raw.write_bytes(b'x' * MIB)
    img(t, 'create', '-f', 'raw', '-o', 'preallocation=full', raw, '64k')
    assert raw.read_bytes() == bytes(64 * KIB)
    assert raw.stat().st_blocks * 512 >= 64 * KIB


def test_create_backing(t: Test) -> None:
    t.requires('qemu-img')
    os.mkdir(t.path('sub'))
    base, top = t.path('sub/base.raw'), t.path('sub/top.qcow2')
    data = make_raw(base, 3 * MIB)
    img(t, 'create', '-f', 'qcow2', '-b', 'base.raw', '-F', 'raw', top)
    assert contents(t, top) == data
    info = same_json(t, 'info', top)
    assert info['backing-filename'] == 'base.raw'
    assert info['full-backing-filename'] == str(base)
    same(t, 'info', '--backing-chain', top, lines=True)
    fails(t, 1, 'backing format', argv=('create', '-f', 'qcow2', '-b',
                                        'base.raw', t.path('x')))
    assert not t.path('x').exists()
    fails(t, 1, 'nosuch', argv=('create', '-f', 'qcow2', '-b', 'nosuch', '-F',
                                'raw', t.path('x')))
    img(t, 'create', '-u', '-f', 'qcow2', '-b', 'nosuch', '-F', 'raw',
        t.path('x'), '1M')
    fails(t, 1, 'raw', argv=('create', '-f', 'raw', '-b', base, '-F', 'raw',
                             t.path('y'), '1M'))


def test_create_refused(t: Test) -> None:
    x = t.path('x')
    for words, *argv in (
            (['size'], '-f', 'qcow2', x),
            (['nosuch'], '-f', 'nosuch', x, '1M'),
            (['frobnicate'], '-f', 'qcow2', '-o', 'frobnicate=1', x, '1M'),
            (['power of two'], '-f', 'qcow2', '-o', 'cluster_size=1000', x, '1M'),
            (['9E'], '-f', 'qcow2', x, '9E'),
            (['twice'], '-f', 'qcow2', '-o', 'cluster_size=4k,cluster-size=8k',
             x, '1M'),
            (['once'], '-f', 'qcow2', '-o', 'size=1M', x, '1M'),
            (['/nosuch/'], '/nosuch/x', '1M')):
        fails(t, 1, *words, argv=('create', *argv))
        assert not x.exists(), argv
    assert 'cluster_size=' in img(t, 'create', '-f', 'qcow2', '-o', 'help').stdout


def test_info(t: Test) -> None:
    """The image alone: a hostile backing file name opens nothing."""
    t.requires('qemu-img')
    raw, top = t.path('a.raw'), t.path('top.qcow2')
    make_raw(raw)
    same(t, 'info', raw)
    same_json(t, 'info', raw)
    secret = t.path('secret')
    os.mkfifo(secret)            # opening it would wait for ever
    t.run('qemu-img', 'create', '-u', '-f', 'qcow2', '-b', secret, '-F', 'raw',
          top, '1M')
    assert str(secret) in same(t, 'info', top, lines=True).stdout
    # A loop in the chain ends.
    a, b = t.path('a.qcow2'), t.path('b.qcow2')
    t.run('qemu-img', 'create', '-u', '-f', 'qcow2', '-b', b, '-F', 'qcow2', a,
          '1M')
    t.run('qemu-img', 'create', '-u', '-f', 'qcow2', '-b', a, '-F', 'qcow2', b,
          '1M')
    fails(t, 1, 'infinite loop', argv=('info', '--backing-chain', a))
    fails(t, 1, 'json', argv=('info', '--output=xml', a))
    fails(t, 1, 'nosuch', 'No such file', argv=('info', t.path('nosuch')))


def layers(t: Test):
    """A base and an image on it, with every kind of cluster."""
    base, top = t.path('base.qcow2'), t.path('top.qcow2')
    t.run('qemu-img', 'create', '-f', 'qcow2', base, '2M')
    t.run('qemu-io', *commands(['write -P 1 0 256k', 'write -P 2 1M 64k',
                                'write -z 1M 32k', 'write -P 9 1536k 192k']),
          base)
    t.run('qemu-img', 'create', '-f', 'qcow2', '-b', base, '-F', 'qcow2', top,
          '3M')
    t.run('qemu-io', *commands(['write -P 3 64k 64k', 'write -z 128k 64k',
                                'write -P 4 2560k 64k', 'write -c 192k 64k',
                                'discard 1536k 64k']), top)
    return base, top


def test_map(t: Test) -> None:
    t.requires('qemu-img', 'qemu-io')
    base, top = layers(t)
    raw = t.path('d.raw')
    make_raw(raw)
    for name in (raw, base, top):
        a = same_json(t, 'map', name)
        assert sum(e['length'] for e in a) == a[-1]['start'] + a[-1]['length']
        same_json(t, 'map', '--start-offset=64k', '--max-length=1M', name)
        same(t, 'map', name)


def test_check(t: Test) -> None:
    t.requires('qemu-img', 'qemu-io')
    base, top = layers(t)
    for name in (base, top):
        same(t, 'check', name, status=0)
        same_json(t, 'check', name)
    same(t, 'check', '-f', 'raw', base, status=63)
    same(t, 'check', t.path('nosuch'), status=1)
    # A leak: a refcount block that counts clusters behind the end.
    leak = t.path('leak.qcow2')
    t.run('qemu-img', 'create', '-f', 'qcow2', leak, '1M')
    with open(leak, 'r+b') as f:
        f.seek(48)
        table = int.from_bytes(f.read(8), 'big')
        f.seek(table)
        block = int.from_bytes(f.read(8), 'big')
        f.seek(block + 2 * 6)
        f.write(b'\0\1')
        f.truncate(8 * 65536)
    for program in (IMG, 'qemu-img'):
        r = t.run(program, 'check', leak, check=False)
        assert r.returncode == 3 and '1 leaked clusters' in r.stdout, r
    broken = t.path('broken.qcow2')
    shutil.copy(base, broken)
    with open(broken, 'r+b') as f:
        f.seek(block + 2 * 5)     # a data cluster is counted as free
        f.write(b'\0\0')
    assert img(t, 'check', broken, check=False).returncode == 2
    assert t.run('qemu-img', 'check', broken, check=False).returncode == 2
    assert 'repaired' in img(t, 'check', '-r', 'leaks', leak).stdout
    same(t, 'check', leak, status=0)
    img(t, 'check', '-r', 'all', broken)
    same(t, 'check', broken, status=0)
    fails(t, 1, 'some', argv=('check', '-r', 'some', leak))


def set_refcounts(path, first: int, values: list[int]) -> None:
    with open(path, 'r+b') as f:
        f.seek(48)
        f.seek(int.from_bytes(f.read(8), 'big'))
        f.seek(int.from_bytes(f.read(8), 'big') + 2 * first)
        f.write(b''.join(v.to_bytes(2, 'big') for v in values))


def test_check_findings(t: Test) -> None:
    """Each thing that is wrong is told, a limited number; and what repair
    mended."""
    q = t.path('q.qcow2')
    img(t, 'create', '-q', '-f', 'qcow2', q, '64M')
    io(t, '-c', 'write -P 1 0 1M', q)
    set_refcounts(q, 5, [0, 1, 9])
    set_refcounts(q, 40, [1] * 60)
    os.truncate(q, 100 * 65536)
    r = img(t, 'check', q, check=False)
    assert r.returncode == 2, r
    lines = r.stderr.splitlines()
    assert lines[0] == 'Found: cluster 5 at 0x50000: refcount 0, references 1'
    assert lines[1] == ('Found: leaked cluster 7 at 0x70000: refcount 9, '
                        'references 1'), lines[:3]
    assert lines[50:] == ['and 12 more (62 in all, 0 repaired)'], lines[50:]
    r = img(t, 'check', '--output=json', q, check=False)
    assert r.stderr == '' and json.loads(r.stdout)['leaks'] == 61, r
    r = img(t, 'check', '-r', 'leaks', q, check=False)
    lines = r.stderr.splitlines()
    assert r.returncode == 2 and lines[0].startswith('Repairing: leaked'), r
    assert lines[-1] == 'and 12 more (62 in all, 61 repaired)', lines
    r = img(t, 'check', '-r', 'all', q)
    assert r.stderr == ('Repairing: cluster 5 at 0x50000: refcount 0, '
                        'references 1\n'), r
    r = img(t, 'check', q)
    assert r.stderr == '' and 'No errors' in r.stdout, r


def test_check_unreadable(t: Test) -> None:
    """Clusters that only an unreadable table refers to are no leaks."""
    q = t.path('q.qcow2')
    img(t, 'create', '-q', '-f', 'qcow2', q, '64M')
    io(t, '-c', 'write -P 1 0 1M', q)
    with open(q, 'rb') as f:
        f.seek(40)
        f.seek(int.from_bytes(f.read(8), 'big'))
        table = int.from_bytes(f.read(8), 'big') & 0xfffffffffffe00
    before = q.read_bytes()
    options = (f'driver=qcow2,file.driver=blkdebug,file.image.driver=file,'
               f'file.image.filename={q},file.inject-error.0.event=none,'
               f'file.inject-error.0.errno=5,'
               f'file.inject-error.0.sector={table // 512}')
    r = img(t, 'check', '--image-opts', options, check=False)
    assert r.returncode == 1 and 'leak' not in r.stdout + r.stderr, r
    assert f'L2 table at {table:#x} of the disk: unreadable' in r.stderr, r
    for what in 'leaks', 'all':
        r = img(t, 'check', '-r', what, '--image-opts', options, check=False)
        assert r.returncode == 1 and 'nothing is repaired' in r.stderr, r
        assert f'Found: the L2 table at {table:#x} of the disk' in r.stderr, r
    assert q.read_bytes() == before
    img(t, 'check', q)


def test_check_missing(t: Test) -> None:
    """A table that is nowhere, and refcounts that would have to be made anew:
    what is wrong is told, and nothing changed."""
    q = t.path('q.qcow2')
    img(t, 'create', '-q', '-f', 'qcow2', q, '64M')
    io(t, '-c', 'write -P 1 0 5M', q)
    with open(q, 'r+b') as f:
        f.seek(40)
        f.seek(int.from_bytes(f.read(8), 'big'))
        f.write((1 << 63 | 1 << 40).to_bytes(8, 'big'))
    before = q.read_bytes()
    r = img(t, 'check', '-r', 'leaks', q, check=False)
    lines = r.stderr.splitlines()
    assert r.returncode == 2 and 'repaired' not in r.stdout, r
    assert lines[0].startswith('Found: an L2 table of the disk'), r
    assert 'leaked' in lines[1] and 'missing' in lines[1], r
    assert lines[50:] == ['and 32 more (82 in all, 0 repaired)'], lines[50:]
    assert q.read_bytes() == before
    with open(q, 'r+b') as f:
        f.seek(48)
        f.seek(int.from_bytes(f.read(8), 'big'))
        f.write((1 << 40).to_bytes(8, 'big'))
    before = q.read_bytes()
    r = img(t, 'check', '-r', 'all', q, check=False)
    assert r.returncode == 1 and 'nothing is repaired' in r.stderr, r
    assert 'Found: refcount block 0' in r.stderr, r
    assert 'Repairing' not in r.stderr and q.read_bytes() == before, r


def test_compare(t: Test) -> None:
    t.requires('qemu-img', 'qemu-io')
    base, top = layers(t)
    a, b, c = t.path('a.raw'), t.path('b.raw'), t.path('c.raw')
    data = make_raw(a)
    shutil.copy(a, b)
    shutil.copy(a, c)
    with open(b, 'r+b') as f:
        f.seek(3 * MIB + 700)
        f.write(bytes([data[3 * MIB + 700] ^ 1]))
    with open(c, 'ab') as f:
        f.truncate(5 * MIB)
    for argv, status in (
            ((a, a), 0), ((a, b), 1), ((b, a), 1), ((a, c), 0), ((c, a), 0),
            (('-s', a, c), 1), (('-s', a, a), 0), ((base, top), 1),
            (('-q', a, b), 1), ((a, t.path('nosuch')), 2)):
        same(t, 'compare', *argv, status=status)
    with open(c, 'r+b') as f:
        f.seek(5 * MIB - 1)
        f.write(b'x')
    same(t, 'compare', a, c, status=1)
    img(t, 'convert', '-O', 'qcow2', a, t.path('a.qcow2'))
    same(t, 'compare', '-f', 'raw', '-F', 'qcow2', a, t.path('a.qcow2'),
         status=0)


def test_resize(t: Test) -> None:
    t.requires('qemu-img')
    for fmt in ('raw', 'qcow2'):
        disk = t.path(f'd.{fmt}')
        img(t, 'create', '-f', fmt, disk, '1M')
        for size, want in (('2M', 2 * MIB), ('+1M', 3 * MIB),
                           ('+512', 3 * MIB + 512), ('-512', 3 * MIB)):
            argv = ['--shrink'] if size[0] == '-' else []
            r = img(t, 'resize', *argv, '-f', fmt, disk, size)
            assert r.stdout == 'Image resized.\n'
            assert same_json(t, 'info', '-f', fmt, disk,
                             ignore=('actual-size', 'children')
                             )['virtual-size'] == want, size
        assert '--shrink' in fails(t, 1, 'shrink',
                                   argv=('resize', '-f', fmt, disk, '1M'))
        fails(t, 1, 'positive', argv=('resize', '--shrink', '-f', fmt, disk,
                                      '-9M'))
        fails(t, 1, 'grow', argv=('resize', '--preallocation=full', '--shrink',
                                  '-f', fmt, disk, '1M'))
        img(t, 'resize', '--preallocation=falloc', '-f', fmt, disk, '4M')
        if fmt == 'qcow2':
            t.run('qemu-img', 'check', disk)


def test_snapshot(t: Test) -> None:
    t.requires('qemu-img', 'qemu-io')
    disk = t.path('d.qcow2')
    img(t, 'create', '-f', 'qcow2', disk, '1M')
    io(t, *commands(['write -P 1 0 128k']), disk)
    assert img(t, 'snapshot', '-l', disk).stdout == ''
    img(t, 'snapshot', '-c', 'one', disk)
    io(t, *commands(['write -P 2 64k 128k']), disk)
    img(t, 'snapshot', '-c', 'two', disk)
    same(t, 'snapshot', '-l', disk)
    same(t, 'info', disk, lines=True)
    t.run('qemu-img', 'check', disk)
    now = contents(t, disk)
    out = t.path('one.raw')
    for how in ('one', '1', 'snapshot.name=one', 'snapshot.id=1'):
        img(t, 'convert', '-l', how, '-O', 'raw', disk, out)
        data = out.read_bytes()
        assert data[:128 * KIB] == b'\1' * 128 * KIB and not any(
            data[128 * KIB:]), how
    assert contents(t, disk) == now
    img(t, 'snapshot', '-a', 'one', disk)
    assert contents(t, disk) == data
    img(t, 'snapshot', '-d', 'one', disk)
    img(t, 'snapshot', '-a', 'two', disk)
    assert contents(t, disk) == now
    fails(t, 1, 'one', argv=('snapshot', '-a', 'one', disk))
    fails(t, 1, 'nosuch', argv=('convert', '-l', 'nosuch', disk, out))
    fails(t, 1, 'mix', argv=('snapshot', '-l', '-a', 'two', disk))
    # A bitmap would not know what differs then.
    io(t, *commands(['write -P 3 0 64k']), disk)
    now = contents(t, disk)
    img(t, 'bitmap', '--add', disk, 'b0')
    fails(t, 1, 'dirty bitmaps', argv=('snapshot', '-a', 'two', disk))
    assert contents(t, disk) == now
    img(t, 'bitmap', '--remove', disk, 'b0')
    img(t, 'snapshot', '-a', 'two', disk)
    assert contents(t, disk) != now
    raw = t.path('d.raw')
    raw.write_bytes(bytes(MIB))
    fails(t, 1, 'raw', argv=('snapshot', '-f', 'raw', '-c', 'x', raw))
    t.run('qemu-img', 'check', disk)


def test_measure(t: Test) -> None:
    t.requires('qemu-img', 'qemu-io')
    base, top = layers(t)
    for argv in (('--size', '1G'), ('-O', 'qcow2', '--size', '1G'),
                 ('-O', 'qcow2', '--size', '2T', '-o', 'cluster_size=2M'),
                 ('-O', 'qcow2', top), ('-O', 'raw', base),
                 ('-O', 'qcow2', '-o', 'extended_l2=on', '--size', '3G'),
                 ('-O', 'qcow2', '-o', 'preallocation=metadata', '--size',
                  '1G')):
        same_json(t, 'measure', *argv, ignore=('bitmaps',))
    same(t, 'measure', '-O', 'qcow2', '--size', '1G')
    fails(t, 1, '--size', argv=('measure', '-O', 'qcow2'))


def bitmaps_of(t: Test, image) -> dict:
    text = t.run('qemu-img', 'info', '--output=json', image).stdout
    data = json.loads(text)['format-specific']['data']
    return {b['name']: (b['granularity'], set(b['flags']))
            for b in data.get('bitmaps', [])}


def has_ended(pid: int) -> bool:
    """Such a process has no command line, whether its parent knows or not."""
    try:
        return not Path(f'/proc/{pid}/cmdline').read_bytes()
    except OSError:
        return True


def dirty(t: Test, image, name: str) -> list:
    """What is dirty in a stored bitmap, as QEMU's NBD server tells it."""
    sock, pid = t.path('dirty.sock'), t.path('dirty.pid')
    t.run('qemu-nbd', '-f', 'qcow2', '-r', '-k', sock, '-x', 'x', '-B', name,
          '--fork', '--pid-file', pid, image)
    server = int(pid.read_text())
    # The first client is its last.
    text = t.run('nbdinfo', '--json', f'--map=qemu:dirty-bitmap:{name}',
                 f'nbd+unix:///x?socket={sock}').stdout
    # It goes on for a while, and the image is locked so long.
    ferrytest.wait_for(lambda: has_ended(server), 'the end of qemu-nbd')
    return [(e['offset'], e['length']) for e in json.loads(text)
            if e['type'] == 1]


def test_bitmap(t: Test) -> None:
    """Bitmaps that ferry-img made, QEMU goes on with; and the other way."""
    t.requires('qemu-img', 'qemu-io', 'qemu-nbd', 'nbdinfo')
    a, b = t.path('a.qcow2'), t.path('b.qcow2')
    t.run('qemu-img', 'create', '-q', '-f', 'qcow2', a, '64M')
    img(t, 'bitmap', '--add', '-g', '128k', a, 'one')
    img(t, 'bitmap', '--add', '--disable', a, 'two')
    assert bitmaps_of(t, a) == {'one': (128 * KIB, {'auto'}),
                                'two': (64 * KIB, set())}
    t.run('qemu-io', '-c', 'write 1M 256k', a)
    assert dirty(t, a, 'one') == [(MIB, 256 * KIB)]
    img(t, 'bitmap', '--merge', 'one', a, 'two')
    assert dirty(t, a, 'two') == [(MIB, 256 * KIB)]
    img(t, 'bitmap', '--clear', '--enable', a, 'one')
    assert dirty(t, a, 'one') == []
    same(t, 'measure', '-O', 'qcow2', '-o', 'cluster_size=4k', a)
    img(t, 'convert', '--bitmaps', '-O', 'qcow2', a, b)
    assert bitmaps_of(t, b) == bitmaps_of(t, a)
    assert dirty(t, b, 'two') == [(MIB, 256 * KIB)]
    img(t, 'bitmap', '--remove', a, 'two')
    img(t, 'bitmap', '--merge', 'two', '-b', b, '-F', 'qcow2', a, 'one')
    assert bitmaps_of(t, a) == {'one': (128 * KIB, {'auto'})}
    assert dirty(t, a, 'one') == [(MIB, 256 * KIB)]
    t.run('qemu-img', 'check', a)
    fails(t, 1, 'Need at least one', argv=('bitmap', a, 'one'))
    fails(t, 1, 'only supported with --add',
          argv=('bitmap', '-g', '4k', '--clear', a, 'one'))
    fails(t, 1, "bitmap 'none' not found", argv=('bitmap', '--clear', a, 'none'))


def test_bitmap_broken(t: Test) -> None:
    """An image that was not closed: its bitmap can only be left out, or
    removed."""
    t.requires('qemu-img', 'qemu-io')
    a, b, raw = t.path('a.qcow2'), t.path('b.qcow2'), t.path('a.raw')
    t.run('qemu-img', 'create', '-q', '-f', 'qcow2', a, '8M')
    img(t, 'bitmap', '--add', a, 'one')
    t.run('qemu-io', '-c', 'write 0 64k', '-c', 'abort', a, check=False)
    assert 'in-use' in bitmaps_of(t, a)['one'][1]
    fails(t, 1, "inconsistent bitmap 'one'",
          argv=('convert', '--bitmaps', '-O', 'qcow2', a, b))
    img(t, 'convert', '--bitmaps', '--skip-broken-bitmaps', '-O', 'qcow2', a, b)
    assert bitmaps_of(t, b) == {}
    fails(t, 1, 'inconsistent', argv=('bitmap', '--clear', a, 'one'))
    img(t, 'bitmap', '--remove', a, 'one')
    assert bitmaps_of(t, a) == {}
    fails(t, 1, "'raw' does not support bitmaps",
          argv=('convert', '--bitmaps', '-O', 'raw', a, raw))
    fails(t, 1, 'requires --bitmaps',
          argv=('convert', '--skip-broken-bitmaps', '-O', 'qcow2', a, b))


def test_dd(t: Test) -> None:
    t.requires('qemu-img')
    raw = t.path('a.raw')
    data = make_raw(raw, 3 * MIB + 512)
    for args, start, count in (
            (['bs=64k', 'count=3'], 0, 192 * KIB),
            (['bs=1M', 'skip=2'], 2 * MIB, MIB + 512),
            (['skip=3'], 1536, 3 * MIB - 1024),
            (['bs=5M', 'count=1'], 0, 3 * MIB + 512)):
        for fmt in ('raw', 'qcow2'):
            out = t.path(f'out.{fmt}')
            img(t, 'dd', '-f', 'raw', '-O', fmt, *args, f'if={raw}',
                f'of={out}')
            assert contents(t, out, fmt) == data[start:start + count], args
    fails(t, 1, 'bs=', argv=('dd', 'bs=0', f'if={raw}', 'of=x'))
    fails(t, 1, 'conv=', argv=('dd', 'conv=sync', f'if={raw}', 'of=x'))
    fails(t, 1, 'output', argv=('dd', f'if={raw}'))


def test_commit(t: Test) -> None:
    t.requires('qemu-img', 'qemu-io')
    for args in ([], ['-d'], ['-p']):
        base, top = layers(t)
        want = contents(t, top)
        assert 'Image committed.' in img(t, 'commit', *args, top).stdout
        assert contents(t, base) == want and contents(t, top) == want
        t.run('qemu-img', 'check', base)
        t.run('qemu-img', 'check', top)
        entries = json.loads(t.run('qemu-img', 'map', '--output=json',
                                   top).stdout)
        mine = [e for e in entries if e['depth'] == 0 and e['present']]
        assert bool(mine) == (args == ['-d']), (args, mine)
    # Through an image between, to the base.
    base, top = layers(t)
    third = t.path('third.qcow2')
    img(t, 'create', '-f', 'qcow2', '-b', top, '-F', 'qcow2', third)
    io(t, *commands(['write -P 7 0 64k', 'write -P 8 2944k 64k']), third)
    want = contents(t, third)
    img(t, 'commit', '-b', base, third)
    assert contents(t, base) == want
    fails(t, 1, 'nosuch', argv=('commit', '-b', 'nosuch', third))
    fails(t, 1, 'backing', argv=('commit', base))


def test_rebase(t: Test) -> None:
    t.requires('qemu-img', 'qemu-io')
    base, top = layers(t)
    want = contents(t, top)
    other = t.path('other.qcow2')
    t.run('qemu-img', 'create', '-f', 'qcow2', other, '2560k')
    t.run('qemu-io', *commands(['write -P 1 0 192k', 'write -P 5 1900k 128k']),
          other)
    img(t, 'rebase', '-p', '-b', other, '-F', 'qcow2', top)
    assert contents(t, top) == want
    assert same_json(t, 'info', top)['backing-filename'] == str(other)
    img(t, 'rebase', '-b', '', top)
    assert contents(t, top) == want
    assert 'backing-filename' not in same_json(t, 'info', top)
    img(t, 'rebase', '-u', '-b', '/nosuch', '-F', 'raw', top)
    assert same_json(t, 'info', top)['backing-filename'] == '/nosuch'
    img(t, 'rebase', '-u', '-b', '', top)
    t.run('qemu-img', 'check', top)
    fails(t, 1, 'format', argv=('rebase', '-b', other, top))
    fails(t, 1, 'nosuch', argv=('rebase', '-b', '/nosuch', '-F', 'raw', top))


def test_amend(t: Test) -> None:
    t.requires('qemu-img', 'qemu-io')
    base, top = layers(t)
    want = contents(t, top)
    for opts in ('lazy_refcounts=on', 'lazy_refcounts=off', 'refcount_bits=8',
                 'compat=0.10,refcount_bits=16', 'compat=1.1', 'size=4M'):
        img(t, 'amend', '-o', opts, top)
        t.run('qemu-img', 'check', top)
        data = contents(t, top)
        assert data[:3 * MIB] == want and not any(data[3 * MIB:]), opts
        same_json(t, 'info', top)
    assert 'lazy_refcounts' in img(t, 'amend', '-f', 'qcow2', '-o',
                                   'help').stdout
    fails(t, 1, 'cluster_size', argv=('amend', '-o', 'cluster_size=4k', top))
    fails(t, 1, '-o', argv=('amend', top))


def test_amend_names(t: Test) -> None:
    """Of the data file; the backing file's is rebase's."""
    t.requires('qemu-img', 'qemu-io')
    top, plain, base = t.path('a.qcow2'), t.path('p.qcow2'), t.path('base.raw')
    base.write_bytes(bytes(MIB))
    for name in ('old', 'new'):
        t.run('qemu-img', 'create', '-q', '-f', 'qcow2', '-o', f'data_file={t.path(name)}', top, '1M')
        t.run('qemu-io', '-f', 'qcow2', '-c', f'write -q -P {len(name) + ord(name[0])} 0 64k', top)
    for name in ('old', 'new'):
        img(t, 'amend', '-f', 'qcow2', '-o', f'data_file={t.path(name)}', top)
        t.run('qemu-io', '-r', '-f', 'qcow2', '-c', f'read -P {3 + ord(name[0])} 0 64k', top)
        assert str(t.path(name)) in t.run('qemu-img', 'info', top).stdout
    img(t, 'amend', '-f', 'qcow2', '-o', 'data_file=', top)
    assert '"data-file"' not in t.run('qemu-img', 'info', '--output=json', top).stdout
    t.run('qemu-img', 'create', '-q', '-f', 'qcow2', '-b', base, '-F', 'raw', plain)
    for words, why in (('data_file=x', 'external data file'), ('backing_file=', 'Cannot amend the backing file'),
                       (f'backing_file={top}', 'rebase'), ('backing_fmt=qcow2', 'Cannot amend the backing format')):
        before = plain.read_bytes()
        fails(t, 1, why, argv=('amend', '-f', 'qcow2', '-o', words, plain))
        assert t.run('qemu-img', 'amend', '-f', 'qcow2', '-o', words, plain, check=False).returncode == 1
        assert plain.read_bytes() == before
    img(t, 'amend', '-f', 'qcow2', '-o', f'backing_file={base},backing_fmt=raw', plain)


def test_bench(t: Test) -> None:
    raw = t.path('a.raw')
    raw.write_bytes(bytes(MIB))
    r = img(t, 'bench', '-c', '500', '-d', '8', '-f', 'raw', raw).stdout
    assert re.match(r'Sending 500 read requests, 4096 bytes each, 8 in parallel '
                    r'\(starting at offset 0, step size 4096\)\n'
                    r'Run completed in \d+\.\d+ seconds\.\n', r), r
    r = img(t, 'bench', '-w', '--pattern', '0x41', '-c', '100', '-s', '3k', '-o',
            '512', '-d', '10', '--flush-interval', '10', '-f', 'raw', raw).stdout
    assert 'flush every 10 requests' in r, r
    data = raw.read_bytes()
    assert data[:512] == bytes(512) and data[512:4096] == b'A' * 3584
    fails(t, 1, '2097152', argv=('bench', '-s', '2M', '-f', 'raw', raw))


def test_ends_as_qemu_img_does(t: Test) -> None:
    """Exit status of what is refused, and of what is not."""
    raw = t.path('a.raw')
    raw.write_bytes(os.urandom(MIB))
    out, base, top, gone = (t.path(n) for n in ('out', 'base.qcow2', 'top.qcow2', 'gone.qcow2'))
    t.run('qemu-img', 'create', '-q', '-f', 'qcow2', base, '1M')
    t.run('qemu-img', 'create', '-q', '-f', 'qcow2', gone, '1M')
    t.run('qemu-img', 'create', '-q', '-f', 'qcow2', '-b', gone, '-F', 'qcow2', top)
    gone.unlink()
    rebase = ('rebase', '-f', 'qcow2', '-F', 'qcow2')
    measure = ('measure', '-O', 'qcow2', '-o')
    bench = ('bench', '-f', 'raw', '-c')
    for status, argv in (
            (0, (*rebase, '-U', '-u', '-b', base, top)), (0, (*rebase, '-U', '-b', base, top)),
            (1, (*rebase, '-b', gone, top)), (0, (*rebase, '-U', '-u', '-b', gone, top)),
            (1, (*rebase, '-U', '-b', base, top)),
            (1, ('convert', '-m', '0', raw, out)), (1, ('convert', '-m', '17', raw, out)),
            (0, ('convert', '-m', '16', '-S', '512', '-f', 'raw', '-O', 'raw', raw, out)),
            (1, ('convert', '-S', '100', raw, out)), (1, ('convert', '-S', '32M', raw, out)),
            (1, ('compare', raw)), (1, ('compare', raw, raw, raw)), (1, ('compare', '--nosuch', raw, raw)),
            (2, ('compare', raw, gone)),
            (1, ('measure', '-O', 'luks', '--size', '1M')),
            (1, ('measure', '-O', 'luks', '-o', 'key-secret=none', '--size', '1M')),
            (1, (*measure, 'encrypt.format=luks', '--size', '1M')),
            (0, (*bench, '0', raw)), (1, (*bench, '8', '-w', '-d', '8', '--flush-interval', '4', raw)),
            (0, (*bench, '8', '-w', '-d', '8', '--flush-interval', '8', raw)),
            (0, ('dd', '-f', 'raw', 'skip=2048', f'if={raw}', f'of={out}')),
            (0, ('convert', '-f', 'raw', '--target-f', 'raw', '--parallel', '2', raw, out)),
            (0, ('info', '--out=json', '--form', 'raw', raw)), (1, ('info', '--o', 'json', '--for', 'raw', raw))):
        # 7.2 has no long names for some options.
        theirs = tuple({'--target-f': '-O', '--parallel': '-m', '--for': '--f'}.get(a, a) for a in argv)
        assert t.run('qemu-img', *map(str, theirs), check=False).returncode == status, argv
        r = t.run(IMG, *argv, check=False)
        assert r.returncode == status, (argv, r)
    r = img(t, 'dd', '-f', 'raw', 'skip=5000', f'if={raw}', f'of={out}')
    assert 'cannot skip to specified offset' in r.stderr and out.stat().st_size == 0, r
    for opts in ('data_file=x', 'data_file=x,data_file_raw=on', 'data_file=x,preallocation=full'):
        same(t, *measure, opts, '--size', '1T')
        same(t, *measure, opts, '-f', 'raw', raw)
    img(t, 'snapshot', '-c', 's', base)
    assert json.loads(t.run('qemu-img', 'info', '--output=json', base).stdout)['snapshots'][0]['icount'] == 0


def test_usage(t: Test) -> None:
    """--help of the program and of every command; wrong command lines."""
    text = img(t, '--help').stdout
    names = re.findall(r'^  ([a-z]+)  +\S', text.split('Commands')[1], re.M)
    for name in names[:15]:
        helped = img(t, name, '--help').stdout
        assert helped.startswith(f'Usage: ferry-img {name} '), name
        fails(t, 1, '--frobnicate', argv=(name, '--frobnicate'))
    assert {'convert', 'info', 'rebase', 'measure'} <= set(names)
    assert 'version' in img(t, '--version').stdout
    fails(t, 1, 'nosuch', argv=('nosuch',))
    fails(t, 1, 'arguments', argv=())
    fails(t, 1, '-x', argv=('-x',))


if __name__ == '__main__':
    ferrytest.main(at_once=2)
