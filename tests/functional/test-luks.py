#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""LUKS: our images under cryptsetup and qemu-img, theirs under ours; key
slots, detached headers, and what is refused."""
import json
import select
import shutil
import struct
import time

import ferrytest
from ferrytest import QmpError, Test
from images import MIB, fails, img, make_raw, qemu_img

SIZE = 2 * MIB
HEADER = 2068480  # of aes-256-xts


def secret(t: Test, name: str, text: str | None = None) -> list[str]:
    """--object for a passphrase in a file, which the peers read as well."""
    path = t.path(f'{name}.key')
    if text is not None or not path.exists():
        path.write_text(text or f'passphrase {name}')
    return ['--object', f'secret,id={name},file={path}']


def luks(path, key: str = 's') -> str:
    """--image-opts of an image."""
    return f'driver=luks,key-secret={key},file.filename={path}'


def create(t: Test, path, opts: str = '', size: int = SIZE, program=img):
    argv = ['create', '-q', '-f', 'luks', *secret(t, 's'), '-o',
            ','.join(filter(None, ['key-secret=s,iter-time=10', opts])), path,
            size]
    return program(t, *argv)


def fill(t: Test, raw, opts: str, program=img):
    program(t, 'convert', *secret(t, 's'), '-n', '-f', 'raw',
            '--target-image-opts', raw, opts)


def same(t: Test, raw, opts: str, program=img):
    program(t, 'compare', *secret(t, 's'), '--image-opts',
            f'driver=raw,file.filename={raw}', opts)


def cryptsetup_opens(t: Test, path, key: str, *args) -> bool:
    r = t.run('cryptsetup', 'open', '--test-passphrase', path, '--key-file',
              t.path(f'{key}.key'), *args, check=False)
    # 1: no slot is in use, 2: none opens.
    assert r.returncode in (0, 1, 2), r
    return r.returncode == 0


CIPHERS = [
    '',
    'cipher-alg=aes-128,cipher-mode=cbc,ivgen-alg=essiv,hash-alg=sha1',
    'cipher-alg=aes-192,cipher-mode=cbc,ivgen-alg=plain64,hash-alg=sha512',
    'cipher-alg=aes-256,cipher-mode=ecb',
    'cipher-alg=serpent-256,cipher-mode=xts,hash-alg=ripemd160',
    'cipher-alg=serpent-128,cipher-mode=cbc,ivgen-alg=essiv',
    'cipher-alg=twofish-256,cipher-mode=xts,ivgen-alg=plain',
    'cipher-alg=cast5-128,cipher-mode=cbc,ivgen-alg=plain64',
]


def test_ciphers(t: Test) -> None:
    """qemu-img reads what we wrote, with every cipher, byte for byte."""
    t.requires('qemu-img', 'cryptsetup')
    raw = t.path('raw')
    make_raw(raw, SIZE)
    for n, opts in enumerate(CIPHERS):
        path = t.path(f'{n}.luks')
        create(t, path, opts)
        fill(t, raw, luks(path))
        same(t, raw, luks(path))
        if 'aes-192' in opts:
            # QEMU 7.2 aborts on material that is no multiple of its sectors.
            assert cryptsetup_opens(t, path, 's')
        else:
            same(t, raw, luks(path), program=qemu_img)
        a = json.loads(img(t, 'info', '--output=json', path).stdout)
        b = json.loads(qemu_img(t, 'info', '--output=json', path).stdout)
        a['format-specific']['data'].pop('detached-header')
        assert a['format-specific'] == b['format-specific'], (a, b)
        assert a['virtual-size'] == b['virtual-size'] == SIZE
        assert a['encrypted'] and b['encrypted']


def test_from_qemu(t: Test) -> None:
    """We read and write what qemu-img made."""
    t.requires('qemu-img')
    raw, path = t.path('raw'), t.path('q.luks')
    make_raw(raw, SIZE)
    create(t, path, 'cipher-alg=serpent-256,cipher-mode=cbc,ivgen-alg=plain',
           program=qemu_img)
    fill(t, raw, luks(path), program=qemu_img)
    same(t, raw, luks(path))
    make_raw(raw, SIZE, seed=2)
    fill(t, raw, luks(path))
    same(t, raw, luks(path), program=qemu_img)


def test_cryptsetup(t: Test) -> None:
    """cryptsetup opens our slots, adds one, removes one; and we follow."""
    t.requires('cryptsetup')
    raw, path = t.path('raw'), t.path('o.luks')
    make_raw(raw, SIZE)
    create(t, path)
    fill(t, raw, luks(path))
    dump = t.run('cryptsetup', 'luksDump', path).stdout
    assert 'Cipher mode:   \txts-plain64' in dump, dump
    assert f'Payload offset:\t{HEADER // 512}' in dump, dump
    assert 'Key Slot 0: ENABLED' in dump and 'Key Slot 1: DISABLED' in dump
    info = json.loads(img(t, 'info', '--output=json', path).stdout)
    assert info['format-specific']['data']['uuid'] in dump
    assert cryptsetup_opens(t, path, 's')
    secret(t, 'added')
    assert not cryptsetup_opens(t, path, 'added')
    t.run('cryptsetup', 'luksAddKey', '--batch-mode', '--iter-time', '10',
          '--key-file', t.path('s.key'), '--key-slot', '5', path,
          t.path('added.key'))
    img(t, 'compare', *secret(t, 'added'), '--image-opts',
        f'driver=raw,file.filename={raw}', luks(path, 'added'))
    t.run('cryptsetup', 'luksKillSlot', '--batch-mode', '--key-file',
          t.path('added.key'), path, '0')
    fails(t, 2, 'cannot unlock any keyslot',
          argv=('compare', *secret(t, 's'), '--image-opts', luks(path),
                luks(path)))
    same_key = secret(t, 'added')
    img(t, 'compare', *same_key, '--image-opts',
        f'driver=raw,file.filename={raw}', luks(path, 'added'))


def test_from_cryptsetup(t: Test) -> None:
    """Images that cryptsetup formatted, its header kept aside too."""
    t.requires('cryptsetup')
    raw, path, header = t.path('raw'), t.path('c.luks'), t.path('header')
    make_raw(raw, SIZE)
    secret(t, 's')
    for cipher, bits in ('aes-xts-plain64', 512), ('aes-cbc-essiv:sha256', 192):
        with open(path, 'wb') as f:
            f.truncate(SIZE + HEADER + 4 * MIB)
        t.run('cryptsetup', 'luksFormat', '--type', 'luks1', '--batch-mode',
              '--iter-time', '10', '-c', cipher, '-s', bits, '--key-file',
              t.path('s.key'), path)
        fill(t, raw, luks(path))
        img(t, 'resize', '--shrink', *secret(t, 's'), '--image-opts',
            luks(path), SIZE)
        same(t, raw, luks(path))
        if shutil.which('qemu-img') and bits != 192:  # see test_ciphers
            same(t, raw, luks(path), program=qemu_img)
    with open(path, 'wb') as f:
        f.truncate(SIZE)
    with open(header, 'wb') as f:
        f.truncate(4 * MIB)
    t.run('cryptsetup', 'luksFormat', '--type', 'luks1', '--batch-mode',
          '--iter-time', '10', '--header', header, '--key-file',
          t.path('s.key'), path)
    opts = f'{luks(path)},header.filename={header}'
    fill(t, raw, opts)
    same(t, raw, opts)
    assert path.stat().st_size == SIZE


def test_detached(t: Test) -> None:
    """A header of ours in a file of its own, as cryptsetup takes it."""
    t.requires('cryptsetup')
    raw, data, header = t.path('raw'), t.path('data'), t.path('header')
    make_raw(raw, SIZE)
    create(t, header, 'detached-header=on', size=0)
    assert header.stat().st_size == HEADER
    with open(data, 'wb') as f:
        f.truncate(SIZE)
    opts = f'{luks(data)},header.filename={header}'
    fill(t, raw, opts)
    same(t, raw, opts)
    assert data.read_bytes() != raw.read_bytes()
    assert cryptsetup_opens(t, data, 's', '--header', header)
    fails(t, 2, 'the payload is not in the same file',
          argv=('compare', *secret(t, 's'), '--image-opts', luks(header),
                luks(header)))
    info = img(t, 'info', *secret(t, 's'), '--image-opts', opts).stdout
    assert 'detached header: true' in info, info


def amend(t: Test, path, opts: str, *more, keys=('s', 'new')) -> tuple:
    objects = [w for k in keys for w in secret(t, k)]
    return ('amend', *more, *objects, '-o', opts, '--image-opts', luks(path))


def test_amend(t: Test) -> None:
    """Passphrases come and go; the last one stays."""
    t.requires('cryptsetup')
    path = t.path('a.luks')
    create(t, path)
    img(t, *amend(t, path, 'state=active,new-secret=new,iter-time=10'))
    assert cryptsetup_opens(t, path, 's') and cryptsetup_opens(t, path, 'new')
    img(t, *amend(t, path,
                  'state=active,new-secret=new,keyslot=6,iter-time=10'))
    dump = t.run('cryptsetup', 'luksDump', path).stdout
    for slot in range(8):
        state = 'ENABLED' if slot in (0, 1, 6) else 'DISABLED'
        assert f'Key Slot {slot}: {state}' in dump, dump
    fails(t, 1, 'active keyslot 6', argv=amend(
        t, path, 'state=active,new-secret=new,keyslot=6,iter-time=10'))
    fails(t, 1, 'invalid keyslot 8', argv=amend(
        t, path, 'state=active,new-secret=new,keyslot=8,iter-time=10'))
    img(t, *amend(t, path, 'state=inactive,old-secret=new'))
    assert cryptsetup_opens(t, path, 's')
    assert not cryptsetup_opens(t, path, 'new')
    fails(t, 1, 'last active keyslot',
          argv=amend(t, path, 'state=inactive,keyslot=0'))
    fails(t, 1, 'no keyslots match',
          argv=amend(t, path, 'state=inactive,old-secret=new'))
    assert cryptsetup_opens(t, path, 's')
    img(t, *amend(t, path, 'state=inactive,keyslot=0', '--force'))
    assert not cryptsetup_opens(t, path, 's')
    fails(t, 1, 'cannot unlock any keyslot',
          argv=amend(t, path, 'state=inactive,keyslot=0'))


def test_refused(t: Test) -> None:
    """Wrong, missing and cut: a message that says so."""
    path, bad = t.path('r.luks'), t.path('bad.luks')
    create(t, path)
    check = ('map', *secret(t, 's'), '--image-opts')
    secret(t, 'wrong')
    fails(t, 1, 'cannot unlock any keyslot',
          argv=('map', *secret(t, 'wrong'), '--image-opts',
                luks(path, 'wrong')))
    fails(t, 1, "no secret with id 'nobody'",
          argv=(*check, luks(path, 'nobody')))
    fails(t, 1, "'key-secret'",
          argv=(*check, f'driver=luks,file.filename={path}'))
    good = path.read_bytes()
    for change, words in ((lambda d: d[:300], 'ends before'),
                          (lambda d: d[:8192], 'ends before'),
                          (lambda d: d[:HEADER - 512], 'behind the end'),
                          (lambda d: d[:7] + b'\2' + d[8:], 'version 2'),
                          (lambda d: d[:8] + b'rot13\0' + d[14:], 'rot13'),
                          (lambda d: b'X' + d[1:], 'no LUKS header')):
        bad.write_bytes(change(good))
        fails(t, 1, words, argv=(*check, luks(bad)))
    fails(t, 1, "'des'", argv=('create', '-f', 'luks', *secret(t, 's'), '-o',
                               'key-secret=s,cipher-alg=des,cipher-mode=cbc',
                               t.path('n'), SIZE))
    fails(t, 1, 'key-secret', argv=('create', '-f', 'luks', t.path('n'), SIZE))


def test_size(t: Test) -> None:
    """Measure says what create makes; resize; every mode of allocation."""
    path = t.path('z.luks')
    measure = json.loads(img(t, 'measure', '--output=json', *secret(t, 's'),
                             '-O', 'luks', '-o', 'key-secret=s', '--size',
                             SIZE).stdout)
    assert measure['required'] == SIZE + HEADER, measure
    for prealloc in 'off', 'falloc', 'full':
        create(t, path, f'preallocation={prealloc}')
        assert path.stat().st_size == SIZE + HEADER
        assert (path.stat().st_blocks * 512 >= SIZE) == (prealloc != 'off')
    img(t, 'resize', *secret(t, 's'), '--image-opts', luks(path), '+1M')
    assert path.stat().st_size == SIZE + HEADER + MIB
    info = json.loads(img(t, 'info', '--output=json', path).stdout)
    assert info['virtual-size'] == SIZE + MIB


def test_machine(t: Test) -> None:
    """A running machine makes, opens, shows and closes an image."""
    path = t.path('m.luks')
    secret(t, 's')
    path.touch()
    f = t.ferry('-object', f'secret,id=s,file={t.path("s.key")}')
    f.qmp.cmd('blockdev-create', **{'job-id': 'j', 'options': {
        'driver': 'luks', 'file': {'driver': 'file', 'filename': str(path)},
        'size': SIZE, 'key-secret': 's', 'iter-time': 10}})
    ferrytest.wait_for(
        lambda: f.qmp.cmd('query-jobs')[0]['status'] == 'concluded',
        'the end of the job')
    job = f.qmp.cmd('query-jobs')[0]
    assert 'error' not in job, job
    f.qmp.cmd('job-dismiss', id='j')
    options = {'driver': 'luks', 'node-name': 'disk', 'key-secret': 's',
               'file': {'driver': 'file', 'filename': str(path)}}
    f.qmp.cmd('blockdev-add', **options)
    nodes = f.qmp.cmd('query-named-block-nodes')
    disk = next(n for n in nodes if n['node-name'] == 'disk')
    assert disk['encrypted'] and disk['image']['virtual-size'] == SIZE, disk
    specific = disk['image']['format-specific']
    assert specific['type'] == 'luks', specific
    f.qmp.cmd('blockdev-del', **{'node-name': 'disk'})
    for bad, words in ((None, "'key-secret'"), ('nobody', 'nobody')):
        options['key-secret'] = bad
        try:
            f.qmp.cmd('blockdev-add',
                      **{k: v for k, v in options.items() if v})
            raise AssertionError(bad)
        except QmpError as e:
            assert words in str(e), e
    f.quit()


def wrong_image(t: Test, name: str, rounds: int):
    """An image that no passphrase opens, which takes @rounds (a million: some
    0.3 s) to find out."""
    path = t.path(name)
    create(t, path)
    data = bytearray(path.read_bytes())
    struct.pack_into('>I', data, 208 + 4, rounds)  # of slot 0
    path.write_bytes(data)
    return path


def luks_node(path, name: str = 'disk', **kw) -> dict:
    return {'driver': 'luks', 'node-name': name, 'key-secret': 's',
            'file': {'driver': 'file', 'filename': str(path)}, **kw}


class Asker:
    """A second monitor that asks what needs the main loop, while the first one
    waits for the answer to a command."""

    def __init__(self, f):
        self.qmp = f.connect_qmp(1)
        self.longest, self.asked = 0.0, 0

    def ask(self) -> None:
        before = time.monotonic()
        self.qmp.cmd('query-block')
        self.longest = max(self.longest, time.monotonic() - before)
        self.asked += 1

    def until_answer(self, adder) -> dict:
        while True:
            if (b'\n' in adder.buf or
                    select.select([adder.sock], [], [], 0.02)[0]):
                reply = adder.read()
                if 'event' not in reply:
                    return reply
            self.ask()


def machine(t: Test):
    return t.ferry('-machine', 'none', '-object',
                   f'secret,id=s,file={t.path("s.key")}', monitors=2).started()


def test_main_loop_goes_on(t: Test) -> None:
    """blockdev-add takes seconds over the key: the main loop serves other
    monitors meanwhile, the commands of the same one keep their order."""
    good, bad = t.path('slow.luks'), wrong_image(t, 'bad.luks', 6_000_000)
    img(t, 'create', '-q', '-f', 'luks', *secret(t, 's'), '-o',
        'key-secret=s,iter-time=1500', good, SIZE)
    before = bad.read_bytes()
    f = machine(t)
    adder, asker = f.qmp, Asker(f)
    adder.send('blockdev-add', arguments=luks_node(good), id=1)
    adder.send('blockdev-add', id=2, arguments={
        'driver': 'raw', 'node-name': 'top', 'file': 'disk'})
    begin = time.monotonic()
    reply = asker.until_answer(adder)
    took = time.monotonic() - begin
    assert reply['id'] == 1 and 'return' in reply, reply
    assert asker.asked >= 5, f'{asker.asked} questions: they waited, or there was no key to make'
    reply = asker.until_answer(adder)
    assert reply['id'] == 2 and 'return' in reply, reply
    # Nothing stands in the graph when there is no key.
    adder.send('blockdev-add', arguments=luks_node(bad, 'bad'))
    asker.asked = 0
    reply = asker.until_answer(adder)
    assert 'cannot unlock any keyslot' in reply['error']['desc'], reply
    assert asker.asked >= 5, asker.asked
    # 0.2 s but for a busy machine: the searches have all of it.
    assert asker.longest < max(0.2, took / 4), (asker.longest, took)
    nodes = {n['node-name'] for n in adder.cmd('query-named-block-nodes')}
    assert {'disk', 'top'} <= nodes and 'bad' not in nodes, nodes
    assert bad.read_bytes() == before, 'a refused image was changed'
    adder.cmd('blockdev-del', **{'node-name': 'top'})
    adder.cmd('blockdev-del', **{'node-name': 'disk'})
    f.quit()


def test_several_keys(t: Test) -> None:
    """A chain of encrypted images, one of them qcow2's own: each key is found,
    and what the disk shows is right."""
    raw, base, top = t.path('raw'), t.path('base.luks'), t.path('top.qcow2')
    make_raw(raw, SIZE)
    create(t, base)
    fill(t, raw, luks(base))
    img(t, 'create', '-q', '-f', 'qcow2', *secret(t, 's'), '-o',
        'encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10', top,
        SIZE)
    f = machine(t)
    q, asker = f.qmp, Asker(f)
    q.send('blockdev-add', arguments={
        'driver': 'qcow2', 'node-name': 'disk',
        'encrypt': {'format': 'luks', 'key-secret': 's'},
        'file': {'driver': 'file', 'filename': str(top)},
        'backing': luks_node(base, 'base', **{'read-only': True})})
    reply = asker.until_answer(q)
    assert 'return' in reply, reply
    # The same image twice: each node has its own.
    q.cmd('blockdev-add', **luks_node(base, 'again', **{'read-only': True}))
    sock = t.path('nbd')
    q.cmd('nbd-server-start', addr={'type': 'unix', 'data': {'path': str(sock)}})
    for node in 'disk', 'again':
        q.cmd('block-export-add', type='nbd', id=node, name=node,
              **{'node-name': node})
        img(t, 'compare', '-f', 'raw', '-F', 'raw', raw,
            f'nbd+unix:///{node}?socket={sock}')
    f.quit()


def test_end_meanwhile(t: Test) -> None:
    """The program ends while a key of minutes is being made; a client that left
    holds nobody up."""
    create(t, t.path('quick.luks'))
    path = wrong_image(t, 'minutes.luks', 1 << 28)
    f = machine(t)
    f.qmp.send('blockdev-add', arguments=luks_node(path))
    other = f.connect_qmp(1)
    other.cmd('query-block')
    # Another key at the same time.
    other.cmd('blockdev-add', **luks_node(t.path('quick.luks'), 'quick'))
    f.qmp.sock.close()
    other.cmd('query-block')
    begin = time.monotonic()
    other.cmd('quit')
    assert f.wait() == 0, f.output()
    took = time.monotonic() - begin
    assert took < 2, took


if __name__ == '__main__':
    ferrytest.main(at_once=2)
