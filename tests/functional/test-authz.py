#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who may use a TLS listener: authorization objects as users write them, and
what they can change while the emulator runs."""
import json
import os
import ssl
import socket
import time
from pathlib import Path

import ferrytest
from ferrytest import Ferry, STRESS, Skip, Test, wait_for
from pki import CLIENT, Pki, SERVER

ALICE, BOB = 'O=Test,CN=alice', 'O=Test,CN=bob'


class Site:
    """A PKI with two clients, and a listener that asks an object 'az'."""

    def __init__(self, t: Test):
        t.requires('certtool')
        self.test = t
        self.pki = Pki(t.path('pki'))
        self.srv, _ = self.pki.standard()
        for name in ('alice', 'bob'):
            self.pki.leaf(name, CLIENT.replace('client1', name))
        self.ferry: Ferry | None = None

    def args(self) -> list[str]:
        return ['-machine', 'none', '-object',
                f'tls-creds-x509,id=tls0,endpoint=server,dir={self.srv}']

    def chardev(self) -> list[str]:
        return ['-chardev', 'socket,id=c,host=127.0.0.1,port=0,server,wait=off,'
                'tls-creds=tls0,tls-authz=az', '-mon', 'chardev=c,mode=control']

    def start(self, *authz: str) -> 'Site':
        self.ferry = self.test.ferry(*self.args(), '-object', *authz,
                                     *self.chardev())
        return self

    def context(self, name: str, ca: str = 'ca') -> ssl.SSLContext:
        d = self.pki.dir
        c = ssl.create_default_context(cafile=str(d / f'{ca}-cert.pem'))
        c.load_cert_chain(d / f'{name}-cert.pem', d / f'{name}-key.pem')
        return c

    def lets_in(self, name: str, port: int | None = None) -> bool:
        """With TLS 1.3 a client only notices when it reads."""
        port = port or self.ferry.chardev_port('c')
        try:
            with socket.create_connection(('127.0.0.1', port),
                                          ferrytest.TIMEOUT) as raw:
                with self.context(name).wrap_socket(
                        raw, server_hostname='localhost') as s:
                    return b'QMP' in s.recv(4096)
        except (ssl.SSLError, ConnectionError):
            return False

    def expect(self, alice: bool, bob: bool) -> None:
        assert (self.lets_in('alice'), self.lets_in('bob')) == (alice, bob)


def rule(match: str, policy: str = 'allow', **more: str) -> dict:
    return {'match': match, 'policy': policy, **more}


def test_list_in_json(t: Test) -> None:
    Site(t).start(json.dumps({
        'qom-type': 'authz-list', 'id': 'az', 'policy': 'deny',
        'rules': [rule(ALICE)]})).expect(True, False)


def test_list_in_dotted_keys(t: Test) -> None:
    match = BOB.replace(',', ',,')
    Site(t).start(f'authz-list,id=az,policy=allow,rules.0.match={match},'
                  'rules.0.policy=deny,rules.0.format=exact').expect(True, False)


def test_first_rule_that_matches_decides(t: Test) -> None:
    Site(t).start(json.dumps({
        'qom-type': 'authz-list', 'id': 'az',
        'rules': [rule('*CN=bob', 'deny', format='glob'),
                  rule('O=Test,*', format='glob')]})).expect(True, False)


def test_empty_list_denies(t: Test) -> None:
    Site(t).start('authz-list,id=az').expect(False, False)


def test_rules_can_be_set_at_run_time(t: Test) -> None:
    site = Site(t).start('authz-list,id=az')
    site.expect(False, False)
    site.ferry.qmp.raw('qom-set', {'path': '/objects/az', 'property': 'rules',
                                   'value': [rule(BOB)]})
    site.expect(False, True)
    site.ferry.qmp.raw('qom-set', {'path': '/objects/az', 'property': 'policy',
                                   'value': 'allow'})
    site.expect(True, True)


def write(path: Path, *allowed: str) -> None:
    path.write_text(json.dumps({'policy': 'deny',
                                'rules': [rule(a) for a in allowed]}))


def changes(site: Site, path: Path) -> None:
    """In place, by rename, broken and repaired."""
    site.expect(True, False)
    write(path, BOB)
    wait_for(lambda: site.lets_in('bob'), 'a change in place')
    site.expect(False, True)
    write(path.with_suffix('.new'), ALICE)
    path.with_suffix('.new').rename(path)
    wait_for(lambda: site.lets_in('alice'), 'a change by rename')
    site.expect(True, False)
    path.write_text('{"rules": [')
    wait_for(lambda: 'keeping the rules' in site.ferry.output(), 'a message')
    site.expect(True, False)
    path.unlink()
    time.sleep(0.2)
    site.expect(True, False)
    write(path, ALICE, BOB)
    wait_for(lambda: site.lets_in('bob'), 'a file that is new')
    site.expect(True, True)


def test_list_file(t: Test) -> None:
    path = t.path('rules.json')
    write(path, ALICE)
    changes(Site(t).start(f'authz-list-file,id=az,filename={path}'), path)


def test_list_file_by_its_other_name(t: Test) -> None:
    path = t.path('rules.json')
    write(path, ALICE)
    changes(Site(t).start(json.dumps({
        'qom-type': 'authz-listfile', 'id': 'az', 'filename': str(path),
        'refresh': True})), path)


def test_list_file_without_refresh(t: Test) -> None:
    path = t.path('rules.json')
    write(path, ALICE)
    site = Site(t).start(f'authz-list-file,id=az,filename={path},refresh=off')
    site.expect(True, False)
    write(path, BOB)
    time.sleep(0.3)
    site.expect(True, False)


def test_list_file_must_be_good_at_start(t: Test) -> None:
    for text in (None, '', '[]', '{"policy": "perhaps"}', '{"rules": [{}]}'):
        path = t.path('rules.json')
        path.unlink(missing_ok=True)
        if text is not None:
            path.write_text(text)
        assert str(path) in t.fails(
            '-object', f'authz-list-file,id=az,filename={path}'), text


def test_objects_by_qmp(t: Test) -> None:
    """An object that is gone lets nobody in, its successor decides anew."""
    site = Site(t).start(json.dumps({
        'qom-type': 'authz-list', 'id': 'az', 'rules': [rule(ALICE)]}))
    q = site.ferry.qmp
    site.expect(True, False)
    for kind in ('authz-list-file', 'authz-listfile'):
        q.raw('object-del', {'id': 'az'})
        site.expect(False, False)
        path = t.path(f'{kind}.json')
        write(path, BOB)
        q.raw('object-add', {'qom-type': kind, 'id': 'az',
                             'filename': str(path)})
        site.expect(False, True)


def test_pam(t: Test) -> None:
    """A service of the test's own, for root only, gone afterwards."""
    pam = Path('/etc/pam.d')
    if os.geteuid() != 0 or not pam.is_dir() or not list(
            Path('/').glob('lib/*/security/pam_listfile.so')):
        raise Skip('needs root and PAM with pam_listfile')
    service = f'ferry-test-{os.getpid()}'
    users = t.path('users')
    users.write_text(ALICE + '\n')
    try:
        (pam / service).write_text(
            'account required pam_listfile.so onerr=fail item=user '
            f'sense=allow file={users}\n')
        site = Site(t).start(f'authz-pam,id=az,service={service}')
        site.expect(True, False)
        users.write_text(BOB + '\n')
        site.expect(False, True)
        users.unlink()                  # onerr=fail
        site.expect(False, False)
    finally:
        (pam / service).unlink(missing_ok=True)


def test_new_certificate_at_run_time(t: Test) -> None:
    """New credentials and chardev-change, under a front end that can."""
    t.requires_kvm()
    site = Site(t)
    listener = 'socket,id=c,host=127.0.0.1,port=0,server,wait=off,tls-creds='
    f = t.ferry('-object',
                f'tls-creds-x509,id=tls0,endpoint=server,dir={site.srv}',
                '-m', '64', '-chardev', listener + 'tls0', '-device',
                'isa-serial,chardev=c', '-kernel', STRESS, '-append', 'mem=1M')

    def certificate() -> bytes:
        with socket.create_connection(('127.0.0.1', f.chardev_port('c')),
                                      ferrytest.TIMEOUT) as raw:
            with site.context('alice').wrap_socket(
                    raw, server_hostname='localhost') as s:
                return s.getpeercert(True)
    before = certificate()
    port = f.chardev_port('c')
    site.pki.leaf('renewed', SERVER)
    folder = site.pki.creds('srv2', 'server', 'renewed')
    f.qmp.raw('object-add', {'qom-type': 'tls-creds-x509', 'id': 'tls1',
                             'endpoint': 'server', 'dir': str(folder)})
    f.qmp.raw('chardev-change', {'id': 'c', 'backend': {
        'type': 'socket', 'data': {
            'addr': {'type': 'inet', 'data': {'host': '127.0.0.1',
                                              'port': '0'}},
            'server': True, 'wait': False, 'tls-creds': 'tls1'}}})
    assert certificate() != before
    assert f.chardev_port('c') != port
    f.qmp.raw('object-del', {'id': 'tls0'})     # nobody needs it any more


if __name__ == '__main__':
    ferrytest.main()
