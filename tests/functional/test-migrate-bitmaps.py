#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Dirty bitmaps go with the guest: what was written before, during and after
the migration is in the incremental backup that is made over there."""
import json
import os
import random
import time

import ferrytest
from ferrytest import QmpError, Test, wait_for
from migrate import Pair, Relay

KIB, MIB = 1 << 10, 1 << 20
SIZE = 64 * MIB
GUEST = 'mem=12M kept=4M pattern=verify rate=20000 tick=20000 end=halt'
CAP = 'dirty-bitmaps'


class Disk:
    """A guest with one disk, which others write through NBD."""

    def __init__(self, t: Test, size: int = SIZE, there: str | None = None,
                 there_format: str = 'qcow2', options: str = '',
                 memory: str = '64'):
        t.requires('qemu-img', 'qemu-io')
        self.t, self.size, self.exports = t, size, 0
        self.path = t.path('disk.qcow2')
        t.run('qemu-img', 'create', '-q', '-f', 'qcow2', *(
            ['-o', options] if options else []), self.path, str(size))
        self.there = t.path(there) if there else self.path
        if there:
            t.run('qemu-img', 'create', '-q', '-f', there_format, self.there,
                  str(size))
        self.pair = Pair(
            t, memory=memory, append=GUEST,
            source_args=self.args(self.path, 'qcow2', 'disk'),
            target_args=self.args(self.there, there_format,
                                  'copy' if there else 'disk'))

    @staticmethod
    def args(path, fmt: str, node: str) -> tuple:
        return ('-blockdev', f'driver={fmt},node-name={node},'
                f'file.driver=file,file.filename={path}',
                '-device', f'virtio-blk-pci,drive={node},id=vda,share-rw=on')

    def node(self, f) -> str:
        return 'disk' if f is self.pair.t.ferries[0] or \
            self.there == self.path else 'copy'

    def add(self, name: str, **more) -> None:
        self.pair.source.qmp.raw('block-dirty-bitmap-add', {
            'node': self.node(self.pair.source), 'name': name, **more})

    def write(self, f, *commands: str) -> None:
        """Through an export that is there only for that."""
        self.exports += 1
        sock = self.t.path(f'nbd{self.exports}')
        f.qmp.raw('nbd-server-start', {
            'addr': {'type': 'unix', 'data': {'path': str(sock)}}})
        f.qmp.raw('block-export-add', {
            'type': 'nbd', 'id': 'e', 'node-name': self.node(f), 'name': 'd',
            'writable': True})
        r = self.t.run('qemu-io', '-f', 'raw', f'nbd+unix:///d?socket={sock}',
                       *[w for c in commands for w in ('-c', c)])
        assert 'failed' not in r.stdout + r.stderr, r.stdout + r.stderr
        f.qmp.cmd('nbd-server-stop')

    def bitmaps(self, f) -> dict:
        n = next(n for n in f.qmp.cmd('query-named-block-nodes')
                 if n['node-name'] == self.node(f))
        return {b['name']: b for b in n.get('dirty-bitmaps', [])}

    def sha(self, f, name: str) -> str:
        return f.qmp.raw('x-debug-block-dirty-bitmap-sha256', {
            'node': self.node(f), 'name': name})['sha256']

    def start(self, capabilities=(), parameters=None, maps=None) -> None:
        """Migrate so slowly that there is time to write; @maps: parameter
        block-bitmap-mapping of source and destination."""
        p = self.pair
        p.new_target()
        p.settings([CAP, *capabilities], {'max-bandwidth': 1 << 20,
                                          **(parameters or {})},
                   ['pause-before-switchover'])
        for f, m in zip((p.source, p.target), maps or ()):
            if m is not None:
                f.qmp.raw('migrate-set-parameters', {'block-bitmap-mapping': m})
        p.source.qmp.cmd('migrate', uri=p.listen('unix', **{
            'exit-on-error': False}))
        p.wait_status('active')

    def to_switchover(self) -> None:
        p = self.pair
        p.source.qmp.raw('migrate-set-parameters', {'max-bandwidth': 0})
        p.wait_status('pre-switchover')

    def go_on(self) -> dict:
        self.pair.source.qmp.cmd('migrate-continue', state='pre-switchover')
        return self.pair.finish()

    def backup(self, f, name: str, sync: str, **more) -> str:
        """To a new image; those that are incremental stand on the one before."""
        path = self.t.path(f'{name}.qcow2')
        base = more.pop('base', None)
        self.t.run('qemu-img', 'create', '-q', '-f', 'qcow2', *(
            ['-b', str(base), '-F', 'qcow2'] if base else []), path,
            str(self.size))
        f.qmp.raw('blockdev-add', {
            'driver': 'qcow2', 'node-name': name, 'backing': None,
            'file': {'driver': 'file', 'filename': str(path)}})
        f.qmp.raw('blockdev-backup', {
            'job-id': name, 'device': self.node(f), 'target': name,
            'sync': sync, **more})
        e = f.qmp.event('BLOCK_JOB_COMPLETED', 4 * ferrytest.TIMEOUT)['data']
        assert e['device'] == name and 'error' not in e, e
        f.qmp.raw('blockdev-del', {'node-name': name})
        return path

    def check_chain(self, f, full, bitmap: str) -> None:
        """An incremental backup over there, on top of the full one from here,
        is the disk."""
        inc = self.backup(f, 'inc', 'incremental', bitmap=bitmap, base=full)
        f.quit()
        self.t.run('qemu-img', 'compare', '-q', str(inc), str(self.there))


def refused(action, *words: str) -> None:
    try:
        action()
    except QmpError as e:
        for w in words:
            assert w in e.desc, e.desc
    else:
        raise AssertionError(f'nothing was refused: {words}')


# -- settings ------------------------------------------------------------------

def test_settings(t: Test) -> None:
    q = t.ferry('-machine', 'none').qmp

    def mapping(m):
        return lambda: q.raw('migrate-set-parameters',
                             {'block-bitmap-mapping': m})

    def node(name, alias, *bitmaps):
        return {'node-name': name, 'alias': alias, 'bitmaps': [
            {'name': b[0], 'alias': b[1]} for b in bitmaps]}
    assert 'block-bitmap-mapping' not in q.cmd('query-migrate-parameters')
    refused(mapping([node('n', 'a'), node('n', 'b')]), "node 'n'", 'once')
    refused(mapping([node('n', 'a'), node('m', 'a')]), "node alias 'a'", 'once')
    refused(mapping([node('n', 'a', ('x', '1'), ('x', '2'))]), "bitmap 'x'")
    refused(mapping([node('n', 'a', ('x', '1'), ('y', '1'))]), "alias '1'")
    refused(mapping([node('n', 'a' * 256)]), '256 bytes', '255')
    refused(mapping([node('n', 'a', ('x', 'b' * 256))]), '256 bytes')
    refused(mapping([node('n', '')]), '0 bytes')
    refused(mapping([node('', 'a')]), 'node')
    refused(mapping([node('n', 'a', ('x' * 1024, 'b'))]), '1024 bytes')
    refused(mapping([{'node-name': 'n', 'alias': 'a'}]), 'bitmaps')
    good = [{'node-name': 'n', 'alias': 'a' * 255, 'bitmaps': [
        {'name': 'x', 'alias': 'b' * 255, 'transform': {'persistent': True}},
        {'name': 'y', 'alias': '1', 'transform': {}}]},
        node('m', 'c', ('x', '1'))]
    mapping(good)()
    assert q.cmd('query-migrate-parameters')['block-bitmap-mapping'] == good
    text = q.hmp('info migrate_parameters')
    assert "'m' -> 'c'" in text and "'x' -> '1'" in text, text
    assert 'QMP' in q.hmp('migrate_set_parameter block-bitmap-mapping x')
    mapping([])()
    assert q.cmd('query-migrate-parameters')['block-bitmap-mapping'] == []


# -- pre-copy --------------------------------------------------------------------

def test_shared_storage(t: Test) -> None:
    d = Disk(t)
    p, source = d.pair, d.pair.source
    d.write(source, 'write -q -P 1 0 8M')
    d.add('b0', persistent=True)
    d.add('off', granularity=4096, persistent=True)
    d.add('fine', granularity=512)
    full = d.backup(source, 'full', 'full')
    d.write(source, 'write -q -P 2 1M 100k', 'write -q -z 3M 200k')
    source.qmp.raw('block-dirty-bitmap-disable', {'node': 'disk', 'name': 'off'})
    before = d.sha(source, 'off')
    d.start()
    assert all(b['busy'] for b in d.bitmaps(source).values())
    refused(lambda: source.qmp.raw('block-dirty-bitmap-clear', {
        'node': 'disk', 'name': 'b0'}), "'b0'", 'in use')
    wait_for(lambda: d.bitmaps(p.target).keys() == {'b0', 'off', 'fine'},
             'the bitmaps over there')
    d.write(source, 'write -q -P 3 20M 1500', 'write -q -P 4 60M 4M')
    d.to_switchover()
    want = {n: d.sha(source, n) for n in ('b0', 'off', 'fine')}
    assert want['off'] == before
    info = d.go_on()['dirty-bitmaps']
    assert info['bitmaps'] == info['completed'] == 3, info
    assert info['transferred'] == info['total'] > 0, info
    target = p.source
    info = target.qmp.cmd('query-migrate')['dirty-bitmaps']
    assert info['completed'] == 3 and 'error-desc' not in info, info
    assert 'dirty bitmaps: 3 of 3' in target.qmp.hmp('info migrate')
    have = d.bitmaps(target)
    assert {n: d.sha(target, n) for n in have} == want
    assert have['b0']['granularity'] == 65536 and have['b0']['recording']
    assert have['off']['granularity'] == 4096 and not have['off']['recording']
    assert have['fine']['granularity'] == 512
    assert [have[n]['persistent'] for n in ('b0', 'off', 'fine')] == \
        [True, True, False]
    assert not any(b['busy'] or b.get('inconsistent') for b in have.values())
    source.quit()
    d.write(target, 'write -q -P 5 40M 64k')
    assert have['off']['count'] == d.bitmaps(target)['off']['count']
    assert d.bitmaps(target)['b0']['count'] == have['b0']['count'] + 65536
    d.check_chain(target, full, 'b0')
    stored = json.loads(t.run('qemu-img', 'info', '--output=json',
                              d.path).stdout)['format-specific']['data']['bitmaps']
    assert {b['name']: b['flags'] for b in stored} == \
        {'b0': ['auto'], 'off': []}, stored
    t.run('qemu-img', 'check', '-q', d.path)


def test_stored_without_the_capability(t: Test) -> None:
    """Persistent bitmaps go in the image, others stay."""
    d = Disk(t)
    d.add('b0', persistent=True)
    d.add('lost')
    d.write(d.pair.source, 'write -q -P 2 1M 100k')
    want = d.sha(d.pair.source, 'b0')
    d.pair.migrate('unix')
    have = d.bitmaps(d.pair.source)
    assert have.keys() == {'b0'} and have['b0']['persistent'], have
    assert d.sha(d.pair.source, 'b0') == want
    # And back again to the same image, now with it.
    d.pair.migrate('unix', [CAP])
    assert d.sha(d.pair.source, 'b0') == want
    d.write(d.pair.source, 'write -q -P 2 50M 100k')
    assert d.sha(d.pair.source, 'b0') != want


def test_image_that_grew(t: Test) -> None:
    """While the destination waited: it reads what the source wrote last."""
    d = Disk(t)
    d.pair.new_target()
    d.write(d.pair.source, 'write -q -P 7 0 48M')
    d.pair.migrate('unix')
    d.write(d.pair.source, 'read -q -P 7 0 48M', 'write -q -P 8 48M 4M',
            'read -q -P 7 0 48M')
    d.pair.source.quit()
    t.run('qemu-img', 'check', '-q', d.path)


def test_mapping(t: Test) -> None:
    """Other node names, other storage, not all of them."""
    d = Disk(t, there='there.qcow2')
    source = d.pair.source
    for name in 'b0', 'b1', 'stays':
        d.add(name, persistent=name == 'b1')
    d.write(source, 'write -q -P 2 1M 100k')
    want = d.sha(source, 'b0')

    def mapping(node, names):
        return [{'node-name': node, 'alias': 'sda', 'bitmaps': [
            {'name': names[0], 'alias': 'zero',
             'transform': {'persistent': True}},
            {'name': names[1], 'alias': 'one',
             'transform': {'persistent': False}}]}]
    d.start(maps=(mapping('disk', ('b0', 'b1')), mapping('copy', ('c0', 'c1'))))
    assert not d.bitmaps(source)['stays']['busy']
    d.to_switchover()
    d.go_on()
    have = d.bitmaps(d.pair.source)
    assert have.keys() == {'c0', 'c1'}, have
    assert have['c0']['persistent'] and not have['c1']['persistent'], have
    assert d.sha(d.pair.source, 'c0') == want


def test_stream(t: Test) -> None:
    """The section as the independent reader sees it."""
    d = Disk(t)
    d.add('b0', persistent=True)
    d.add('b1', granularity=4096, disabled=True)
    d.write(d.pair.source, 'write -q -P 2 1M 100k', 'write -q -P 2 63M 1M')
    q = d.pair.source.qmp
    q.cmd('migrate-set-capabilities', capabilities=[
        {'capability': CAP, 'state': True}])
    q.raw('migrate-set-parameters', {'max-bandwidth': 0})
    q.cmd('migrate', uri=f'exec:cat > {t.path("stream")}')
    d.pair.wait_status('completed')
    r = t.run(ferrytest.SOURCE / 'scripts/analyze-stream', '-f',
              t.path('stream'))
    state = json.loads(r.stdout)['dirty-bitmap (0)']
    assert state['disk/b0'] == {
        'granularity': 65536, 'enabled': True, 'persistent': True,
        'sectors': SIZE // 512, 'dirty': ['0x100000+0x20000',
                                          '0x3f00000+0x100000'],
        'complete': True}, state
    b1 = state['disk/b1']
    assert not b1['enabled'] and not b1['persistent'], state
    assert b1['granularity'] == 4096 and b1['dirty'] == [], state


# -- what cannot go ------------------------------------------------------------------

def failure(d: Disk, *words: str, wait: str = 'failed', **kw) -> None:
    try:
        d.start(**kw)
    except AssertionError:
        pass  # it failed before it was active
    info = wait_for(lambda: (s := d.pair.status())['status'] == wait and s, wait)
    for w in words:
        assert w in info['error-desc'], info
    f = d.pair.source
    wait_for(lambda: f.qmp.cmd('query-status')['running'], 'the guest')
    assert not any(b['busy'] for b in d.bitmaps(f).values()
                   if not b.get('inconsistent'))
    d.pair.target.qmp.cmd('quit')


def test_refused(t: Test) -> None:
    d = Disk(t, there='there.raw', there_format='raw')
    q = d.pair.source.qmp
    d.add('b0', persistent=True)
    # The destination's disk is called 'copy'.
    failure(d, "'b0'", "'disk'", 'node-name')
    maps = [[{'node-name': n, 'alias': 'sda', 'bitmaps': [
        {'name': 'b0', 'alias': a}]}] for n, a in (('disk', 'b0'), ('copy', 'b1'))]
    failure(d, "alias 'b0'", 'block-bitmap-mapping', maps=maps)
    maps[1][0]['alias'] = 'sdb'
    failure(d, "alias 'sda'", maps=maps)
    maps[1] = [{'node-name': 'copy', 'alias': 'sda', 'bitmaps': [
        {'name': 'b0', 'alias': 'b0'}]}]
    failure(d, "'b0'", "'copy'", 'cannot store', maps=maps)
    # Mapped by now; an empty mapping sends none.
    q.raw('block-dirty-bitmap-add', {'node': 'disk', 'name': 'busy',
                                      'disabled': True})
    q.raw('nbd-server-start', {'addr': {'type': 'unix', 'data': {
        'path': str(t.path('s'))}}})
    q.raw('block-export-add', {'type': 'nbd', 'id': 'x', 'node-name': 'disk',
                               'name': 'x', 'bitmaps': ['busy']})
    maps[0] = [{'node-name': 'disk', 'alias': 'sda', 'bitmaps': [
        {'name': 'busy', 'alias': 'busy'}]}]
    d.start(maps=([], []))
    d.pair.source.qmp.cmd('migrate_cancel')
    d.pair.wait_status('cancelled')
    d.pair.target.qmp.cmd('quit')
    try:
        d.start(maps=maps)
    except AssertionError:
        pass
    info = d.pair.status()
    assert info['status'] == 'failed', info
    assert "'busy'" in info['error-desc'] and "'disk'" in info['error-desc'], info
    assert 'ram' not in info, info


def test_inconsistent(t: Test) -> None:
    """One whose image was not closed cannot go, but need not."""
    t.any_status = True
    d = Disk(t)
    d.pair.source.proc.kill()
    d.pair.source.wait()
    t.run('qemu-img', 'bitmap', '--add', d.path, 'b0')
    f = t.ferry(*d.args(d.path, 'qcow2', 'disk')[:2], '-machine', 'none')
    assert d.bitmaps(f).keys() == {'b0'}
    f.proc.kill()
    f.wait()
    again = Pair(t, append=GUEST, source_args=d.args(d.path, 'qcow2', 'disk'),
                 target_args=d.args(d.path, 'qcow2', 'disk'), memory='64')
    d.pair = again
    assert d.bitmaps(again.source)['b0']['inconsistent']
    failure(d, "'b0'", 'inconsistent', "'disk'")
    d.start(maps=([], []))
    d.to_switchover()
    d.go_on()
    assert d.bitmaps(d.pair.source)['b0']['inconsistent']


def test_cancel(t: Test) -> None:
    """At every stage: bitmaps are as good as before, and are stored."""
    t.any_status = True
    d = Disk(t)
    p, f = d.pair, d.pair.source
    d.add('b0', persistent=True)
    full = d.backup(f, 'full', 'full')
    d.write(f, 'write -q -P 2 1M 100k')
    d.start()
    d.write(f, 'write -q -P 3 2M 100k')
    f.qmp.cmd('migrate_cancel')
    p.wait_status('cancelled')
    p.target.qmp.cmd('quit')
    assert not d.bitmaps(f)['b0']['busy']
    d.start()
    d.to_switchover()
    want = d.sha(f, 'b0')
    p.target.proc.kill()
    p.target.wait()
    wait_for(lambda: p.status()['status'] == 'failed', 'the failure')
    wait_for(lambda: f.qmp.cmd('query-status')['running'], 'the guest')
    have = d.bitmaps(f)['b0']
    assert not have['busy'] and have['recording'] and have['persistent'], have
    assert d.sha(f, 'b0') == want
    d.write(f, 'write -q -P 3 9M 100k')
    d.check_chain(f, full, 'b0')


# -- post-copy ---------------------------------------------------------------------------

def test_postcopy(t: Test) -> None:
    """The guest writes over there while the bits are still on their way."""
    size = 16 << 30
    d = Disk(t, size=size, options='cluster_size=2M')
    p, source = d.pair, d.pair.source
    d.write(source, 'write -q -P 1 0 8M')
    d.add('b0', persistent=True, granularity=512)
    d.add('off', granularity=1 << 20)
    d.add('wide', granularity=1 << 30)
    full = d.backup(source, 'full', 'top')
    d.write(source, 'write -q -P 2 100M 300k', 'write -q -P 2 15G 300k')
    source.qmp.raw('block-dirty-bitmap-disable', {'node': 'disk', 'name': 'off'})
    off = d.sha(source, 'off')
    try:
        d.start(['postcopy-ram'], {'max-postcopy-bandwidth': 0})
    except QmpError as e:
        raise ferrytest.Skip(e.desc) from e
    d.write(source, 'write -q -P 3 3G 10k')
    p.source.qmp.raw('migrate-set-parameters', {'max-postcopy-bandwidth': 64 << 10})
    p.source.qmp.cmd('migrate-start-postcopy')
    p.wait_status('pre-switchover')
    p.source.qmp.cmd('migrate-continue', state='pre-switchover')
    p.wait_status('postcopy-active')
    target = p.target
    wait_for(lambda: target.qmp.cmd('query-status')['running'], 'the guest')
    d.write(target, 'write -q -P 4 5G 10k', 'write -q -P 4 100M 1k')
    have = d.bitmaps(target)
    assert have['b0']['busy'] and have['b0']['recording'], have
    assert not have['off']['recording'], have
    info = target.qmp.cmd('query-migrate')['dirty-bitmaps']
    assert info['completed'] < 3, info
    p.source.qmp.raw('migrate-set-parameters', {'max-postcopy-bandwidth': 0})
    info = p.finish()['dirty-bitmaps']
    assert info['completed'] == 3, info
    have = wait_for(lambda: not any(
        b['busy'] for b in d.bitmaps(target).values()) and d.bitmaps(target),
        'the bitmaps')
    assert d.sha(target, 'off') == off
    assert have['b0']['count'] == (300 + 300 + 10 + 10) * KIB, have
    assert have['wide']['count'] == 4 << 30, have
    source.quit()
    d.write(target, 'write -q -P 5 7G 64k')
    d.check_chain(target, full, 'b0')


def test_postcopy_of_bitmaps_alone(t: Test) -> None:
    """Without postcopy-ram: memory goes before the guest, bits follow it, also
    over another connection."""
    d = Disk(t, size=16 << 30, options='cluster_size=2M')
    p, source = d.pair, d.pair.source
    d.write(source, 'write -q -P 1 0 8M')
    d.add('b0', persistent=True, granularity=512)
    d.add('wide', granularity=1 << 30)
    full = d.backup(source, 'full', 'top')
    d.write(source, 'write -q -P 2 100M 300k', 'write -q -P 2 15G 300k')
    d.start([], {'max-postcopy-bandwidth': 64 << 10})
    d.write(source, 'write -q -P 3 3G 10k')
    source.qmp.cmd('migrate-start-postcopy')
    d.to_switchover()
    source.qmp.cmd('migrate-continue', state='pre-switchover')
    p.wait_status('postcopy-active')
    target = p.target
    for again in False, True:
        wait_for(lambda: target.qmp.cmd('query-status')['running'], 'the guest')
        offset = 7 if again else 5
        d.write(target, f'write -q -P 4 {offset}G 10k', 'write -q -P 4 100M 1k')
        have = d.bitmaps(target)
        assert have['b0']['busy'] and have['b0']['recording'], have
        info = target.qmp.cmd('query-migrate')
        assert info['status'] == 'postcopy-active', info
        assert info['dirty-bitmaps']['completed'] < 2, info
        if again:
            break
        source.qmp.cmd('migrate-pause')
        for f in source, target:
            p.wait_status('postcopy-paused', f=f)
        uri = f'unix:{t.path("again")}'
        target.qmp.cmd('migrate-recover', uri=uri)
        source.qmp.cmd('migrate', uri=uri, resume=True)
        p.wait_status('postcopy-active')
    source.qmp.raw('migrate-set-parameters', {'max-postcopy-bandwidth': 0})
    assert p.finish()['dirty-bitmaps']['completed'] == 2
    have = wait_for(lambda: not any(
        b['busy'] for b in d.bitmaps(target).values()) and d.bitmaps(target),
        'the bitmaps')
    assert have['b0']['count'] == (300 + 300 + 10 + 10 + 10) * KIB, have
    assert p.wait_status('completed', f=target)['dirty-bitmaps']['completed'] == 2
    p.check()
    source.quit()
    d.check_chain(target, full, 'b0')


def cut_bitmaps_alone(t: Test, name: str, late: bool, wait: float) -> str:
    """@late: the guest is over there already. Returns: the status of the source
    after the cut."""
    d = Disk(t, size=4 << 30, options='cluster_size=2M')
    p = d.pair
    d.add('b0', persistent=True, granularity=512)
    d.write(p.source, 'write -q -P 2 100M 300k')
    p.new_target()
    p.settings([CAP], {'max-bandwidth': 2 << 20,
                       'max-postcopy-bandwidth': 16 << 10})
    relay = Relay(t, p.listen('unix', **{
        'exit-on-error': False}).removeprefix('unix:'), name)
    p.source.qmp.cmd('migrate', uri=relay.uri)
    p.wait_status('active')
    p.source.qmp.cmd('migrate-start-postcopy')
    p.source.qmp.raw('migrate-set-parameters', {'max-bandwidth': 0})
    if late:
        p.wait_status('postcopy-active')
    time.sleep(wait)
    relay.cut()
    status = wait_for(lambda: (s := p.status()['status']) in (
        'failed', 'postcopy-paused', 'completed') and s, 'the end')
    if status == 'failed':
        p.still_here()
        assert not d.bitmaps(p.source)['b0']['busy']
        d.write(p.source, 'write -q -P 2 200M 300k')
        assert d.bitmaps(p.source)['b0']['count'] == 600 * KIB
    elif status == 'postcopy-paused':
        p.wait_status('postcopy-paused', f=p.target)
        uri = f'unix:{t.path(name)}-again'
        p.target.qmp.cmd('migrate-recover', uri=uri)
        p.source.qmp.cmd('migrate', uri=uri, resume=True)
        p.source.qmp.raw('migrate-set-parameters',
                         {'max-postcopy-bandwidth': 0})
        p.finish()
        p.check(1)
        wait_for(lambda: not d.bitmaps(p.source)['b0']['busy'], 'the bitmap')
        assert d.bitmaps(p.source)['b0']['count'] == 300 * KIB
    t.cleanup_ferries()
    return status


def test_cuts_of_bitmaps_alone(t: Test) -> None:
    """At any moment: one of the two has the guest, and all bits."""
    seed = int.from_bytes(os.urandom(4), 'big')
    rnd = random.Random(seed)
    ends = [cut_bitmaps_alone(t, f'cut{i}', i % 3 == 2, rnd.random() * 0.03)
            for i in range(6)]
    assert 'postcopy-paused' in ends, ends
    print(f'# {ends}, seed {seed}', flush=True)


def test_postcopy_of_no_bitmap(t: Test) -> None:
    """... or to where nobody can answer, is a pre-copy."""
    d = Disk(t)
    d.start()
    d.pair.source.qmp.cmd('migrate-start-postcopy')
    d.to_switchover()
    d.go_on()
    d.pair.check(1)
    q = d.pair.source.qmp
    d.add('b0')
    q.raw('migrate-set-parameters', {'max-bandwidth': 1 << 20})
    q.cmd('migrate', uri=f'exec:cat > {t.path("stream")}')
    d.pair.wait_status('active')
    q.cmd('migrate-start-postcopy')
    q.raw('migrate-set-parameters', {'max-bandwidth': 0})
    d.pair.wait_status('completed')


ferrytest.main()
