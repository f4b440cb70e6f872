#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every way a secret gets in, with openssl on the other side."""
import base64
import json
import os
import socket

import ferrytest
from ferrytest import QmpError, Test, read_until
from pki import CLIENT, Pki, SERVER


def openssl_encrypt(t: Test, key: bytes, text: str) -> tuple[str, str]:
    """iv and ciphertext, in base64, as `openssl enc -a` prints it."""
    iv = os.urandom(16)
    r = t.run('openssl', 'enc', '-aes-256-cbc', '-a', '-K', key.hex(), '-iv',
              iv.hex(), input=text)
    return base64.b64encode(iv).decode(), r.stdout


def encrypted_key_dir(t: Test, password: str):
    """A server's folder whose key is PKCS#8 encrypted with @password."""
    pki = Pki(t.path('pki'))
    srv, _ = pki.standard()
    (srv / 'server-key.pem').unlink()
    t.run('openssl', 'pkcs8', '-topk8', '-v2', 'aes-256-cbc', '-in',
          pki.dir / 'server-key.pem', '-out', srv / 'server-key.pem',
          '-passout', f'pass:{password}')
    return pki, srv


def test_whole_walk(t: Test) -> None:
    t.requires('openssl', 'certtool', 'gnutls-cli')
    password = 'correct horse battery'
    pki, srv = encrypted_key_dir(t, password)
    master = t.path('master.b64')
    master.write_text(t.run('openssl', 'rand', '-base64', '32').stdout)
    key = base64.b64decode(master.read_text())
    iv0, data0 = openssl_encrypt(t, key, password)
    iv1, data1 = openssl_encrypt(t, key, 'another one')
    f = t.ferry(
        '-machine', 'none',
        '-object', f'secret,id=master,format=base64,file={master}',
        '-object', 'secret,id=sec0,keyid=master,format=base64,'
                   f'iv={iv0},data={data0}',
        '-object', 'secret,id=sec1,keyid=master,format=base64,'
                   f'iv={iv1},data={data1}',
        '-object', f'tls-creds-x509,id=tls0,endpoint=server,dir={srv},'
                   'passwordid=sec0',
        '-chardev', 'socket,id=c,host=127.0.0.1,port=0,tls-creds=tls0,server,'
                    'wait=off', '-mon', 'chardev=c')
    p = t.spawn('gnutls-cli', '-p', f.chardev_port('c'),
                f'--x509cafile={pki.dir}/ca-cert.pem',
                f'--x509certfile={pki.dir}/client-cert.pem',
                f'--x509keyfile={pki.dir}/client-key.pem', '127.0.0.1')
    read_until(p.stdout, r'\(ferry\) ')
    try:
        value = f.qmp.raw('qom-get', {'path': '/objects/sec0',
                                      'property': 'data'})
    except QmpError as e:
        assert password not in e.desc
    else:
        raise AssertionError(f'a secret was read back: {value}')
    f.qmp.cmd('object-del', id='sec1')


def test_wrong_password(t: Test) -> None:
    t.requires('openssl', 'certtool')
    _, srv = encrypted_key_dir(t, 'right')
    err = t.fails('-object', 'secret,id=s,data=hunter2', '-object',
                  f'tls-creds-x509,id=tls0,endpoint=server,dir={srv},'
                  'passwordid=s')
    assert 'server-key.pem' in err, err
    assert 'hunter2' not in err, err


def test_pipe_and_file(t: Test) -> None:
    r, w = os.pipe()
    os.write(w, b'through a pipe')
    os.close(w)
    t.path('pw').write_bytes(b'in a file')
    f = t.ferry('-machine', 'none', '-object', f'secret,id=p,file=/dev/fd/{r}',
                '-object', f'secret,id=f,file={t.path("pw")}', pass_fds=[r])
    os.close(r)
    names = {o['name'] for o in f.qmp.cmd('qom-list', path='/objects')}
    assert {'p', 'f'} <= names, names


def test_fdset_on_the_command_line(t: Test) -> None:
    t.path('pw').write_bytes(b'in a set')
    with open(t.path('pw'), 'rb') as file:
        fd = file.fileno()
        f = t.ferry('-machine', 'none', '-add-fd', f'fd={fd},set=7,opaque=pw',
                    '-object', 'secret,id=s,file=/dev/fdset/7',
                    pass_fds=[fd])
        sets = f.qmp.cmd('query-fdsets')
    assert sets[0]['fdset-id'] == 7, sets
    assert sets[0]['fds'][0]['opaque'] == 'pw', sets


def test_fdset_over_qmp(t: Test) -> None:
    f = t.ferry('-machine', 'none')
    t.path('pw').write_bytes(b'sent over QMP')
    with open(t.path('pw'), 'rb') as file:
        info = f.qmp.cmd('add-fd', _fds=[file.fileno()], fdset_id=3)
    assert info['fdset-id'] == 3
    f.qmp.cmd('object-add', qom_type='secret', id='s', file='/dev/fdset/3')
    f.qmp.cmd('remove-fd', fdset_id=3)
    assert f.qmp.cmd('query-fdsets') == []


def test_errors_name_the_object(t: Test) -> None:
    key = base64.b64encode(bytes(32)).decode()
    iv = base64.b64encode(bytes(16)).decode()
    master = ['-object', f'secret,id=m,format=base64,data={key}']
    for words, *args in [
        (['s', 'data', 'file'], '-object', 'secret,id=s'),
        (['s'], '-object', 'secret,id=s,data=a,file=b'),
        (['s', '/nonexistent'], '-object', 'secret,id=s,file=/nonexistent'),
        (['iv'], *master, '-object', 'secret,id=s,keyid=m,data=aaaa'),
        (['nobody'], '-object', f'secret,id=s,keyid=nobody,iv={iv},data=aaaa'),
        (['s'], *master, '-object',
         f'secret,id=s,keyid=m,iv={iv},format=base64,data=AAAA'),
        (['s', 'base64'], '-object', 'secret,id=s,format=base64,data=!!!'),
        (['m2', '32'], '-object', 'secret,id=m2,data=short', '-object',
         f'secret,id=s,keyid=m2,iv={iv},format=base64,'
         f'data={base64.b64encode(bytes(16)).decode()}'),
    ]:
        err = t.fails(*args)
        for word in words:
            assert word in err, (args, err)


def test_credentials_reload(t: Test) -> None:
    """A renewed certificate serves the next client; the listener stays."""
    t.requires('certtool', 'openssl')
    pki = Pki(t.path('pki'))
    srv, _ = pki.standard()
    pki.leaf('renewed', SERVER.replace('organization=Test',
                                       'organization=Renewed'))
    f = t.ferry('-machine', 'none', '-object',
                f'tls-creds-x509,id=tls0,endpoint=server,dir={srv}',
                '-chardev', 'socket,id=c,host=127.0.0.1,port=0,tls-creds=tls0,'
                'server,wait=off', '-mon', 'chardev=c')
    port = f.chardev_port('c')

    def client(organization: str) -> None:
        p = t.spawn('openssl', 's_client', '-CAfile', pki.dir / 'ca-cert.pem',
                    '-cert', pki.dir / 'client-cert.pem', '-key',
                    pki.dir / 'client-key.pem', '-connect',
                    f'127.0.0.1:{port}')
        out = read_until(p.stdout, r'\(ferry\) ')
        assert f'O = {organization}'.encode() in out, out
        p.kill()
        p.wait()

    client('Test')
    for kind in ('cert', 'key'):
        (srv / f'server-{kind}.pem').unlink()
        (srv / f'server-{kind}.pem').symlink_to(
            pki.dir / f'renewed-{kind}.pem')
    client('Test')                       # not before it is asked for
    f.qmp.raw('x-tls-creds-reload', {'id': 'tls0'})
    client('Renewed')
    (srv / 'server-cert.pem').unlink()
    for bad in ('tls0', 'nobody'):
        try:
            f.qmp.raw('x-tls-creds-reload', {'id': bad})
        except QmpError as e:
            assert bad in e.desc, e
        else:
            raise AssertionError(f'reload of {bad}')
    client('Renewed')


def test_json_object(t: Test) -> None:
    f = t.ferry('-machine', 'none', '-object', json.dumps(
        {'qom-type': 'secret', 'id': 'j', 'data': 'x'}))
    assert any(o['name'] == 'j' for o in f.qmp.cmd('qom-list', path='/objects'))


if __name__ == '__main__':
    ferrytest.main()
