#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""NBD with programs that were not written here: nbdkit, nbd-server, libnbd's
tools, fio, qemu-img and qemu-nbd, as clients of ours and as servers for ours."""
import json
import os
import signal
import socket
import struct
import subprocess
import time
from pathlib import Path

import ferrytest
from ferrytest import BUILD, TIMEOUT, QmpError, Test, free_port, wait_for
from pki import Pki

NBD = BUILD / 'tools/ferry-nbd'
IMG = BUILD / 'tools/ferry-img'
IO = BUILD / 'tools/ferry-io'
MIB = 1024 * 1024


def listening(path: Path | int) -> bool:
    family, addr = ((socket.AF_INET, ('127.0.0.1', path)) if isinstance(path, int)
                    else (socket.AF_UNIX, str(path)))
    with socket.socket(family) as s:
        return s.connect_ex(addr) == 0


def make_disk(t: Test, name: str = 'disk.raw', mib: int = 8) -> Path:
    """Data, a hole, data."""
    path = t.path(name)
    with open(path, 'wb') as f:
        f.write(os.urandom(2 * MIB))
        f.seek((mib - 1) * MIB)
        f.write(os.urandom(MIB))
    return path


def uri(sock: Path, export: str = '') -> str:
    return f'nbd+unix:///{export}?socket={sock}'


def serve(t: Test, image, *args: str, sock: str = 'nbd.sock'):
    """Returns: path of the socket, the process."""
    path = t.path(sock)
    p = t.spawn(str(NBD), '-t', '-e', '0', '-k', str(path), *args, str(image))
    wait_for(lambda: listening(path), 'ferry-nbd')
    return path, p


def peer(t: Test, *argv: str, sock: Path | int):
    p = t.spawn(*argv)
    wait_for(lambda: listening(sock), argv[0])
    return p


def same(a: Path, b: Path) -> None:
    assert a.read_bytes() == b.read_bytes(), f'{a} and {b} differ'


# -- our server, their clients ------------------------------------------------


def test_nbdinfo(t: Test) -> None:
    t.requires('nbdinfo')
    sock, _ = serve(t, make_disk(t), '-f', 'raw', '-x', 'one', '-D', 'a disk')
    info = json.loads(t.run('nbdinfo', '--json', uri(sock, 'one')).stdout)
    export = info['exports'][0]
    assert export['export-size'] == 8 * MIB and export['description'] == 'a disk'
    assert export['can_multi_conn'] and export['can_fast_zero']
    assert export['contexts'] == ['base:allocation'], export
    out = t.run('nbdinfo', '--map', '--json', uri(sock, 'one')).stdout
    assert [(e['offset'], e['length'], e['type']) for e in json.loads(out)] == [
        (0, 2 * MIB, 0), (2 * MIB, 5 * MIB, 3), (7 * MIB, MIB, 0)], out
    assert t.run('nbdinfo', '--list', uri(sock)).stdout.count('export=') == 1
    bad = t.run('nbdinfo', uri(sock, 'two'), check=False)
    assert bad.returncode != 0 and 'two' in bad.stderr, bad.stderr


def test_nbdcopy_both_ways(t: Test) -> None:
    t.requires('nbdcopy')
    disk, copy = make_disk(t), t.path('copy.raw')
    sock, p = serve(t, disk, '-f', 'raw')
    t.run('nbdcopy', uri(sock), str(copy))
    same(disk, copy)
    other = make_disk(t, 'other.raw')
    t.run('nbdcopy', '--flush', str(other), uri(sock))
    p.terminate()
    assert p.wait(TIMEOUT) == 0
    same(disk, other)


NBDSH = r'''
import os
h.set_handshake_flags(3)
h.add_meta_context('base:allocation')
h.connect_uri(os.environ['URI'])
data = bytes(range(256)) * 256
h.pwrite(data, 1000, nbd.CMD_FLAG_FUA)
assert h.pread(len(data), 1000) == data
chunks = []
h.pread_structured(len(data), 1000, lambda b, o, s, e: chunks.append(bytes(b)), nbd.CMD_FLAG_DF)
assert chunks == [data], 'chunks, in spite of DF'
h.zero(4096, 8192)
assert h.pread(4096, 8192) == bytes(4096)
h.zero(65536, 1 << 20, nbd.CMD_FLAG_NO_HOLE)
h.trim(65536, 2 << 20, nbd.CMD_FLAG_FUA)
h.cache(65536, 0)
h.flush()
chunks = []
h.pread_structured(4 << 20, 0, lambda b, o, s, e: chunks.append((o, len(b), s)))
assert {s for _, _, s in chunks} == {nbd.READ_DATA, nbd.READ_HOLE}, chunks
assert sum(n for _, n, _ in chunks) == 4 << 20
got = []
h.block_status(8 << 20, 0, lambda m, o, e, err: got.append((m, o, e)))
assert got[0][0] == 'base:allocation' and sum(got[0][2][::2]) == 8 << 20, got
for call, errno in ((lambda: h.pread(512, 8 << 20), 'EINVAL'),
                    (lambda: h.pwrite(data, (8 << 20) - 5), 'ENOSPC'),
                    (lambda: h.pread(33 << 20, 0), 'E')):
    h.set_strict_mode(0)
    try:
        call()
        assert False
    except nbd.Error as e:
        assert e.errno.startswith(errno), e
assert h.pread(512, 1000) == data[:512]
h.shutdown()
'''


def test_nbdsh(t: Test) -> None:
    if not Path('/usr/lib/python3/dist-packages/nbdsh.py').exists():
        raise ferrytest.Skip('no python3-libnbd')
    sock, _ = serve(t, make_disk(t), '-f', 'raw')
    for structured in ('', 'h.set_request_structured_replies(False)\n'):
        script = NBDSH
        if structured:
            script = '\n'.join(l for l in NBDSH.split('\n')
                               if 'status' not in l and 'got' not in l
                               and 'chunks' not in l and 'DF' not in l
                               and 'meta_context' not in l)
        r = t.run('/usr/bin/python3', '-m', 'nbd', '-c',
                  structured + script, check=False,
                  env=dict(os.environ, URI=uri(sock)))
        assert r.returncode == 0, r.stderr


def test_fio_verifies(t: Test) -> None:
    t.requires('fio')
    sock, _ = serve(t, make_disk(t), '-f', 'raw')
    t.run('fio', '--name=v', '--ioengine=nbd', f'--uri={uri(sock)}',
          '--rw=randwrite', '--bs=4k', '--iodepth=16', '--size=8M',
          '--verify=crc32c', '--verify_state_save=0', '--output=/dev/null')


def test_qemu_img_is_a_client(t: Test) -> None:
    t.requires('qemu-img')
    disk, copy = make_disk(t), t.path('copy.qcow2')
    sock, _ = serve(t, disk, '-f', 'raw')
    where = f'nbd:unix:{sock}'
    t.run('qemu-img', 'convert', '-O', 'qcow2', where, str(copy))
    t.run('qemu-img', 'compare', '-f', 'qcow2', '-F', 'raw', str(copy), str(disk))
    got = json.loads(t.run('qemu-img', 'map', '--output=json', '-f', 'raw',
                           where).stdout)
    assert sum(e['length'] for e in got if e['zero']) == 5 * MIB, got


def test_nbd_client_lists(t: Test) -> None:
    t.requires('nbd-client')
    port = free_port()
    p = t.spawn(str(NBD), '-t', '-b', '127.0.0.1', '-p', str(port), '-f', 'raw',
                '-x', 'named', str(make_disk(t)))
    wait_for(lambda: listening(port), 'ferry-nbd')
    out = t.run('nbd-client', '-l', '127.0.0.1', str(port), check=False).stdout
    assert 'named' in out, out
    p.terminate()


# -- TLS -----------------------------------------------------------------------


def tls_folder(pki: Pki, t: Test) -> Path:
    """As libnbd and nbdkit want it."""
    pki.standard()
    return Path(pki.dir)


def tls_server(t: Test, srv, *args: str) -> int:
    port = free_port()
    t.spawn(str(NBD), '-t', '-e', '0', '-b', '127.0.0.1', '-p', str(port),
            '-f', 'raw', '--object', srv, '--tls-creds', 'tls0', *args,
            str(make_disk(t)))
    wait_for(lambda: listening(port), 'ferry-nbd')
    return port


def test_tls_x509(t: Test) -> None:
    t.requires('nbdcopy', 'certtool')
    pki = Pki(t.path('pki'))
    srv, cli = pki.standard()
    port = tls_server(t, f'tls-creds-x509,id=tls0,endpoint=server,dir={srv}')
    copy = t.path('copy.raw')
    t.run('nbdcopy', f'nbds://localhost:{port}/?tls-certificates={cli}', str(copy))
    same(copy, t.path('disk.raw'))
    r = t.run('nbdinfo', f'nbd://localhost:{port}', check=False)
    assert r.returncode != 0, r.stdout
    # Ours, in the clear and under TLS.
    r = t.run(str(NBD), '-L', '-p', str(port), '-b', 'localhost', check=False)
    assert r.returncode != 0 and 'the server requires TLS' in r.stderr, r.stderr
    obj = f'tls-creds-x509,id=c0,endpoint=client,dir={cli}'
    out = t.run(str(NBD), '-L', '-p', str(port), '-b', 'localhost', '--object',
                obj, '--tls-creds', 'c0').stdout
    assert 'exports available: 1' in out
    t.run(str(IMG), 'compare', '--object', obj, '-f', 'raw', '-F', 'raw',
          f'nbds://localhost:{port}/?tls-creds=c0', str(copy))
    r = t.run(str(IMG), 'info', '--object', obj, f'nbds://127.0.0.1:{port}/'
              '?tls-creds=c0&tls-hostname=elsewhere.org', check=False)
    assert r.returncode != 0 and 'elsewhere.org' in r.stderr, r.stderr


def test_tls_psk(t: Test) -> None:
    t.requires('nbdinfo', 'psktool')
    keys = t.path('psk')
    keys.mkdir()
    t.run('psktool', '-u', 'alice', '-p', str(keys / 'keys.psk'))
    port = tls_server(t, f'tls-creds-psk,id=tls0,endpoint=server,dir={keys}')
    t.run('nbdinfo', f'nbds://alice@localhost:{port}/'
          f'?tls-psk-file={keys}/keys.psk')
    r = t.run('nbdinfo', f'nbds://mallory@localhost:{port}/'
              f'?tls-psk-file={keys}/keys.psk', check=False)
    assert r.returncode != 0


def test_tls_authz(t: Test) -> None:
    t.requires('nbdinfo', 'certtool')
    pki = Pki(t.path('pki'))
    srv, cli = pki.standard()
    port = tls_server(t, f'tls-creds-x509,id=tls0,endpoint=server,dir={srv}',
                      '--object', 'authz-simple,id=z,identity=CN=somebody',
                      '--tls-authz', 'z')
    r = t.run('nbdinfo', f'nbds://localhost:{port}/?tls-certificates={cli}',
              check=False)
    assert r.returncode != 0


def descriptors(p) -> int:
    return len(os.listdir(f'/proc/{p.pid}/fd'))


def half_open(port: int, stream: bytes) -> socket.socket:
    """A client that has said so much and goes no further."""
    s = socket.create_connection(('127.0.0.1', port))
    try:
        s.sendall(stream)
    except OSError:
        pass  # thrown out already
    return s


def crowd(t: Test, port: int, p, stream: bytes, good: list[str]) -> None:
    """500 clients that stop at every place of @stream, or send nonsense: others
    are served, and nothing of them is left."""
    before = descriptors(p)
    cuts = [stream[:i] for i in range(len(stream) + 1)]
    cuts += [b'\xff' * 64, stream + os.urandom(512), os.urandom(300)]
    clients = [half_open(port, cuts[i % len(cuts)]) for i in range(500)]
    t.run(*good)
    for c in clients:
        c.close()
    wait_for(lambda: descriptors(p) <= before, 'the descriptors to return')
    t.run(*good)
    assert p.poll() is None


def option(number: int, data: bytes = b'') -> bytes:
    return b'IHAVEOPT' + struct.pack('>II', number, len(data)) + data


CLIENT_FLAGS = struct.pack('>I', 3)
OPT_EXPORT_NAME, OPT_STARTTLS, OPT_STRUCTURED_REPLY = 1, 5, 8


def test_crowd_of_half_open_clients(t: Test) -> None:
    t.requires('nbdinfo')
    port = free_port()
    p = t.spawn(str(NBD), '-t', '-e', '0', '-b', '127.0.0.1', '-p', str(port),
                '-f', 'raw', str(make_disk(t)))
    wait_for(lambda: listening(port), 'ferry-nbd')
    good = ['nbdinfo', f'nbd://127.0.0.1:{port}']
    t.run(*good)
    crowd(t, port, p, CLIENT_FLAGS + option(OPT_STRUCTURED_REPLY) +
          option(OPT_EXPORT_NAME), good)


def test_crowd_of_half_open_tls_clients(t: Test) -> None:
    t.requires('nbdinfo', 'certtool')
    srv, cli = Pki(t.path('pki')).standard()
    port = tls_server(t, f'tls-creds-x509,id=tls0,endpoint=server,dir={srv}')
    p = t.procs[-1]
    good = ['nbdinfo', f'nbds://localhost:{port}/?tls-certificates={cli}']
    t.run(*good)
    # The beginning of a ClientHello of 512 bytes.
    hello = bytes([22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3]) + os.urandom(32)
    crowd(t, port, p, CLIENT_FLAGS + option(OPT_STARTTLS) + hello, good)


def test_client_of_tls_nbdkit(t: Test) -> None:
    t.requires('nbdkit', 'certtool')
    pki = Pki(t.path('pki'))
    srv, cli = pki.standard()
    port = free_port()
    peer(t, 'nbdkit', '-f', '-i', '127.0.0.1', '-p', str(port), '--tls=require',
         f'--tls-certificates={srv}', '--tls-verify-peer', 'pattern', '4M',
         sock=port)
    obj = f'tls-creds-x509,id=c0,endpoint=client,dir={cli}'
    copy = t.path('copy.raw')
    t.run(str(IMG), 'convert', '-f', 'raw', '-O', 'raw', '--object', obj,
          f'nbds://localhost:{port}/?tls-creds=c0', str(copy))
    data = copy.read_bytes()
    assert all(int.from_bytes(data[i:i + 8], 'big') == i
               for i in range(0, len(data), 8 * 511))
    r = t.run(str(IMG), 'info', f'nbd://localhost:{port}', check=False)
    assert 'requires TLS' in r.stderr, r.stderr


# -- their servers, our client ---------------------------------------------------


def test_client_of_nbdkit(t: Test) -> None:
    t.requires('nbdkit')
    sock, copy = t.path('k.sock'), t.path('copy.raw')
    disk = make_disk(t)
    peer(t, 'nbdkit', '-f', '-U', str(sock), 'file', str(disk), sock=sock)
    t.run(str(IMG), 'convert', '-f', 'raw', '-O', 'raw', uri(sock), str(copy))
    same(disk, copy)
    other = make_disk(t, 'other.raw')
    t.run(str(IMG), 'convert', '-n', '-f', 'raw', '-O', 'raw', str(other),
          uri(sock))
    same(disk, other)
    out = t.run(str(IMG), 'map', '--output=json', '-f', 'raw', uri(sock)).stdout
    assert sum(e['length'] for e in json.loads(out) if e['zero']) >= 4 * MIB, out


def test_client_of_nbdkit_with_errors(t: Test) -> None:
    t.requires('nbdkit')
    sock = t.path('k.sock')
    peer(t, 'nbdkit', '-f', '-U', str(sock), '--filter=error', 'memory', '4M',
         'error-pread=ENOSPC', 'error-pread-rate=100%', sock=sock)
    r = t.run(str(IO), '-r', '-f', 'raw', '-c', 'read 0 4k', uri(sock),
              check=False)
    assert 'No space left' in r.stdout + r.stderr, r.stdout + r.stderr


def test_delay_is_hidden_by_depth(t: Test) -> None:
    """10 ms for each request, 64 requests of 64 KiB: one by one 640 ms."""
    t.requires('nbdkit')
    sock, copy = t.path('k.sock'), t.path('copy.raw')
    peer(t, 'nbdkit', '-f', '-U', str(sock), '--filter=delay', 'pattern', '32M',
         'delay-read=10ms', sock=sock)
    t.run(str(IMG), 'convert', '-f', 'raw', '-O', 'raw', uri(sock), str(copy))
    assert copy.stat().st_size == 32 * MIB


def test_client_of_old_servers(t: Test) -> None:
    t.requires('nbdkit')
    for i, style in enumerate(('--oldstyle', '--no-sr')):
        sock, copy = t.path(f'k{i}.sock'), t.path('copy.raw')
        peer(t, 'nbdkit', '-f', style, '-U', str(sock), 'pattern', '4M',
             sock=sock)
        t.run(str(IMG), 'convert', '-f', 'raw', '-O', 'raw', uri(sock),
              str(copy))
        data = copy.read_bytes()
        assert int.from_bytes(data[4096:4104], 'big') == 4096


def test_client_of_nbd_server(t: Test) -> None:
    t.requires('nbd-server')
    port, disk = free_port(), make_disk(t)
    conf, pid = t.path('nbd.conf'), t.path('nbd.pid')
    conf.write_text(f'[generic]\nlistenaddr = 127.0.0.1\nport = {port}\n'
                    f'allowlist = true\n[disk]\nexportname = {disk}\n')
    t.run('nbd-server', '-C', str(conf), '-p', str(pid))
    try:
        wait_for(lambda: listening(port), 'nbd-server')
        copy = t.path('copy.raw')
        t.run(str(IMG), 'convert', '-f', 'raw', '-O', 'raw',
              f'nbd://127.0.0.1:{port}/disk', str(copy))
        same(disk, copy)
        out = t.run(str(NBD), '-L', '-b', '127.0.0.1', '-p', str(port)).stdout
        assert "export: 'disk'" in out, out
    finally:
        os.kill(int(pid.read_text()), signal.SIGTERM)


def test_client_of_qemu_nbd(t: Test) -> None:
    t.requires('qemu-nbd')
    sock, copy, disk = t.path('q.sock'), t.path('copy.raw'), make_disk(t)
    peer(t, 'qemu-nbd', '-t', '-e', '8', '-k', str(sock), '-f', 'raw', str(disk),
         sock=sock)
    t.run(str(IMG), 'convert', '-f', 'raw', '-O', 'raw', uri(sock), str(copy))
    same(disk, copy)
    t.run(str(IO), '-f', 'raw', '-c', 'write -P 7 1M 64k', '-c', 'flush',
          uri(sock))
    assert disk.read_bytes()[MIB:MIB + 65536] == b'\7' * 65536


def test_server_killed_and_back(t: Test) -> None:
    """Writes wait for the server that comes back; nothing is lost."""
    t.requires('nbdkit')
    sock, disk = t.path('k.sock'), t.path('target.raw')
    source = t.path('source.raw')
    source.write_bytes(os.urandom(32 * MIB))
    with open(disk, 'wb') as f:
        f.truncate(32 * MIB)
    argv = ['nbdkit', '-f', '-U', str(sock), '--filter=delay', 'file', str(disk),
            'delay-write=200ms']
    server = peer(t, *argv, sock=sock)
    client = t.spawn(str(IMG), 'convert', '-n', '-f', 'raw', '-m', '2',
                     '--target-image-opts', str(source),
                     f'driver=raw,file.driver=nbd,file.path={sock},'
                     'file.reconnect-delay=30')
    for mib in (2, 10):
        while disk.stat().st_blocks * 512 < mib * MIB:
            assert client.poll() is None, client.stdout.read()
            time.sleep(0.01)
        server.kill()
        server.wait()
        sock.unlink(missing_ok=True)
        server = peer(t, *argv, sock=sock)
    assert client.wait(TIMEOUT) == 0, client.stdout.read()
    same(source, disk)


def test_lost_server_is_an_error(t: Test) -> None:
    t.requires('nbdkit')
    sock = t.path('k.sock')
    server = peer(t, 'nbdkit', '-f', '-U', str(sock), '--filter=delay', 'memory',
                  '4M', 'delay-read=2', sock=sock)
    client = t.spawn(str(IO), '-r', '-f', 'raw', '-c', 'read 0 4k', uri(sock))
    time.sleep(0.3)
    server.kill()
    assert client.wait(TIMEOUT) != 0 or b'error' in client.stdout.read()


# -- the program ---------------------------------------------------------------------


def test_fork_and_pid_file(t: Test) -> None:
    t.requires('nbdinfo')
    sock, pid = t.path('nbd.sock'), t.path('nbd.pid')
    t.run(str(NBD), '--fork', '--pid-file', str(pid), '-f', 'raw', '-k',
          str(sock), str(make_disk(t)))
    number = int(pid.read_text())
    # Not persistent: the last client ends it.
    t.run('nbdinfo', '--size', uri(sock))
    wait_for(lambda: not sock.exists(), 'the end')
    wait_for(lambda: not pid.exists(), 'pid file gone')
    assert number > 0
    r = t.run(str(NBD), '--fork', '-k', str(sock), str(t.path('none')),
              check=False)
    assert r.returncode == 1 and 'none' in r.stderr, r.stderr


def test_socket_activation(t: Test) -> None:
    t.requires('nbdinfo')
    sock = t.path('act.sock')
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(sock))
        s.listen()
        fd = s.fileno()
        shell = (f'exec 3<&{fd}; export LISTEN_PID=$$ LISTEN_FDS=1; '
                 f'exec {NBD} -t -f raw {make_disk(t)}')
        p = t.spawn('sh', '-c', shell, pass_fds=[fd])
        out = t.run('nbdinfo', '--size', uri(sock)).stdout
        assert int(out) == 8 * MIB
        p.terminate()
        assert p.wait(TIMEOUT) == 0


def test_rules_of_the_command_line(t: Test) -> None:
    disk = str(make_disk(t))
    for args, text in (
            (['-c', '/dev/nbd0', '--tls-creds', 'x', disk], 'host device'),
            (['--tls-authz', 'x', disk], '--tls-creds'),
            (['-L', '--tls-creds', 'x', '--tls-authz', 'y'], 'export list'),
            (['--tls-creds', 'x', '--tls-hostname', 'y', disk], 'export list'),
            (['-L', disk], 'file name'),
            (['-k', 'x', '-p', '1', disk], '-k'),
            (['-o', '1G', '-f', 'raw', '-k', str(t.path('s')), disk], 'Offset'),
            ([], 'image file name')):
        r = t.run(str(NBD), *args, check=False)
        assert r.returncode == 1 and text in r.stderr, (args, r.stderr)
    if not Path('/dev/nbd0').exists():
        r = t.run(str(NBD), '-c', '/dev/nbd0', '-f', 'raw', disk, check=False)
        assert r.returncode == 1 and 'modprobe nbd' in r.stderr, r.stderr
    assert '--handshake-limit' in t.run(str(NBD), '--help').stdout


def test_offset_and_snapshot(t: Test) -> None:
    t.requires('nbdcopy')
    disk = make_disk(t)
    before = disk.read_bytes()
    sock, p = serve(t, disk, '-f', 'raw', '-o', '1M', '-s')
    copy = t.path('copy.raw')
    t.run('nbdcopy', uri(sock), str(copy))
    assert copy.read_bytes() == before[MIB:]
    t.run(str(IO), '-f', 'raw', '-c', 'write -P 1 0 64k', '-c',
          'read -P 1 0 64k', uri(sock))
    p.terminate()
    assert p.wait(TIMEOUT) == 0
    assert disk.read_bytes() == before


# -- a machine's server -----------------------------------------------------------------


def test_machine_exports(t: Test) -> None:
    t.requires('nbdinfo', 'nbdcopy')
    disk, sock = make_disk(t), t.path('m.sock')
    f = t.ferry('-machine', 'none', '-object', 'iothread,id=io0', '-blockdev',
                f'driver=raw,node-name=d0,file.driver=file,file.filename={disk}')
    f.qmp.cmd('nbd-server-start',
              addr={'type': 'unix', 'data': {'path': str(sock)}})
    f.qmp.cmd('block-export-add', **{'type': 'nbd', 'id': 'e0', 'name': 'disk',
                                     'node-name': 'd0', 'iothread': 'io0',
                                     'writable': True, 'allocation-depth': True})
    got = json.loads(t.run('nbdinfo', '--json', uri(sock, 'disk')).stdout)
    assert set(got['exports'][0]['contexts']) == {'base:allocation',
                                                  'qemu:allocation-depth'}
    copy = t.path('copy.raw')
    t.run('nbdcopy', uri(sock, 'disk'), str(copy))
    same(disk, copy)
    assert f.qmp.cmd('query-block-exports') == [
        {'id': 'e0', 'type': 'nbd', 'node-name': 'd0', 'shutting-down': False}]
    # A client of its own: in the same main loop.
    f.qmp.cmd('blockdev-add', **{'driver': 'nbd', 'node-name': 'n0',
                                 'server': {'type': 'unix', 'path': str(sock)},
                                 'export': 'disk'})
    assert {'type': 'block-node', 'node-name': 'n0'} in f.qmp.cmd('query-yank')
    try:
        f.qmp.cmd('block-export-del', id='e0')
        assert False, 'an export in use was removed'
    except QmpError as e:
        assert 'still in use' in str(e), e
    f.qmp.cmd('block-export-del', id='e0', mode='hard')
    assert f.qmp.event('BLOCK_EXPORT_DELETED')['data'] == {'id': 'e0'}
    f.qmp.cmd('blockdev-del', **{'node-name': 'n0'})
    f.qmp.cmd('nbd-server-stop')
    assert not sock.exists()
    assert f.qmp.cmd('query-block-exports') == []


def test_dirty_bitmap(t: Test) -> None:
    t.requires('nbdinfo')
    disk, sock = make_disk(t), t.path('m.sock')
    f = t.ferry('-machine', 'none', '-blockdev',
                f'driver=raw,node-name=d0,file.driver=file,file.filename={disk}')
    f.qmp.cmd('block-dirty-bitmap-add', node='d0', name='b0', granularity=65536)
    f.qmp.cmd('nbd-server-start',
              addr={'type': 'unix', 'data': {'path': str(sock)}})
    f.qmp.cmd('block-export-add', **{'type': 'nbd', 'id': 'w', 'name': 'w',
                                     'node-name': 'd0', 'writable': True})
    t.run(str(IO), '-f', 'raw', '-c', 'write 1M 64k', '-c', 'write 3M 1k',
          uri(sock, 'w'))
    f.qmp.cmd('block-export-del', id='w', mode='hard')
    f.qmp.event('BLOCK_EXPORT_DELETED')
    f.qmp.cmd('block-dirty-bitmap-disable', node='d0', name='b0')
    f.qmp.cmd('block-export-add', **{'type': 'nbd', 'id': 'r', 'name': 'r',
                                     'node-name': 'd0', 'bitmaps': ['b0']})
    out = t.run('nbdinfo', '--map=qemu:dirty-bitmap:b0', '--json',
                uri(sock, 'r')).stdout
    dirty = [(e['offset'], e['length']) for e in json.loads(out) if e['type']]
    assert dirty == [(MIB, 65536), (3 * MIB, 65536)], out
    out = t.run(str(IMG), 'map', '--output=json', '--image-opts',
                f'driver=nbd,path={sock},export=r,'
                'x-dirty-bitmap=qemu:dirty-bitmap:b0').stdout
    assert [(e['start'], e['length']) for e in json.loads(out)
            if not e['data']] == dirty, out


def test_human_monitor(t: Test) -> None:
    disk, sock = make_disk(t), t.path('h.sock')
    f = t.ferry('-machine', 'none', '-drive',
                f'if=none,id=hd0,format=raw,file={disk}')
    assert f.qmp.hmp(f'nbd_server_start -a unix:{sock}') == ''
    out = t.run(str(NBD), '-L', '-k', str(sock)).stdout
    assert "export: 'hd0'" in out, out
    assert 'Error' in f.qmp.hmp('nbd_server_remove nothing')
    assert f.qmp.hmp('nbd_server_remove hd0') == ''
    assert f.qmp.hmp('nbd_server_stop') == ''


ferrytest.main(at_once=3)
