#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A Linux guest with a busy disk, network and serial ports goes from one
emulator to another and back; what it wrote is there once, in order."""
import os
import re
import time

import ferrytest
import linuxguest
from ferrytest import LONG, Test, wait_for
from linuxguest import Linux
from webserver import Web

CROSSINGS = 20 if LONG else 3
MODULES = ['virtio_pci', 'virtio_blk', 'virtio_net', 'virtio_console',
           'virtio_rng', 'virtio_balloon', 'ata_piix', 'sd_mod']
DISK = 32 << 20

# A disk's worker: blocks of random bytes, written, flushed, read back.
WORKER = '''
i=0
while [ ! -e /tmp/stop ]; do
  i=$((i + 1))
  at=$((i * 7 % 200))
  dd if=/dev/urandom of=/tmp/$1.r bs=4k count=16 2>/dev/null
  dd if=/tmp/$1.r of=/dev/$1 bs=4k seek=$((at * 16)) conv=fsync 2>/dev/null ||
    echo "WRITE FAILED $1 $i" >> /tmp/wrong
  echo 1 > /proc/sys/vm/drop_caches
  dd if=/dev/$1 of=/tmp/$1.w bs=4k skip=$((at * 16)) count=16 2>/dev/null
  cmp /tmp/$1.r /tmp/$1.w || echo "WRONG $1 $i" >> /tmp/wrong
  echo $i > /tmp/$1.count
done
'''
# A port's: lines with numbers.
COUNTER = '''
i=0
while [ ! -e /tmp/stop ]; do
  i=$((i + 1))
  echo "line $i of $1 ......................................"
  echo $i > /tmp/$1.count
done > /dev/$1
'''
RNG = '''
i=0
while [ ! -e /tmp/stop ]; do
  dd if=/dev/hwrng bs=64 count=1 of=/dev/null 2>/dev/null && i=$((i + 1))
  echo $i > /tmp/hwrng.count
done
'''


class Traveller:
    """A guest with one of each device; the files stay, the emulators come
    and go."""

    def __init__(self, t: Test, virtio: str = '', accel: str = 'soft'):
        self.t = t
        self.count = 0
        for name in ('virtio.raw', 'ide.raw'):
            with open(t.path(name), 'wb') as f:
                f.truncate(DISK)
        self.args = [
            '-accel', accel, '-smp', '2',
            '-drive', f'file={t.path("virtio.raw")},if=none,id=v,format=raw',
            '-device', f'virtio-blk-pci,drive=v{virtio}',
            '-drive', f'file={t.path("ide.raw")},if=ide,format=raw',
            '-netdev', 'user,id=n0',
            '-device', f'virtio-net-pci,netdev=n0{virtio}',
            '-device', f'virtio-serial-pci,id=vs{virtio}',
            '-chardev', f'file,id=port,path={t.path("port")},append=on',
            '-device', 'virtserialport,bus=vs.0,nr=1,chardev=port,name=out',
            '-chardev', f'file,id=com2,path={t.path("com2")},append=on',
            '-serial', 'chardev:com2',
            '-device', 'VGA', '-device', f'virtio-balloon-pci{virtio}',
            '-device', f'virtio-rng-pci{virtio}']
        for name in ('port', 'com2'):
            t.path(name).unlink(missing_ok=True)
        self.scripts = []
        for name, script in (('worker', WORKER), ('counter', COUNTER),
                             ('rng', RNG)):
            t.path(name).write_text(script)
            self.scripts.append(f'{t.path(name)}:etc/{name}')
        self.guest = self.emulator()

    def emulator(self, *args: str, **kw) -> Linux:
        return Linux(self.t, *self.args, *args, modules=MODULES,
                     add=self.scripts, **kw)

    def start_load(self) -> None:
        g = self.guest
        g.run('ip link set lo up; ip link set eth0 up; '
              'ip addr add 10.0.2.15/24 dev eth0; '
              'ip route add default via 10.0.2.2')
        port = g.run('cd /dev; ls vport*p1').split()[-1]
        self.workers = ['vda', 'sda', 'ttyS1', port, 'hwrng']
        g.run('stty -F /dev/ttyS1 raw -echo')
        for command in ('worker vda', 'worker sda', 'counter ttyS1',
                        f'counter {port}', 'rng'):
            g.run(f'(sh /etc/{command} > /tmp/log 2>&1 &)')

    def progress(self) -> dict:
        """How far each worker is; a file may just be written anew. The shell
        reads them itself: programs are slow to start beside the workers."""
        out = self.guest.run('cd /tmp; for i in *.count; do '
                             'read n < $i; echo $i $n; done')
        now = {m[0]: int(m[1]) for m in
               re.findall(r'(\w+)\.count (\d+)', out)}
        return {w: now.get(w, 0) for w in self.workers}

    def send(self, new: Linux, capabilities: tuple = ()) -> dict:
        """Migrate to @new; how it ended."""
        self.count += 1
        old = self.guest
        uri = f'unix:{self.t.path(f"mig{self.count}")}'
        for q in (old.ferry.qmp, new.ferry.qmp):
            q.raw('migrate-set-capabilities', {'capabilities': [
                {'capability': c, 'state': c in capabilities}
                for c in ('postcopy-ram', 'multifd', *capabilities)]})
        new.ferry.qmp.cmd('migrate-incoming', uri=uri)
        old.ferry.qmp.cmd('migrate', uri=uri)
        if 'postcopy-ram' in capabilities:
            wait_for(lambda: old.ferry.qmp.cmd('query-migrate').get('status') ==
                     'active', 'migration to begin')
            old.ferry.qmp.cmd('migrate-start-postcopy')
        wait_for(lambda: old.ferry.qmp.cmd('query-migrate').get('status') in
                 ('completed', 'failed', 'cancelled'), 'migration to end',
                 timeout=linuxguest.BOOT_SECONDS)
        return old.ferry.qmp.cmd('query-migrate')

    def cross(self, capabilities: tuple = ()) -> None:
        """To a new emulator; the old one ends."""
        old = self.guest
        new = self.emulator('-incoming', 'defer', wait=False)
        info = self.send(new, capabilities)
        assert info['status'] == 'completed', (info, new.ferry.output())
        wait_for(lambda: new.ferry.qmp.cmd('query-status')['running'],
                 'guest to run')
        assert not old.ferry.qmp.cmd('query-status')['running']
        old.ferry.qmp.cmd('quit')
        old.ferry.wait()
        old.sock.close()
        self.guest = new

    def check(self, before: dict) -> None:
        """Every worker gets on, and none saw anything wrong."""
        end = time.monotonic() + linuxguest.BOOT_SECONDS
        while True:
            now = self.progress()
            stuck = [w for w in now if now[w] <= before.get(w, 0)]
            if not stuck:
                break
            assert time.monotonic() < end, (stuck, before, now,
                                            self.guest.run('dmesg | tail -40'))
            time.sleep(0.2)
        wrong = self.guest.run('cat /tmp/wrong 2>/dev/null', check=False)
        assert not wrong.strip(), wrong

    def check_network(self, web: Web) -> None:
        """A connection through the card of the present emulator."""
        got = self.guest.run(f'wget -q -O - http://10.0.2.2:{web.port}/ | '
                             'sha256sum').split()[0]
        assert got == web.digest, got

    def check_balloon(self, megabytes: int) -> None:
        q = self.guest.ferry.qmp
        q.cmd('balloon', value=megabytes << 20)
        wait_for(lambda: q.cmd('query-balloon')['actual'] == megabytes << 20,
                 'balloon', timeout=linuxguest.BOOT_SECONDS)

    def stop_load(self) -> None:
        self.guest.run('touch /tmp/stop; while ps | grep -q " /etc/[wcr]"; do '
                       'sleep 0.1; done; sync')
        log = self.guest.run('dmesg')
        for bad in ('I/O error', 'reset', 'BUG', 'soft lockup', 'failed command'):
            assert bad not in log.replace('resets', ''), (bad, log)


def check_lines(t: Test, name: str, least: int) -> None:
    """Each line once and in order."""
    lines = t.path(name).read_bytes().replace(b'\r', b'').split(b'\n')
    numbers = [int(m.group(1)) for m in
               (re.match(rb'line (\d+) of \w+ \.+$', ln) for ln in lines) if m]
    assert len(numbers) == len([ln for ln in lines if ln]), lines[-3:]
    assert numbers == list(range(1, len(numbers) + 1)), next(
        (i, numbers[max(0, i - 2):i + 3]) for i, n in enumerate(numbers)
        if n != i + 1)
    assert len(numbers) >= least, (name, len(numbers))


def travel(t: Test, crossings: int, virtio: str = '',
           capabilities: tuple = ()) -> None:
    web = Web(os.urandom(300000))
    try:
        j = Traveller(t, virtio)
        j.start_load()
        j.check({})
        for n in range(crossings):
            # The balloon's target crosses with its driver at work.
            j.guest.ferry.qmp.cmd('balloon', value=(200 + 8 * (n % 5)) << 20)
            before = j.progress()
            j.cross(capabilities)
            j.check(before)
            j.check_network(web)
            j.check_balloon(240 - 8 * (n % 3))
        j.stop_load()
        check_lines(t, 'com2', crossings)
        check_lines(t, 'port', crossings)
        j.guest.power_off()
    finally:
        web.close()


def test_busy_guest(t: Test) -> None:
    travel(t, CROSSINGS)


def test_busy_guest_variants(t: Test) -> None:
    # Interrupts by a shared line; packed rings; the old interface.
    for virtio in (',vectors=0', ',packed=on', ',disable-modern=on'):
        travel(t, 2 if LONG else 1, virtio)
        t.cleanup_ferries()


def test_busy_guest_postcopy(t: Test) -> None:
    travel(t, 2 if LONG else 1, capabilities=('postcopy-ram',))


def test_refused_at_the_begin(t: Test) -> None:
    """A destination that has another device says so before a page is sent;
    the guest goes on where it was, and crosses to a right one."""
    j = Traveller(t)
    j.start_load()
    j.check({})
    for wrong, why in (
            (('virtio-rng-pci', 'virtio-rng-pci,max-bytes=1,period=1000'),
             'property max-bytes is'),
            (('virtio-balloon-pci', 'virtio-balloon-pci,addr=1e'),
             'virtio-balloon'),
            (('name=out', 'name=out,nr=2'),
             'port 1 (1: is there) is 1 at the source and 0 here')):
        args = j.args
        j.args = [a.replace(*wrong).replace(',nr=1', '' if 'nr=2' in wrong[1]
                                            else ',nr=1') for a in args]
        before = j.progress()
        new = j.emulator('-incoming', 'defer', wait=False)
        j.args = args
        info = j.send(new)
        assert info['status'] == 'failed', info
        assert why in info['error-desc'], info
        assert info.get('ram', {}).get('normal', 0) == 0, info
        new.ferry.quit()  # it went on waiting for the right one
        new.sock.close()
        wait_for(lambda: j.guest.ferry.qmp.cmd('query-status')['running'],
                 'guest to go on')
        j.check(before)
    before = j.progress()
    j.cross()
    j.check(before)
    j.stop_load()
    check_lines(t, 'com2', 1)
    check_lines(t, 'port', 1)
    j.guest.power_off()


if __name__ == '__main__':
    ferrytest.main(at_once=2)
