#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""ferry-io: what it prints and writes is what qemu-io prints and writes."""
import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import ferrytest
from ferrytest import TIMEOUT, Test, read_until, wait_for
from images import IO, MIB, commands, contents, img, io, timeless

SAME = [
    'read 0 64k', 'write -P 5 0 3k', 'read -P 5 0 3k', 'read -P 9 0 4k',
    'read -P 5 -s 1k -l 2k 0 64k', 'read -P 5 -s 1k -l 3k 0 64k',
    'writev -P 0xa5 1M 512 1k 3584', 'readv -P 0xa5 1M 2k 3k',
    'read -v 1024k 48', 'read -v 1M 40', 'write 128k 64k',
    'read -P 0xcd 128k 64k', 'write -z 128k 64k', 'read -P 0 128k 64k',
    'write -z -u 192k 64k', 'write -f -P 1 256k 512', 'write -q 0 1k',
    'read -C 0 64k', 'write -C 2M 64k', 'aio_write -P 3 3M 64k', 'aio_flush',
    'aio_read -P 3 3M 64k', 'aio_flush', 'aio_read -P 4 3M 512', 'aio_flush',
    'aio_write -z 3M 4k', 'aio_flush', 'alloc 0 1M', 'length', 'flush',
    'discard 0 64k', 'truncate 5M', 'length', 'read 4M 1M', 'read 5M 512',
    'write 100M 64k', 'write -n 0 64k', 'write -u 0 64k', 'sleep 1',
    'write -P 7 1234567 1', 'read -P 7 1234567 1', 'read -v 1234560 16',
]


def both(t: Test, lines: list[str], fmt: str) -> tuple[str, str]:
    out = []
    for program in (str(IO), 'qemu-io'):
        name = t.path(f'{os.path.basename(program)}.{fmt}')
        if not name.exists():
            t.run('qemu-img', 'create', '-f', fmt, name, '4M')
        r = t.run(program, *commands(lines), '-f', fmt, name, check=False)
        out.append((r.returncode, timeless(r.stdout)))
    return out[0], out[1]


def test_same_text(t: Test) -> None:
    t.requires('qemu-io', 'qemu-img')
    for fmt in ('raw', 'qcow2'):
        ours, theirs = both(t, SAME, fmt)
        a, b = ours[1].splitlines(), theirs[1].splitlines()
        for x, y in zip(a, b):
            assert x == y, (fmt, x, y)
        assert len(a) == len(b) and ours[0] == theirs[0], (fmt, ours, theirs)
        assert (contents(t, t.path(f'ferry-io.{fmt}'), fmt)
                == contents(t, t.path(f'qemu-io.{fmt}'), fmt)), fmt


def test_breaks(t: Test) -> None:
    """Requests that stop at an event: the same text, and the same order."""
    t.requires('qemu-io', 'qemu-img')
    lines = ['break foo A', 'resume A', 'remove_break A', 'break read_aio A',
             'aio_write -P 1 0 64k', 'aio_flush',
             'aio_read -P 1 0 4k', 'wait_break A', 'read -P 1 4k 4k',
             'resume A', 'aio_flush', 'break pwritev B',
             'aio_write -P 2 0 4k', 'wait_break B', 'read -P 1 0 4k',
             'resume B', 'aio_flush', 'read -P 2 0 4k',
             'break cow_write C', 'remove_break C', 'remove_break C',
             'aio_write -P 3 128k 4k', 'aio_flush']
    out = []
    for program in (str(IO), 'qemu-io'):
        name = t.path(f'{os.path.basename(program)}.breaks')
        t.run('qemu-img', 'create', '-q', '-f', 'raw', name, '4M')
        r = t.run(program, *commands(lines), '-f', 'raw', f'blkdebug::{name}',
                  check=False)
        out.append((r.returncode, timeless(r.stdout)))
    assert out[0] == out[1], out
    # What stopped there goes on when a break is removed.
    name = t.path('ferry-io.breaks')
    r = t.run(IO, *commands(['break read_aio A', 'aio_read -P 2 0 4k',
                             'wait_break A', 'remove_break A', 'aio_flush',
                             'length']), '-f', 'raw', f'blkdebug::{name}')
    assert r.stdout.index('read 4096/4096') < r.stdout.index('4 MiB'), r
    # Not for ever: nothing can stop there, and the end lets requests go on.
    r = t.run(IO, *commands(['break read_aio A', 'wait_break A',
                             'aio_read -P 2 0 4k', 'wait_break A']),
              '-f', 'raw', f'blkdebug::{name}', check=False)
    assert r.returncode == 1 and r.stdout.index('No request') < r.stdout.index(
        'Suspended') < r.stdout.index('read 4096/4096'), r.stdout
    r = t.run(IO, *commands(['break read_aio A']), name, check=False)
    assert 'Operation not supported' in r.stdout and r.returncode == 1, r


def test_single_commands(t: Test) -> None:
    """One command in a run: status and text."""
    t.requires('qemu-io', 'qemu-img')
    for line in ('read 0 1k', 'read -P 1 0 1k', 'write 0 1k', 'foo', 'read 0',
                 'read a 1k', 'read 0 b', 'write -z -P 1 0 1k', 'map', 'info',
                 'read 4M 1k', 'truncate 1x'):
        for fmt in ('raw', 'qcow2'):
            ours, theirs = both(t, [line], fmt)
            assert ours[0] == theirs[0], (line, fmt, ours, theirs)
            if line in ('read 0 1k', 'map', 'read 4M 1k'):
                assert ours[1] == theirs[1], (line, fmt, ours, theirs)


def test_reads_commands(t: Test) -> None:
    disk = t.path('d.raw')
    with open(disk, 'wb') as f:
        f.truncate(MIB)
    r = t.run(IO, input='length\n# nothing\n\n'
              f'open -r {disk}\nlength\nwrite 0 1k\nclose\nopen {disk}\n'
              'write -P 1 0 1k\nreopen -r\nwrite 0 1k\nreopen -w\n'
              'write -P 2 0 512\nread -P 2 0 512\nquit\nlength\n', check=False)
    assert r.returncode == 1, r
    assert 'no file open' in r.stderr, r
    assert r.stdout.count('1 MiB\n') == 1, r
    assert r.stdout.count('write failed') == 2, r
    assert r.stdout.count('wrote') == 2 and 'verification' not in r.stdout, r
    data = disk.read_bytes()
    assert data[:1024] == b'\2' * 512 + b'\1' * 512


def test_temporary(t: Test) -> None:
    """-s: writes are seen, and leave the image as it was."""
    disk = t.path('d.raw')
    disk.write_bytes(b'A' * MIB)
    for argv in (['-s', '-f', 'raw'], ['-c', f'open -s -o driver=raw {disk}']):
        r = t.run(IO, *argv, '-c', 'write -P 1 0 4k', '-c', 'read -P 1 0 4k',
                  '-c', 'read -P 0x41 4k 4k',
                  *([disk] if argv[0] == '-s' else []))
        assert 'verification' not in r.stdout and 'wrote' in r.stdout, r
        assert disk.read_bytes() == b'A' * MIB


def test_source_file(t: Test) -> None:
    disk, source = t.path('d.raw'), t.path('s')
    disk.write_bytes(bytes(8192))
    source.write_bytes(b'abc')
    io(t, '-c', f'write -s {source} 1k 7', '-f', 'raw', disk)
    assert disk.read_bytes()[1024:1032] == b'abcabca\0'
    source.write_bytes(b'')
    r = io(t, '-c', f'write -s {source} 0 7', '-f', 'raw', disk, check=False)
    assert r.returncode == 1 and 'empty' in r.stdout, r


def test_help(t: Test) -> None:
    assert 'aio_write' in io(t, '-c', 'help').stdout
    assert '-P PATTERN' in io(t, '-c', 'help read').stdout
    assert '--image-opts' in io(t, '--help').stdout
    assert io(t, '-c', 'help nosuch', check=False).returncode == 1
    r = io(t, '--frobnicate', check=False)
    assert r.returncode == 1 and '--frobnicate' in r.stderr
    r = io(t, t.path('nosuch'), check=False)
    assert r.returncode == 1 and 'nosuch' in r.stderr and 'No such' in r.stderr


def test_cache_modes(t: Test) -> None:
    disk = t.path('d.raw')
    disk.write_bytes(bytes(MIB))
    for n, mode in enumerate(('none', 'writeback', 'writethrough',
                              'directsync', 'unsafe'), start=1):
        io(t, '-t', mode, '-c', f'write -P {n} 1k 3k', '-c', 'flush', '-f',
           'raw', disk)
        assert disk.read_bytes()[1024:4096] == bytes([n]) * 3072, mode
    r = io(t, '-t', 'nosuch', '-f', 'raw', disk, check=False)
    assert r.returncode == 1 and 'nosuch' in r.stderr


def test_locked(t: Test) -> None:
    """Two writers of one image: the second is refused, -U reads."""
    disk = t.path('d.raw')
    disk.write_bytes(bytes(MIB))
    p = t.spawn(IO, '-c', 'write 0 1k', '-c', 'sleep 200000', '-f', 'raw', disk,
                stdin=subprocess.DEVNULL)
    wait_for(lambda: any(disk.read_bytes()), 'the first writer')
    for args in (['-f', 'raw'], ['-r', '-f', 'raw']):
        r = io(t, *args, '-c', 'length', disk, check=False)
        assert r.returncode == 1 and 'lock' in r.stderr, r
    assert '1 MiB' in io(t, '-r', '-U', '-c', 'length', '-f', 'raw',
                         disk).stdout
    p.send_signal(signal.SIGINT)
    assert p.wait(TIMEOUT) == 1


def test_ended_at_the_prompt(t: Test) -> None:
    """A signal while a line is awaited: what was written is in the image."""
    for number, rest in ((signal.SIGTERM, ''), (signal.SIGINT, 'write 1M'),
                         (signal.SIGHUP, 'sigraise 15\n')):
        disk = t.path('d.qcow2')
        img(t, 'create', '-q', '-f', 'qcow2', disk, '4M')
        p = t.spawn(IO, '-f', 'qcow2', disk)
        p.stdin.write(f'write -P 5 0 64k\naio_write -P 6 64k 64k\n{rest}'.encode())
        p.stdin.flush()
        said = b''
        while b'at offset 65536' not in said:
            got = os.read(p.stdout.fileno(), 4096)
            assert got, said
            said += got
        if 'sigraise' not in rest:
            p.send_signal(number)
        said += p.stdout.read()
        assert p.wait(TIMEOUT) == 1 and b'interrupted' in said, (p.returncode, said)
        img(t, 'check', '-f', 'qcow2', disk)
        r = io(t, '-c', 'read -P 5 0 64k', '-c', 'read -P 6 64k 64k', '-f',
               'qcow2', disk)
        assert 'verification' not in r.stdout, r
        disk.unlink()


def test_long_line(t: Test) -> None:
    r = io(t, input='#' * 60000 + '\nhelp length', check=False)
    assert r.returncode == 0 and 'length' in r.stdout, r
    r = io(t, input='write ' + '1' * 100000 + '\nhelp\n', check=False)
    assert r.returncode == 1 and 'more than' in r.stderr, r
    assert 'aio_write' not in r.stdout, r


def test_stopped_requests(t: Test) -> None:
    """reopen lets them go on; aio_flush waits for them, or for a signal."""
    disk = t.path('d.raw')
    disk.write_bytes(bytes(MIB))
    stop = ['-c', 'break pwritev A', '-c', 'aio_write -P 1 0 4k', '-c',
            'wait_break A']
    r = io(t, *stop, '-c', 'reopen -r', '-c', 'read -P 1 0 4k', '-f', 'raw',
           f'blkdebug::{disk}')
    assert 'verification' not in r.stdout and 'wrote' in r.stdout, r
    p = t.spawn(IO, '-f', 'raw', f'blkdebug::{disk}')
    p.stdin.write('\n'.join(stop[1::2]).replace('-P 1', '-P 2').encode()
                  + b'\n')
    p.stdin.flush()
    said = b''
    while b'Suspended' not in said:
        got = os.read(p.stdout.fileno(), 4096)
        assert got, said
        said += got
    p.stdin.write(b'aio_flush\n')
    p.stdin.flush()
    p.terminate()
    said += p.stdout.read()
    assert p.wait(TIMEOUT) == 1 and b'interrupted' in said, (p.returncode, said)
    assert disk.read_bytes()[:4096] == b'\2' * 4096


def test_stopped_in_front(t: Test) -> None:
    """One signal ends a request that nobody could resume: it is let go on, the
    commands after it are not run, and the image is closed."""
    for line, event in (('write -P 7 0 4k', 'pwritev'), ('flush', 'flush_to_disk'),
                        ('truncate 2M', 'pwritev'), ('read 0 4k', 'read_aio')):
        disk = t.path('d.raw')
        disk.write_bytes(bytes(MIB))
        p = t.spawn(IO, '-f', 'raw', f'blkdebug::{disk}')
        p.stdin.write(f'break {event} A\nlength\n{line}\nwrite -P 8 4k 4k\n'.encode())
        p.stdin.flush()
        said = b''
        while b'1 MiB' not in said:
            got = os.read(p.stdout.fileno(), 4096)
            assert got, said
            said += got
        time.sleep(0.3)     # until it has stopped: before that nothing differs
        p.terminate()
        assert p.wait(TIMEOUT) == 1, (line, said)
        said += p.stdout.read()
        assert b'interrupted' in said, (line, said)
        if 'write' in line:
            assert b'wrote 4096/4096' in said, said
            assert disk.read_bytes()[:8192] == b'\7' * 4096 + bytes(4096), said


def test_reopen(t: Test) -> None:
    """Status, with qemu-io's; and what it comes to."""
    t.requires('qemu-io', 'qemu-img')
    raw, top = t.path('a.raw'), t.path('top.qcow2')
    raw.write_bytes(bytes(MIB))
    t.run('qemu-img', 'create', '-q', '-f', 'qcow2', '-b', raw, '-F', 'raw', top)
    for status, how in ((0, '-c none'), (0, '-c unsafe'), (0, '-c writethrough'), (0, '-c directsync'), (1, '-c bad'),
                        (0, '-o cache.direct=on'), (0, '-o cache.no-flush=on,discard=unmap'), (1, '-o bad=on'),
                        (1, '-o cache.direct=bad'), (1, '-r -w'), (1, '-w -o read-only=on'), (0, '-w'),
                        (0, '-o read-only=off'), (1, '-c none -o cache.direct=off')):
        for fmt, image in (('raw', raw), ('qcow2', top)):
            for program in ('qemu-io', IO):
                r = t.run(program, '-f', fmt, '-c', f'reopen {how}', '-c', 'write 0 4k', image, check=False)
                assert r.returncode == status, (program, how, r)
    for how, flag, value in (('-c none', os.O_DIRECT, os.O_DIRECT), ('-r', os.O_ACCMODE, os.O_RDONLY)):
        p = t.spawn(IO, '-f', 'qcow2', top)
        p.stdin.write(f'reopen {how}\nlength\n'.encode())
        p.stdin.flush()
        read_until(p.stdout, '1 MiB')
        fds = [fd for fd in os.listdir(f'/proc/{p.pid}/fd') if os.readlink(f'/proc/{p.pid}/fd/{fd}') == str(top)]
        flags = [int(re.search(r'flags:\s*(\d+)', Path(f'/proc/{p.pid}/fdinfo/{fd}').read_text())[1], 8) for fd in fds]
        assert any(f & flag == value for f in flags), (how, flags)
        p.stdin.close()
        assert p.wait(TIMEOUT) == 0
    r = t.run(IO, '-f', 'qcow2', '-c', 'reopen -o read-only=on', '-c', 'write 0 4k', top, check=False)
    assert r.returncode == 1 and 'write failed' in r.stdout, r


def open_flags(pid: int, image: Path) -> list[int]:
    fds = [fd for fd in os.listdir(f'/proc/{pid}/fd') if os.readlink(f'/proc/{pid}/fd/{fd}') == str(image)]
    return sorted({int(re.search(r'flags:\s*(\d+)', Path(f'/proc/{pid}/fdinfo/{fd}').read_text())[1], 8)
                   for fd in fds})


def test_reopen_refused(t: Test) -> None:
    """A reopen that is refused leaves all as it was, whichever part of it was refused."""
    image = t.path('a.qcow2')
    img(t, 'create', '-q', '-f', 'qcow2', image, '1M')
    for mode, how, can_write in (([], '-r -o bad=on', True), ([], '-r -o cache.direct=bad', True),
                                 (['-r'], '-w -o bad=on', False), (['-r'], '-w -o l2-cache-size=7', False)):
        r = t.run(IO, '-f', 'qcow2', *mode, '-c', f'reopen {how}', '-c', 'write 0 4k', '-c', 'read 0 4k', image,
                  check=False)
        assert r.returncode == 1 and ('wrote' in r.stdout) == can_write and 'read 4096/4096' in r.stdout, (how, r)
    # Another reader: its lock refuses the write permission, which is asked for last.
    p, reader = t.spawn(IO, '-r', '-f', 'qcow2', image), t.spawn(IO, '-r', '-f', 'qcow2', image)
    for q in p, reader:
        q.stdin.write(b'length\n')
        q.stdin.flush()
        read_until(q.stdout, '1 MiB')
    before = open_flags(p.pid, image)
    p.stdin.write(b'reopen -w -c none\nlength\n')
    p.stdin.flush()
    read_until(p.stdout, '1 MiB')
    assert open_flags(p.pid, image) == before, (before, open_flags(p.pid, image))
    reader.stdin.close()
    assert reader.wait(TIMEOUT) == 0
    p.stdin.write(b'reopen -w -c none\nwrite 0 4k\n')
    p.stdin.flush()
    read_until(p.stdout, 'wrote 4096')
    assert any(f & os.O_DIRECT and f & os.O_ACCMODE == os.O_RDWR for f in open_flags(p.pid, image))
    p.stdin.close()
    assert p.wait(TIMEOUT) == 1


def test_ends_as_qemu_io_does(t: Test) -> None:
    t.requires('qemu-io', 'qemu-img')
    raw, top = t.path('a.raw'), t.path('top.qcow2')
    raw.write_bytes(bytes(MIB))
    t.run('qemu-img', 'create', '-q', '-f', 'qcow2', '-b', raw, '-F', 'raw', top)
    for argv in (['-d', 'bad', '-c', 'length'], ['-d', 'ignore', '-c', 'length'], ['-C', '-c', 'read -q 0 4k'], ['-c', 'abort'],
                 ['-c', 'aio_read -i 0 512'], ['-c', 'aio_write -i 0 512'], ['-c', 'alloc 2M 512'],
                 ['-c', 'alloc 0 4M'], ['-c', 'alloc 1M'], ['-c', 'aio_read 2M 512', '-c', 'aio_flush'],
                 ['-c', 'aio_write 2M 512', '-c', 'aio_flush'], ['-c', 'aio_read -q -P 9 0 512', '-c', 'aio_flush'],
                 ['-c', 'read -v -q 0 16'], ['-c', 'aio_read -v -q 0 512', '-c', 'aio_flush']):
        ours, theirs = (subprocess.run([p, '-f', 'raw', *argv, raw], stdin=subprocess.DEVNULL, capture_output=True,
                                       text=True, timeout=TIMEOUT) for p in (IO, 'qemu-io'))
        assert (ours.returncode, ours.stdout) == (theirs.returncode, theirs.stdout), (argv, ours, theirs)
    r = t.run(IO, '-c', f'open -d bad {raw}', check=False)
    assert r.returncode == 1 and 'Invalid discard option: bad' in r.stderr, r
    t.run(IO, '-f', 'qcow2', '-C', '-c', 'read -P 0 64k 64k', top)
    t.run(IO, '-c', f'open -C {top}', '-c', 'read -P 0 256k 64k')
    data = [e['start'] for e in json.loads(t.run('qemu-img', 'map', '--output=json', top).stdout) if not e['depth']]
    assert data == [65536, 262144], data


if __name__ == '__main__':
    ferrytest.main()
