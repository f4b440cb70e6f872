#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A running Linux guest moves with its disk to a process that has another
image: mirror over NBD with TLS, migration, pivot."""
import subprocess

import ferrytest
from ferrytest import Test, free_port
from linuxguest import SOURCE, Linux
from pki import Pki

SIZE = 48 << 20
MOVE = SOURCE / 'scripts/ferry-move'
WRITER = ('while [ ! -e /stop ]; do n=$((n+1)); head -c 30000 /dev/urandom > /m/f$((n%40)).t;'
          'sha256sum < /m/f$((n%40)).t > /m/s$((n%40)); '
          'mv /m/f$((n%40)).t /m/f$((n%40)); done')
CHECK = ('n=0; for i in $(seq 0 39); do [ -f /m/f$i ] && [ -f /m/s$i ] || '
         'continue; [ "$(sha256sum < /m/f$i)" = "$(cat /m/s$i)" ] || '
         'echo bad $i; n=$((n+1)); done; echo checked $n')


class Sides:
    def __init__(self, t: Test):
        t.requires('qemu-img')
        server, client = Pki(t.path('pki')).standard()
        self.t = t
        self.here = t.path('here.qcow2')
        self.there = t.path('there.raw')
        t.run('qemu-img', 'create', '-q', '-f', 'qcow2', self.here, str(SIZE))
        with open(self.there, 'wb') as f:
            f.truncate(SIZE)
        self.source = self.side(self.here, 'qcow2', 'client', client)
        self.source.run('mke2fs /dev/vda')
        self.source.run('mkdir -p /m && mount /dev/vda /m')
        # Not a job of the shell, which would speak of its end.
        self.source.run(f'( ({WRITER}) > /dev/null 2>&1 & ); sleep 2')
        self.target = self.side(self.there, 'raw', 'server', server,
                                '-incoming', 'defer', wait=False)

    def side(self, path, fmt, endpoint, pki, *args, **kw) -> Linux:
        return Linux(
            self.t, '-accel', 'soft', '-blockdev',
            f'driver={fmt},node-name=disk,discard=unmap,'
            f'file.driver=file,file.filename={path}',
            '-device', 'virtio-blk-pci,drive=disk,id=vda', '-object',
            f'tls-creds-x509,id=tls0,endpoint={endpoint},dir={pki}', *args,
            modules=['virtio_pci', 'virtio_blk'], monitors=2, **kw)

    def monitor(self, g: Linux) -> str:
        return f'{g.ferry.qmp_path}.1'

    def move(self, *args) -> subprocess.CompletedProcess:
        nbd, uri = free_port(), free_port()
        return subprocess.run(
            [MOVE, '--from', self.monitor(self.source),
             '--to', self.monitor(self.target), '--nbd', f'localhost:{nbd}',
             '--uri', f'tcp:127.0.0.1:{uri}', '--disk', 'disk', *args],
            capture_output=True, text=True, timeout=12 * ferrytest.TIMEOUT)


def finish(g: Linux) -> None:
    g.run('touch /stop; while pidof head sha256sum >/dev/null; do :; done; sleep 1')
    out = g.run(CHECK)
    assert 'bad' not in out, out
    assert int(out.split('checked')[1]) > 5, out
    g.run('while ! umount /m 2>/dev/null; do sleep 1; done')


def test_move(t: Test) -> None:
    s = Sides(t)
    r = s.move('--tls', 'tls0,tls0')
    assert r.returncode == 0, r.stdout + r.stderr
    assert 'runs at the destination' in r.stdout, r.stdout
    s.source.ferry.quit()
    g = s.target
    g.sock.sendall(b'\n')
    finish(g)
    g.run('mount /dev/vda /m')
    out = g.run(CHECK)
    assert 'bad' not in out, out
    g.power_off()
    t.run('e2fsck', '-f', '-n', s.there)


def test_destination_dies(t: Test) -> None:
    """The guest stays where it is, with its disk."""
    s = Sides(t)
    s.target.ferry.qmp.raw('nbd-server-start', {
        'addr': {'type': 'unix', 'data': {'path': str(t.path('x'))}}})
    r = s.move()
    assert r.returncode == 1 and 'already' in r.stderr, r
    s.target.ferry.stop()
    r = s.move()
    assert r.returncode == 1, r
    g = s.source
    assert g.ferry.qmp.cmd('query-jobs') == []
    finish(g)
    g.power_off()
    t.run('qemu-img', 'check', '-q', s.here)


ferrytest.main()
