#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Looking into a guest: GDB as a real peer, and the monitor's commands."""
import os
import re
import socket

import ferrytest
from ferrytest import STRESS, QmpError, Test, wait_for

# Freestanding guest code, so any accelerator will do.
ACCELS = ['kvm', 'soft']


class Debuggee:
    def __init__(self, t: Test, accel: str, *args: str) -> None:
        t.requires('gdb')
        if accel == 'kvm':
            t.requires_kvm()
        self.test = t
        self.path = t.path('gdb')
        self.path.unlink(missing_ok=True)
        self.ferry = t.ferry('-accel', accel, '-S', '-gdb', f'unix:{self.path}',
                             '-kernel', STRESS, '-append', 'mem=1M passes=0',
                             '-chardev', 'ringbuf,id=com,size=65536',
                             '-serial', 'chardev:com', *args)
        wait_for(self.path.exists, 'the GDB server')

    def gdb(self, *commands: str) -> str:
        argv = ['gdb', '-nx', '-batch', STRESS, '-ex', 'set confirm off',
                '-ex', f'target remote {self.path}']
        for c in commands:
            argv += ['-ex', c]
        r = self.test.run(*argv, check=False, env={**os.environ, 'LC_ALL': 'C'},
                          timeout=2 * ferrytest.TIMEOUT)
        text = r.stdout + r.stderr
        assert 'Remote failure' not in text and 'warning: ' not in text, text
        return text


def each_accel(func):
    def run(t: Test) -> None:
        for accel in ACCELS:
            func(t, accel)
            t.cleanup_ferries()
    run.__name__ = func.__name__
    return run


@each_accel
def test_stop_step_look(t: Test, accel: str) -> None:
    d = Debuggee(t, accel, '-smp', '2')
    text = d.gdb('info threads', 'hbreak console_print', 'continue',
                 'print/x $pc == (unsigned long)console_print', 'stepi',
                 'stepi', 'print/x $pc > (unsigned long)console_print',
                 'info registers rip eflags cr0 cr3 efer xmm0 mxcsr st0',
                 'x/2i $pc', 'monitor info status', 'detach')
    assert 'Thread 1 (CPU#0' in text and 'Thread 2 (CPU#1' in text, text
    assert 'hit Breakpoint 1' in text, text
    assert '$1 = 0x1' in text and '$2 = 0x1' in text, text
    assert 'VM status: paused' in text, text
    for name in ('rip', 'eflags', 'cr0', 'cr3', 'efer', 'xmm0', 'mxcsr', 'st0'):
        assert re.search(rf'^{name}\s', text, re.M), (name, text)


@each_accel
def test_change_registers_and_memory(t: Test, accel: str) -> None:
    d = Debuggee(t, accel)
    text = d.gdb('hbreak console_print', 'continue',
                 'set $rax = 0x1122334455667788', 'print/x $rax',
                 'set $xmm3.uint128 = 0x123456789', 'print/x $xmm3.uint128',
                 'set *(int*)0x700000 = 0x5a5a5a5a', 'x/1xw 0x700000',
                 'x/1xw 0xffffff0000000000')
    assert '= 0x1122334455667788' in text and '= 0x123456789' in text, text
    assert re.search(r'0x700000:\s+0x5a5a5a5a', text), text
    assert 'Cannot access memory' in text, text


# KVM without hardware behind it (an instruction emulator in the kernel) knows
# neither INT3 nor data breakpoints, so the next two are the software CPU's.

def test_watchpoint(t: Test) -> None:
    """The guest writes where GDB waits for it, and is stopped after it."""
    d = Debuggee(t, 'soft')
    text = d.gdb('hbreak console_print', 'continue', 'delete',
                 'watch -location *(long*)($rsp - 8)', 'continue', 'info registers rip')
    assert 'Hardware watchpoint' in text, text
    assert 'Old value' in text and 'New value' in text, text


@each_accel
def test_interrupt_and_leave(t: Test, accel: str) -> None:
    """A debugger that comes and goes leaves the guest as it was."""
    d = Debuggee(t, accel)
    q = d.ferry.qmp
    q.cmd('cont')
    d.ferry.ring_until('com', 'pass 1')
    text = d.gdb('info registers rip', 'detach')
    assert re.search(r'^rip\s', text, re.M), text
    wait_for(lambda: q.cmd('query-status')['status'] == 'running',
             'the guest to run')
    # One that breaks off without a word.
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(str(d.path))
        s.sendall(b'$?#3f')
        ferrytest.read_until(s, r'\$T05thread:01;#..')
        assert q.cmd('query-status')['status'] == 'paused'
    wait_for(lambda: q.cmd('query-status')['status'] == 'running',
             'the guest to run again')


def test_software_breakpoint(t: Test) -> None:
    """INT3 in guest memory, which GDB does not see there."""
    d = Debuggee(t, 'soft')
    text = d.gdb('break console_print', 'continue', 'x/1i $pc', 'continue',
                 'delete', 'stepi', 'detach')
    assert text.count('Breakpoint 1, 0x') == 2, text
    assert 'int3' not in text, text


@each_accel
def test_monitor_looks(t: Test, accel: str) -> None:
    d = Debuggee(t, accel)
    q = d.ferry.qmp
    q.cmd('cont')
    d.ferry.ring_until('com', 'pass 1')
    text = q.hmp('info registers -a')
    assert 'CPU#0' in text and 'EFER=0000000000000500' in text, text
    word = re.search(r': (0x[0-9a-f]{8})', q.hmp('x/1xw 0x100000')).group(1)
    assert word in q.hmp('xp /1xw 0x100000')
    assert q.hmp('gva2gpa 0x100000').strip() == 'gpa: 0x100000'
    assert 'Unmapped' in q.hmp('gva2gpa 0xffffff0000000000')
    assert re.search(r'^0000000000000000-\S+ \S+ -rw', q.hmp('info mem'), re.M)
    assert '2M' in q.hmp('info tlb')
    path = t.path(f'memory-{accel}')
    q.cmd('pmemsave', val=0x100000, size=4096, filename=str(path))
    assert int.from_bytes(path.read_bytes()[:4], 'little') == int(word, 16)
    assert path.stat().st_size == 4096
    for bad in ({'val': 1 << 45, 'size': 16}, {'val': 0, 'size': -1}):
        try:
            q.cmd('pmemsave', filename=str(path), **bad)
            raise AssertionError(f'{bad} was taken')
        except QmpError:
            pass


def test_own_connection(t: Test) -> None:
    """The server does not end in the middle of a command of its peer's."""
    text = Debuggee(t, 'soft').gdb('monitor gdbserver none',
                                   'monitor info status')
    assert 'its own connection' in text and 'paused' in text, text


def test_refusals(t: Test) -> None:
    assert 'no CPU' in t.fails('-gdb', 'tcp:127.0.0.1:0')


if __name__ == '__main__':
    ferrytest.main()
