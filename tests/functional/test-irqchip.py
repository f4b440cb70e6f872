#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Interrupt controllers and timers as guests use them: each place where the
controllers can be under KVM, and Linux with each of them under the software
CPU."""
import re
import subprocess

import ferrytest
from ferrytest import FERRY, STRESS, Test, wait_for
from linuxguest import Linux

# (name, parameters of the kernel, options, what interrupts come by)
LINUX = (
    ('apic', '', [], r'IO-APIC +4-edge +ttyS0', r'LOC: +[1-9]'),
    ('apic, no HPET', '', ['-machine', 'pc,hpet=off'],
     r'IO-APIC +4-edge +ttyS0', r'LOC: +[1-9]'),
    ('8259 behind the local APIC', 'noapic', [], r'XT-PIC +ttyS0',
     r'LOC: +[1-9]'),
    ('8259 and 8254 alone', 'nolapic noapic',
     ['-machine', 'pc,hpet=off', '-smp', '1'], r'XT-PIC +ttyS0',
     r'0: +[1-9]\d* +XT-PIC +timer'),
    ('without ACPI', 'acpi=off', [], r' 4: .* ttyS0', r' 0: +[1-9].* timer'),
)


def test_kvm_modes(t: Test) -> None:
    """Two CPUs that sleep by APIC timers and wake each other."""
    t.requires_kvm()
    for mode in ('on', 'split', 'off'):
        out = t.path('com1-' + mode)
        f = t.ferry('-machine', f'pc,kernel-irqchip={mode}', '-accel', 'kvm',
                    '-smp', '2', '-kernel', STRESS, '-append',
                    'mem=1M cpus=2 rate=400 passes=0', '-chardev',
                    f'file,id=com1,path={out}', '-serial', 'chardev:com1')
        wait_for(lambda: out.exists() and
                 re.search(r'pass 1 cpu 0.*pass 1 cpu 1|'
                           r'pass 1 cpu 1.*pass 1 cpu 0', out.read_text(),
                           re.S), f'passes with kernel-irqchip={mode}')
        apic = f.qmp.hmp('info lapic 1')
        assert 'local APIC of CPU 1, id 0x1000000' in apic, apic
        assert '(xAPIC)' in apic, apic
        pics = f.qmp.hmp('info pic')
        assert ('ioapic: id=' in pics) == (mode != 'on'), pics
        assert ('inside of the accelerator' in pics) == (mode == 'on'), pics
        # Stopped and gone on, with its timers.
        f.qmp.cmd('stop')
        f.qmp.cmd('cont')
        seen = len(out.read_text())
        wait_for(lambda: len(out.read_text()) > seen + 100,
                 f'passes after a stop with kernel-irqchip={mode}')
        # A reset brings it all back.
        f.qmp.cmd('system_reset')
        f.qmp.event('RESET')
        wait_for(lambda: out.read_text().count('clock') == 2 and
                 'pass 1 cpu 1' in out.read_text().rsplit('clock', 1)[1],
                 f'passes after a reset with kernel-irqchip={mode}')
        assert f.quit() == 0
        out.unlink()


def test_kvm_modes_with_firmware(t: Test) -> None:
    """SeaBIOS in real mode, by the 8259 and the 8254."""
    t.requires_kvm()
    for mode in ('split', 'off'):
        f = t.ferry('-machine', f'pc,kernel-irqchip={mode}', '-accel', 'kvm',
                    '-m', '32', '-smp', '2', '-chardev',
                    'ringbuf,id=debug,size=65536',
                    '-device', 'isa-debugcon,iobase=0x402,chardev=debug')
        f.ring_until('debug', r'Found 2 cpu\(s\)')
        wait_for(lambda: re.search(r' 0: [1-9]', f.qmp.hmp('info irq')),
                 'ticks of the timer')
        assert f.quit() == 0


def test_bad_mode(t: Test) -> None:
    for args in (['-accel', 'kvm,kernel-irqchip=maybe'],
                 ['-machine', 'pc,kernel-irqchip=maybe', '-accel', 'kvm']):
        r = subprocess.run([str(FERRY), *args, '-nodefaults', '-display',
                            'none'], stdin=subprocess.DEVNULL,
                           capture_output=True, text=True,
                           timeout=ferrytest.TIMEOUT)
        assert r.returncode == 1, r.returncode
        assert 'maybe' in r.stderr, r.stderr


def test_linux(t: Test) -> None:
    for name, append, args, line, timer in LINUX:
        g = Linux(t, '-accel', 'soft', *(['-smp', '2'] if '-smp' not in args
                                         else []), *args, append=append)
        text = g.run('cat /proc/interrupts')
        assert re.search(line, text), (name, text)
        assert re.search(timer, text), (name, text)
        assert re.search(r'ERR: +0\n', text), (name, text)
        # Time goes on at the host's pace.
        g.run('sleep 1')
        if 'acpi=off' in append: # nothing to power it off with
            assert g.ferry.quit() == 0
        else:
            g.power_off()


def test_monitor(t: Test) -> None:
    g = Linux(t, '-accel', 'soft', '-smp', '2')
    f = g.ferry
    apic = f.qmp.hmp('info lapic 1')
    assert 'local APIC of CPU 1' in apic and '(xAPIC)' in apic, apic
    assert re.search(r'LVTT\s+0x\w+ (one-shot|periodic|tsc-deadline)',
                     apic), apic
    assert re.search(r'LVT1\s+0x\w+ NMI', f.qmp.hmp('info lapic')), apic
    assert re.search(r'pin 4 .* vector=0x[2-9a-f]', f.qmp.hmp('info pic'))
    assert re.search(r' 4: [1-9]', f.qmp.hmp('info irq'))
    assert 'no CPU with APIC id 9' in f.qmp.hmp('info lapic 9')
    before = int(re.search(r'NMI: +(\d+)', g.run('cat /proc/interrupts'))[1])
    f.qmp.cmd('inject-nmi')
    text = g.run('cat /proc/interrupts')
    assert int(re.search(r'NMI: +(\d+)', text)[1]) == before + 1, text
    g.power_off()


if __name__ == '__main__':
    ferrytest.main(at_once=2)
