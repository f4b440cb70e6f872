#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Each option of the NBD server and client, as a program that was not written
here sees it: nbdinfo, nbdsh, nbdkit, qemu-nbd, qemu-img and qemu-io."""
import json
import os
import socket
import time
from pathlib import Path

import ferrytest
from ferrytest import BUILD, TIMEOUT, QmpError, Test, free_port, wait_for
from pki import Pki

NBD = BUILD / 'tools/ferry-nbd'
IMG = BUILD / 'tools/ferry-img'
IO = BUILD / 'tools/ferry-io'
MIB = 1024 * 1024


def listening(where: Path | int) -> bool:
    family, addr = ((socket.AF_INET, ('127.0.0.1', where)) if isinstance(where, int)
                    else (socket.AF_UNIX, str(where)))
    with socket.socket(family) as s:
        return s.connect_ex(addr) == 0


def uri(sock: Path, export: str = '') -> str:
    return f'nbd+unix:///{export}?socket={sock}'


def make_disk(t: Test, name: str = 'disk.raw', mib: int = 4) -> Path:
    path = t.path(name)
    path.write_bytes(os.urandom(mib * MIB))
    return path


def start(t: Test, *argv: str, at: Path | int):
    p = t.spawn(*argv)
    wait_for(lambda: listening(at), Path(argv[0]).name)
    return p


def serve(t: Test, image, *args: str):
    sock = t.path('nbd.sock')
    p = start(t, str(NBD), '-t', '-e', '0', '-k', str(sock), *args, str(image), at=sock)
    return sock, p


def end(p) -> None:
    p.terminate()
    assert p.wait(TIMEOUT) == 0


def info(t: Test, sock: Path, export: str = '') -> dict:
    return json.loads(t.run('nbdinfo', '--json', uri(sock, export)).stdout)['exports'][0]


def nbdsh(t: Test, where: str, script: str, check: bool = True):
    if not Path('/usr/lib/python3/dist-packages/nbdsh.py').exists():
        raise ferrytest.Skip('no python3-libnbd')
    return t.run('/usr/bin/python3', '-m', 'nbd', '-u', where, '-c', script, check=check)


# -- ferry-nbd ------------------------------------------------------------------


REFUSED_WRITE = '''
h.set_strict_mode(0)
try:
    h.pwrite(b'x' * 512, 0)
    raise SystemExit('it was written')
except nbd.Error as e:
    assert e.errno == 'EPERM', e
'''


def test_read_only(t: Test) -> None:
    t.requires('nbdinfo')
    disk = make_disk(t)
    sock, _ = serve(t, disk, '-f', 'raw', '-r')
    assert info(t, sock)['is_read_only']
    nbdsh(t, uri(sock), REFUSED_WRITE)


def test_bitmap_and_depth(t: Test) -> None:
    t.requires('nbdinfo', 'qemu-img', 'qemu-io')
    base, top = make_disk(t), t.path('top.qcow2')
    t.run('qemu-img', 'create', '-f', 'qcow2', '-b', str(base), '-F', 'raw', str(top))
    t.run('qemu-img', 'bitmap', '--add', str(top), 'b0')
    t.run('qemu-io', '-f', 'qcow2', '-c', 'write 1M 64k', str(top))
    sock, _ = serve(t, top, '-f', 'qcow2', '-r', '-A', '-B', 'b0')
    assert set(info(t, sock)['contexts']) == {
        'base:allocation', 'qemu:allocation-depth', 'qemu:dirty-bitmap:b0'}
    for context, want in (('qemu:dirty-bitmap:b0', [0, 1, 0]), ('qemu:allocation-depth', [2, 1, 2])):
        got = json.loads(t.run('nbdinfo', f'--map={context}', '--json', uri(sock)).stdout)
        assert [e['type'] for e in got] == want, got
        assert (got[1]['offset'], got[1]['length']) == (MIB, 65536), got
    r = t.run(str(NBD), '-k', str(t.path('x')), '-f', 'qcow2', '-r', '-B', 'none', str(top), check=False)
    assert r.returncode == 1 and 'none' in r.stderr, r.stderr


def test_load_snapshot(t: Test) -> None:
    t.requires('qemu-img', 'qemu-io', 'nbdcopy')
    image, copy = t.path('s.qcow2'), t.path('copy.raw')
    t.run('qemu-img', 'create', '-f', 'qcow2', str(image), '1M')
    t.run('qemu-io', '-f', 'qcow2', '-c', 'write -P 1 0 1M', str(image))
    t.run('qemu-img', 'snapshot', '-c', 'then', str(image))
    t.run('qemu-io', '-f', 'qcow2', '-c', 'write -P 2 0 1M', str(image))
    for args, byte in ((('-l', 'snapshot.name=then'), 1), (('-l', 'then'), 1), ((), 2)):
        sock, p = serve(t, image, '-f', 'qcow2', '-r', *args)
        t.run('nbdcopy', uri(sock), str(copy))
        assert copy.read_bytes() == bytes([byte]) * MIB, args
        end(p)


def test_load_snapshot_of_raw(t: Test) -> None:
    disk = make_disk(t)
    for name in ('x', 'snapshot.name=x', 'snapshot.id=1'):
        r = t.run(str(NBD), '-k', str(t.path('x')), '-f', 'raw', '-r', '-l', name, str(disk), check=False)
        assert r.returncode == 1 and "'raw' does not support internal snapshots" in r.stderr, r


def test_bitmap_below_an_overlay(t: Test) -> None:
    """A read-only export of a node that is written: its own bitmap must not
    record; one of a backing file that nobody writes to may."""
    t.requires('nbdinfo')
    base, top, sock = t.path('base.qcow2'), t.path('top.qcow2'), t.path('m.sock')
    t.run(str(IMG), 'create', '-q', '-f', 'qcow2', str(base), '1M')
    t.run(str(IMG), 'bitmap', '--add', str(base), 'b0')
    t.run(str(IMG), 'create', '-q', '-f', 'qcow2', '-b', str(base), '-F', 'qcow2', str(top))
    f = t.ferry('-machine', 'none', '-blockdev',
                f'driver=qcow2,node-name=d0,file.driver=file,file.filename={top}')
    f.qmp.cmd('nbd-server-start', addr={'type': 'unix', 'data': {'path': str(sock)}})
    f.qmp.cmd('block-dirty-bitmap-add', node='d0', name='b1')
    try:
        export(f, name='d0', bitmaps=['b1'])
        raise AssertionError('b1 records')
    except QmpError as e:
        assert "Enabled bitmap 'b1'" in str(e), e
    export(f, name='d0', bitmaps=['b0'])
    assert 'qemu:dirty-bitmap:b0' in info(t, sock, 'd0')['contexts']


def test_zeroes_into_the_overlay(t: Test) -> None:
    t.requires('nbdinfo')
    disk = make_disk(t)
    before = disk.read_bytes()
    for args, zeroes in ((['--detect-zeroes=on'], True), ([], False)):
        sock, p = serve(t, disk, '-f', 'raw', '-s', *args)
        nbdsh(t, uri(sock), f'h.pwrite(bytes({MIB}), {MIB})')
        got = json.loads(t.run('nbdinfo', '--map', '--json', uri(sock)).stdout)
        assert [e['offset'] for e in got if e['type'] & 2] == ([MIB] if zeroes else []), got
        end(p)
    assert disk.read_bytes() == before


def test_discard_and_zeroes(t: Test) -> None:
    for form in (['-f', 'raw'], ['--image-opts']):
        disk = make_disk(t)
        name = f'driver=raw,file.driver=file,file.filename={disk}' if '-f' not in form else disk
        sock, p = serve(t, name, *form, '--discard=unmap', '--detect-zeroes=unmap')
        before = disk.stat().st_blocks
        nbdsh(t, uri(sock), f'h.trim({MIB}, 0); h.pwrite(bytes({MIB}), {MIB}); h.flush()')
        assert disk.stat().st_blocks <= before - 2 * MIB // 512, 'nothing was given back'
        end(p)
        assert disk.read_bytes()[:2 * MIB] == bytes(2 * MIB)


def test_discard_goes_to_what_is_written(t: Test) -> None:
    """-s: the overlay's clusters are given back; -o: the image's."""
    t.requires('nbdinfo')
    for mode, holes in (('unmap', [MIB]), ('ignore', [])):
        disk = make_disk(t)
        before, room = disk.read_bytes(), disk.stat().st_blocks
        sock, p = serve(t, disk, '-f', 'raw', '-s', f'--discard={mode}')
        nbdsh(t, uri(sock), f'h.pwrite(b"x" * {MIB}, {MIB}); h.trim({MIB}, {MIB}); h.flush()')
        got = json.loads(t.run('nbdinfo', '--map', '--json', uri(sock)).stdout)
        assert [e['offset'] for e in got if e['type'] & 2] == holes, (mode, got)
        end(p)
        assert disk.read_bytes() == before and disk.stat().st_blocks == room
        sock, p = serve(t, disk, '-f', 'raw', '-o', str(MIB), f'--discard={mode}')
        nbdsh(t, uri(sock), f'h.trim({MIB}, {MIB}); h.flush()')
        end(p)
        freed = room - disk.stat().st_blocks
        assert freed == (MIB // 512 if holes else 0), (mode, freed)
        assert disk.read_bytes() == before[:2 * MIB] + (
            bytes(MIB) if holes else before[2 * MIB:3 * MIB]) + before[3 * MIB:], mode


def test_cache_and_aio(t: Test) -> None:
    t.requires('nbdcopy')
    disk, source = make_disk(t), make_disk(t, 'source.raw')
    for args in (['--cache=none', '--aio=native'], ['--cache=writethrough', '--aio=threads'],
                 ['--cache=unsafe', '--aio=io_uring'], ['-n']):
        disk.write_bytes(bytes(4 * MIB))
        sock, p = serve(t, disk, '-f', 'raw', *args)
        t.run('nbdcopy', '--flush', str(source), uri(sock))
        end(p)
        assert disk.read_bytes() == source.read_bytes(), args


def test_places(t: Test) -> None:
    """-e 1: the second client waits for the first one's place."""
    t.requires('nbdinfo')
    disk, sock = make_disk(t), t.path('nbd.sock')
    start(t, str(NBD), '-t', '-e', '1', '-k', str(sock), '-f', 'raw', str(disk), at=sock)
    assert not info(t, sock)['can_multi_conn']
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(str(sock))
        s.sendall(b'\0\0\0\3IHAVEOPT\0\0\0\1\0\0\0\0')
        got = b''
        while len(got) < 28:
            got += s.recv(64)
        second = t.spawn('nbdinfo', '--size', uri(sock))
        time.sleep(0.5)
        assert second.poll() is None, 'it was served beside the first'
    assert second.wait(TIMEOUT) == 0


def test_one_place_is_not_many(t: Test) -> None:
    """A client that is told of many connections waits for each of them."""
    t.requires('nbdinfo', 'nbdcopy')
    disk, sock = make_disk(t), t.path('nbd.sock')
    for args, many in ((['-r'], False), (['-e', '1'], False), (['-r', '-e', '4'], True), (['-e', '4'], True)):
        p = start(t, str(NBD), '-t', '-k', str(sock), '-f', 'raw', *args, str(disk), at=sock)
        assert info(t, sock)['can_multi_conn'] == many, args
        t.run('nbdcopy', uri(sock), 'null:')
        end(p)


def test_qemu_is_a_client_with_tls(t: Test) -> None:
    t.requires('qemu-io', 'qemu-nbd', 'certtool', 'psktool')
    srv, cli = Pki(t.path('pki')).standard()
    keys = t.path('psk')
    keys.mkdir()
    t.run('psktool', '-u', 'alice', '-p', str(keys / 'keys.psk'))
    for server, client, more in (
            (f'tls-creds-x509,id=t,endpoint=server,dir={srv},verify-peer=on',
             f'tls-creds-x509,id=t,endpoint=client,dir={cli}', ',tls-hostname=localhost'),
            (f'tls-creds-psk,id=t,endpoint=server,dir={keys}',
             f'tls-creds-psk,id=t,endpoint=client,dir={keys},username=alice', '')):
        port = free_port()
        p = start(t, str(NBD), '-t', '-b', '127.0.0.1', '-p', str(port), '-x', 'e', '-f', 'raw',
                  '--object', server, '--tls-creds', 't', str(make_disk(t)), at=port)
        where = f'driver=nbd,host=127.0.0.1,port={port},export=e,tls-creds=t{more}'
        out = t.run('qemu-io', '--object', client, '--image-opts', '-c', 'write -P 5 64k 64k',
                    '-c', 'flush', '-c', 'read -P 5 64k 64k', f'driver=raw,file.{where.replace(",", ",file.")}').stdout
        assert 'verification failed' not in out, out
        host = ['--tls-hostname', 'localhost'] if more else []
        out = t.run('qemu-nbd', '-L', '-b', '127.0.0.1', '-p', str(port), '--object', client,
                    '--tls-creds', 't', *host).stdout
        assert "export: 'e'" in out, out
        end(p)


# -- a machine's server -----------------------------------------------------------


def machine(t: Test, *args: str):
    disk = make_disk(t)
    return disk, t.ferry('-machine', 'none', *args, '-blockdev',
                         f'driver=raw,node-name=d0,file.driver=file,file.filename={disk}')


def export(f, **more) -> None:
    f.qmp.cmd('block-export-add', **{'type': 'nbd', 'id': 'e0', 'node-name': 'd0', **more})


def test_machine_with_tls_and_authz(t: Test) -> None:
    t.requires('nbdinfo', 'certtool')
    srv, cli = Pki(t.path('pki')).standard()
    out = t.run('certtool', '-i', '--infile', str(Path(cli) / 'client-cert.pem')).stdout
    subject = next(line.split('Subject: ')[1] for line in out.splitlines() if 'Subject: ' in line)
    name = ','.join(reversed(subject.split(',')))
    port = free_port()
    _, f = machine(t, '-object', f'tls-creds-x509,id=t,endpoint=server,dir={srv}',
                   '-object', json.dumps({'qom-type': 'authz-list', 'id': 'z', 'policy': 'deny', 'rules': [
                       {'match': name, 'policy': 'allow'}]}),
                   '-object', 'authz-simple,id=nobody,identity=CN=nobody')
    addr = {'type': 'inet', 'data': {'host': '127.0.0.1', 'port': str(port)}}
    client = ['nbdinfo', '--json', f'nbds://localhost:{port}/d0?tls-certificates={cli}']
    for rules, fits in (('z', True), ('nobody', False)):
        f.qmp.cmd('nbd-server-start', **{'addr': addr, 'tls-creds': 't', 'tls-authz': rules})
        export(f, name='d0', description='with a text')
        r = t.run(*client, check=False)
        assert (r.returncode == 0) == fits, (name, r.stderr)
        if fits:
            e = json.loads(r.stdout)
            assert e['TLS'] and e['exports'][0]['description'] == 'with a text', e
        r = t.run('nbdinfo', f'nbd://localhost:{port}/d0', check=False)
        assert r.returncode != 0
        f.qmp.cmd('nbd-server-stop')


def test_machine_places(t: Test) -> None:
    t.requires('nbdinfo', 'nbdcopy')
    sock = t.path('m.sock')
    _, f = machine(t)
    f.qmp.cmd('nbd-server-start', **{'addr': {'type': 'unix', 'data': {'path': str(sock)}},
                                     'max-connections': 1, 'handshake-max-seconds': 1})
    for writable in (False, True):
        export(f, id=f'w{writable}', name=f'd{int(writable)}', writable=writable)
        assert not info(t, sock, f'd{int(writable)}')['can_multi_conn']
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(str(sock))
        s.settimeout(TIMEOUT)
        begin, got = time.monotonic(), b'x'
        while got:
            got = s.recv(64)
        assert 0.5 < time.monotonic() - begin < 20
    info(t, sock, 'd0')
    t.run('nbdcopy', uri(sock, 'd0'), 'null:')


def test_machine_export_options(t: Test) -> None:
    t.requires('nbdinfo')
    sock = t.path('m.sock')
    disk, f = machine(t, '-object', 'iothread,id=io0')
    f.qmp.cmd('nbd-server-start', addr={'type': 'unix', 'data': {'path': str(sock)}})
    f.qmp.cmd('block-dirty-bitmap-add', node='d0', name='b0')
    export(f, **{'name': 'd0', 'writable': True, 'writethrough': True, 'iothread': 'io0',
                 'fixed-iothread': True, 'bitmaps': [{'node': 'd0', 'name': 'b0'}]})
    e = info(t, sock, 'd0')
    assert not e['is_read_only'] and 'qemu:dirty-bitmap:b0' in e['contexts'], e
    nbdsh(t, uri(sock, 'd0'), 'h.pwrite(b"y" * 65536, 65536)')
    assert disk.read_bytes()[65536:131072] == b'y' * 65536
    got = json.loads(t.run('nbdinfo', '--map=qemu:dirty-bitmap:b0', '--json', uri(sock, 'd0')).stdout)
    assert [(e['offset'], e['length']) for e in got if e['type']] == [(65536, 65536)], got
    f.qmp.cmd('block-export-del', id='e0')
    f.qmp.event('BLOCK_EXPORT_DELETED')
    # Others may write, and its clients would not know of what.
    for bad in ({'bitmaps': ['b0']}, {'name': 'x' * 4097}, {'description': 'x' * 4097}, {'iothread': 'none'}):
        try:
            export(f, **bad)
            raise AssertionError(bad)
        except QmpError:
            pass


def test_old_commands(t: Test) -> None:
    t.requires('nbdinfo')
    port = free_port()
    disk = make_disk(t)
    f = t.ferry('-machine', 'none', '-drive', f'if=none,id=hd0,format=raw,file={disk}')
    f.qmp.cmd('nbd-server-start', addr={'type': 'inet', 'data': {'host': '127.0.0.1', 'port': str(port)}})
    f.qmp.cmd('nbd-server-add', device='hd0', name='one', writable=True)
    names = [e['export-name'] for e in json.loads(
        t.run('nbdinfo', '--list', '--json', f'nbd://127.0.0.1:{port}').stdout)['exports']]
    assert names == ['one'], names
    f.qmp.cmd('nbd-server-remove', name='one')
    f.qmp.cmd('nbd-server-stop')
    assert f.qmp.hmp(f'nbd_server_start 127.0.0.1:{port}') == ''
    assert f.qmp.hmp('nbd_server_add -w hd0 two') == ''
    out = json.loads(t.run('nbdinfo', '--json', f'nbd://127.0.0.1:{port}/two').stdout)
    assert not out['exports'][0]['is_read_only']
    assert f.qmp.hmp('nbd_server_remove -f two') == ''
    assert f.qmp.hmp('nbd_server_stop') == ''


def test_background_and_label(t: Test) -> None:
    """What the kernel is told; neither a device nor SELinux is needed to see it."""
    t.requires('strace')
    disk, trace = make_disk(t), t.path('trace')

    def calls(*args: str) -> str:
        t.run('strace', '-f', '-e', 'trace=setsid,write,openat', '-o', trace, str(NBD), '-f', 'raw', *args, str(disk),
              check=False)
        return trace.read_text()

    assert 'setsid(' in calls('-c', '/dev/null')
    assert 'setsid(' not in calls('-v', '-c', '/dev/null')
    label = 'system_u:object_r:svirt_t:s0'
    nowhere = str(t.path('none/l.sock'))    # with SELinux the label may fit
    assert 'attr/sockcreate' in calls('-k', nowhere, '--selinux-label', label)
    r = t.run(str(NBD), '-k', nowhere, '-f', 'raw', '--selinux-label', label, str(disk), check=False)
    assert r.returncode == 1 and ('of SELinux: ' in r.stderr or nowhere in r.stderr), r.stderr


def test_vsock_names(t: Test) -> None:
    """There is nobody on the other side: the message tells whom it looked for."""
    for name, why in (('nbd+vsock://77:99/x', '77'), ('nbd+vsock://host/x', 'context ID'),
                      ('nbds+vsock://77/x', 'tls-creds'), ('nbd+vsock://4294967296/x', 'context ID')):
        r = t.run(str(IMG), 'info', '-f', 'raw', name, check=False)
        assert r.returncode == 1 and why in r.stderr and 'No such file' not in r.stderr, (name, r.stderr)


# -- the client --------------------------------------------------------------------


def test_names_of_a_server(t: Test) -> None:
    t.requires('nbdkit')
    sock, port = t.path('k.sock'), free_port()
    # The content is the name of the export.
    start(t, 'nbdkit', '-f', '-U', str(sock), 'info', 'mode=exportname', at=sock)
    start(t, 'nbdkit', '-f', '-i', '127.0.0.1', '-p', str(port), 'info', 'mode=exportname', at=port)
    for where in (uri(sock, 'a%2Fb'), f'nbd://127.0.0.1:{port}/a/b', f'nbd+tcp://127.0.0.1:{port}/a/b',
                  f'nbd:127.0.0.1:{port}:exportname=a/b', f'nbd:unix:{sock}:exportname=a/b'):
        out = t.path('out.raw')
        t.run(str(IMG), 'convert', '-f', 'raw', '-O', 'raw', where, str(out))
        assert out.read_bytes()[:3] == b'a/b', where


def test_open_timeout(t: Test) -> None:
    t.requires('nbdkit')
    sock = t.path('k.sock')
    where = f'driver=raw,file.driver=nbd,file.path={sock}'
    assert t.run(str(IMG), 'info', '--image-opts', where, check=False).returncode == 1
    client = t.spawn(str(IMG), 'info', '--image-opts', f'{where},file.open-timeout=20')
    time.sleep(0.5)
    assert client.poll() is None
    start(t, 'nbdkit', '-f', '-U', str(sock), 'null', '4M', at=sock)
    assert client.wait(TIMEOUT) == 0


def test_bitmap_of_qemu_nbd(t: Test) -> None:
    t.requires('qemu-nbd', 'qemu-img', 'qemu-io')
    image, sock = t.path('i.qcow2'), t.path('q.sock')
    t.run('qemu-img', 'create', '-f', 'qcow2', str(image), '4M')
    t.run('qemu-img', 'bitmap', '--add', str(image), 'b0')
    t.run('qemu-io', '-f', 'qcow2', '-c', 'write 2M 64k', str(image))
    start(t, 'qemu-nbd', '-t', '-r', '-e', '4', '-k', str(sock), '-f', 'qcow2', '-B', 'b0', str(image), at=sock)
    out = t.run(str(IMG), 'map', '--output=json', '--image-opts',
                f'driver=nbd,path={sock},x-dirty-bitmap=qemu:dirty-bitmap:b0').stdout
    assert [(e['start'], e['length']) for e in json.loads(out) if not e['data']] == [(2 * MIB, 65536)], out
    r = t.run(str(IMG), 'info', '--image-opts', f'driver=nbd,path={sock},x-dirty-bitmap=qemu:dirty-bitmap:b1',
              check=False)
    assert r.returncode == 1 and 'b1' in r.stderr, r.stderr


def test_tls_modes_of_nbdkit(t: Test) -> None:
    """off, on, require; certificates and keys."""
    t.requires('nbdkit', 'certtool', 'psktool')
    srv, cli = Pki(t.path('pki')).standard()
    keys = t.path('psk')
    keys.mkdir()
    t.run('psktool', '-u', 'alice', '-p', str(keys / 'keys.psk'))
    certificates = [f'--tls-certificates={srv}', '--tls-verify-peer']
    x509 = ['--object', f'tls-creds-x509,id=c,endpoint=client,dir={cli}']
    psk = ['--object', f'tls-creds-psk,id=c,endpoint=client,dir={keys},username=alice']
    for mode, args, creds, clear, tls in (
            ('off', [], x509, True, False),
            ('on', certificates, x509, True, True),
            ('require', certificates, x509, False, True),
            ('require', [f'--tls-psk={keys}/keys.psk'], psk, False, True)):
        port = free_port()
        p = start(t, 'nbdkit', '-f', '-i', '127.0.0.1', '-p', str(port), f'--tls={mode}', *args, 'null', '1M', at=port)
        r = t.run(str(IMG), 'info', f'nbd://localhost:{port}', check=False)
        assert (r.returncode == 0) == clear, (mode, r.stderr)
        # Never falls back to the clear.
        r = t.run(str(IMG), 'info', *creds, f'nbds://localhost:{port}/?tls-creds=c', check=False)
        assert (r.returncode == 0) == tls, (mode, r.stderr)
        p.terminate()
        p.wait()


def test_one_connection_or_several(t: Test) -> None:
    t.requires('nbdkit')
    sock, log = t.path('k.sock'), t.path('k.log')
    start(t, 'nbdkit', '-f', '-U', str(sock), '--filter=log', '--filter=delay', 'pattern', '16M',
          f'logfile={log}', 'delay-read=20ms', at=sock)
    for n, want in ((1, 1), (3, 3)):
        log.write_text('')
        t.run(str(IMG), 'convert', '-m', '16', '--image-opts', '-O', 'raw',
              f'driver=raw,file.driver=nbd,file.path={sock},file.connections={n}', str(t.path('out.raw')))
        seen = sum(' Connect ' in line or ' Connect' in line for line in log.read_text().splitlines())
        assert seen >= 1 and (seen == 1 if want == 1 else 1 < seen <= want), log.read_text()[:2000]


ferrytest.main()
