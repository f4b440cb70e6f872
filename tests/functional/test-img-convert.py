#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""ferry-img convert: every way to copy an image, seen by QEMU's programs."""
import json
import os
import pty
import signal
import subprocess
import time

import ferrytest
from ferrytest import Test
from images import (IMG, KIB, MIB, allocated, commands, contents, fails, img,
                    io, make_raw)


def check(t: Test, path) -> None:
    t.run('qemu-img', 'check', path)


def test_formats(t: Test) -> None:
    """Each way between formats, in both directions, odd sizes too."""
    t.requires('qemu-img')
    raw = t.path('a.raw')
    for size in ((0, 3 * MIB + 512) if ferrytest.SANITIZER else
                 (0, 512, 3 * MIB + 512, 5 * MIB)):
        data = make_raw(raw, size, seed=size + 7)
        for n, opts in enumerate((
                [], ['-o', 'compat=0.10'], ['-o', 'cluster_size=512'],
                ['-o', 'cluster_size=2M'], ['-o', 'extended_l2=on'],
                ['-c'], ['-c', '-o', 'compression_type=zstd'],
                ['-W'], ['-m', '1'], ['-m', '16', '-W'],
                ['-o', 'preallocation=metadata'])):
            q = t.path(f'{size}.{n}.qcow2')
            img(t, 'convert', '-f', 'raw', '-O', 'qcow2', *opts, raw, q)
            check(t, q)
            assert contents(t, q, 'qcow2') == data, (size, opts)
            back = t.path('back.raw')
            img(t, 'convert', '-O', 'raw', q, back)
            assert back.read_bytes() == data, (size, opts)
            q.unlink()


def test_theirs(t: Test) -> None:
    """Images made by qemu-img, compressed ones too, come out whole."""
    t.requires('qemu-img')
    raw, q, out = t.path('a.raw'), t.path('a.qcow2'), t.path('out')
    data = make_raw(raw, 4 * MIB + 512)
    for opts in ([], ['-c'], ['-c', '-o', 'compression_type=zstd'],
                 ['-o', 'cluster_size=4k,refcount_bits=1']):
        t.run('qemu-img', 'convert', '-f', 'raw', '-O', 'qcow2', *opts, raw, q)
        for fmt in ('raw', 'qcow2'):
            img(t, 'convert', '-O', fmt, q, out)
            assert contents(t, out, fmt) == data, (opts, fmt)


def test_sparse(t: Test) -> None:
    """-S: what becomes a hole, and what gets space."""
    raw, out = t.path('a.raw'), t.path('out')
    # Data, 4 KiB of zeroes, data, 64 KiB of zeroes, data, a hole of 1 MiB.
    data = (b'a' * 4096 + bytes(4096) + b'b' * 57344 + bytes(65536)
            + b'c' * 65536 + bytes(MIB))
    with open(raw, 'wb') as f:
        f.write(data.rstrip(b'\0'))
        f.truncate(len(data))
    sizes = {}
    for sparse in ('0', '4k', '64k', '1M'):
        img(t, 'convert', '-f', 'raw', '-O', 'raw', '-S', sparse, raw, out)
        assert out.read_bytes() == data, sparse
        sizes[sparse] = allocated(out)
    assert sizes['0'] >= len(data)
    assert sizes['4k'] == len(data) - MIB - 65536 - 4096, sizes
    assert sizes['64k'] == len(data) - MIB - 65536, sizes
    assert sizes['1M'] < sizes['0'], sizes
    fails(t, 1, '-S', argv=('convert', '-C', '-S', '4k', raw, out))


def test_existing_target(t: Test) -> None:
    """-n: what was in the target does not show through."""
    t.requires('qemu-img')
    raw, out = t.path('a.raw'), t.path('out')
    data = make_raw(raw, 2 * MIB)
    for fmt in ('raw', 'qcow2'):
        if fmt == 'raw':
            out.write_bytes(b'x' * 3 * MIB)
        else:
            img(t, 'create', '-f', 'qcow2', out, '3M')
            io(t, *commands(['write -P 0x78 0 3M']), out)
        img(t, 'convert', '-n', '-f', 'raw', '-O', fmt, raw, out)
        got = contents(t, out, fmt)
        assert got[:2 * MIB] == data, fmt
    # The user says that it is zero: nothing but data is written.
    out.write_bytes(b'x' * 2 * MIB)
    img(t, 'convert', '-n', '--target-is-zero', '-f', 'raw', '-O', 'raw', raw,
        out)
    assert out.read_bytes() != data and b'x' * 512 in out.read_bytes()
    out.write_bytes(bytes(MIB))
    fails(t, 1, 'smaller', argv=('convert', '-n', '-O', 'raw', raw, out))
    fails(t, 1, '-n', argv=('convert', '--target-is-zero', raw, out))
    fails(t, 1, '-n', argv=('convert', '--target-image-opts', raw, out))
    img(t, 'create', '-f', 'qcow2', t.path('t.qcow2'), '2M')
    img(t, 'convert', '-n', '--target-image-opts', '--image-opts',
        f'driver=raw,file.driver=file,file.filename={raw}',
        f'driver=qcow2,file.driver=file,file.filename={t.path("t.qcow2")}')
    assert contents(t, t.path('t.qcow2')) == data


def test_several_sources(t: Test) -> None:
    t.requires('qemu-img')
    parts = []
    names = []
    for n, size in enumerate((MIB, 700 * KIB + 512, 0, 300 * KIB)):
        names.append(t.path(f'{n}.raw'))
        parts.append(make_raw(names[-1], size, seed=n))
    for opts in (['-O', 'raw'], ['-O', 'qcow2'], ['-c', '-O', 'qcow2']):
        out = t.path('out')
        img(t, 'convert', '-f', 'raw', *opts, *names, out)
        assert contents(t, out, opts[-1]) == b''.join(parts), opts


def test_backing(t: Test) -> None:
    """-B: only what differs is stored."""
    t.requires('qemu-img', 'qemu-io')
    base, top, out = t.path('base.qcow2'), t.path('top.qcow2'), t.path('out')
    img(t, 'create', '-f', 'qcow2', base, '2M')
    io(t, *commands(['write -P 1 0 1M']), base)
    img(t, 'create', '-f', 'qcow2', '-b', base, '-F', 'qcow2', top, '3M')
    io(t, *commands(['write -P 2 64k 64k', 'write -z 256k 64k',
                     'write -P 3 2560k 64k']), top)
    img(t, 'convert', '-O', 'qcow2', '-B', base, '-F', 'qcow2', top, out)
    check(t, out)
    assert contents(t, out) == contents(t, top)
    entries = json.loads(t.run('qemu-img', 'map', '--output=json', out).stdout)
    mine = sum(e['length'] for e in entries if e['depth'] == 0 and e['data'])
    assert mine == 128 * KIB, entries
    fails(t, 1, 'format', argv=('convert', '-O', 'qcow2', '-B', base, top, out))


def test_damaged_source(t: Test) -> None:
    """An error stops the copy; --salvage goes on, and says what is lost."""
    t.requires('nbdkit')
    out = t.path('out')
    sock = t.path('sock')
    bad = t.path('bad')
    script = ('case "$1" in get_size) echo 1048576;; '
              'pread) if [ "$4" -lt 66048 ] && [ $(($4 + $3)) -gt 65536 ]; '
              'then echo EIO >&2; exit 1; fi; '
              'dd if=/dev/zero bs=$3 count=1 status=none | tr "\\0" a;; '
              '*) exit 2;; esac')
    bad.write_text('#!/bin/sh\n' + script)
    bad.chmod(0o755)
    t.spawn('nbdkit', '-f', '-U', sock, 'sh', bad)
    ferrytest.wait_for(sock.exists, 'nbdkit')
    uri = f'nbd+unix:///?socket={sock}'
    fails(t, 1, 'reading', 'Input/output error',
          argv=('convert', '-f', 'raw', '-O', 'raw', uri, out))
    r = img(t, 'convert', '--salvage', '-f', 'raw', '-O', 'raw', uri, out)
    assert 'offset 65536' in r.stderr and '512 bytes' in r.stderr, r
    assert out.read_bytes() == b'a' * 65536 + bytes(512) + b'a' * (MIB - 66048)


def test_full_target(t: Test) -> None:
    t.requires('nbdkit')
    raw, sock = t.path('a.raw'), t.path('sock')
    make_raw(raw, MIB)
    t.spawn('nbdkit', '-f', '-U', sock, '--filter=error', 'memory', '1M',
            'error-pwrite=ENOSPC', 'error-pwrite-rate=100%')
    ferrytest.wait_for(sock.exists, 'nbdkit')
    fails(t, 1, 'writing', 'No space left',
          argv=('convert', '-n', '-f', 'raw', '-O', 'raw', raw,
                f'nbd+unix:///?socket={sock}'))


def test_nbd(t: Test) -> None:
    """From and to an NBD server, with latency too."""
    t.requires('nbdkit')
    raw, sock, out = t.path('a.raw'), t.path('sock'), t.path('out')
    data = make_raw(raw, 24 * MIB)
    t.spawn('nbdkit', '-f', '-U', sock, '--filter=delay', 'file', raw,
            'rdelay=10ms')
    ferrytest.wait_for(sock.exists, 'nbdkit')
    uri = f'nbd+unix:///?socket={sock}'
    img(t, 'convert', '-f', 'raw', '-O', 'qcow2', uri, out)
    assert contents(t, out) == data
    back, sock2 = t.path('back.raw'), t.path('sock2')
    with open(back, 'wb') as f:
        f.truncate(24 * MIB)
    t.spawn('nbdkit', '-f', '-U', sock2, 'file', back)
    ferrytest.wait_for(sock2.exists, 'nbdkit')
    img(t, 'convert', '-n', '-W', '-O', 'raw', out,
        f'nbd+unix:///?socket={sock2}')
    assert back.read_bytes() == data


def test_luks(t: Test) -> None:
    t.requires('qemu-img')
    raw, enc, out = t.path('a.raw'), t.path('a.luks'), t.path('out')
    data = make_raw(raw, MIB)
    key = ['--object', 'secret,id=s,data=geheim']
    opts = ['-o', 'key-secret=s,iter-time=10']
    img(t, 'convert', *key, '-f', 'raw', '-O', 'luks', *opts, raw, enc)
    src = f'driver=luks,key-secret=s,file.filename={enc}'
    t.run('qemu-img', 'convert', *key, '--image-opts', src, '-O', 'raw', out)
    assert out.read_bytes() == data
    img(t, 'convert', *key, '--image-opts', src, '-O', 'raw', out)
    assert out.read_bytes() == data
    fails(t, 1, argv=('convert', '--object', 'secret,id=s,data=falsch',
                      '--image-opts', src, '-O', 'raw', out))
    q = t.path('a.qcow2')
    img(t, 'convert', *key, '-f', 'raw', '-O', 'qcow2', '-o',
        'encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10', raw, q)
    src = f'driver=qcow2,encrypt.key-secret=s,file.filename={q}'
    t.run('qemu-img', 'convert', *key, '--image-opts', src, '-O', 'raw', out)
    assert out.read_bytes() == data
    # Without the secret it can still be looked at.
    assert 'encrypted: yes' in img(t, 'info', q).stdout
    assert 'encrypted: yes' in img(t, 'info', enc).stdout


def test_rate_and_offload(t: Test) -> None:
    raw, out = t.path('a.raw'), t.path('out')
    raw.write_bytes(os.urandom(2 * MIB))
    begin = time.monotonic()
    img(t, 'convert', '-r', '4M', '-f', 'raw', '-O', 'raw', raw, out)
    assert time.monotonic() - begin > 0.35
    assert out.read_bytes() == raw.read_bytes()
    img(t, 'convert', '-C', '-f', 'raw', '-O', 'raw', raw, out)
    assert out.read_bytes() == raw.read_bytes()
    fails(t, 1, '-c', argv=('convert', '-C', '-c', '-O', 'qcow2', raw, out))
    fails(t, 1, 'ompression', argv=('convert', '-c', '-O', 'raw', raw, out))


def test_progress(t: Test) -> None:
    """-p: what programs look for, and more for people; SIGUSR1."""
    raw, out = t.path('a.raw'), t.path('out')
    raw.write_bytes(os.urandom(3 * MIB))
    argv = ['convert', '-p', '-r', '2M', '-f', 'raw', '-O', 'raw', raw, out]
    text = img(t, *argv, text=False).stdout
    assert text.startswith(b'    (0.00/100%)\r'), text
    assert text.endswith(b'    (100.00/100%)\r\n'), text
    assert img(t, argv[0], '-q', *argv[1:]).stdout == ''
    parent, child = pty.openpty()
    p = t.spawn(IMG, *argv, stdin=subprocess.DEVNULL, stdout=child)
    os.close(child)
    ferrytest.read_until(os.fdopen(parent, 'rb', buffering=0),
                         r'MiB of 3 MiB, .*iB/s, 0:0\d left')
    assert p.wait(ferrytest.TIMEOUT) == 0
    out.unlink()
    p = t.spawn(IMG, argv[0], *argv[2:], stdin=subprocess.DEVNULL)
    ferrytest.wait_for(out.exists, 'the copy to begin')
    p.send_signal(signal.SIGUSR1)
    ferrytest.read_until(p.stdout, r'\(\d+\.\d\d/100%\)\n')
    assert p.wait(ferrytest.TIMEOUT) == 0


def test_interrupted(t: Test) -> None:
    """SIGINT: a message, soon, and an image that is in order."""
    t.requires('qemu-img')
    raw, out = t.path('a.raw'), t.path('out.qcow2')
    raw.write_bytes(os.urandom(40 * MIB))
    p = t.spawn(IMG, 'convert', '-r', '2M', '-f', 'raw', '-O', 'qcow2', raw,
                out, stdin=subprocess.DEVNULL)
    ferrytest.wait_for(lambda: out.exists() and out.stat().st_size > MIB,
                       'the copy to begin')
    p.send_signal(signal.SIGINT)
    begin = time.monotonic()
    assert p.wait(ferrytest.TIMEOUT) == 1
    assert time.monotonic() - begin < 10  # whole it takes 20 s
    assert 'cancelled' in p.stdout.read().decode()
    check(t, out)


def test_no_snapshots(t: Test) -> None:
    """Of a format that has none, of an image that has no such one."""
    raw, image, out = t.path('d.raw'), t.path('d.qcow2'), t.path('out')
    raw.write_bytes(bytes(MIB))
    img(t, 'create', '-q', '-f', 'qcow2', image, '1M')
    none = "Format 'raw' does not support internal snapshots"
    for name in ('x', 'snapshot.id=1', 'snapshot.name=x'):
        fails(t, 1, none, argv=('convert', '-l', name, '-f', 'raw', raw, out))
        fails(t, 1, 'there is no snapshot', argv=(
            'convert', '-l', name, '-f', 'qcow2', image, out))
    fails(t, 1, none, argv=('measure', '-l', 'x', '-f', 'raw', '-O', 'raw', raw))
    for letter in '-a', '-c', '-d':
        fails(t, 1, none, argv=('snapshot', letter, 'x', '-f', 'raw', raw))
    fails(t, 1, 'ID or name', argv=(
        'convert', '-l', 'snapshot.nosuch=1', '-f', 'qcow2', image, out))


if __name__ == '__main__':
    ferrytest.main(at_once=2)
