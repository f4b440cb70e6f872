#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What TLS must refuse on NBD: the rows of tlstable.py, against ferry-nbd with
nbdinfo and ferry-img, and against nbdkit with ferry-img. Each is told why, and
a good client is served afterwards."""
import re
import socket
import ssl
from pathlib import Path

import ferrytest
from ferrytest import BUILD, TIMEOUT, Test, free_port, wait_for
from tlstable import (AUTHZ, CLIENTS, GOOD_USER, PSK_CLIENTS, SERVERS,
                      Certificates)

NBD = BUILD / 'tools/ferry-nbd'
IMG = BUILD / 'tools/ferry-img'
# What a client says that was hung up on, in the words of its TLS library.
HUNG_UP = r'tls|handshake|premature|certificate|recv|eof|disconnect|reset|terminated|hung up|closed'


def listening(port: int) -> bool:
    with socket.socket() as s:
        return s.connect_ex(('127.0.0.1', port)) == 0


class Server:
    """ferry-nbd -v, and what it has said since the last question."""

    def __init__(self, t: Test, creds: str, *args: str):
        self.log = t.path(f'{free_port()}.log')
        self.port = free_port()
        disk = t.path('disk.raw')
        disk.write_bytes(bytes(65536))
        self.p = t.spawn(str(NBD), '-v', '-t', '-e', '0', '-b', '127.0.0.1', '-p', str(self.port), '-f', 'raw',
                         '--object', creds, '--tls-creds', 'tls0', *args, str(disk), stderr=self.log.open('wb'))
        wait_for(lambda: listening(self.port), 'ferry-nbd')
        self.read = 0

    def says(self, why: str) -> None:
        wait_for(lambda: re.search(f'got no export: .*({why})', self.log.read_text()[self.read:], re.I),
                 f'"{why}"; it said: {self.log.read_text()[self.read:]}')
        self.read = len(self.log.read_text())


def x509(role: str, folder: Path) -> str:
    return f'tls-creds-x509,id=tls0,endpoint={role},dir={folder}'


def refused(t: Test, *argv: str) -> str:
    r = t.run(*argv, check=False)
    assert r.returncode == 1, (argv, r)
    return r.stderr


def img_info(port: int, creds: str, user: str = '') -> list[str]:
    return [str(IMG), 'info', '-f', 'raw', '--object', creds, f'nbds://{user}localhost:{port}/?tls-creds=tls0']


def starttls(port: int, context: ssl.SSLContext) -> ssl.SSLSocket:
    """The first steps of a client of NBD."""
    s = socket.create_connection(('127.0.0.1', port), TIMEOUT)
    stream = s.makefile('rwb', buffering=0)
    assert stream.read(18)[:16] == b'NBDMAGICIHAVEOPT'
    stream.write(b'\0\0\0\3IHAVEOPT\0\0\0\5\0\0\0\0')
    assert stream.read(20) == b'\0\3\xe8\x89\x04Ue\xa9\0\0\0\5\0\0\0\1\0\0\0\0'
    return context.wrap_socket(s)


def test_server_refuses_clients(t: Test) -> None:
    t.requires('certtool', 'nbdinfo')
    certs = Certificates(t.path('pki'), CLIENTS)
    server = Server(t, x509('server', certs.srv), '--object', AUTHZ, '--tls-authz', 'az')

    def info(folder: Path) -> list[str]:
        return ['nbdinfo', '--size', f'nbds://localhost:{server.port}/?tls-certificates={folder}']

    def good() -> None:
        assert t.run(*info(certs.cli)).stdout == '65536\n'

    good()
    for row in CLIENTS:
        folder = certs.folder('client', row.name)
        err = refused(t, *info(folder))
        assert re.search(HUNG_UP, err, re.I), (row.name, err)
        server.says(row.why)
        # Ours looks at its own certificate first.
        err = refused(t, *img_info(server.port, x509('client', folder)))
        assert re.search(f'{row.why}|{HUNG_UP}', err, re.I), (row.name, err)
        good()
    try:
        with starttls(server.port, certs.context('client', 'client', ssl.TLSVersion.TLSv1_1)):
            raise AssertionError('TLS 1.1')
    except OSError:
        pass
    server.says('version|protocol')
    good()
    refused(t, 'nbdinfo', f'nbd://localhost:{server.port}')
    err = refused(t, str(IMG), 'info', '-f', 'raw', f'nbd://localhost:{server.port}')
    assert 'the server requires TLS' in err, err
    t.run(*img_info(server.port, x509('client', certs.cli)))


def test_client_checks_the_server(t: Test) -> None:
    t.requires('certtool', 'nbdkit')
    certs = Certificates(t.path('pki'), SERVERS)
    creds = x509('client', certs.cli)
    for name, why in [('server', '')] + [(row.name, row.why) for row in SERVERS]:
        folder = certs.srv if name == 'server' else certs.folder('server', name)
        port = free_port()
        t.spawn('nbdkit', '-f', '-i', '127.0.0.1', '-p', str(port), '--tls=require', f'--tls-certificates={folder}',
                'null', '1M')
        wait_for(lambda: listening(port), 'nbdkit')
        if not why:
            t.run(*img_info(port, creds))
            continue
        err = refused(t, *img_info(port, creds))
        assert re.search(why, err, re.I), (name, err)
        if name == 'sname':
            where = f'nbds://localhost:{port}/?tls-creds=tls0&tls-hostname=elsewhere.example'
            t.run(str(IMG), 'info', '-f', 'raw', '--object', creds, where)


def test_server_of_its_own_certificate(t: Test) -> None:
    """One that no client would take: not even the start is a success."""
    t.requires('certtool')
    certs = Certificates(t.path('pki'), SERVERS)
    for row in SERVERS:
        if row.name in ('srevoked', 'sname'):
            continue        # only the client can know
        err = refused(t, str(NBD), '-k', str(t.path('s')), '--object', x509('server', certs.folder('server', row.name)),
                      '--tls-creds', 'tls0', 'disk.raw')
        assert re.search(row.why, err, re.I), (row.name, err)


def test_psk(t: Test) -> None:
    t.requires('psktool', 'nbdinfo', 'nbdkit')
    for name, users in (('good', [GOOD_USER]), ('other', ['alice', 'mallory', 'bob'])):
        t.path(name).mkdir()
        for user in users:
            t.run('psktool', '-u', user, '-p', str(t.path(f'{name}/keys.psk')))
    good = t.path('good/keys.psk')
    key = good.read_text().split(':')[1]
    good.write_text(good.read_text() + f'eve:{key}')
    t.path('client').mkdir()
    t.path('client/keys.psk').write_text(f'alice:{key}mallory:{key}eve:{key}')
    server = Server(t, f'tls-creds-psk,id=tls0,endpoint=server,dir={t.path("good")}',
                    '--object', f'authz-simple,id=az,identity={GOOD_USER}', '--tls-authz', 'az')
    port = free_port()
    t.spawn('nbdkit', '-f', '-i', '127.0.0.1', '-p', str(port), '--tls=require', f'--tls-psk={good}', 'null', '1M')
    wait_for(lambda: listening(port), 'nbdkit')

    def creds(user: str, folder: str) -> str:
        return f'tls-creds-psk,id=tls0,endpoint=client,dir={t.path(folder)},username={user}'

    def info(user: str, folder: str) -> list[str]:
        return ['nbdinfo', '--size', f'nbds://{user}@localhost:{server.port}/?tls-psk-file={t.path(folder)}/keys.psk']

    for user, which in [(row.user, row.key) for row in PSK_CLIENTS] + [('eve', 'good')]:
        folder = 'other' if which == 'other' else 'client'
        err = refused(t, *info(user, folder))
        assert re.search(HUNG_UP, err, re.I), (user, err)
        server.says("'eve' is not authorized by 'az'" if user == 'eve' else 'handshake|psk|decryption|mac|parameter')
        refused(t, *img_info(server.port, creds(user, folder)))
        server.says('.')
        if user != 'eve':
            assert re.search(HUNG_UP, refused(t, *img_info(port, creds(user, folder))), re.I)
        assert t.run(*info(GOOD_USER, 'client')).stdout == '65536\n'
    t.run(*img_info(server.port, creds(GOOD_USER, 'client')))
    t.run(*img_info(port, creds(GOOD_USER, 'client')))


if __name__ == '__main__':
    ferrytest.main()
