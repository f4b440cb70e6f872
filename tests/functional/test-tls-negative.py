#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What TLS must refuse: each case ends in a clear message, and the listener
serves the next good client."""
import os
import re
import socket

import ferrytest
import tlstable
from ferrytest import Ferry, Test, read_until, wait_port
from pki import CA, FUTURE, PAST, Pki, SERVER, without_dates
from tlstable import CLIENTS, GOOD_USER, SERVERS, Certificates


def creds(folder, role: str, extra: str = '') -> list[str]:
    return ['-object',
            f'tls-creds-x509,id=tls0,endpoint={role},dir={folder}{extra}']


def refused(t: Test, pki: Pki, name: str, role: str, *words: str, **kw) -> None:
    """Credentials that must not load."""
    folder = pki.creds(name + '-dir', role, name, **kw)
    err = t.fails(*creds(folder, role))
    for word in words:
        assert word in err, (name, err)


def test_own_certificate_is_checked(t: Test) -> None:
    t.requires('certtool', 'openssl')
    pki = Pki(t.path('pki'))
    pki.ca('other', CA)
    pki.ca('notca', 'cn=x\nexpiration_days=9\n')
    pki.leaf('expired', without_dates(SERVER) + PAST)
    pki.leaf('future', without_dates(SERVER) + FUTURE)
    pki.leaf('stranger', SERVER, 'other')
    pki.leaf_with_extensions('usage', 'subjectAltName=DNS:localhost\n'
                             'extendedKeyUsage=serverAuth\n'
                             'keyUsage=critical,keyAgreement\n')
    pki.leaf('purpose', SERVER.replace('tls_www_server', 'tls_www_client'))
    pki.leaf('weak', SERVER, 'ca', '--key-type', 'rsa', '--bits', '1024')
    pki.leaf('good', SERVER)
    refused(t, pki, 'expired', 'server', 'server-cert.pem', 'expired')
    refused(t, pki, 'future', 'server', 'server-cert.pem', 'not valid yet')
    refused(t, pki, 'stranger', 'server', 'server-cert.pem')
    refused(t, pki, 'usage', 'server', 'server-cert.pem', 'usage')
    refused(t, pki, 'purpose', 'server', 'server-cert.pem', 'purpose')
    refused(t, pki, 'weak', 'server')
    refused(t, pki, 'good', 'server', 'ca-cert.pem', ca='notca')


def listener(t: Test, pki: Pki, folder, *extra_args: str, chardev: str = '',
             ) -> tuple[Ferry, int]:
    f = t.ferry(*creds(folder, 'server'), *extra_args, '-machine', 'none',
                '-chardev', 'socket,id=c,host=127.0.0.1,port=0,server,wait=off,'
                f'tls-creds=tls0{chardev}', '-mon', 'chardev=c')
    return f, f.chardev_port('c')


def good_client(t: Test, pki: Pki, port: int) -> None:
    p = t.spawn('openssl', 's_client', '-quiet', '-CAfile',
                pki.dir / 'ca-cert.pem', '-cert', pki.dir / 'client-cert.pem',
                '-key', pki.dir / 'client-key.pem', '-verify_return_error',
                '-connect', f'127.0.0.1:{port}')
    read_until(p.stdout, r'\(ferry\) ')
    p.kill()
    p.wait()


def bad_client(t: Test, pki: Pki, port: int, cert: str | None,
               *extra: str) -> None:
    argv = ['openssl', 's_client', '-quiet', '-CAfile', pki.dir / 'ca-cert.pem',
            '-connect', f'127.0.0.1:{port}', *extra]
    if cert:
        argv += ['-cert', pki.dir / f'{cert}-cert.pem', '-key',
                 pki.dir / f'{cert}-key.pem']
    r = t.run(*argv, input='', check=False)
    assert '(ferry)' not in r.stdout, (cert, extra, r.stdout)


def test_server_refuses_clients(t: Test) -> None:
    t.requires('certtool', 'openssl')
    certs = Certificates(t.path('pki'), CLIENTS)
    f, port = listener(t, certs, certs.srv, '-object', tlstable.AUTHZ,
                       chardev=',tls-authz=az')
    good_client(t, certs, port)
    for row in CLIENTS:
        bad_client(t, certs, port, row.name if row.template else None)
        good_client(t, certs, port)
    bad_client(t, certs, port, 'client', '-tls1_1', '-cipher',
               'ALL:@SECLEVEL=0')
    good_client(t, certs, port)


def test_plain_client_of_a_tls_server(t: Test) -> None:
    t.requires('certtool', 'openssl')
    pki = Pki(t.path('pki'))
    srv, _ = pki.standard()
    f, port = listener(t, pki, srv)
    with socket.create_connection(('127.0.0.1', port)) as s:
        s.settimeout(ferrytest.TIMEOUT)
        s.sendall(b'GET / HTTP/1.0\r\n\r\n')
        data = b''
        while chunk := s.recv(4096):
            data += chunk
        assert b'ferry' not in data, data
    good_client(t, pki, port)


def test_tls_client_of_a_plain_server(t: Test) -> None:
    t.requires('certtool')
    pki = Pki(t.path('pki'))
    _, cli = pki.standard()
    with socket.create_server(('127.0.0.1', 0)) as server:
        server.settimeout(ferrytest.TIMEOUT)
        f = t.ferry(*creds(cli, 'client'), '-machine', 'none', '-chardev',
                    'socket,id=c,host=127.0.0.1,tls-creds=tls0,port='
                    f'{server.getsockname()[1]}', '-mon', 'chardev=c')
        conn, _ = server.accept()
        conn.settimeout(ferrytest.TIMEOUT)
        hello = conn.recv(5)
        assert hello[:1] == b'\x16', hello       # a TLS handshake record
        conn.sendall(b'220 plain text server\r\n')
        # It must hang up, and must not have said anything in the clear.
        rest = b''
        while chunk := conn.recv(4096):
            rest += chunk
        assert b'ferry' not in rest, rest
        conn.close()
    f.stop()


def client_sees(t: Test, pki: Pki, server_cert: str, cli, extra: str,
                why: str = '') -> None:
    """ferry as TLS client of openssl s_server; @why it refuses it."""
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port = probe.getsockname()[1]
    server = t.spawn('openssl', 's_server', '-quiet', '-accept',
                     f'127.0.0.1:{port}', '-cert',
                     pki.dir / f'{server_cert}-cert.pem', '-key',
                     pki.dir / f'{server_cert}-key.pem')
    wait_port(port)
    f = t.ferry(*creds(cli, 'client'), '-machine', 'none', '-chardev',
                f'socket,id=c,host=localhost,ipv4=on,port={port},'
                f'tls-creds=tls0{extra}', '-mon', 'chardev=c')
    if why:
        ferrytest.wait_for(lambda: re.search(why, f.output()),
                           f'a message {why!r} about {server_cert}')
    else:
        read_until(server.stdout, r'\(ferry\) ')
    f.stop()
    server.kill()
    server.wait()


def test_client_checks_the_server(t: Test) -> None:
    t.requires('certtool', 'openssl')
    certs = Certificates(t.path('pki'), SERVERS)
    cli = certs.cli
    client_sees(t, certs, 'server', cli, '')
    for row in SERVERS:
        client_sees(t, certs, row.name, cli, '', row.why)
    client_sees(t, certs, 'sname', cli, ',tls-hostname=elsewhere.example')


def test_authz_that_cannot_be_enforced(t: Test) -> None:
    t.requires('certtool')
    pki = Pki(t.path('pki'))
    srv, _ = pki.standard()
    chardev = ['-chardev', 'socket,id=c,host=127.0.0.1,port=0,server,wait=off,'
               'tls-creds=tls0,tls-authz=az']
    authz = ['-object', 'authz-simple,id=az,identity=x']
    for extra in (',verify-peer=off',):
        err = t.fails(*creds(srv, 'server', extra), *authz, *chardev)
        assert 'az' in err, err
    err = t.fails('-object', f'tls-creds-anon,id=tls0,endpoint=server', *authz,
                  *chardev)
    assert 'az' in err, err
    err = t.fails(*creds(srv, 'server'), *chardev)
    assert 'az' in err, err


def test_psk(t: Test) -> None:
    t.requires('openssl')
    keys = {k: os.urandom(32).hex() for k in ('good', 'other')}
    t.path('psk').mkdir()
    t.path('psk/keys.psk').write_text(
        f'{GOOD_USER}:{keys["good"]}\nbob:{keys["other"]}\n')
    f = t.ferry('-object', f'authz-simple,id=az,identity={GOOD_USER}', '-object',
                f'tls-creds-psk,id=tls0,endpoint=server,dir={t.path("psk")}',
                '-machine', 'none', '-chardev', 'socket,id=c,host=127.0.0.1,'
                'port=0,server,wait=off,tls-creds=tls0,tls-authz=az',
                '-mon', 'chardev=c')
    port = f.chardev_port('c')

    def client(user: str, psk: str, version: str):
        return t.spawn('openssl', 's_client', version, '-quiet', '-psk',
                       psk, '-psk_identity', user, '-connect',
                       f'127.0.0.1:{port}')
    for version in ('-tls1_2', '-tls1_3'):
        for row in tlstable.PSK_CLIENTS:
            p = client(row.user, keys[row.key], version)
            out, _ = p.communicate(timeout=ferrytest.TIMEOUT)
            assert b'(ferry)' not in out, (row, version, out)
        p = client(GOOD_USER, keys['good'], version)
        read_until(p.stdout, r'\(ferry\) ')
        p.kill()
        p.wait()


if __name__ == '__main__':
    ferrytest.main()
