#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""CPUs, interrupt controllers and clocks go from one emulator to another: with
one CPU and with several, wherever the interrupt controllers are, from one
accelerator to the other, with each clock that Linux can keep its time by."""
import re
import time

import ferrytest
from ferrytest import LONG, Test, wait_for
from linuxguest import Linux
from migrate import Pair

CROSSINGS = 20 if LONG else 2
VERIFY = 'mem=8M kept=4M pattern=verify rate=5000 tick=20000 end=halt'
# What both accelerators can give a guest on every host.
COMMON_CPU = 'qemu64,kvm=off,x2apic=off,pni=off'


def stress(t: Test, accel: str, smp: int, **kw) -> Pair:
    return Pair(t, accel=accel, smp=smp, append=f'{VERIFY} cpus={smp}', **kw)


def with_irqchip(t: Test, mode: str) -> None:
    t.requires_kvm()
    for smp in (1, 2, 4):
        p = stress(t, 'kvm', smp, args=('-machine', f'kernel-irqchip={mode}'))
        for _ in range(2):
            p.migrate('unix')
            p.check(1)
        t.cleanup_ferries()


def test_kernel_irqchip(t: Test) -> None:
    with_irqchip(t, 'on')


def test_split_irqchip(t: Test) -> None:
    with_irqchip(t, 'split')


def test_user_irqchip(t: Test) -> None:
    with_irqchip(t, 'off')


def refused(p: Pair, *words: str) -> None:
    """The migration fails with a reason that says each word, and the guest
    stays where it is."""
    p.new_target()
    uri = p.listen('unix', **{'exit-on-error': False})
    p.source.qmp.cmd('migrate-set-capabilities', capabilities=[
        {'capability': 'return-path', 'state': True}])
    p.target.qmp.cmd('migrate-set-capabilities', capabilities=[
        {'capability': 'return-path', 'state': True}])
    p.source.qmp.cmd('migrate', uri=uri)
    p.wait_status('failed')
    info = wait_for(lambda: p.status(p.target).get('error-desc') and
                    p.status(p.target), 'the reason')
    for word in words:
        assert word in info['error-desc'], info
    p.still_here()


def test_irqchip_mismatch(t: Test) -> None:
    t.requires_kvm()
    p = stress(t, 'kvm', 2, source_args=('-machine', 'kernel-irqchip=split'),
               target_args=('-machine', 'kernel-irqchip=off'))
    refused(p, 'devices differ', 'apic')


def test_cpu_mismatch(t: Test) -> None:
    p = stress(t, 'soft', 1, source_args=('-cpu', 'qemu64'),
               target_args=('-cpu', 'qemu64,lahf-lm=off,cx16=off'))
    refused(p, 'cx16', 'lahf-lm')
    t.cleanup_ferries()
    p = stress(t, 'soft', 1, target_args=('-smp', '2'))
    refused(p, 'CPUs')


def test_other_accelerator(t: Test) -> None:
    """From KVM to the software CPU and back."""
    t.requires_kvm()
    p = stress(t, 'kvm,kernel-irqchip=off', 2, args=('-cpu', COMMON_CPU))
    for accel in ('soft', 'kvm,kernel-irqchip=off', 'soft'):
        p.common[p.common.index('-accel') + 1] = accel
        p.migrate('unix')
        p.check()


# -- Linux ---------------------------------------------------------------------

# Writes a line whenever time steps back, or stands or jumps for long.
WATCH = '''
last=0
while [ ! -e /tmp/stop ]; do
  read up rest < /proc/uptime
  now=${up%.*}${up#*.}
  [ $now -lt $last ] && echo "back $last $now" >> /tmp/wrong
  last=$now
  echo $now > /tmp/now
done
'''


class Traveller:
    def __init__(self, t: Test, accel: str, smp: int, append: str = '',
                 args: tuple = ()):
        self.t = t
        self.count = 0
        t.path('watch').write_text(WATCH)
        self.args = ['-accel', accel, '-smp', str(smp), *args]
        self.append = append
        self.guest = self.emulator()
        self.guest.run('dmesg -c > /dev/null')
        self.guest.run('(sh /etc/watch > /dev/null 2>&1 &)')

    def emulator(self, *args: str, **kw) -> Linux:
        return Linux(self.t, *self.args, *args, append=self.append,
                     add=[f'{self.t.path("watch")}:etc/watch'], **kw)

    def cross(self) -> dict:
        self.count += 1
        old = self.guest
        uri = f'unix:{self.t.path(f"mig{self.count}")}'
        new = self.emulator('-incoming', uri, wait=False)
        wait_for(lambda: self.t.path(f'mig{self.count}').exists(), 'listener')
        old.ferry.qmp.cmd('migrate', uri=uri)

        def ended():
            info = old.ferry.qmp.cmd('query-migrate')
            assert info.get('status') not in ('failed', 'cancelled'), (
                info, new.ferry.output())
            return info.get('status') == 'completed' and info
        info = wait_for(ended, 'migration to end', timeout=120)
        wait_for(lambda: new.ferry.qmp.cmd('query-status')['running'],
                 'guest to run')
        old.ferry.qmp.cmd('quit')
        old.ferry.wait()
        old.sock.close()
        self.guest = new
        return info

    def uptime(self) -> float:
        return float(self.guest.run('cat /proc/uptime').split()[0])

    def check(self, before: float) -> None:
        """Time goes on from where it was, at its rate, and timers come."""
        begin = time.monotonic()
        now = self.uptime()
        assert before <= now < before + 60, (before, now)
        self.guest.run('sleep 1')
        later = self.uptime()
        real = time.monotonic() - begin
        assert 0.9 < later - now < real + 1, (now, later, real)
        wrong = self.guest.run('cat /tmp/wrong 2>/dev/null', check=False)
        assert not wrong.strip(), wrong
        log = self.guest.run('dmesg')
        for bad in ('unstable', 'BUG', 'stall', 'lockup', 'skewed',
                    'clock: back', 'not working', 'WARNING'):
            assert bad not in log, log[-3000:]


def travel(t: Test, accel: str, smp: int, append: str = '',
           crossings: int = CROSSINGS, args: tuple = ()) -> Traveller:
    j = Traveller(t, accel, smp, append, args)
    for _ in range(crossings):
        before = j.uptime()
        time.sleep(0.3)
        j.cross()
        j.check(before)
    cpus = j.guest.run('cat /proc/cpuinfo').count('processor\t')
    assert cpus == smp, cpus
    return j


def test_linux(t: Test) -> None:
    for smp in (1, 2, 4):
        travel(t, 'soft', smp).guest.power_off()
        t.cleanup_ferries()


def test_linux_clocks(t: Test) -> None:
    """Each clock of the board keeps the time, and each timer its ticks."""
    for clock, append in (('hpet', 'clocksource=hpet'),
                          ('acpi_pm', 'hpet=disable clocksource=acpi_pm'),
                          ('tsc', 'clocksource=tsc tsc=reliable nolapic '
                                  'noapic'),
                          ('hpet', 'clocksource=hpet nolapic_timer')):
        j = travel(t, 'soft', 1, append, crossings=1)
        name = j.guest.run('cat /sys/devices/system/clocksource/clocksource0/'
                           'current_clocksource').strip()
        assert name == clock, (name, clock)
        t.cleanup_ferries()


def test_reset_after_migration(t: Test) -> None:
    """The kernel that the destination was given is there after a reset."""
    j = travel(t, 'soft', 2, crossings=1)
    assert j.guest.run('ls /tmp/now').strip()
    j.guest.ferry.qmp.cmd('system_reset')
    j.guest.wait_shell()
    assert 'No such file' in j.guest.run('ls /tmp/now 2>&1', check=False)
    j.guest.power_off()


def test_stopped_guest(t: Test) -> None:
    """A guest that was paused comes paused, and its time stands."""
    p = stress(t, 'soft', 2)
    p.source.qmp.cmd('stop')
    p.new_target()
    p.settings()
    uri = p.listen('unix')
    p.source.qmp.cmd('migrate', uri=uri)
    p.wait_status('completed')
    wait_for(lambda: p.target.qmp.cmd('query-status')['status'] == 'paused',
             'the guest to be paused')
    time.sleep(0.5)
    assert not re.search(r'pass', p.text())
    p.target.qmp.cmd('cont')
    p.source, p.target = p.target, None
    p.check()


if __name__ == '__main__':
    ferrytest.main(at_once=2)
