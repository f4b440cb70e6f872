#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A Linux guest that works in its memory crosses by each technique, one after
another. FERRY_TEST_ACCEL chooses the accelerator; test-migrate-amd.py runs this
file where there is a real one."""
import os
import socket
import time

import ferrytest
import linuxguest
from ferrytest import LONG, Skip, Test, wait_for
from linuxguest import Linux
from migrate import Credentials

ACCEL = os.environ.get('FERRY_TEST_ACCEL', 'soft')
# A processor that is emulated twice sends little while the guest writes much.
PAUSE_MS = 1000 if ACCEL == 'soft' else 60000
# A file that stays, and one that is always written anew.
WORK = '''
dd if=/dev/urandom of=/tmp/kept bs=1M count=16 2>/dev/null
sha256sum /tmp/kept > /tmp/sum
i=0
while [ ! -e /tmp/stop ]; do
  i=$((i + 1))
  dd if=/dev/urandom of=/tmp/new bs=64k count=16 2>/dev/null
  cp /tmp/new /tmp/copy
  cmp /tmp/new /tmp/copy || echo WRONG $i >> /tmp/wrong
  echo $i > /tmp/count
  sleep 0.05
done
'''
# Name: transport, capabilities, parameters, TLS.
TECHNIQUES = {
    'pre-copy': ('unix', [], {}, False),
    'tcp, TLS': ('tcp', [], {}, True),
    'multifd': ('unix', ['multifd'], {'multifd-channels': 3}, False),
    'multifd, TLS': ('tcp', ['multifd'], {}, True),
    'multifd zlib': ('unix', ['multifd'],
                     {'multifd-compression': 'zlib'}, False),
    'multifd zstd': ('unix', ['multifd'],
                     {'multifd-compression': 'zstd'}, False),
    'zero copy': ('tcp', ['multifd', 'zero-copy-send'], {}, False),
    'xbzrle': ('unix', ['xbzrle'], {}, False),
    'compress': ('unix', ['compress'], {}, False),
    'auto-converge': ('unix', ['auto-converge'],
                      {'max-bandwidth': 60 << 20,
                       'cpu-throttle-initial': 50}, False),
    'post-copy': ('unix', ['postcopy-ram'], {}, False),
    'post-copy, preempt': ('tcp', ['postcopy-ram', 'postcopy-preempt'], {},
                           False),
    'post-copy, preempt, TLS': ('tcp', ['postcopy-ram', 'postcopy-preempt'],
                                {}, True),
    'post-copy, multifd': ('unix', ['postcopy-ram', 'multifd'], {}, False),
    'file': ('file', [], {}, False),
    'mapped RAM': ('file', ['mapped-ram'], {}, False),
    'mapped RAM, multifd': ('file', ['mapped-ram', 'multifd'], {}, False),
    'exec': ('exec', [], {}, False),
    'descriptor': ('fd', [], {}, False),
}
# Memory that another process can have, too.
MEMFD = ('-object', 'memory-backend-memfd,id=pc.ram,size=128M,share=on',
         '-machine', 'memory-backend=pc.ram')
SHARED = {
    'cpr-transfer': ('cpr', [], {'mode': 'cpr-transfer'}, False),
    'shared memory, post-copy': ('unix', ['postcopy-ram'], {}, False),
    'cpr-transfer again': ('cpr', [], {'mode': 'cpr-transfer'}, False),
}
RING = {
    'dirty ring': ('unix', [], {}, False),
    'dirty ring, multifd': ('unix', ['multifd'], {}, False),
    'dirty ring, xbzrle': ('unix', ['xbzrle'], {}, False),
    'dirty ring, post-copy': ('unix', ['postcopy-ram'], {}, False),
    'dirty limit': ('unix', ['dirty-limit'],
                    {'max-bandwidth': 60 << 20, 'vcpu-dirty-limit': 20}, False),
}
# What only the source is asked for.
SOURCE_ONLY = ('zero-copy-send', 'auto-converge', 'dirty-limit')
SHORT = ('pre-copy', 'multifd zstd', 'post-copy, preempt', 'mapped RAM')


class Worker:
    """The guest; the emulators come and go."""

    def __init__(self, t: Test, accel: str = ACCEL, args: tuple = ()):
        self.t = t
        self.count = 0
        t.path('work').write_text(WORK)
        self.args = ['-accel', accel, '-smp', '2', *args]
        if ACCEL == 'kvm':
            self.args += ['-cpu', 'host']
        if LONG:
            for creds in Credentials(t).objects['x509'].values():
                self.args += ['-object', creds]
        self.guest = self.emulator()
        self.guest.run('dmesg -c > /dev/null')
        self.guest.run('(sh /etc/work > /dev/null 2>&1 &)')
        self.guest.run('while [ ! -e /tmp/count ]; do sleep 0.1; done')

    def emulator(self, *args: str, **kw) -> Linux:
        # The host of the host may be busy for longer than a watchdog likes.
        return Linux(self.t, *self.args, *args, memory='128',
                     append='nowatchdog',
                     add=[f'{self.t.path("work")}:etc/work'], **kw)

    def settings(self, ferry, capabilities: list, parameters: dict,
                 creds: str) -> None:
        ferry.qmp.raw('migrate-set-parameters', {
            'mode': 'normal', 'downtime-limit': PAUSE_MS, 'max-bandwidth': 0, 'multifd-channels': 2,
            'multifd-compression': 'none', 'tls-hostname': 'localhost' if creds ==
            'tls-source' else '', 'tls-creds': creds, **parameters})
        on = {c['capability'] for c in
              ferry.qmp.cmd('query-migrate-capabilities') if c['state']}
        ferry.qmp.cmd('migrate-set-capabilities', capabilities=[
            {'capability': c, 'state': c in capabilities}
            for c in on | set(capabilities)])

    def address(self, new, transport: str) -> dict:
        """Let the destination listen; where the source goes, for `migrate`."""
        self.count += 1
        if transport == 'cpr':
            where = {'channels': [
                {'channel-type': kind, 'addr': {
                    'transport': 'socket', 'type': 'unix',
                    'path': str(self.t.path(f'{kind}{self.count}'))}}
                for kind in ('main', 'cpr')]}
            new.qmp.cmd('migrate-incoming', **where)
            return where
        path = self.t.path(f'mig{self.count}')
        uri = {'unix': f'unix:{path}', 'tcp': 'tcp:127.0.0.1:0',
               'exec': f'exec:socat UNIX-LISTEN:{path} -',
               'fd': 'fd:mig'}[transport]
        if transport == 'fd':
            ends = socket.socketpair()
            for ferry, end in zip((new, self.guest.ferry), ends):
                ferry.qmp.raw('getfd', {'fdname': 'mig'}, [end.fileno()])
                end.close()
        new.qmp.cmd('migrate-incoming', uri=uri)
        if transport == 'tcp':
            a = wait_for(lambda: new.qmp.cmd('query-migrate').get(
                'socket-address'), 'an address')
            return {'uri': f'tcp:127.0.0.1:{a[0]["port"]}'}
        wait_for(lambda: transport == 'fd' or path.exists(), 'a listener')
        return {'uri': f'exec:socat - UNIX-CONNECT:{path}'
                if transport == 'exec' else uri}

    def cross(self, technique: tuple) -> dict:
        transport, capabilities, parameters, tls = technique
        old = self.guest
        new = self.emulator('-incoming', 'defer', wait=False)
        both = [c for c in capabilities if c not in SOURCE_ONLY]
        self.settings(old.ferry, capabilities, parameters,
                      'tls-source' if tls else '')
        self.settings(new.ferry, both, parameters, 'tls-target' if tls else '')
        if transport == 'file':
            where = {'uri': f'file:{self.t.path("image")}'}
        else:
            where = self.address(new.ferry, transport)
        old.ferry.qmp.cmd('migrate', **where)
        if 'postcopy-ram' in capabilities:
            wait_for(lambda: old.ferry.qmp.cmd('query-migrate')['status'] ==
                     'active', 'the first pass')
            old.ferry.qmp.cmd('migrate-start-postcopy')

        def ended():
            info = old.ferry.qmp.cmd('query-migrate')
            assert info['status'] not in ('failed', 'cancelled'), (
                info, new.ferry.output())
            return info['status'] == 'completed' and info
        info = wait_for(ended, 'the end', linuxguest.BOOT_SECONDS)
        if transport == 'file':
            new.ferry.qmp.cmd('migrate-incoming', **where)
        wait_for(lambda: new.ferry.qmp.cmd('query-status')['running'],
                 'guest to run', linuxguest.BOOT_SECONDS)
        old.ferry.quit()
        old.sock.close()
        self.guest = new
        return info

    def check(self) -> None:
        """It works on, and all it has is what it was."""
        g = self.guest
        n = int(g.run('cat /tmp/count').strip() or 0)
        end = time.monotonic() + linuxguest.BOOT_SECONDS
        while int(g.run('cat /tmp/count').strip() or 0) <= n:
            assert time.monotonic() < end, 'the guest does not work on'
            time.sleep(0.1)
        g.run('sha256sum -c -s /tmp/sum')
        wrong = g.run('cat /tmp/wrong 2>/dev/null', check=False)
        assert not wrong.strip(), wrong
        log = g.run('dmesg')
        for bad in ('BUG', 'lockup', 'stall', 'Oops', 'WARNING', 'unstable'):
            assert bad not in log, log[-3000:]


    def cross_by(self, techniques: dict, names) -> None:
        for name in names:
            info = self.cross(techniques[name])
            self.check()
            print(f'# {ACCEL}, {name}: {info["total-time"]} ms, guest stood '
                  f'{info["downtime"]} ms', flush=True)
        self.guest.power_off()


def test_techniques(t: Test) -> None:
    Worker(t).cross_by(TECHNIQUES, TECHNIQUES if LONG else SHORT)


def test_shared_memory(t: Test) -> None:
    """To another process on this host, which gets the memory itself."""
    if not LONG:
        raise Skip('test-migrate-cpr.py has the short one')
    Worker(t, args=MEMFD).cross_by(SHARED, SHARED)


def test_dirty_ring(t: Test) -> None:
    if ACCEL != 'kvm' or not LONG:
        raise Skip('only KVM has dirty rings')
    Worker(t, accel='kvm,dirty-ring-size=65536').cross_by(RING, RING)


if __name__ == '__main__':
    ferrytest.main()
