# SPDX-License-Identifier: LGPL-2.1-or-later
"""Connections that are of no use to anybody: silent, half through a handshake,
or behind it. For tests of what listens: none of them may keep a good client
out."""
from __future__ import annotations

import resource
import socket
import ssl

import ferrytest


def many_descriptors() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def connect(port: int, context: ssl.SSLContext | None = None) -> socket.socket:
    s = socket.create_connection(('127.0.0.1', port), ferrytest.TIMEOUT)
    return context.wrap_socket(s, server_hostname='localhost') if context else s


def crowd(port: int, count: int, payload: bytes = b'',
          context: ssl.SSLContext | None = None) -> list[socket.socket]:
    """Connections that say @payload, or nothing, and then no more."""
    them = []
    for _ in range(count):
        try:
            s = connect(port, context)
            them.append(s)
            if payload:
                s.sendall(payload)
        except (ConnectionError, ssl.SSLError):
            pass                    # evicted already: that is its right
    return them


def client_hello() -> bytes:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = ssl.create_default_context().wrap_bio(incoming, outgoing,
                                                server_hostname='localhost')
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


def half_hellos(port: int, count: int) -> list[socket.socket]:
    """Stuck in a TLS ClientHello: in the record header, in the message, one
    byte short, and whole."""
    hello = client_hello()
    cuts = (1, 4, 40, len(hello) - 1, len(hello))
    return [s for cut in cuts
            for s in crowd(port, count // len(cuts), hello[:cut])]
