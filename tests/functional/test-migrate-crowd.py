#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A crowd of useless clients on the port of an incoming migration keeps the
true source out no more than it keeps the monitor from answering."""
import socket
import ssl
import threading
import time

import ferrytest
from crowds import crowd, half_hellos, many_descriptors
from ferrytest import LONG, SANITIZER, Ferry, Test
from migrate import Pair

CROWD = 500
LATE_S = 1 if SANITIZER else 0.1        # 99 of 100 answers come before that


class Poll:
    """query-status without a pause, on a monitor of its own."""

    def __init__(self, f: Ferry):
        self.took: list[float] = []
        self.over = threading.Event()
        self.qmp = f.connect_qmp(1)
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        while not self.over.is_set():
            begin = time.perf_counter()
            self.qmp.cmd('query-status')
            self.took.append(time.perf_counter() - begin)
            time.sleep(0.001)

    def end(self, name: str) -> None:
        self.over.set()
        self.thread.join()
        took = sorted(self.took)
        assert len(took) > 100, len(took)
        median, late = took[len(took) // 2], took[len(took) * 99 // 100]
        print(f'# {name}: query-status {len(took)} times, median '
              f'{median * 1e6:.0f} us, p99 {late * 1e3:.1f} ms, longest '
              f'{took[-1] * 1e3:.1f} ms', flush=True)
        assert late < LATE_S, late


def talkative(port: int) -> list[socket.socket]:
    words = (b'', b'GET / HTTP/1.0\r\n\r\n', b'QEVM', bytes(300),
             b'\x11\x22\x33\x44')
    return [s for word in words for s in crowd(port, CROWD // 5, word)]


def survive(p: Pair, name: str, gather) -> None:
    """The source gets in through the crowd that @gather(port) makes, while
    both monitors answer."""
    many_descriptors()
    for _ in range(10 if LONG else 1):
        p.new_target()
        p.settings()
        uri = p.listen('tcp')
        polls = [Poll(f) for f in (p.source, p.target)]
        them = gather(int(uri.rsplit(':', 1)[1]))
        s = p.target.qmp.cmd('query-status')
        assert s['status'] == 'inmigrate', s
        p.source.qmp.cmd('migrate', uri=uri)
        p.finish()
        for poll, side in zip(polls, ('source', 'destination')):
            poll.end(f'{name}, {side}')
        p.check(1)
        for s in them:
            s.close()


def test_plain(t: Test) -> None:
    p = Pair(t)
    survive(p, 'silent', lambda port: crowd(port, CROWD))
    survive(p, 'talkative', talkative)


def test_tls(t: Test) -> None:
    """Silent, plain, in the ClientHello, and behind the handshake: there with
    nothing and with the first bytes of a stream."""
    p = Pair(t, tls='x509')
    pki = t.path('pki')
    context = ssl.create_default_context(cafile=str(pki / 'ca-cert.pem'))
    context.load_cert_chain(pki / 'client-cert.pem', pki / 'client-key.pem')
    survive(p, 'TLS, silent and plain', talkative)
    survive(p, 'TLS, in the ClientHello', lambda port: half_hellos(port, CROWD))
    survive(p, 'TLS, behind the handshake', lambda port: [
        s for word in (b'', b'QEVM')
        for s in crowd(port, CROWD // 4, word, context)])


if __name__ == '__main__':
    ferrytest.main(at_once=2)
