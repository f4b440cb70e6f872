#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""blockdev-create and x-blockdev-amend: images made by a running machine."""
import json

import ferrytest
from ferrytest import QmpError, Test
from images import MIB, contents


def finish(q, job: str, error: str | None = None) -> None:
    """Until the job has concluded; dismiss it."""
    def concluded():
        jobs = [j for j in q.cmd('query-jobs') if j['id'] == job]
        return jobs and jobs[0]['status'] == 'concluded' and jobs[0]

    j = ferrytest.wait_for(concluded, f'job {job}')
    assert (error or '') in j.get('error', ''), j
    assert bool(error) == ('error' in j), j
    q.cmd('job-dismiss', id=job)
    assert not [j for j in q.cmd('query-jobs') if j['id'] == job]


def create(q, error: str | None = None, **options) -> None:
    q.cmd('blockdev-create', job_id='c', options=options)
    finish(q, 'c', error)


def refused(q, words: str, command: str, **arguments) -> None:
    try:
        q.cmd(command, **arguments)
    except QmpError as e:
        assert words in e.desc, e.desc
    else:
        raise AssertionError(f'{command} {arguments} went well')


def start(t: Test):
    return t.ferry('-machine', 'none').qmp


def test_create(t: Test) -> None:
    t.requires('qemu-img')
    q = start(t)
    disk = str(t.path('d.qcow2'))
    create(q, driver='file', filename=disk, size=0)
    q.cmd('blockdev-add', driver='file', filename=disk, node_name='f')
    create(q, driver='qcow2', file='f', size=4 * MIB,
           **{'cluster-size': 4096, 'lazy-refcounts': True,
              'preallocation': 'metadata'})
    q.cmd('blockdev-del', node_name='f')
    t.run('qemu-img', 'check', disk)
    info = json.loads(t.run('qemu-img', 'info', '--output=json', disk).stdout)
    assert info['cluster-size'] == 4096
    assert info['format-specific']['data']['lazy-refcounts']
    assert contents(t, disk) == bytes(4 * MIB)
    # It can be used at once.
    q.cmd('blockdev-add', driver='qcow2', node_name='disk',
          file={'driver': 'file', 'filename': disk})
    nodes = {n['node-name']: n for n in q.cmd('query-named-block-nodes')}
    assert nodes['disk']['image']['virtual-size'] == 4 * MIB


def test_create_refused(t: Test) -> None:
    """Wrong options are the command's error, failed work is the job's."""
    q = start(t)
    file = {'driver': 'file', 'filename': str(t.path('x')), 'size': 0}
    for words, options in (
            ('nosuch', {'driver': 'nosuch'}),
            ('frobnicate', {**file, 'frobnicate': 1}),
            ('size', {'driver': 'file', 'filename': 'x'}),
            ('nosuch', {'driver': 'qcow2', 'file': 'nosuch', 'size': 1}),
            ('Cluster', {'driver': 'qcow2', 'file': 'nosuch', 'size': 1 << 20,
                         'cluster-size': 1000})):
        refused(q, words, 'blockdev-create', job_id='c', options=options)
        assert q.cmd('query-jobs') == []
    create(q, error='/nosuch/', driver='file', filename='/nosuch/x', size=0)
    q.cmd('blockdev-create', job_id='c', options=file)
    refused(q, "'c'", 'blockdev-create', job_id='c', options=file)
    finish(q, 'c')


def test_create_secret(t: Test) -> None:
    t.requires('qemu-img')
    q = start(t)
    disk = str(t.path('d.luks'))
    q.cmd('object-add', qom_type='secret', id='s', data='geheim')
    create(q, driver='file', filename=disk, size=0)
    q.cmd('blockdev-add', driver='file', filename=disk, node_name='f')
    create(q, driver='luks', file='f', size=MIB,
           **{'key-secret': 's', 'iter-time': 10})
    q.cmd('blockdev-del', node_name='f')
    src = f'driver=luks,key-secret=s,file.filename={disk}'
    out = t.path('out')
    t.run('qemu-img', 'convert', '--object', 'secret,id=s,data=geheim',
          '--image-opts', src, '-O', 'raw', out)
    assert out.stat().st_size == MIB
    # A second passphrase, while the image is open.
    q.cmd('object-add', qom_type='secret', id='n', data='neu')
    q.cmd('blockdev-add', driver='luks', node_name='l', file={
        'driver': 'file', 'filename': disk}, **{'key-secret': 's'})
    refused(q, 'qcow2', 'x-blockdev-amend', job_id='a', node_name='l',
            options={'driver': 'qcow2'})
    refused(q, 'nosuch', 'x-blockdev-amend', job_id='a', node_name='nosuch',
            options={'driver': 'luks', 'state': 'active'})
    q.cmd('x-blockdev-amend', job_id='a', node_name='l', options={
        'driver': 'luks', 'state': 'active', 'new-secret': 'n',
        'iter-time': 10})
    finish(q, 'a')
    q.cmd('blockdev-del', node_name='l')
    t.run('qemu-img', 'convert', '--object', 'secret,id=s,data=neu',
          '--image-opts', src, '-O', 'raw', out)


def test_schema(t: Test) -> None:
    q = start(t)
    types = {e['name']: e for e in q.cmd('query-qmp-schema')}
    args = types[types['blockdev-create']['arg-type']]
    options = types[[m['type'] for m in args['members']
                     if m['name'] == 'options'][0]]
    branches = {v['case']: types[v['type']] for v in options['variants']}
    assert {'file', 'qcow2', 'luks'} <= set(branches), branches
    names = {m['name'] for m in branches['qcow2']['members']}
    assert {'cluster-size', 'data-file', 'size', 'backing-file'} <= names


if __name__ == '__main__':
    ferrytest.main()
