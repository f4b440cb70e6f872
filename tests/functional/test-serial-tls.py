#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest's serial port served over TLS, to real clients and servers."""
import base64
import os
import socket
import subprocess

import ferrytest
from ferrytest import STRESS, Test, read_until, wait_for, wait_port
from pki import Pki


def guest(port_opts: str, *args: str) -> list[str]:
    return ['-m', '64', '-chardev', f'socket,id=s0,{port_opts}',
            '-device', 'isa-serial,chardev=s0', '-kernel', str(STRESS),
            '-append', 'mem=1M pattern=byte', *args]


def server_object(srv) -> list[str]:
    return ['-object', f'tls-creds-x509,id=tls0,endpoint=server,dir={srv}']


def gnutls_cli(t: Test, pki: Pki, port: int, *extra: str):
    return t.spawn('gnutls-cli', '--priority=NORMAL', *extra, '-p', port,
                   f'--x509cafile={pki.dir}/ca-cert.pem',
                   f'--x509certfile={pki.dir}/client-cert.pem',
                   f'--x509keyfile={pki.dir}/client-key.pem', '127.0.0.1')


def test_gnutls_cli_reads_serial(t: Test) -> None:
    t.requires('gnutls-cli', 'certtool')
    t.requires_kvm()
    pki = Pki(t.path('pki'))
    srv, _ = pki.standard()
    f = t.ferry(*server_object(srv), *guest(
        'host=127.0.0.1,port=0,tls-creds=tls0,server,wait=off'))
    client = gnutls_cli(t, pki, f.chardev_port('s0'))
    read_until(client.stdout, r'Handshake was completed[\s\S]*pass \d+')


def test_wait_on_holds_the_guest(t: Test) -> None:
    t.requires('gnutls-cli', 'certtool')
    t.requires_kvm()
    pki = Pki(t.path('pki'))
    srv, _ = pki.standard()
    f = t.ferry(*server_object(srv), *guest(
        'host=127.0.0.1,port=0,tls-creds=tls0,server'))
    port = f.chardev_port('s0')
    assert f.qmp.cmd('query-status')['status'] == 'prelaunch'
    client = gnutls_cli(t, pki, port)
    # Nothing that the guest said is lost: its first letter arrives.
    read_until(client.stdout, r'\nA\r?\n')
    wait_for(lambda: f.qmp.cmd('query-status')['running'], 'running')


def test_openssl_s_client(t: Test) -> None:
    t.requires('openssl', 'certtool')
    t.requires_kvm()
    pki = Pki(t.path('pki'))
    srv, _ = pki.standard()
    f = t.ferry(*server_object(srv), *guest(
        'host=127.0.0.1,port=0,tls-creds=tls0,server=on,wait=off'))
    port = f.chardev_port('s0')
    for version in ('-tls1_2', '-tls1_3'):
        p = t.spawn('openssl', 's_client', version, '-quiet', '-CAfile',
                    pki.dir / 'ca-cert.pem', '-cert',
                    pki.dir / 'client-cert.pem', '-key',
                    pki.dir / 'client-key.pem', '-verify_return_error',
                    '-connect', f'127.0.0.1:{port}')
        read_until(p.stdout, r'pass \d+')
        p.kill()
        p.wait()


def test_client_of_openssl_s_server(t: Test) -> None:
    t.requires('openssl', 'certtool')
    t.requires_kvm()
    pki = Pki(t.path('pki'))
    _, cli = pki.standard()
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port = probe.getsockname()[1]
    server = t.spawn('openssl', 's_server', '-quiet', '-accept',
                     f'127.0.0.1:{port}', '-cert', pki.dir / 'server-cert.pem',
                     '-key', pki.dir / 'server-key.pem', '-CAfile',
                     pki.dir / 'ca-cert.pem', '-Verify', '2')
    wait_port(port)
    t.ferry('-object', f'tls-creds-x509,id=tls0,endpoint=client,dir={cli}',
            *guest(f'host=127.0.0.1,port={port},tls-creds=tls0'))
    read_until(server.stdout, r'pass \d+')


def test_two_ferries(t: Test) -> None:
    t.requires('certtool')
    t.requires_kvm()
    pki = Pki(t.path('pki'))
    srv, cli = pki.standard()
    a = t.ferry(*server_object(srv), '-machine', 'none', '-chardev',
                'socket,id=s0,host=127.0.0.1,port=0,tls-creds=tls0,server,'
                f'wait=off,logfile={t.path("log")}', '-chardev', 'null,id=n',
                '-mon', 'chardev=s0,mode=readline')
    port = a.chardev_port('s0')
    t.ferry('-object', f'tls-creds-x509,id=tls0,endpoint=client,dir={cli}',
            *guest(f'host=127.0.0.1,port={port},tls-creds=tls0'))
    wait_for(lambda: 'frontend-open' and any(
        c['label'] == 's0' and not c['filename'].startswith('disconnected')
        for c in a.qmp.cmd('query-chardev')), 'the client')


def psk_dir(t: Test) -> tuple[str, str]:
    key = os.urandom(32).hex()
    t.path('psk').mkdir()
    t.path('psk/keys.psk').write_text(f'alice:{key}\n')
    t.path('psk/keys.psk').chmod(0o600)
    return str(t.path('psk')), key


def test_psk_with_gnutls_cli(t: Test) -> None:
    t.requires('gnutls-cli')
    t.requires_kvm()
    folder, key = psk_dir(t)
    f = t.ferry('-object', f'tls-creds-psk,id=tls0,endpoint=server,dir={folder}',
                *guest('host=127.0.0.1,port=0,tls-creds=tls0,server,wait=off'))
    p = t.spawn('gnutls-cli', '--priority=NORMAL:-KX-ALL:+ECDHE-PSK:+DHE-PSK:'
                '-VERS-ALL:+VERS-TLS1.3', '--pskusername=alice',
                f'--pskkey={key}', '-p', f.chardev_port('s0'), '127.0.0.1')
    read_until(p.stdout, r'pass \d+')


def test_tls_over_unix_socket(t: Test) -> None:
    t.requires('openssl', 'certtool')
    t.requires_kvm()
    pki = Pki(t.path('pki'))
    srv, cli = pki.standard()
    path = t.path('serial')
    f = t.ferry(*server_object(srv), *guest(
        f'path={path},tls-creds=tls0,server,wait=off'))
    f.qmp
    p = t.spawn('openssl', 's_client', '-quiet', '-CAfile',
                pki.dir / 'ca-cert.pem', '-cert', pki.dir / 'client-cert.pem',
                '-key', pki.dir / 'client-key.pem', '-verify_return_error',
                '-verify_hostname', 'localhost', '-unix', path)
    read_until(p.stdout, r'pass \d+')
    p.kill()
    p.wait()
    g = t.ferry('-object', f'tls-creds-x509,id=c,endpoint=client,dir={cli}',
                '-machine', 'none', '-chardev',
                f'socket,id=s,path={path},tls-creds=c,tls-hostname=localhost,'
                f'logfile={t.path("got")}', '-mon', 'chardev=s')
    wait_for(lambda: t.path('got').exists() and t.path('got').stat().st_size,
             'bytes over TLS over a UNIX socket')
    g.quit()
    f.quit()


def test_input_reaches_the_guest(t: Test) -> None:
    t.requires('socat')
    t.requires_kvm()
    f = t.ferry('-m', '64', '-chardev',
                'socket,id=s0,host=127.0.0.1,port=0,server',
                '-device', 'isa-serial,chardev=s0', '-kernel', str(STRESS),
                '-append', 'echo')
    s = socket.create_connection(('127.0.0.1', f.chardev_port('s0')))
    read_until(s, r'stress boot')       # it has set up its port
    s.sendall(b'hello over the line\n')
    read_until(s, r'hello over the line')
    s.close()


if __name__ == '__main__':
    ferrytest.main()
