#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Each kind of character device with a peer that is not ours. What is behind
the line is QMP, which sends back the id of a command whatever it is (so a
mebibyte each way is compared), or a guest that echoes (every byte value)."""
import base64
import json
import os
import random
import re
import select
import socket
import subprocess
import sys
import threading
import time
import tty
from pathlib import Path

import ferrytest
from ferrytest import (Ferry, Qmp, QmpError, STRESS, Skip, Test, free_port,
                       read_until, wait_for)
from pki import Pki

BULK = 16 << 20 if ferrytest.LONG else 1 << 20
PYTHON = '/usr/bin/python3'     # the one that has Debian's packages
WEBSOCKET_PEER = Path(__file__).with_name('websocket-peer.py')
BOOTED = r'stress boot[^\n]*\nend\r\n'
SERVER = 'host=127.0.0.1,port=0,server=on,wait=off'
# The guest waits for its client, who so sees all of its output.
WAITING = 'host=127.0.0.1,port=0,server=on,wait=on'


class Stream:
    """Two descriptors with the methods of a socket that Qmp uses."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer
        self.timeout = ferrytest.TIMEOUT

    def settimeout(self, timeout: float) -> None:
        self.timeout = timeout

    def fileno(self) -> int:
        return self.reader if isinstance(self.reader, int) \
            else self.reader.fileno()

    def recv(self, size: int) -> bytes:
        if not select.select([self], [], [], self.timeout)[0]:
            raise TimeoutError
        return os.read(self.fileno(), size)

    def sendall(self, data: bytes) -> None:
        fd = self.writer if isinstance(self.writer, int) \
            else self.writer.fileno()
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view):]


def program(p: subprocess.Popen) -> Stream:
    return Stream(p.stdout, p.stdin)


def socat(t: Test, *addresses: str) -> subprocess.Popen:
    t.requires('socat')
    return t.spawn('socat', '-b', '65536', *addresses,
                   stderr=subprocess.DEVNULL)


def monitor(t: Test, chardev: str, *args: str, **kw) -> Ferry:
    """A ferry with QMP on the chardev."""
    return t.ferry(*args, '-machine', 'none', '-chardev', chardev, '-mon',
                   'chardev=c,mode=control', **kw)


def guest(t: Test, *args: str, append: str = 'mem=0 echo',
          serial: str = 'c') -> Ferry:
    t.requires_kvm()
    return t.ferry('-m', '64', *args, '-device', f'isa-serial,chardev={serial}',
                   '-kernel', STRESS, '-append', append)


def text(rng: random.Random, size: int) -> str:
    """All characters up to 255."""
    return rng.randbytes(size).decode('latin-1')


def bulk(stream, total: int = BULK, block: int = 1 << 16,
         both_ways: bool = True) -> Qmp:
    """@total bytes through QMP and back, nothing lost, added or changed;
    sending goes on while replies come in, or it takes turns."""
    q = Qmp(stream)
    rng = random.Random(1)
    blocks = [text(rng, block) for _ in range(total // block)]

    def send(some: list[str]) -> None:
        for b in some:
            q.sock.sendall(json.dumps(
                {'execute': 'query-name', 'id': b},
                ensure_ascii=False).encode())
    sender = threading.Thread(target=send, args=[blocks if both_ways else []],
                              daemon=True)
    sender.start()
    for n, b in enumerate(blocks):
        send([] if both_ways else [b])
        reply = q.reply()
        assert reply == {'return': {}, 'id': b}, (n, str(reply)[:200])
    sender.join()
    return q


def listening(port: int) -> bool:
    line = f'0100007F:{port:04X} 00000000:0000 0A'
    return line in Path('/proc/net/tcp').read_text()


# -- streams ----------------------------------------------------------------


def test_tcp_server(t: Test) -> None:
    f = monitor(t, f'socket,id=c,{SERVER}')
    port = f.chardev_port('c')
    for _ in range(2):
        p = socat(t, '-', f'TCP:127.0.0.1:{port}')
        bulk(program(p))
        p.kill()


def test_tcp_client(t: Test) -> None:
    port = free_port()
    p = socat(t, f'TCP-LISTEN:{port},bind=127.0.0.1,reuseaddr', '-')
    wait_for(lambda: listening(port), 'socat')
    monitor(t, f'socket,id=c,host=127.0.0.1,port={port}')
    bulk(program(p))


def test_unix_server(t: Test) -> None:
    path = t.path('s')
    monitor(t, f'socket,id=c,path={path},server=on,wait=off').qmp
    bulk(program(socat(t, '-', f'UNIX-CONNECT:{path}')))


def test_unix_client(t: Test) -> None:
    path = t.path('s')
    p = socat(t, f'UNIX-LISTEN:{path}', '-')
    wait_for(path.exists, 'socat')
    monitor(t, f'socket,id=c,path={path}')
    bulk(program(p))


def test_abstract_unix(t: Test) -> None:
    for tight, option in (('on', ''), ('off', ',unix-tightsocklen=0')):
        name = f'ferry-test-{os.getpid()}-{tight}'
        monitor(t, f'socket,id=c,path={name},abstract=on,tight={tight},'
                'server=on,wait=off').qmp
        bulk(program(socat(t, '-', f'ABSTRACT-CONNECT:{name}{option}')))


def test_vsock(t: Test) -> None:
    try:
        probe = socket.socket(socket.AF_VSOCK)
        probe.bind((socket.VMADDR_CID_ANY, socket.VMADDR_PORT_ANY))
        probe.listen()
        client = socket.socket(socket.AF_VSOCK)
        client.settimeout(2)
        client.connect((1, probe.getsockname()[1]))
    except OSError as e:
        raise Skip(f'no vsock loopback: {e}')
    monitor(t, 'socket,id=c,cid=1,port=7654,server=on,wait=off').qmp
    bulk(program(socat(t, '-', 'VSOCK-CONNECT:1:7654')))


def test_udp(t: Test) -> None:
    ours, theirs = free_port(socket.SOCK_DGRAM), free_port(socket.SOCK_DGRAM)
    # The greeting goes to a port that nobody has: that must not end anything.
    f = monitor(t, f'udp,id=c,host=127.0.0.1,port={theirs},'
                f'localaddr=127.0.0.1,localport={ours}')
    wait_for(lambda: f.qmp.cmd('query-status')['running'], 'the start')
    p = socat(t, '-', f'UDP4-DATAGRAM:127.0.0.1:{ours},bind=127.0.0.1:{theirs}')
    line = program(p)
    wait_for(lambda: f'{theirs:04X}' in Path('/proc/net/udp').read_text(),
             'socat')
    line.sendall(b'{"execute": "qmp_capabilities"}')
    read_until(line.reader, r'"return"')
    rng = random.Random(2)
    for _ in range(200):
        word = text(rng, 1200)
        line.sendall(json.dumps({'execute': 'query-name', 'id': word}).encode())
        data = read_until(line.reader, r'\n')
        assert json.loads(data.strip().split(b'\n')[-1])['id'] == word


def test_pty(t: Test) -> None:
    link = t.path('tty')
    f = monitor(t, f'pty,id=c,path={link}')
    f.qmp
    name = next(c['filename'] for c in f.qmp.cmd('query-chardev')
                if c['label'] == 'c')
    assert name == f'pty:{os.readlink(link)}', name
    for _ in range(2):
        p = socat(t, '-', f'{link},raw,echo=0')
        # socat blocks in writing to a terminal, even if it could read.
        bulk(program(p), both_ways=False)
        p.kill()
        p.wait()
        time.sleep(1.5)             # until it has noticed that nobody is there
    f.quit()
    assert not os.path.lexists(link)


def test_serial_port(t: Test) -> None:
    a, b = t.path('a'), t.path('b')
    p = socat(t, f'PTY,raw,echo=0,link={a}', f'PTY,raw,echo=0,link={b}')
    wait_for(lambda: a.exists() and b.exists(), 'socat')
    fd = os.open(b, os.O_RDWR | os.O_NOCTTY)
    monitor(t, f'serial,id=c,path={a}')
    try:
        bulk(Stream(fd, fd), both_ways=False)
    finally:
        os.close(fd)
        p.kill()


def test_pipe(t: Test) -> None:
    for name in ('p.in', 'p.out'):
        os.mkfifo(t.path(name))
    monitor(t, f'pipe,id=c,path={t.path("p")}')
    w, r = os.open(t.path('p.in'), os.O_RDWR), os.open(t.path('p.out'),
                                                       os.O_RDWR)
    try:
        bulk(Stream(r, w))
    finally:
        os.close(r)
        os.close(w)


def test_stdio(t: Test) -> None:
    f = monitor(t, 'stdio,id=c,signal=off', stdin=subprocess.PIPE,
                stdout=subprocess.PIPE)
    bulk(Stream(f.proc.stdout, f.proc.stdin))


def test_file_with_input(t: Test) -> None:
    out, inp = t.path('out'), t.path('in')
    word = text(random.Random(3), 1 << 20)
    inp.write_text(json.dumps({'execute': 'qmp_capabilities'})
                   + json.dumps({'execute': 'query-name', 'id': word}))

    def check(options: str, start: str) -> None:
        out.write_text('kept\n')
        f = monitor(t, f'file,id=c,path={out},input-path={inp}{options}')
        wait_for(lambda: len(out.read_text()) > 1 << 20 and
                 out.read_text().endswith('\n'), 'the reply')
        assert out.read_text().startswith(start)
        assert json.loads(out.read_text().split('\n')[-2])['id'] == word
        f.stop()
    check(',append=on', 'kept\n{"QMP"')
    check('', '{"QMP"')


def test_logfile(t: Test) -> None:
    log = t.path('log')
    log.write_bytes(b'before')
    f = monitor(t, f'socket,id=c,{SERVER},logfile={log},logappend=on')
    with socket.create_connection(('127.0.0.1', f.chardev_port('c'))) as s:
        s.sendall(b'{"execute": "qmp_capabilities"}{"execute": "query-qmp-schema",'
                  b'"id": "end"}')
        seen = read_until(s, r'"id": ?"end"[^\n]*\n')
    f.stop()
    # The news of its own end may follow.
    assert re.fullmatch(re.escape(b'before' + seen) + rb'([^\n]*SHUTDOWN.*\n)?',
                        log.read_bytes())


# -- a guest behind the line -------------------------------------------------


def echo_all(send, receive) -> None:
    """Every byte value in random order through a guest that echoes."""
    rng = random.Random(4)
    want = b''.join(bytes(rng.sample(range(256), 256)) for _ in range(8))
    got = b''
    for at in range(0, len(want), 256):
        send(want[at:at + 256])
        while len(got) < at + 256:
            more = receive()
            assert more, 'closed'
            got += more
    assert got == want, (got, want)


def test_guest_echo(t: Test) -> None:
    f = guest(t, '-chardev', f'socket,id=c,{WAITING}')
    with socket.create_connection(('127.0.0.1', f.chardev_port('c')),
                                  ferrytest.TIMEOUT) as s:
        read_until(s, BOOTED)
        echo_all(s.sendall, lambda: s.recv(4096))


def test_guest_echo_by_telnet_bytes(t: Test) -> None:
    """IAC doubled both ways, commands in between are no data."""
    f = guest(t, '-chardev', f'socket,id=c,{WAITING},telnet=on')
    with socket.create_connection(('127.0.0.1', f.chardev_port('c')),
                                  ferrytest.TIMEOUT) as s:
        read_until(s, BOOTED)
        rest = b''

        def receive() -> bytes:
            nonlocal rest
            data = rest + s.recv(4096)
            rest = b'\xff' if (len(data) - len(data.rstrip(b'\xff'))) % 2 else b''
            data = data[:len(data) - len(rest)]
            return data.replace(b'\xff\xff', b'\xff') or receive()
        echo_all(lambda b: s.sendall(b'\xff\xf1' +
                                     b.replace(b'\xff', b'\xff\xff')
                                     .replace(b'\r', b'\r\0')),
                 receive)


def test_telnet_client(t: Test) -> None:
    t.requires('telnet')
    f = t.ferry('-machine', 'none', '-chardev',
                f'socket,id=c,{SERVER},telnet=on', '-mon',
                'chardev=c,mode=readline')
    port = f.chardev_port('c')
    pid, fd = os.forkpty()
    if pid == 0:
        os.execvp('telnet', ['telnet', '127.0.0.1', str(port)])
    with os.fdopen(fd, 'r+b', 0) as term:
        read_until(term, r'Connected[\s\S]*\(ferry\) ')
        # Character at a time, echoed by the monitor: completion works.
        term.write(b'info na\t\r')
        seen = read_until(term, r'info name[\s\S]*\(ferry\) ')
        assert b'unknown' not in seen, seen
        term.write(b'\x1d')
        read_until(term, r'telnet> ')
        term.write(b'status\r')
        assert b'Connected to 127.0.0.1' in read_until(term, r'Escape char')
        term.write(b'\x1d')
        read_until(term, r'telnet> ')
        term.write(b'quit\r')
        os.waitpid(pid, 0)
    wait_for(lambda: any(c['filename'].startswith('disconnected')
                         for c in f.qmp.cmd('query-chardev')
                         if c['label'] == 'c'), 'its end')


def test_break(t: Test) -> None:
    """By QMP, by a telnet client: the guest's UART reads a zero byte."""
    f = guest(t, '-chardev', f'socket,id=c,{WAITING},telnet=on')
    with socket.create_connection(('127.0.0.1', f.chardev_port('c')),
                                  ferrytest.TIMEOUT) as s:
        read_until(s, BOOTED)
        f.qmp.cmd('chardev-send-break', id='c')
        assert read_until(s, rb'[\s\S]') == b'\0'
        s.sendall(b'\xff\xf3')              # IAC BRK
        assert read_until(s, rb'[\s\S]') == b'\0'
        s.sendall(b'x')
        assert read_until(s, rb'[\s\S]') == b'x'


def test_chardev_change_under_a_guest(t: Test) -> None:
    f = guest(t, '-chardev', f'socket,id=c,{WAITING}')
    old = socket.create_connection(('127.0.0.1', f.chardev_port('c')),
                                   ferrytest.TIMEOUT)
    read_until(old, BOOTED)
    path = t.path('new')
    f.qmp.raw('chardev-change', {'id': 'c', 'backend': {
        'type': 'socket', 'data': {'server': True, 'wait': False, 'addr': {
            'type': 'unix', 'data': {'path': str(path)}}}}})
    assert old.recv(1) == b''               # hung up
    old.close()
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(ferrytest.TIMEOUT)
        s.connect(str(path))
        echo_all(s.sendall, lambda: s.recv(4096))
    # One that cannot be opened leaves the line as it is.
    try:
        f.qmp.raw('chardev-change', {'id': 'c', 'backend': {
            'type': 'file', 'data': {'out': '/nonexistent/file'}}})
        raise AssertionError('no error')
    except QmpError as e:
        assert '/nonexistent/file' in e.desc, e
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(ferrytest.TIMEOUT)
        s.connect(str(path))
        s.sendall(b'!')
        assert s.recv(1) == b'!'


def test_mux(t: Test) -> None:
    f = guest(t, '-chardev', f'socket,id=c,{WAITING},mux=on', '-mon',
              'chardev=c,mode=readline')
    with socket.create_connection(('127.0.0.1', f.chardev_port('c-base')),
                                  ferrytest.TIMEOUT) as s:
        # The front end that came last has the input; ^A c goes round.
        s.sendall(b'\x01h')
        read_until(s, r'next front end[\s\S]*\nend\r\n')

        def switch(to: str) -> None:
            for _ in range(3):
                s.sendall(b'\x01c' + b'?\r')
                time.sleep(0.5)
                seen = s.recv(65536)
                if (b'(ferry)' in seen) == (to == 'monitor'):
                    return
            raise AssertionError(f'{to} not reached: {seen!r}')
        switch('monitor')
        s.sendall(b'info version\r')
        read_until(s, r'\d+\.\d+[\s\S]*\(ferry\) ')
        switch('guest')
        s.sendall(b'to the guest\x01\x01')
        assert b'(ferry)' not in read_until(s, rb'to the guest\x01')


def test_hub_of_two(t: Test) -> None:
    """Output to both, input from either."""
    link = t.path('tty')
    f = guest(t, '-chardev', f'socket,id=a,{WAITING}', '-chardev',
              f'pty,id=b,path={link}', '-chardev',
              'hub,id=h,chardevs.0=a,chardevs.1=b', serial='h')
    s = socket.create_connection(('127.0.0.1', f.chardev_port('a')),
                                 ferrytest.TIMEOUT)
    p = socat(t, '-', f'{link},raw,echo=0')
    read_until(s, BOOTED)
    for _ in range(100):            # until the terminal's peer is noticed
        p.stdin.write(b'@')
        p.stdin.flush()
        if select.select([p.stdout], [], [], 0.2)[0]:
            break
    time.sleep(0.3)
    from_a, from_b = b'typed at a 0123456789', b'typed at b 9876543210'
    s.sendall(from_a)
    read_until(s, from_a)
    read_until(p.stdout, from_a)
    p.stdin.write(from_b)
    p.stdin.flush()
    read_until(s, from_b)
    read_until(p.stdout, from_b)
    s.close()                       # the other one goes on
    p.stdin.write(b'still here')
    p.stdin.flush()
    read_until(p.stdout, b'still here')


def test_ringbuf(t: Test) -> None:
    f = guest(t, '-chardev', 'ringbuf,id=c,size=64k')
    q = f.qmp
    f.ring_until('c', r'\nend\r?\n')        # the guest says no more
    data = random.Random(5).randbytes(40000)
    for _ in range(3):              # goes round the end of the buffer
        q.cmd('ringbuf-write', device='c', format='base64',
              data=base64.b64encode(data).decode())
        got = b''
        while len(got) < len(data):
            got += base64.b64decode(q.cmd('ringbuf-read', device='c',
                                          size=9999, format='base64'))
        assert got == data
    # Too much: the newest stays.
    for _ in range(2):
        q.cmd('ringbuf-write', device='c', format='base64',
              data=base64.b64encode(data).decode())
    got = base64.b64decode(q.cmd('ringbuf-read', device='c', size=1 << 20,
                                 format='base64'))
    assert got == (data + data)[-65536:]


# -- connections -------------------------------------------------------------


def test_reconnect(t: Test) -> None:
    """The server dies and comes back; at start there is none either."""
    path = t.path('s')
    f = monitor(t, f'socket,id=c,path={path},reconnect-ms=100')
    f.qmp
    for _ in range(3):
        p = socat(t, f'UNIX-LISTEN:{path}', '-')
        bulk(program(p), 1 << 17)
        p.kill()
        p.wait()
        path.unlink(missing_ok=True)
    wait_for(lambda: any(c['filename'].startswith('disconnected')
                         for c in f.qmp.cmd('query-chardev')
                         if c['label'] == 'c'), 'the end of the last')


def test_inherited_descriptor(t: Test) -> None:
    ours, theirs = socket.socketpair()
    monitor(t, f'socket,id=c,fd={theirs.fileno()}',
            pass_fds=[theirs.fileno()])
    theirs.close()
    bulk(ours)
    ours.close()
    with socket.create_server(('127.0.0.1', 0)) as server:
        monitor(t, f'socket,id=c,fd={server.fileno()},server=on,wait=off',
                pass_fds=[server.fileno()]).qmp
        port = server.getsockname()[1]
        bulk(program(socat(t, '-', f'TCP:127.0.0.1:{port}')))


def test_getfd(t: Test) -> None:
    """A descriptor by QMP becomes a chardev that a running guest talks to."""
    f = guest(t, '-chardev', 'null,id=c')
    ours, theirs = socket.socketpair()
    ours.settimeout(ferrytest.TIMEOUT)
    f.qmp.cmd('getfd', _fds=[theirs.fileno()], fdname='line')
    theirs.close()
    wait_for(lambda: f.qmp.cmd('query-status')['running'], 'the guest')
    f.qmp.raw('chardev-change', {'id': 'c', 'backend': {
        'type': 'socket', 'data': {'server': False, 'addr': {
            'type': 'fd', 'data': {'str': 'line'}}}}})
    with ours:
        ours.settimeout(0.2)
        for _ in range(100):        # until the guest has set its port up
            ours.sendall(b'?')
            try:
                if ours.recv(4096):
                    break
            except TimeoutError:
                pass
        ours.settimeout(1)
        try:
            while ours.recv(4096):
                pass
        except TimeoutError:
            pass
        ours.settimeout(ferrytest.TIMEOUT)
        echo_all(ours.sendall, lambda: ours.recv(4096))


def test_yank_of_a_stuck_client(t: Test) -> None:
    """The peer does not read: output waits, yank ends the connection, and a
    reconnecting client comes again."""
    with socket.create_server(('127.0.0.1', 0)) as server:
        port = server.getsockname()[1]
        f = monitor(t, f'socket,id=c,host=127.0.0.1,port={port},'
                    'reconnect-ms=100')
        server.settimeout(ferrytest.TIMEOUT)
        stuck, _ = server.accept()
        stuck.setblocking(False)
        stuck.sendall(b'{"execute": "qmp_capabilities"}')
        ask = b'{"execute": "query-qmp-schema"}' * 50
        for _ in range(400):
            try:
                stuck.send(ask)
            except BlockingIOError:
                time.sleep(0.01)
        instance = {'type': 'chardev', 'id': 'c'}
        assert instance in f.qmp.cmd('query-yank')
        f.qmp.cmd('yank', instances=[instance])
        again, _ = server.accept()
        again.settimeout(ferrytest.TIMEOUT)
        assert Qmp(again).cmd('query-name') == {}
        again.close()
        stuck.close()


# -- websocket ---------------------------------------------------------------


def websocket_peer(t: Test, *args: str) -> subprocess.Popen:
    if subprocess.run([PYTHON, '-c', 'import websockets'],
                      stderr=subprocess.DEVNULL).returncode:
        raise Skip('python3-websockets is not installed')
    return t.spawn(PYTHON, WEBSOCKET_PEER, *args,
                   stderr=open(t.path('websocket-peer.log'), 'wb'))


def peer_log(t: Test) -> str:
    return t.path('websocket-peer.log').read_text()


def test_websocket_server(t: Test) -> None:
    f = monitor(t, f'socket,id=c,{SERVER},websocket=on')
    p = websocket_peer(t, 'connect', f'ws://127.0.0.1:{f.chardev_port("c")}/')
    bulk(program(p))
    f.quit()
    assert p.wait(ferrytest.TIMEOUT) == 0, peer_log(t)
    assert 'closed 100' in peer_log(t), peer_log(t)


def test_websocket_server_over_tls(t: Test) -> None:
    t.requires('certtool')
    pki = Pki(t.path('pki'))
    srv, _ = pki.standard()
    f = monitor(t, f'socket,id=c,{SERVER},websocket=on,tls-creds=tls0',
                '-object', f'tls-creds-x509,id=tls0,endpoint=server,dir={srv}')
    p = websocket_peer(t, 'connect', f'wss://localhost:{f.chardev_port("c")}/',
                       pki.dir / 'ca-cert.pem', pki.dir / 'client-cert.pem',
                       pki.dir / 'client-key.pem')
    bulk(program(p))


def test_websocket_client(t: Test) -> None:
    port = free_port()
    p = websocket_peer(t, 'serve', port)
    wait_for(lambda: listening(port), 'the server')
    monitor(t, f'socket,id=c,host=127.0.0.1,port={port},websocket=on')
    bulk(program(p))


def test_websocket_client_over_tls(t: Test) -> None:
    t.requires('certtool')
    pki = Pki(t.path('pki'))
    _, cli = pki.standard()
    port = free_port()
    p = websocket_peer(t, 'serve', port, pki.dir / 'server-cert.pem',
                       pki.dir / 'server-key.pem')
    wait_for(lambda: listening(port), 'the server')
    monitor(t, f'socket,id=c,host=127.0.0.1,port={port},websocket=on,'
            'tls-creds=tls0', '-object',
            f'tls-creds-x509,id=tls0,endpoint=client,dir={cli}')
    bulk(program(p))


if __name__ == '__main__':
    ferrytest.main(at_once=3)
