#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The command line: what it accepts, what it says, what it leaves behind."""
import json
import os
import signal
import socket
import subprocess
import time

import ferrytest
from ferrytest import FERRY, STRESS, Test, read_until, wait_for


def test_help_and_version(t: Test) -> None:
    assert 'Usage: ferry' in t.run(FERRY, '-help').stdout
    assert 'Ferry' in t.run(FERRY, '-version').stdout
    for argv, word in (
            (['-object', 'help'], 'tls-creds-x509'),
            (['-object', 'secret,help'], 'keyid'),
            (['-chardev', 'help'], 'socket'),
            (['-chardev', 'socket,help'], 'tls-creds'),
            (['-device', 'help'], 'isa-serial'),
            (['-device', 'isa-serial,help'], 'chardev'),
            (['-netdev', 'tap,help'], 'ifname'),
            (['-nic', 'help'], 'tap'),
            (['-nic', 'tap,model=help'], 'virtio-net-pci'),
            (['-machine', 'help'], 'none'),
            (['-cpu', 'help'], 'qemu64'),
            (['-accel', 'help'], 'kvm'),
            (['-smp', 'help'], 'sockets'),
            (['-d', 'help'], 'guest_errors'),
            (['-trace', 'help'], 'run_state_move')):
        assert word in t.run(FERRY, *argv).stdout, argv


def test_clear_errors(t: Test) -> None:
    for words, *argv in (
            (['-frobnicate'], '-frobnicate'),
            (['-kernel'], '-kernel'),
            (['nosuch'], '-machine', 'nosuch'),
            (['nosuch'], '-chardev', 'nosuch,id=x'),
            (['id'], '-chardev', 'null'),
            (['nosuch'], '-object', 'nosuch,id=x'),
            (['nosuch'], '-device', 'nosuch'),
            (['s0'], '-mon', 'chardev=s0'),
            (['readline'], '-chardev', 'null,id=n', '-mon',
             'chardev=n,mode=zz'),
            (['99'], '-add-fd', 'fd=99,set=1'),
            (['not-a-uuid'], '-uuid', 'not-a-uuid'),
            (['maybe'], '-sandbox', 'maybe'),
            (['colour'], '-sandbox', 'on,colour=red'),
            (['nosuch'], '-accel', 'nosuch', '-machine', 'pc'),
            (['-global'], '-global', 'x')):
        r = t.run(FERRY, '-nodefaults', '-display', 'none', '-machine', 'none',
                  *argv, check=False)
        assert r.returncode == 1, (argv, r)
        assert all(w in r.stderr for w in words), (argv, r.stderr)
        assert r.stderr.startswith('ferry: '), r.stderr


def test_daemonize_and_pidfile(t: Test) -> None:
    pidfile, qmp = t.path('pid'), t.path('qmp')
    argv = [FERRY, '-nodefaults', '-display', 'none', '-machine', 'none',
            '-daemonize', '-pidfile', str(pidfile)]
    t.run(*argv, '-qmp', f'unix:{qmp},server=on,wait=off')
    pid = int(pidfile.read_text())
    s = socket.socket(socket.AF_UNIX)
    s.connect(str(qmp))                 # it listens when the parent has ended
    q = ferrytest.Qmp(s)
    # A second one with the same pid file must not start.
    r = t.run(*argv, check=False)
    assert r.returncode == 1 and 'pid' in r.stderr, r
    assert int(pidfile.read_text()) == pid
    q.cmd('quit')
    wait_for(lambda: not pidfile.exists(), 'the pid file to go')
    q.close()
    r = t.run(*argv, '-object', 'nosuch,id=x', check=False)
    assert r.returncode == 1 and 'nosuch' in r.stderr, r
    assert not pidfile.exists()


def test_sandbox(t: Test) -> None:
    t.requires_kvm()
    # LeakSanitizer wants ptrace, which the filter rightly refuses.
    asan = os.environ.get('ASAN_OPTIONS', '') + ':detect_leaks=0'
    f = t.ferry('-sandbox', 'on,obsolete=deny,elevateprivileges=deny,'
                'spawn=deny,resourcecontrol=deny', '-m', '64', '-kernel',
                STRESS, '-append', 'mem=1M', '-chardev',
                f'file,id=s,path={t.path("out")}', '-device',
                'isa-serial,chardev=s',
                env={**os.environ, 'ASAN_OPTIONS': asan})
    wait_for(lambda: t.path('out').exists() and b'pass' in
             t.path('out').read_bytes(), 'the guest')
    status = open(f'/proc/{f.proc.pid}/status').read()
    assert 'Seccomp:\t2' in status, status
    f.qmp.cmd('chardev-add', id='n', backend={'type': 'null', 'data': {}})
    assert f.quit() == 0


def test_serial_to_stdio_and_pipe(t: Test) -> None:
    t.requires_kvm()
    f = t.ferry('-m', '64', '-kernel', STRESS, '-append', 'mem=1M', '-serial',
                'stdio', stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    read_until(f.proc.stdout, rb'A\r?\n[\s\S]*pass 2')


def test_smp_and_exit_status(t: Test) -> None:
    t.requires_kvm()
    f = t.ferry('-m', '64', '-smp', '2', '-kernel', STRESS, '-append',
                'cpus=2 mem=1M passes=2 end=exit exit=3', '-serial', 'stdio',
                '-device', 'isa-debug-exit',
                stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    t.any_status = True
    read_until(f.proc.stdout, r'pass 2')
    assert f.wait() == 3 << 1 | 1


def test_log_file_and_trace(t: Test) -> None:
    f = t.ferry('-machine', 'none', '-D', t.path('log'), '-d',
                'trace:run_state_move')
    f.qmp.cmd('stop')
    f.quit()
    assert 'run_state_move' in t.path('log').read_text()


def test_readconfig(t: Test) -> None:
    t.path('cfg').write_text('[chardev "fromfile"]\n  backend = "null"\n'
                             '[object "sec"]\n  qom-type = "secret"\n'
                             '  data = "a,b"\n')
    f = t.ferry('-machine', 'none', '-readconfig', t.path('cfg'))
    assert any(c['label'] == 'fromfile' for c in f.qmp.cmd('query-chardev'))
    assert any(o['name'] == 'sec' for o in f.qmp.cmd('qom-list',
                                                     path='/objects'))


def test_preconfig(t: Test) -> None:
    f = t.ferry('-machine', 'none', '-preconfig')
    assert f.qmp.cmd('query-status')['status'] in ('prelaunch', 'preconfig')
    try:
        f.qmp.cmd('query-cpus-fast')
    except ferrytest.QmpError:
        pass
    else:
        raise AssertionError('allowed before the machine is there')
    f.qmp.raw('x-exit-preconfig')
    assert f.qmp.cmd('query-cpus-fast') == []


def test_legacy_spellings(t: Test) -> None:
    f = t.ferry('-monitor', f'unix:{t.path("mon")},server,nowait', '-serial',
                'null', '-serial', f'file:{t.path("ser")}', '-parallel', 'none',
                '-serial', 'pty', '-machine', 'none')
    chars = {c['label']: c['filename'] for c in f.started().qmp.cmd('query-chardev')}
    assert {'compat_monitor0', 'compat_monitor1', 'serial0', 'serial1',
            'serial2'} <= set(chars), chars
    assert chars['serial2'].startswith('pty:/dev/pts/'), chars
    s = socket.socket(socket.AF_UNIX)
    s.connect(str(t.path('mon')))
    read_until(s, r'\(ferry\) ')
    s.close()


def test_no_leaked_descriptors(t: Test) -> None:
    f = t.ferry('-machine', 'none', monitors=2)
    f.qmp
    before = f.fds()
    for n in range(20):
        f.connect_qmp(1).close()
        f.qmp.cmd('chardev-add', id='x', backend={
            'type': 'socket', 'data': {'addr': {'type': 'unix', 'data': {
                'path': str(t.path(f's{n}'))}}}})
        f.qmp.cmd('chardev-remove', id='x')
    wait_for(lambda: f.fds() <= before, 'descriptors to be closed')


if __name__ == '__main__':
    ferrytest.main()
