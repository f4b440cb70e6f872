#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What TLS must refuse on a migration's channels: the rows of tlstable.py on
the main channel, on multifd's and on that of urgent pages. Each time the
guest goes on at its source, whoever can know says why, and the destination
still takes the right source."""
import os
import re
import shutil
import socket
import ssl
import time
from pathlib import Path

import ferrytest
import tlstable
from ferrytest import LONG, QmpError, Test, wait_for, wait_port
from migrate import Pair
from tlstable import CLIENTS, SERVERS, Certificates, Crossing, Row

GUEST = 'mem=4M kept=2M pattern=verify rate=3000 tick=2000 end=halt'
TAKES = {'exit-on-error': False}
MULTIFD = ['multifd']
PREEMPT = ['postcopy-ram', 'postcopy-preempt']


def creds(name: str, role: str, folder) -> list:
    # It shows what it has, good or bad; the other side looks.
    return ['-object', f'tls-creds-x509,id={name},endpoint={role},'
            f'dir={folder},sanity-check=off']


class TlsPair(Pair):
    """A guest, and one destination that stays; all credentials on both."""

    def __init__(self, t: Test, clients=(), servers=(), args=(),
                 certificates: bool = True):
        args = list(args)
        if certificates:
            t.requires('certtool', 'openssl')
            self.certs = certs = Certificates(t.path('pki'), clients, servers)
            args += ['-object', tlstable.AUTHZ,
                     *creds('client', 'client', certs.cli),
                     *creds('server', 'server', certs.srv)]
        for row in clients:
            args += creds(row.name, 'client', certs.folder('client', row.name))
        for row in servers:
            args += creds(row.name, 'server', certs.folder('server', row.name))
        super().__init__(t, memory='32', append=GUEST, args=tuple(args),
                         target_args=('-trace', 'migration_listener_drop'))
        self.new_target()

    def new_target(self, *args):
        self.logged = 0         # so much of its log is from before
        return super().new_target(*args)

    def prepare(self, capabilities=(), client='client',
                server='server') -> tuple[str, int]:
        """Both sides as they are to be; where the destination listens."""
        self.settings(capabilities, {'multifd-channels': 2,
                                     'max-bandwidth': 0})
        self.source.qmp.raw('migrate-set-parameters', {
            'tls-creds': client, 'tls-authz': '', 'tls-hostname':
            'localhost' if hasattr(self, 'certs') else ''})
        self.target.qmp.raw('migrate-set-parameters', {
            'tls-creds': server, 'tls-authz': 'az' if server else ''})
        q = self.target.qmp
        q.cmd('migrate-incoming', uri='tcp:127.0.0.1:0', **TAKES)
        a = wait_for(lambda: q.cmd('query-migrate').get('socket-address'),
                     'the address of the destination')
        return '127.0.0.1', int(a[0]['port'])

    def fails(self, uri: str, why: str, case: str, there: str | None = None,
              postcopy: bool = False) -> dict:
        """The source says @why, and the guest stays with it; the destination
        says @there. With @postcopy it is to begin behind that."""
        if postcopy:            # pre-copy must not be the end
            self.source.qmp.raw('migrate-set-parameters',
                                {'max-bandwidth': 64 << 10})
        self.source.qmp.cmd('migrate', uri=uri)
        if postcopy:
            self.refused(there, case)
            self.wait_status('active', 'failed')
            try:
                self.source.qmp.cmd('migrate-start-postcopy')
            except QmpError:
                pass            # it has failed already
        info = self.wait_status('failed')
        print(f'# {case}: {info["error-desc"]}', flush=True)
        assert re.search(why, info['error-desc']), (case, why, info)
        self.still_here()
        return info

    def says(self, why: str, case: str) -> None:
        """The waiting destination tells its user @why, too."""
        self.refused(why, case)
        wait_for(lambda: re.search(why, self.status(self.target).get(
            'error-desc', '')), f'{why!r} in error-desc for {case}')

    def refused(self, why: str, case: str) -> None:
        """The destination says @why it let the last one not in."""
        def said():
            new = self.target.output()[self.logged:]
            return re.search(f'migration_listener_drop.*({why}).*', new)
        try:
            found = wait_for(said, f'{why!r} for {case}')
        except AssertionError as e:
            raise AssertionError(f'{e}: {self.target.output()}') from None
        print(f'# {case}, destination: {found.group(0)}', flush=True)
        self.logged = len(self.target.output())
        assert self.target.qmp.cmd('query-status')['status'] == 'inmigrate'

    def over(self) -> None:
        """The destination has given up, and may be asked to listen again."""
        self.wait_status('failed', f=self.target)

    def right_one(self, uri: str) -> None:
        self.source.qmp.raw('migrate-set-parameters', {'tls-creds': 'client'})
        self.source.qmp.cmd('migrate', uri=uri)
        self.finish()
        self.check(1)


def address(at: tuple[str, int]) -> str:
    return f'tcp:{at[0]}:{at[1]}'


def test_main_refuses_sources(t: Test) -> None:
    """One listener meets them all, and then the right one."""
    p = TlsPair(t, clients=CLIENTS)
    uri = address(p.prepare())
    for row in CLIENTS:
        p.source.qmp.raw('migrate-set-parameters', {'tls-creds': row.name})
        p.fails(uri, row.told, row.name)
        p.says(row.why, row.name)
    p.source.qmp.raw('migrate-set-parameters', {'tls-creds': ''})
    p.fails(uri, 'TLS', 'plain to TLS')
    p.says('does not speak TLS', 'plain to TLS')
    p.right_one(uri)


def test_main_refuses_destinations(t: Test) -> None:
    """The same listener shows one certificate after the other."""
    p = TlsPair(t, servers=SERVERS)
    uri = address(p.prepare())
    for row in SERVERS:
        p.target.qmp.raw('migrate-set-parameters', {'tls-creds': row.name})
        p.fails(uri, row.why, row.name)
        p.refused('alert|ended', row.name)
    p.target.qmp.raw('migrate-set-parameters',
                     {'tls-creds': '', 'tls-authz': ''})
    p.fails(uri, 'TLS', 'TLS to plain')
    p.refused('0x16', 'TLS to plain')
    p.target.qmp.raw('migrate-set-parameters',
                     {'tls-creds': 'server', 'tls-authz': 'az'})
    p.right_one(uri)


def test_versions(t: Test) -> None:
    """Peers that only know TLS 1.1, on either side; TLS 1.2 will do."""
    p = TlsPair(t)
    at = p.prepare()
    old = p.certs.context('client', 'client', ssl.TLSVersion.TLSv1_1)
    try:
        with old.wrap_socket(socket.create_connection(at)) as s:
            s.sendall(b'QEVM')
            raise AssertionError('TLS 1.1 was taken')
    except (ssl.SSLError, OSError):
        pass
    p.says('version|protocol', 'client of TLS 1.1')
    with socket.create_connection(at) as s:
        time.sleep(0.2)         # it waits for the handshake by now
        s.sendall(b'GET / HTTP/1.0\r\n\r\n')
        p.says("does not speak TLS: it began with 'GET", 'a web client')
    road = Crossing(None, tlstable.as_server(p.certs.context(
        'server', 'server', ssl.TLSVersion.TLSv1_1)))
    road.count = 1
    p.fails(road.uri, 'version|protocol', 'server of TLS 1.1')
    road.close()
    p.right_one(address(at))


def later_channels(p: TlsPair, capabilities: list, rows) -> None:
    """The main channel is good; @rows: (name, what the later ones meet, what
    the source says, what the destination)."""
    for name, later, why, there in rows:
        at = p.prepare(capabilities)
        road = Crossing(at, later(at))
        postcopy = bool(there) and capabilities is PREEMPT
        p.fails(road.uri, why, name, there, postcopy)
        assert road.count >= 2, (name, road.count)
        if there and not postcopy:
            p.refused(there, name)
        road.close()
        p.over()
    p.right_one(address(p.prepare(capabilities)))


def bad_servers(p: TlsPair, rows) -> list:
    def serve(name: str, version=None):
        return lambda at: tlstable.as_server(
            p.certs.context('server', name, version))
    return [(r.name, serve(r.name), r.why, None) for r in rows] + [
        ('plain server', lambda at: tlstable.as_plain, 'TLS', None),
        ('TLS 1.1', serve('server', ssl.TLSVersion.TLSv1_1),
         'version|protocol', None)]


def bad_clients(p: TlsPair, rows) -> list:
    good = p.certs.context('server', 'server')

    def pass_on(name: str):
        return lambda at: tlstable.as_client(
            good, p.certs.context('client', name), at)
    return [(r.name, pass_on(r.name), 'channel', r.why) for r in rows]


def test_multifd_servers(t: Test) -> None:
    p = TlsPair(t, servers=SERVERS)
    later_channels(p, MULTIFD, bad_servers(p, SERVERS))


def test_multifd_clients(t: Test) -> None:
    # The destination waits some seconds for a channel that does not come.
    rows = CLIENTS if LONG else CLIENTS[::3]
    p = TlsPair(t, clients=rows)
    later_channels(p, MULTIFD, bad_clients(p, rows))


def test_urgent_servers(t: Test) -> None:
    p = TlsPair(t, servers=SERVERS)
    later_channels(p, PREEMPT, bad_servers(p, SERVERS))


def test_urgent_clients(t: Test) -> None:
    p = TlsPair(t, clients=CLIENTS)
    later_channels(p, PREEMPT, bad_clients(p, CLIENTS))


def test_urgent_is_optional(t: Test) -> None:
    """Without the capability a channel that TLS refuses, on either side, only
    costs that: requested pages take the main one."""
    for n in range(2):
        p = TlsPair(t, clients=CLIENTS[:1], servers=SERVERS[:1])
        at = p.prepare(PREEMPT[:1])
        later = (bad_servers(p, SERVERS[:1]) + bad_clients(p, CLIENTS[:1]))[
            (0, -1)[n]][1](at)
        road = Crossing(at, later)
        p.source.qmp.raw('migrate-set-parameters',
                         {'max-bandwidth': 4 << 20,
                          'max-postcopy-bandwidth': 4 << 20})
        p.source.qmp.cmd('migrate', uri=road.uri)
        p.wait_status('active')
        p.source.qmp.cmd('migrate-start-postcopy')
        p.finish()
        assert road.count == 2, road.count
        p.check(1)
        road.close()
        shutil.rmtree(t.path('pki'))


def psk(t: Test, name: str, *users: tuple[str, str]) -> Path:
    folder = t.path(name)
    folder.mkdir()
    (folder / 'keys.psk').write_text(
        ''.join(f'{user}:{key}\n' for user, key in users))
    (folder / 'keys.psk').chmod(0o600)
    return folder


def test_psk(t: Test) -> None:
    """Another key, an unknown user, one with a key who may not; on the main
    channel, and a stranger's key where multifd's and the urgent one go."""
    t.requires('openssl')
    keys = {k: os.urandom(32).hex() for k in ('good', 'other', 'third')}
    args = ['-object', f'authz-simple,id=az,identity={tlstable.GOOD_USER}']
    server = psk(t, 'psk', (tlstable.GOOD_USER, keys['good']),
                 ('bob', keys['other']))
    args += ['-object', f'tls-creds-psk,id=server,endpoint=server,dir={server}',
             '-object', 'tls-creds-psk,id=client,endpoint=client,dir='
             f'{server},username={tlstable.GOOD_USER}']
    for n, row in enumerate(tlstable.PSK_CLIENTS):
        folder = psk(t, f'psk{n}', (row.user, keys[row.key]))
        args += ['-object', f'tls-creds-psk,id=bad{n},endpoint=client,'
                 f'dir={folder},username={row.user}']
    p = TlsPair(t, args=args, certificates=False)
    uri = address(p.prepare())
    for n, row in enumerate(tlstable.PSK_CLIENTS):
        p.source.qmp.raw('migrate-set-parameters', {'tls-creds': f'bad{n}'})
        p.fails(uri, 'TLS.*(Illegal parameter|Access was denied)', str(row))
        p.says(row.why, str(row))
    p.right_one(uri)
    p.new_target()
    port = ferrytest.free_port()
    t.spawn('openssl', 's_server', '-quiet', '-nocert', '-accept',
            f'127.0.0.1:{port}', '-psk', keys['third'])
    wait_port(port)
    for capabilities in (MULTIFD, PREEMPT):
        later_channels(p, capabilities, [
            ('server with another key', lambda at: lambda s: tlstable.between(
                s, socket.create_connection(('127.0.0.1', port))),
             'TLS|alert', None)])
        p.new_target()


if __name__ == '__main__':
    ferrytest.main(at_once=4)
