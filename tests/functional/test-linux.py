#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Debian's stock kernel on the software CPU: to userland, with one CPU and
several, through the devices that it finds, and out again."""
import re
import time
from typing import NamedTuple

import ferrytest
from ferrytest import LONG, Test, wait_for
from linuxguest import Linux

SOFT = ['-accel', 'soft']


def test_boots(t: Test) -> None:
    g = Linux(t, *SOFT)
    assert re.search(r'Linux \S+ 6\.', g.run('uname -a'))
    assert g.run('nproc').strip() == '1'
    log = g.run('dmesg')
    for bad in ('BUG:', 'Oops', 'WARNING:', 'unstable', 'ACPI Error',
                'ACPI BIOS Error', 'soft lockup', 'rcu: INFO'):
        assert bad not in log, [x for x in log.splitlines() if bad in x]
    g.power_off()


def test_smp(t: Test) -> None:
    for cpus in (2, 4):
        g = Linux(t, *SOFT, '-smp', str(cpus))
        assert g.run('nproc').strip() == str(cpus)
        # Work on all of them at once, that ends with the same sum everywhere.
        sums = g.run('(for i in $(seq 8); do (dd if=/dev/zero bs=1M count=2 '
                     '2>/dev/null | sha256sum) & done; wait)')
        assert len(set(sums.split('\n')[:8])) == 1, sums
        assert 'rcu: INFO' not in g.run('dmesg')
        g.power_off()
        t.cleanup_ferries()


def test_no_translator(t: Test) -> None:
    """The interpreter alone gets there too."""
    g = Linux(t, '-accel', 'soft,jit=off')
    assert re.search(r'Linux \S+ 6\.', g.run('uname -a'))
    g.power_off()


def test_first_accelerator_that_works(t: Test) -> None:
    g = Linux(t, '-accel', 'warp-drive:soft')
    assert 'warp-drive' in g.ferry.output()
    g.power_off()
    assert 'go with one' in t.fails('-accel', 'kvm:soft,jit=off')


def test_cpubench_agrees(t: Test) -> None:
    """Loops of integers, floats, vectors, x87 and memory have the results
    that they have on this host's CPU."""
    host = t.run(ferrytest.BUILD / 'guest/linux-cpubench', '0.01').stdout
    g = Linux(t, *SOFT)
    guest = g.run('cpubench 0.01')

    def checks(text: str) -> list[tuple[str, str]]:
        return [(line.split()[0], line.split()[-1])
                for line in text.splitlines()]
    assert checks(host) == checks(guest), (host, guest)


class Uptime(NamedTuple):
    """The guest's, and our time before and after it was read."""
    before: float
    guest: float
    after: float


def uptime(g: Linux) -> Uptime:
    before = time.monotonic()
    guest = float(g.run('cat /proc/uptime').split()[0])
    return Uptime(before, guest, time.monotonic())


def test_time_passes_as_outside(t: Test) -> None:
    g = Linux(t, *SOFT)
    first = uptime(g)
    g.run('sleep 2')
    second = uptime(g)
    guest = second.guest - first.guest
    # However slow this machine is just now.
    assert second.before - first.after - 0.1 < guest < \
        second.after - first.before + 0.1, (first, second)
    assert g.run('cat /sys/devices/system/clocksource/clocksource0/'
                 'current_clocksource').strip() == 'tsc'


def test_stopped_guest_sees_no_time(t: Test) -> None:
    g = Linux(t, *SOFT)
    q = g.ferry.qmp
    first = uptime(g)
    q.cmd('stop')
    begin = time.monotonic()
    time.sleep(2)
    stood = time.monotonic() - begin
    q.cmd('cont')
    second = uptime(g)
    assert second.guest - first.guest < \
        second.after - first.before - stood + 0.1, (first, second, stood)
    assert 'stall' not in g.run('dmesg')


def test_reboot_again_and_again(t: Test) -> None:
    g = Linux(t, *SOFT)
    for _ in range(10 if LONG else 2):
        g.sock.sendall(b'reboot -f\n')
        g.wait_shell()
    assert g.ferry.qmp.cmd('query-status')['status'] == 'running'
    g.power_off()


def test_reset_and_power_button(t: Test) -> None:
    g = Linux(t, *SOFT, modules=['button', 'evdev'])
    q = g.ferry.qmp
    q.cmd('system_reset')
    g.wait_shell()
    q.event('RESET')
    button = g.run("grep -A4 'Name=.Power Button' /proc/bus/input/devices | "
                   "grep -o 'event[0-9]*'").strip()
    g.run(f'(dd if=/dev/input/{button} of=/tmp/button bs=24 count=2 &) '
          '2> /dev/null; until [ -e /tmp/button ]; do :; done')
    q.cmd('system_powerdown')
    q.event('POWERDOWN')
    wait_for(lambda: g.run('wc -c < /tmp/button').strip() != '0',
             'the button to be felt')
    g.power_off()


if __name__ == '__main__':
    ferrytest.main(at_once=2)
