#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""qcow2 beside QEMU's tools: what one writes the other reads and checks."""
import json
import random
import signal
import struct
import subprocess
import time

import ferrytest
from ferrytest import Test
from images import (IMG, IO, KIB, MIB, commands, contents, fails, img, io,
                    make_raw, qemu_img)

SIZE = 4 * MIB
OPTIONS = ('compat=0.10', 'compat=1.1', 'cluster_size=512', 'cluster_size=4k',
           'cluster_size=2M', 'refcount_bits=1', 'refcount_bits=8',
           'refcount_bits=64', 'lazy_refcounts=on', 'extended_l2=on',
           'extended_l2=on,cluster_size=16k', 'compression_type=zstd',
           'preallocation=metadata', 'preallocation=falloc',
           'preallocation=full', 'preallocation=metadata,extended_l2=on')


def check(t: Test, path, fmt='qcow2') -> None:
    """Nothing wrong, say both."""
    t.run('qemu-img', 'check', '-f', fmt, path)
    img(t, 'check', '-f', fmt, path)


def script(rng: random.Random, count: int, size: int = SIZE,
           compressed: bool = True) -> tuple[list[str], bytearray]:
    """Commands of qemu-io, and what the disk holds then."""
    data = bytearray(size)
    lines = []
    for i in range(count):
        at = rng.randrange(size // 512) * 512
        n = min(rng.choice((512, 3 * KIB, 64 * KIB, 200 * KIB)), size - at)
        kind = rng.randrange(6)
        if kind == 0:
            lines.append(f'write -z {rng.choice(("", "-u "))}{at} {n}')
            data[at:at + n] = bytes(n)
        elif kind == 1 and compressed:
            at = at // (2 * MIB) * 2 * MIB
            n = 2 * MIB
            lines.append(f'write -c -P {i % 255 + 1} {at} {n}')
            data[at:at + n] = bytes([i % 255 + 1]) * n
        elif kind == 2:
            lines.append('flush')
        else:
            lines.append(f'write -P {i % 255 + 1} {at} {n}')
            data[at:at + n] = bytes([i % 255 + 1]) * n
    return lines, data


def replay(lines: list[str]) -> bytearray:
    data = bytearray(SIZE)
    for line in lines:
        w = line.replace('2M', str(2 * MIB)).split()
        if w[0] == 'write':
            at, n = int(w[-2]), int(w[-1])
            value = int(w[w.index('-P') + 1]) if '-P' in w else 0
            data[at:at + n] = bytes([value]) * n
    return data


def ours(t: Test, path) -> bytes:
    out = t.path('ours.tmp')
    img(t, 'convert', '-f', 'qcow2', '-O', 'raw', path, out)
    data = out.read_bytes()
    out.unlink()
    return data


def test_theirs(t: Test) -> None:
    """Images of every option that QEMU's tools made and wrote to."""
    t.requires('qemu-img', 'qemu-io')
    rng = random.Random(1)
    for opts in OPTIONS:
        q = t.path('theirs.qcow2')
        t.run('qemu-img', 'create', '-q', '-f', 'qcow2', '-o', opts, q,
              str(SIZE))
        # QEMU compresses only where there is nothing yet.
        lines, data = script(rng, 25, compressed=False)
        if 'prealloc' not in opts:
            lines.insert(0, 'write -c -P 88 2M 2M')
            data = replay(lines)
        t.run('qemu-io', '-f', 'qcow2', *commands(lines), q)
        assert ours(t, q) == data, opts
        check(t, q)
        # And we go on with it.
        io(t, '-f', 'qcow2', *commands(['write -P 77 100000 300000',
                                        'write -z 512k 1M', 'flush']), q)
        data[100000:400000] = b'\x4d' * 300000
        data[512 * KIB:512 * KIB + MIB] = bytes(MIB)
        assert contents(t, q, 'qcow2') == data, opts
        check(t, q)
        q.unlink()


def test_ours(t: Test) -> None:
    """The other way round."""
    t.requires('qemu-img', 'qemu-io')
    rng = random.Random(2)
    for opts in OPTIONS:
        q = t.path('ours.qcow2')
        img(t, 'create', '-q', '-f', 'qcow2', '-o', opts, q, str(SIZE))
        check(t, q)
        lines, data = script(rng, 25)
        io(t, '-f', 'qcow2', *commands(lines), q)
        assert contents(t, q, 'qcow2') == data, opts
        assert ours(t, q) == data, opts
        check(t, q)
        t.run('qemu-io', '-f', 'qcow2', *commands(['write -P 9 1M 1M']), q)
        data[MIB:2 * MIB] = b'\x09' * MIB
        assert ours(t, q) == data, opts
        q.unlink()


def test_data_file(t: Test) -> None:
    """External data files, raw ones too."""
    t.requires('qemu-img', 'qemu-io')
    for raw in ('off', 'on'):
        for create, writer in ((img, 'qemu-io'), (qemu_img, IO)):
            q, d = t.path('q.qcow2'), t.path('q.data')
            create(t, 'create', '-q', '-f', 'qcow2', '-o',
                   f'data_file={d},data_file_raw={raw}', q, str(SIZE))
            lines, data = script(random.Random(3), 15, compressed=False)
            t.run(writer, '-f', 'qcow2', *commands(lines), q)
            assert contents(t, q, 'qcow2') == data
            assert ours(t, q) == data
            if raw == 'on':
                assert d.read_bytes()[:SIZE] == data
            check(t, q)
            q.unlink()
            d.unlink()


def test_backing(t: Test) -> None:
    """A chain: what is written over it, hidden by it, larger than it."""
    t.requires('qemu-img', 'qemu-io')
    base, mid = t.path('base.raw'), t.path('mid.qcow2')
    data = bytearray(make_raw(base, 3 * MIB))
    for opts in ('cluster_size=64k', 'extended_l2=on', 'compat=0.10'):
        top = t.path('top.qcow2')
        img(t, 'create', '-q', '-f', 'qcow2', '-b', 'base.raw', '-F', 'raw',
            mid)
        img(t, 'create', '-q', '-f', 'qcow2', '-o', opts, '-b', 'mid.qcow2',
            '-F', 'qcow2', top, str(SIZE))
        io(t, '-f', 'qcow2', *commands(['write -P 1 5000 7000',
                                        'write -c -P 2 1M 64k']), mid)
        io(t, '-f', 'qcow2', *commands([
            'write -P 3 9000 600', 'write -z 1056768 100k',
            'write -P 4 3145000 1000', 'discard 2M 64k']), top)
        want = data + bytes(MIB)
        want[5000:12000] = b'\1' * 7000
        want[MIB:MIB + 64 * KIB] = b'\2' * 64 * KIB
        want[9000:9600] = b'\3' * 600
        want[1056768:1056768 + 100 * KIB] = bytes(100 * KIB)
        want[3145000:3146000] = b'\4' * 1000
        assert ours(t, top) == contents(t, top, 'qcow2') == want, opts
        check(t, top)
        info = img(t, 'info', top).stdout
        assert 'backing file: mid.qcow2' in info, info
        # Shrunk and grown again, what was hidden stays hidden.
        img(t, 'resize', '--shrink', '-f', 'qcow2', top, '1M')
        img(t, 'resize', '-f', 'qcow2', top, '4M')
        want[MIB:] = bytes(3 * MIB)
        assert ours(t, top) == contents(t, top, 'qcow2') == want, opts
        check(t, top)
        top.unlink()
        mid.unlink()


def test_snapshots(t: Test) -> None:
    """Made, applied and deleted by either, in turns."""
    t.requires('qemu-img', 'qemu-io')
    for opts in ('cluster_size=64k', 'extended_l2=on', 'compat=0.10'):
        q = t.path('s.qcow2')
        img(t, 'create', '-q', '-f', 'qcow2', '-o', opts, q, str(SIZE))
        io(t, '-f', 'qcow2', '-c', 'write -P 1 0 2M', q)
        img(t, 'snapshot', '-c', 'one', q)
        t.run('qemu-io', '-f', 'qcow2', '-c', 'write -P 2 1M 2M', q)
        t.run('qemu-img', 'snapshot', '-c', 'two', q)
        io(t, '-f', 'qcow2', *commands(['write -P 3 0 4M', 'write -z 0 64k']),
           q)
        check(t, q)
        listed = img(t, 'snapshot', '-l', q).stdout
        assert 'one' in listed and 'two' in listed, listed
        img(t, 'snapshot', '-a', 'one', q)
        assert contents(t, q, 'qcow2') == b'\1' * 2 * MIB + bytes(2 * MIB)
        t.run('qemu-img', 'snapshot', '-a', 'two', q)
        assert ours(t, q) == (b'\1' * MIB + b'\2' * 2 * MIB + bytes(MIB))
        check(t, q)
        img(t, 'snapshot', '-d', 'one', q)
        check(t, q)
        t.run('qemu-img', 'snapshot', '-d', 'two', q)
        check(t, q)
        assert ours(t, q) == (b'\1' * MIB + b'\2' * 2 * MIB + bytes(MIB))
        q.unlink()


def test_encrypted(t: Test) -> None:
    """LUKS inside of qcow2; the old AES method for reading."""
    t.requires('qemu-img', 'qemu-io')
    secret = ('--object', 'secret,id=s,data=hunter22')
    luks = 'encrypt.format=luks,encrypt.key-secret=s'
    lines, data = script(random.Random(4), 12, compressed=False)
    for create, writer in ((img, 'qemu-io'), (qemu_img, IO)):
        q, out = t.path('l.qcow2'), t.path('out.raw')
        opts = ('driver=qcow2,encrypt.key-secret=s,file.driver=file,'
                f'file.filename={q}')
        create(t, 'create', '-q', *secret, '-f', 'qcow2', '-o',
               luks + ',encrypt.iter-time=10', q, str(SIZE))
        t.run(writer, *secret, '--image-opts', *commands(lines), opts)
        for reader in (IMG, 'qemu-img'):
            t.run(reader, 'convert', *secret, '--image-opts', opts, '-O',
                  'raw', out)
            assert out.read_bytes() == data, (create, reader)
        for program in (IMG, 'qemu-img'):
            t.run(program, 'check', *secret, '--image-opts', opts)
        wrong = fails(t, 1, 'nvalid', argv=(
            'convert', '--object', 'secret,id=s,data=wrong', '--image-opts',
            opts, '-O', 'raw', out))
        assert 'hunter22' not in wrong
        q.unlink()


def test_dies(t: Test) -> None:
    """A process that is killed while it writes: the image goes on."""
    t.requires('qemu-img')
    for opts in ('cluster_size=4k', 'lazy_refcounts=on,cluster_size=4k'):
        for after in (0.02, 0.06):
            q = t.path('k.qcow2')
            img(t, 'create', '-q', '-f', 'qcow2', '-o', opts, q, '64M')
            lines = [f'write -P {i % 250 + 1} {i * 9000} 20000'
                     for i in range(2000)]
            lines.insert(0, 'write -P 7 50M 4M')
            lines.insert(1, 'flush')
            lines.insert(2, 'length')
            p = subprocess.Popen([IO, '-f', 'qcow2', *commands(lines), q],
                                 stdout=subprocess.PIPE)
            while not p.stdout.readline().startswith(b'64 MiB'):
                assert p.poll() is None
            time.sleep(after)
            p.send_signal(signal.SIGKILL)
            p.wait()
            p.stdout.close()
            # The dead program's locks may outlive it for a moment.
            ferrytest.wait_for(lambda: t.run(
                'qemu-img', 'info', q, check=False).returncode == 0,
                'the locks of a killed program')
            r = t.run('qemu-img', 'check', '-f', 'qcow2', q, check=False)
            assert 'lazy' in opts or r.returncode in (0, 3), r
            io(t, '-f', 'qcow2', *commands(['read -P 7 50M 4M',
                                            'write -P 8 1M 1M']), q)
            img(t, 'check', '-r', 'all', '-f', 'qcow2', q)
            check(t, q)
            q.unlink()


def test_amend(t: Test) -> None:
    """Versions, widths of refcounts and the rest, there and back."""
    t.requires('qemu-img')
    q, raw = t.path('a.qcow2'), t.path('a.raw')
    data = make_raw(raw)
    img(t, 'convert', '-f', 'raw', '-O', 'qcow2', raw, q)
    for opts in ('refcount_bits=1', 'refcount_bits=64', 'lazy_refcounts=on',
                 'lazy_refcounts=off', 'refcount_bits=16', 'compat=0.10',
                 'compat=1.1', 'refcount_bits=8,lazy_refcounts=on'):
        img(t, 'amend', '-f', 'qcow2', '-o', opts, q)
        assert contents(t, q, 'qcow2') == data, opts
        check(t, q)
    img(t, 'amend', '-f', 'qcow2', '-o', 'size=5M', q)
    assert contents(t, q, 'qcow2') == data + bytes(MIB)
    fails(t, 1, 'efcount', argv=('amend', '-f', 'qcow2', '-o',
                                 'refcount_bits=3', q))
    check(t, q)


def test_bitmaps(t: Test) -> None:
    """Stored bitmaps: QEMU's go on with us, and are still good for QEMU."""
    t.requires('qemu-img', 'qemu-io')
    q = t.path('b.qcow2')
    t.run('qemu-img', 'create', '-q', '-f', 'qcow2', q, '64M')
    t.run('qemu-img', 'bitmap', '--add', q, 'b0')
    t.run('qemu-img', 'bitmap', '--add', '--disable', '-g', '4096', q, 'b1')
    for _ in range(2):
        io(t, '-f', 'qcow2', '-c', 'write 10M 3M', q)
        check(t, q)
        for program in (IMG, 'qemu-img'):
            info = json.loads(t.run(program, 'info', '--output=json',
                                    q).stdout)
            bitmaps = info['format-specific']['data']['bitmaps']
            assert sorted((b['name'], b['granularity'], tuple(b['flags']))
                          for b in bitmaps) == [
                ('b0', 65536, ('auto',)), ('b1', 4096, ())], bitmaps


def test_repair(t: Test) -> None:
    """Wrong refcounts and a lost refcount block, found and repaired."""
    t.requires('qemu-img')
    q, raw = t.path('r.qcow2'), t.path('r.raw')
    data = make_raw(raw)
    img(t, 'convert', '-f', 'raw', '-O', 'qcow2', raw, q)
    image = bytearray(q.read_bytes())
    table, = struct.unpack_from('>Q', image, 48)
    block, = struct.unpack_from('>Q', image, table)
    struct.pack_into('>H', image, block + 2 * 5, 0)
    struct.pack_into('>H', image, block + 2 * 6, 9)
    q.write_bytes(image)
    fails(t, 2, '1 errors', argv=('check', '-f', 'qcow2', q))
    img(t, 'check', '-r', 'all', '-f', 'qcow2', q)
    check(t, q)
    image = bytearray(q.read_bytes())
    struct.pack_into('>Q', image, table, 0)
    q.write_bytes(image)
    fails(t, 2, argv=('check', '-f', 'qcow2', q))
    img(t, 'check', '-r', 'all', '-f', 'qcow2', q)
    check(t, q)
    assert contents(t, q, 'qcow2') == data


def test_misplaced(t: Test) -> None:
    """Entries that lead where no cluster begins: both say so. What they meant
    is not freed, so that the image is right when they are."""
    t.requires('qemu-img')
    q, raw = t.path('o.qcow2'), t.path('o.raw')
    data = make_raw(raw)
    img(t, 'convert', '-f', 'raw', '-O', 'qcow2', raw, q)
    img(t, 'bitmap', '--add', q, 'b0')
    io(t, '-f', 'qcow2', '-c', 'write -z 0 64k', q)
    good = q.read_bytes()
    l1, = struct.unpack_from('>Q', good, 40)
    l2, = struct.unpack_from('>Q', good, l1)
    l2 &= (1 << 56) - 512
    extension = good.index(bytes.fromhex('23852875'), 104)
    directory, = struct.unpack_from('>Q', good, extension + 24)
    bits, = struct.unpack_from('>Q', good, directory)
    # A cluster of data; that of a bitmap.
    for at in next(l2 + 8 * i for i in range(8192)
                   if struct.unpack_from('>Q', good, l2 + 8 * i)[0] >> 63), bits:
        bad = bytearray(good)
        value, = struct.unpack_from('>Q', bad, at)
        assert value
        struct.pack_into('>Q', bad, at, value + 512)
        q.write_bytes(bad)
        theirs = t.run('qemu-img', 'check', '-f', 'qcow2', q, check=False)
        assert theirs.returncode == (1 if at == bits else 2), theirs
        fails(t, 2, 'cluster' if at != bits else 'bitmap',
              argv=('check', '-f', 'qcow2', q))
        for repair in 'leaks', 'all':
            fails(t, 2, argv=('check', '-r', repair, '-f', 'qcow2', q))
            assert q.read_bytes() == bad
    q.write_bytes(good)
    check(t, q)
    assert contents(t, q, 'qcow2') == bytes(64 * KIB) + data[64 * KIB:]


def test_messages(t: Test) -> None:
    """Broken images: a clear message each, and the image is as it was."""
    q = t.path('m.qcow2')
    img(t, 'create', '-q', '-f', 'qcow2', q, '1M')
    good = q.read_bytes()
    for offset, fmt, value, words in (
            (4, '>I', 9, 'version 9'), (20, '>I', 40, 'cluster size'),
            (24, '>Q', 1 << 60, 'size'), (36, '>I', 1 << 30, 'L1'),
            (40, '>Q', 77, 'L1'), (48, '>Q', 3, 'reference count'),
            (72, '>Q', 1 << 50, 'feature'), (96, '>I', 9, 'width'),
            (60, '>I', 1 << 20, 'Snapshot')):
        bad = bytearray(good)
        struct.pack_into(fmt, bad, offset, value)
        q.write_bytes(bad)
        fails(t, 1, words, argv=('info', '-f', 'qcow2', q))
        assert q.read_bytes() == bad
    q.write_bytes(good[:50])
    fails(t, 1, argv=('info', '-f', 'qcow2', q))
    q.write_bytes(good)
    img(t, 'create', '-q', '-f', 'qcow2', '-u', '-b', 'gone.img', '-F', 'raw',
        q, '1M')
    fails(t, 1, 'gone.img', argv=('map', q))
    assert 'gone.img' in img(t, 'info', q).stdout


if __name__ == '__main__':
    ferrytest.main(at_once=2)
