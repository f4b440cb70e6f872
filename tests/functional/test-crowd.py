#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A crowd of useless connections keeps no good client out, on a serial port
and on a QMP monitor, plain and over TLS, and leaves nothing behind."""
import re
import socket
import ssl
import statistics
import time
from pathlib import Path

import ferrytest
from crowds import connect, crowd, half_hellos, many_descriptors
from ferrytest import FERRY, Ferry, Qmp, STRESS, Test, read_until, wait_for
from pki import Pki

CROWD = 500
STUCK = 200
MEMORY_MAX_KIB = 32 * 1024      # for all of them; 128 are held at a time
LISTEN = 'host=127.0.0.1,port=0,server=on,wait=off'


def limit_s() -> float:
    """A second; sanitizers make everything slower."""
    program = FERRY.read_bytes()
    return 5 if b'__asan_init' in program or b'__tsan_init' in program else 1


def pki_args(t: Test) -> tuple[list[str], ssl.SSLContext]:
    t.requires('certtool')
    pki = Pki(t.path('pki'))
    srv, _ = pki.standard()
    context = ssl.create_default_context(cafile=str(pki.dir / 'ca-cert.pem'))
    context.load_cert_chain(pki.dir / 'client-cert.pem',
                            pki.dir / 'client-key.pem')
    return ['-object', f'tls-creds-x509,id=tls0,endpoint=server,dir={srv}'], \
        context


def serial(t: Test, *args: str, options: str = '') -> tuple[Ferry, int]:
    t.requires_kvm()
    f = t.ferry(*args, '-m', '64', '-chardev',
                f'socket,id=c,{LISTEN}{options}', '-device',
                'isa-serial,chardev=c', '-kernel', STRESS, '-append',
                'mem=0 echo')
    return f, f.chardev_port('c')


def qmp(t: Test, *args: str, options: str = '') -> tuple[Ferry, int]:
    f = t.ferry(*args, '-machine', 'none', '-chardev',
                f'socket,id=c,{LISTEN}{options}', '-mon',
                'chardev=c,mode=control')
    return f, f.chardev_port('c')


def good_serial(port: int, context: ssl.SSLContext | None = None) -> None:
    """Types a letter and sees the guest's echo of it."""
    with connect(port, context) as s:
        s.settimeout(0.1)
        data = b''
        for _ in range(int(ferrytest.TIMEOUT * 10)):
            s.sendall(b'#')         # lost while the guest is not up yet
            try:
                more = s.recv(4096)
                assert more, 'closed'
                data += more
            except TimeoutError:
                pass
            if b'#' in data:
                return
        raise AssertionError(f'no echo: {data!r}')


def good_qmp(port: int, context: ssl.SSLContext | None = None) -> None:
    q = Qmp(connect(port, context))
    assert q.cmd('query-name') == {}
    q.close()


def check(t: Test, f: Ferry, port: int, good, gather) -> None:
    """@good gets in before, among and after the crowd that @gather makes."""
    many_descriptors()
    f.qmp
    good()
    # A closed connection may take the emulator a moment to notice.
    wait_for(lambda: idle(f), 'the first one to be gone')
    start, memory = f.fds(), rss(f)
    for _ in range(20 if ferrytest.LONG else 1):
        one_round(f, port, good, gather, start, memory)
    good()


def one_round(f: Ferry, port: int, good, gather, start: int,
              memory: int) -> None:
    them = gather()
    wait_for(lambda: f.fds() > start + 100, 'the crowd')
    if limit_s() == 1:              # sanitizers keep what is freed
        assert rss(f) - memory < MEMORY_MAX_KIB, rss(f) - memory
    took = []
    for _ in range(3):
        begin = time.monotonic()
        good()
        took.append(time.monotonic() - begin)
        for s in gather_again(port):
            them.append(s)
    for s in them:
        s.close()
    assert statistics.median(took) < limit_s(), took
    wait_for(lambda: f.fds() == start, f'{start} descriptors')


def gather_again(port: int) -> list[socket.socket]:
    """The good client closed the others when it spoke; some come again."""
    return crowd(port, 150)


def rss(f: Ferry) -> int:
    status = Path(f'/proc/{f.proc.pid}/status').read_text()
    return int(re.search(r'VmRSS:\s*(\d+) kB', status).group(1))


def idle(f: Ferry) -> bool:
    return any(c['label'] == 'c' and c['filename'].startswith('disconnected')
               for c in f.qmp.cmd('query-chardev'))


def test_plain_serial(t: Test) -> None:
    f, port = serial(t)
    check(t, f, port, lambda: good_serial(port), lambda: crowd(port, CROWD))


def test_plain_qmp(t: Test) -> None:
    f, port = qmp(t)
    check(t, f, port, lambda: good_qmp(port), lambda: crowd(port, CROWD))


def test_tls_serial(t: Test) -> None:
    args, context = pki_args(t)
    f, port = serial(t, *args, options=',tls-creds=tls0')
    check(t, f, port, lambda: good_serial(port, context),
          lambda: crowd(port, CROWD))


def test_tls_qmp(t: Test) -> None:
    args, context = pki_args(t)
    f, port = qmp(t, *args, options=',tls-creds=tls0')
    check(t, f, port, lambda: good_qmp(port, context),
          lambda: crowd(port, CROWD))


def test_silent_after_the_tls_handshake(t: Test) -> None:
    args, context = pki_args(t)
    f, port = qmp(t, *args, options=',tls-creds=tls0')
    check(t, f, port, lambda: good_qmp(port, context),
          lambda: crowd(port, STUCK, context=context))


def test_stuck_in_the_client_hello(t: Test) -> None:
    args, context = pki_args(t)
    f, port = qmp(t, *args, options=',tls-creds=tls0')
    check(t, f, port, lambda: good_qmp(port, context),
          lambda: half_hellos(port, STUCK))


def good_websocket(port: int) -> None:
    with connect(port) as s:
        s.sendall(b'GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n'
                  b'Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n'
                  b'Sec-WebSocket-Protocol: binary\r\n'
                  b'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n')
        read_until(s, r's3pPLMBiTxaQ9kYGzzhZRbK\+xOo=[\s\S]*"QMP"')
        # A masked frame with the mask 0.
        s.sendall(b'\x82\x9e\0\0\0\0{"execute":"qmp_capabilities"}')
        read_until(s, r'"return"')


def test_stuck_in_the_websocket_upgrade(t: Test) -> None:
    f, port = qmp(t, options=',websocket=on')
    check(t, f, port, lambda: good_websocket(port), lambda: [
        s for text in (b'G', b'GET / HTTP/1.1\r\n',
                       b'GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n')
        for s in crowd(port, STUCK // 3, text)])


IAC = b'\xff'


def test_stuck_in_telnet_negotiation(t: Test) -> None:
    f, port = serial(t, options=',telnet=on')
    check(t, f, port, lambda: good_serial(port), lambda: [
        s for text in (IAC, IAC + b'\xfd', IAC + b'\xfa\x18\0xterm',
                       IAC + b'\xfb\x03' + IAC + b'\xfd\x01')
        for s in crowd(port, STUCK // 4, text)])


def test_a_reader_outlives_the_crowd(t: Test) -> None:
    """Who only reads keeps reading while others come and go in silence."""
    many_descriptors()
    f, port = qmp(t)
    with connect(port) as reader:
        read_until(reader, r'"QMP"')
        them = crowd(port, CROWD)
        for s in them:
            s.close()
        reader.sendall(b'{"execute": "qmp_capabilities"}')
        read_until(reader, r'"return"')     # still there: it may speak, too


def test_a_client_that_never_reads_is_dropped(t: Test) -> None:
    """Silent clients get the output at the pace of the fastest; one that lags
    is closed and holds nobody up."""
    f = t.ferry('-machine', 'none', '-chardev', f'socket,id=c,{LISTEN}',
                '-chardev', f'socket,id=driver,{LISTEN}', '-chardev',
                'hub,id=h,chardevs.0=c,chardevs.1=driver', '-mon',
                'chardev=h,mode=control')
    port = f.chardev_port('c')
    driver = Qmp(connect(f.chardev_port('driver')))
    start = f.fds()
    with driver.sock, connect(port) as lazy, connect(port) as reader:
        wait_for(lambda: f.fds() == start + 2, 'both')
        reader.setblocking(False)
        deadline = time.monotonic() + ferrytest.TIMEOUT
        while f.fds() == start + 2:
            assert time.monotonic() < deadline, 'nobody was dropped'
            driver.cmd('query-qmp-schema')
            try:
                while reader.recv(1 << 20):
                    pass
            except BlockingIOError:
                pass
        driver.send('query-name', id='still there')
        assert driver.reply()['id'] == 'still there'
        read_until(reader, 'still there')
        try:
            while lazy.recv(1 << 20):
                pass
        except ConnectionResetError:
            pass


def test_handshakes_end_by_their_time_limit(t: Test) -> None:
    args, context = pki_args(t)
    f, port = qmp(t, *args, options=',tls-creds=tls0,handshake-timeout-ms=300')
    f.qmp
    start = f.fds()
    them = crowd(port, 50)
    for s in them:
        s.settimeout(ferrytest.TIMEOUT)
        try:
            while s.recv(100):
                pass
        except ConnectionError:
            pass
    wait_for(lambda: f.fds() == start, 'the descriptors of the beginning')
    good_qmp(port, context)
    for s in them:
        s.close()


if __name__ == '__main__':
    ferrytest.main()
