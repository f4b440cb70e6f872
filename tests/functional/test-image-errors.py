#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What goes wrong with an image is said in the same words by every program that
opens one, and leaves the image as it was: the table of docs/disks.md."""
import json
import os
import struct
import subprocess
from pathlib import Path

import ferrytest
from ferrytest import BUILD, TIMEOUT, QmpError, Skip, Test, wait_for
from images import IMG, IO, img, io

NBD = BUILD / 'tools/ferry-nbd'



def of(fmt: str, path: Path, **more) -> dict:
    return {'driver': fmt, **more, 'file': {'driver': 'file', 'filename': str(path)}}


def refused(t: Test, options: dict, *words: str, images: tuple = (), objects: tuple = (),
            write: bool = True) -> None:
    """No program opens it, for writing unless @write is False; all say @words; @images
    stay as they are."""
    before = [p.read_bytes() for p in images]
    secrets = [w for o in objects for w in ('--object', o)]
    sock = t.path('nbd.sock')
    text = json.dumps(options)
    for argv in ([IMG, 'convert', *secrets, '--image-opts', '-O', 'raw', text, t.path('out')],
                 [IMG, 'map', *secrets, '--image-opts', text],
                 [IO, *secrets, *([] if write else ['-r']), '--image-opts', '-c', 'length', text],
                 [NBD, *secrets, *([] if write else ['-r']), '-k', sock, '--image-opts', text]):
        r = t.run(*argv, check=False)
        assert r.returncode == 1 and r.stdout == '', (argv, r)
        for w in words:
            assert w in r.stderr, (argv, w, r.stderr)
    f = t.ferry('-machine', 'none', *[w for o in objects for w in ('-object', o)])
    try:
        f.qmp.cmd('blockdev-add', **{'node-name': 'disk', 'read-only': not write, **options})
        raise AssertionError('the machine opened it')
    except QmpError as e:
        for w in words:
            assert w in str(e), (w, e)
    assert f.qmp.cmd('query-named-block-nodes') == []
    f.quit()
    assert before == [p.read_bytes() for p in images], 'an image was changed'
    assert not t.path('out').exists(), 'a target was made of nothing'


def make_qcow2(t: Test, name: str, *args) -> Path:
    path = t.path(name)
    img(t, 'create', '-q', '-f', 'qcow2', *args, path, *([] if '-b' in args else ['4M']))
    io(t, '-f', 'qcow2', '-c', 'write -P 1 1M 256k', path)
    return path


# -- opening ---------------------------------------------------------------------

def test_missing_backing_file(t: Test) -> None:
    base = make_qcow2(t, 'base.qcow2')
    top = make_qcow2(t, 'top.qcow2', '-F', 'qcow2', '-b', base)
    base.rename(t.path('away'))
    refused(t, of('qcow2', top), f"Could not open backing file: could not open '{base}': "
            'No such file or directory', images=(top,))


def test_backing_loop(t: Test) -> None:
    a, b = make_qcow2(t, 'a.qcow2'), t.path('b.qcow2')
    make_qcow2(t, 'b.qcow2', '-F', 'qcow2', '-b', a)
    img(t, 'rebase', '-u', '-F', 'qcow2', '-b', b, a)
    refused(t, of('qcow2', b), f"backing chain has a loop: '{b}' is below itself",
            images=(a, b))
    img(t, 'rebase', '-u', '-F', 'qcow2', '-b', b, b)
    for write in True, False:
        refused(t, of('qcow2', b), f"backing chain has a loop: '{b}' is below itself",
                images=(b,), write=write)


def test_truncated(t: Test) -> None:
    """Cut in each of its tables, and in the header."""
    path = make_qcow2(t, 'cut.qcow2')
    whole = path.read_bytes()
    header = ('the image is truncated: the file ends in its first 512 bytes, '
              'where the header is')
    for length, words in ((20, header), (103, header), (512, header),
                          (513, 'the image is truncated: its refcount table'),
                          (65536, 'the image is truncated: its refcount table (8 bytes at '
                           '0x10000) ends behind the end of the file (65536 bytes)'),
                          (3 * 65536, 'the image is truncated: its L1 table (8 bytes at '
                           '0x30000) ends behind the end of the file (196608 bytes)')):
        path.write_bytes(whole[:length])
        refused(t, of('qcow2', path), words, images=(path,))
    # The check opens it, finds what is missing, and does not change it.
    r = img(t, 'check', path, check=False)
    assert r.returncode == 2 and 'not in the file' in r.stderr, r
    assert path.read_bytes() == whole[:length], 'the check changed it'


def test_truncated_snapshot(t: Test) -> None:
    """The disk itself is whole; its snapshot is not."""
    path = make_qcow2(t, 'cut.qcow2')
    img(t, 'snapshot', '-c', 'a', path)
    raw = bytearray(path.read_bytes())
    at = struct.unpack_from('>Q', raw, 64)[0]  # the list of snapshots
    struct.pack_into('>Q', raw, at, len(raw) + 65536 * 16)  # its L1 table
    path.write_bytes(raw)
    for option in '-a', '-d':
        r = img(t, 'snapshot', option, 'a', path, check=False)
        assert r.returncode == 1 and 'the image is truncated: its L1 table of a snapshot' in r.stderr, r
        assert path.read_bytes() == raw, 'the image was changed'


def test_locked(t: Test) -> None:
    path = make_qcow2(t, 'locked.qcow2')
    p = t.spawn(IO, '-f', 'qcow2', path)
    p.stdin.write(b'length\n')
    p.stdin.flush()
    assert p.stdout.readline() == b'4 MiB\n'
    for write in True, False:
        refused(t, of('qcow2', path), ' lock', images=(path,), write=write)
    for argv, what in (([IMG, 'resize', path, '8M'], 'Failed to get "write" lock'),
                       ([IO, '-r', '-c', 'length', path], 'Failed to get shared "write" lock')):
        r = t.run(*argv, check=False)
        assert r.returncode == 1 and what in r.stderr, r
        assert f'Is another process using the image [{path}]?' in r.stderr, r
    p.stdin.close()
    assert p.wait(TIMEOUT) == 0


def test_wrong_passphrase(t: Test) -> None:
    keys = {}
    for name in 'right', 'wrong':
        t.path(name).write_text(f'the {name} one')
        keys[name] = f'secret,id={name},file={t.path(name)}'
    luks, qcow2 = t.path('d.luks'), t.path('d.qcow2')
    img(t, 'create', '-q', '--object', keys['right'], '-f', 'luks', '-o',
        'key-secret=right,iter-time=10', luks, '1M')
    img(t, 'create', '-q', '--object', keys['right'], '-f', 'qcow2', '-o',
        'encrypt.format=luks,encrypt.key-secret=right,encrypt.iter-time=10', qcow2, '1M')
    for options in (of('luks', luks, **{'key-secret': 'wrong'}),
                    of('qcow2', qcow2, encrypt={'format': 'luks', 'key-secret': 'wrong'})):
        refused(t, options, 'invalid password, cannot unlock any keyslot',
                images=(luks, qcow2), objects=(keys['wrong'],))
    refused(t, of('luks', luks), "parameter 'key-secret' is needed for the cipher", images=(luks,))
    refused(t, of('luks', luks, **{'key-secret': 'nobody'}), "no secret with id 'nobody'",
            images=(luks,))


# -- requests --------------------------------------------------------------------

def faulty(path: Path, **more) -> dict:
    return {'driver': 'qcow2', 'file': {'driver': 'blkdebug', **more,
                                        'image': {'driver': 'file', 'filename': str(path)}}}


def written(t: Test, path: Path) -> None:
    """The image is sound and has what was in it."""
    img(t, 'check', '-q', '-f', 'qcow2', path)
    r = io(t, '-f', 'qcow2', '-r', '-c', 'read -P 1 1M 256k', path)
    assert 'verification' not in r.stdout, r


def serve(t: Test, *args) -> tuple[Path, subprocess.Popen]:
    sock = t.path('nbd.sock')
    sock.unlink(missing_ok=True)
    p = t.spawn(NBD, '-k', sock, *args)
    wait_for(sock.exists, 'the server')
    return sock, p


def end(p: subprocess.Popen) -> None:
    p.terminate()
    p.wait(TIMEOUT)


def test_io_error(t: Test) -> None:
    """The disk below fails: once at a write, once at a read."""
    path = make_qcow2(t, 'io.qcow2')
    broken = {'inject-error': [{'event': 'none', 'iotype': 'read', 'errno': 5}]}
    refused(t, faulty(path, **broken), 'Input/output error', images=(path,))
    data = {'inject-error': [{'event': 'none', 'iotype': 'read', 'errno': 5, 'sector': 0x50000 // 512}]}
    r = img(t, 'convert', '--image-opts', '-O', 'raw', json.dumps(faulty(path, **data)),
            t.path('out'), check=False)
    assert r.returncode == 1 and ('ferry-img: error while reading offset 1048576: '
                                  'Input/output error\n' == r.stderr), r
    write = {'inject-error': [{'event': 'none', 'iotype': 'write', 'errno': 5}]}
    for line, words in (('write 2M 64k', 'write failed: Input/output error'),
                        ('read 1M 4k', 'read 4096/4096')):
        r = io(t, '--image-opts', '-c', line, json.dumps(faulty(path, **write)), check=False)
        assert words in r.stdout, (line, r)
    written(t, path)
    sock, p = serve(t, '--image-opts', json.dumps(faulty(path, **write)))
    r = io(t, '-f', 'raw', '-c', 'write 2M 64k', '-c', 'read -P 1 1M 4k',
           f'nbd+unix:///?socket={sock}', check=False)
    assert 'write failed: Input/output error' in r.stdout and 'read 4096/4096' in r.stdout, r
    end(p)
    written(t, path)
    f = t.ferry('-machine', 'none')
    f.qmp.cmd('blockdev-add', **{'node-name': 'source', **of('qcow2', path)})
    target = make_qcow2(t, 'target.qcow2')
    f.qmp.cmd('blockdev-add', **{'node-name': 'target', 'driver': 'qcow2', 'file': {
        'driver': 'blkdebug', 'inject-error': [{'event': 'none', 'iotype': 'write', 'errno': 5}],
        'image': {'driver': 'file', 'filename': str(target)}}})
    f.qmp.cmd('blockdev-backup', **{'job-id': 'j', 'device': 'source', 'target': 'target',
                                    'sync': 'full'})
    assert f.qmp.event('BLOCK_JOB_COMPLETED')['data']['error'] == 'Input/output error'
    f.quit()
    written(t, path)
    img(t, 'check', '-q', target)


FULL = r'''
mount -t tmpfs -o size=1m none "$1" || exit 77
cp "$2" "$1/disk.qcow2" && cd "$1" && shift 2 || exit 77
"$@"
'''


def on_full_disk(t: Test, image: Path, script: str, *args):
    """Run a shell script where @image is on a disk of 1 MiB that fills up."""
    t.requires('unshare')
    room = t.path('room')
    room.mkdir(exist_ok=True)
    r = t.run('unshare', '--user', '--map-root-user', '--mount', 'sh', '-c', FULL, 'sh', room,
              image, 'sh', '-c', script, 'sh', *args, check=False)
    if r.returncode == 77 or 'unshare failed' in r.stderr or 'Operation not perm' in r.stderr:
        raise Skip('no file system of its own can be mounted')
    return r


def test_disk_full(t: Test) -> None:
    path = make_qcow2(t, 'full.qcow2')
    sound = ('$1 check -q -f qcow2 disk.qcow2 && '
             '$2 -f qcow2 -r -c "read -P 1 1M 256k" disk.qcow2')
    r = on_full_disk(t, path, '$1 convert -f qcow2 -O raw -S 0 disk.qcow2 out.raw; echo =$?; ls; '
                     + sound, IMG, IO)
    assert 'error while writing offset ' in r.stderr and 'No space left on device' in r.stderr, r
    assert '=1' in r.stdout and 'verification' not in r.stdout and r.returncode == 0, r
    r = on_full_disk(t, path, '$2 -f qcow2 -c "write -P 2 2M 1M" -c "write -P 3 1M 4k" '
                     '-c "write -P 1 1M 4k" disk.qcow2; echo =$?; ' + sound, IMG, IO)
    assert 'write failed: No space left on device' in r.stdout and '=1' in r.stdout, r
    assert 'verification' not in r.stdout and r.returncode == 0, r
    r = on_full_disk(t, path, '''
        $3 -f qcow2 -k "$4" disk.qcow2 & p=$!
        while ! test -S "$4"; do sleep 0.02; done
        $2 -f raw -c "write -P 2 2M 1M" -c "read -P 1 1M 4k" "nbd+unix:///?socket=$4"
        wait $p; ''' + sound, IMG, IO, NBD, t.path('full.sock'))
    assert 'write failed: No space left on device' in r.stdout, r
    assert 'read 4096/4096' in r.stdout and 'verification' not in r.stdout, r
    assert r.returncode == 0, r


def test_machine_with_full_disk(t: Test) -> None:
    """A job into a disk that is full ends with the reason; a guest's request waits for
    room (test-virtio-disk)."""
    path = make_qcow2(t, 'source.qcow2')
    t.path('job.json').write_text('\n'.join(json.dumps(c) for c in (
        {'execute': 'qmp_capabilities'},
        {'execute': 'blockdev-add', 'arguments': {'node-name': 's', **of('qcow2', path)}},
        {'execute': 'blockdev-add', 'arguments': {
            'node-name': 't', **of('qcow2', Path('disk.qcow2'))}},
        {'execute': 'blockdev-backup', 'arguments': {
            'job-id': 'j', 'device': 's', 'target': 't', 'sync': 'full'}})))
    io(t, '-f', 'qcow2', '-c', 'write -P 5 2M 2M', path)
    small = make_qcow2(t, 'small.qcow2')
    r = on_full_disk(t, small, '''
        { cat "$2"; while kill -0 $$ && ! grep -q BLOCK_JOB_COMPLETED out; do sleep 0.05; done
          echo '{"execute":"quit"}'; } 2>/dev/null |
        "$1" -machine none -display none -nodefaults -qmp stdio > out
        cat out; "$3" check -q -f qcow2 disk.qcow2''', ferrytest.FERRY, t.path('job.json'), IMG)
    ends = [json.loads(line) for line in r.stdout.splitlines() if 'BLOCK_JOB_COMPLETED' in line]
    assert ends and ends[0]['data']['error'] == 'No space left on device', r
    assert r.returncode == 0, r
    written(t, path)


if __name__ == '__main__':
    ferrytest.main(at_once=2)
