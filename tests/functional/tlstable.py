# SPDX-License-Identifier: LGPL-2.1-or-later
"""What TLS must refuse, as tables: used for character devices and for each
kind of channel of a migration. And peers that show it.

    certs = Certificates(t.path('pki'))
    for row in CLIENTS:     # no server may take them
        certs.client(row.name)
"""
from __future__ import annotations

import socket
import ssl
import threading
import warnings
from pathlib import Path
from typing import NamedTuple

from pki import CA, CLIENT, FUTURE, PAST, SERVER, Pki, without_dates

AUTHZ = 'authz-simple,id=az,identity=O=Test,,CN=client1'


class Row(NamedTuple):
    """A certificate that its peer must refuse: what that one says, and as
    what the alert arrives."""
    name: str
    why: str
    told: str
    template: str | None        # None: no certificate
    ca: str = 'ca'


CLIENTS = (
    Row('cexpired', 'has expired', 'alert: .*expired',
        without_dates(CLIENT) + PAST),
    Row('cfuture', 'not valid yet', 'alert: .*expired',
        without_dates(CLIENT) + FUTURE),
    Row('cstranger', 'not signed by', 'alert: CA is unknown', CLIENT, 'other'),
    Row('cpurpose', 'not meant for', 'alert: .*bad',
        CLIENT.replace('tls_www_client', 'tls_www_server')),
    Row('crevoked', 'is revoked', 'alert: .*revoked',
        CLIENT.replace('client1', 'client2')),
    Row('cintruder', "'O=Test,CN=intruder' is not authorized by 'az'",
        'alert: Access', CLIENT.replace('client1', 'intruder')),
    Row('cnone', 'sent no certificate', 'alert: .*required', None),
)
SERVERS = (
    Row('sexpired', 'has expired', 'expired', without_dates(SERVER) + PAST),
    Row('sfuture', 'not valid yet', 'expired', without_dates(SERVER) + FUTURE),
    Row('sstranger', 'not signed by', 'unknown', SERVER, 'other'),
    Row('spurpose', 'not meant for|purpose', 'bad',
        SERVER.replace('tls_www_server', 'tls_www_client')),
    Row('srevoked', 'is revoked', 'revoked',
        SERVER.replace('cn=localhost', 'cn=revoked')),
    Row('sname', "not for 'localhost'", 'bad',
        SERVER.replace('localhost', 'elsewhere.example')
        .replace('ip_address=127.0.0.1\n', '')
        .replace('ip_address=::1\n', '')),
)


class PskRow(NamedTuple):
    """A user and the key he has; the server knows GOOD_USER with the key good,
    and bob, who is not authorized, with the other."""
    user: str
    key: str
    why: str


GOOD_USER = 'alice'
PSK_CLIENTS = (
    PskRow('alice', 'other', "user 'alice' has another key"),
    PskRow('mallory', 'good', "no key of user 'mallory'"),
    PskRow('bob', 'other', "'bob' is not authorized by 'az'"),
)


class Certificates(Pki):
    """Those of the tables, and good ones; `srv` and `cli` are folders for
    tls-creds-x509 that know of the revocations."""

    def __init__(self, folder: Path, *tables: tuple[Row, ...]):
        super().__init__(folder)
        self.ca('other', CA)
        self.leaf('server', SERVER)
        self.leaf('client', CLIENT)
        for row in (row for table in tables or (CLIENTS, SERVERS)
                    for row in table if row.template):
            self.leaf(row.name, row.template, row.ca)
        for name in ('crevoked', 'srevoked'):
            if (self.dir / f'{name}-cert.pem').exists():
                self.crl(f'{name}-crl', name)
        self.srv = self.folder('server', 'server', 'crevoked-crl')
        self.cli = self.folder('client', 'client', 'srevoked-crl')

    def folder(self, role: str, name: str, crl: str | None = None) -> Path:
        """For tls-creds-x509, with the certificate @name; none if there is
        none of that name."""
        if crl and not (self.dir / f'{crl}.pem').exists():
            crl = None
        where = self.creds(f'{name}-dir', role, name, crl=crl)
        if not (self.dir / f'{name}-cert.pem').exists():
            (where / f'{role}-cert.pem').unlink()
            (where / f'{role}-key.pem').unlink()
        return where

    def context(self, role: str, name: str,
                version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
        """Of a peer that shows @name and takes anything."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if role == 'server'
                                 else ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        if (self.dir / f'{name}-cert.pem').exists():
            context.load_cert_chain(self.dir / f'{name}-cert.pem',
                                    self.dir / f'{name}-key.pem')
        if version:
            with warnings.catch_warnings():
                warnings.simplefilter('ignore')
                context.minimum_version = context.maximum_version = version
            context.set_ciphers('ALL:@SECLEVEL=0')
        return context


def pump(src, dst) -> None:
    """Until the end, which is passed on."""
    try:
        while data := src.recv(65536):
            dst.sendall(data)
    except OSError:
        pass
    for s in (src, dst):
        try:
            s.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def between(a, b) -> None:
    """Two sockets, joined until one ends."""
    with a, b:
        back = threading.Thread(target=pump, args=(b, a), daemon=True)
        back.start()
        pump(a, b)
        back.join()


class Crossing:
    """A TCP port. The first connection goes on to @target; what becomes of
    the later ones says @later(socket), in a thread of each."""

    def __init__(self, target: tuple[str, int], later):
        self.target = target
        self.later = later
        self.count = 0
        self.listener = socket.create_server(('127.0.0.1', 0), backlog=64)
        self.uri = f'tcp:127.0.0.1:{self.listener.getsockname()[1]}'
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                s, _ = self.listener.accept()
            except OSError:
                return
            self.count += 1
            threading.Thread(target=self._serve, args=(s, self.count == 1),
                             daemon=True).start()

    def _serve(self, s: socket.socket, first: bool) -> None:
        try:
            if first:
                between(s, socket.create_connection(self.target))
            else:
                self.later(s)
        except (OSError, ssl.SSLError):
            pass
        finally:
            s.close()

    def close(self) -> None:
        self.listener.close()


def as_server(context: ssl.SSLContext):
    """For Crossing: a TLS server that reads what it gets."""
    def serve(s: socket.socket) -> None:
        with context.wrap_socket(s, server_side=True) as tls:
            while tls.recv(65536):
                pass
    return serve


def as_plain(s: socket.socket) -> None:
    """For Crossing: a server of plain text."""
    s.recv(5)
    s.sendall(b'220 plain text server\r\n')
    while s.recv(65536):
        pass


def as_client(server: ssl.SSLContext, client: ssl.SSLContext,
              target: tuple[str, int]):
    """For Crossing: whoever comes is served by @server, and what he says
    goes on to @target by somebody who shows @client."""
    def serve(s: socket.socket) -> None:
        with server.wrap_socket(s, server_side=True) as near, \
                client.wrap_socket(socket.create_connection(target)) as far:
            between(near, far)
    return serve
