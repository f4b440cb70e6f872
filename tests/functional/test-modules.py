#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Drivers that are loaded when somebody names them."""
import os
import re
import subprocess

import ferrytest
from ferrytest import BUILD, FERRY, Test
from importlib import import_module

Site = import_module('test-authz').Site
ENV = {**os.environ, 'FERRY_MODULE_DIR': str(BUILD / 'tests/functional')}


def mapped(pid: int) -> bool:
    with open(f'/proc/{pid}/maps') as f:
        return 'object-x-sample-authz.so' in f.read()


def test_class_of_a_module_guards_a_listener(t: Test) -> None:
    """A TLS listener asks an authorization class that the program lacks."""
    site = Site(t)
    site.ferry = t.ferry(*site.args(), '-object',
                         'x-sample-authz,id=az,suffix=alice',
                         *site.chardev(), env=ENV)
    site.expect(alice=True, bob=False)


def test_loaded_on_demand(t: Test) -> None:
    f = t.ferry('-machine', 'none', env=ENV)
    q = f.qmp
    assert not mapped(f.proc.pid)
    q.raw('object-add', {'qom-type': 'x-sample-authz', 'id': 'a',
                         'suffix': 'x'})
    assert mapped(f.proc.pid)
    assert q.raw('qom-get', {'path': '/objects/a', 'property': 'suffix'}) == 'x'
    types = q.raw('qom-list-types', {'implements': 'authz'})
    assert 'x-sample-authz' in [i['name'] for i in types]
    try:
        q.raw('object-add', {'qom-type': 'x-sample-authz', 'id': 'b',
                             'suffix': ''})
        raise AssertionError('an empty suffix was taken')
    except ferrytest.QmpError as e:
        assert 'let everybody in' in e.desc, e.desc
    q.raw('object-del', {'id': 'a'})


def test_broken_module(t: Test) -> None:
    """It says why, the object is not made, the emulator goes on."""
    f = t.ferry('-machine', 'none', env=ENV)
    q = f.qmp
    try:
        q.raw('object-add', {'qom-type': 'x-broken-authz', 'id': 'a'})
        raise AssertionError('a broken module was taken')
    except ferrytest.QmpError as e:
        assert 'x-broken-authz' in e.desc, e.desc
    ferrytest.wait_for(lambda: 'nobody_has_this_function' in f.output(),
                       'the reason in the log')
    assert q.cmd('query-status')['status'] == 'running'


def symbols(path: str) -> set[str]:
    """Functions that @path offers to others. Objects are left out: those of a
    library which the program reads are copied into it by the linker."""
    out = subprocess.run(['nm', '-D', '--defined-only', path], text=True,
                         stdout=subprocess.PIPE, check=True).stdout
    return {line.split()[-1].split('@')[0] for line in out.splitlines()
            if re.search(r' [TWi] ', line)}


def test_no_function_hides_a_library_s(t: Test) -> None:
    """What the program exports for modules comes before the libraries' own
    functions of the same name: there must be none."""
    ours = symbols(str(FERRY))
    assert 'object_new' in ours, 'the program exports nothing'
    libs = re.findall(r'=> (/\S+)', subprocess.run(
        ['ldd', str(FERRY)], text=True, stdout=subprocess.PIPE,
        check=True).stdout)
    assert libs
    clash = {lib: sorted(both) for lib in libs
             if (both := ours & symbols(lib))}
    assert not clash, clash


if __name__ == '__main__':
    ferrytest.main()
