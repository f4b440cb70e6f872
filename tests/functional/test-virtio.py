#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Virtio serial ports, entropy and balloon under Debian's stock drivers."""
import socket
import threading

import ferrytest
from ferrytest import QmpError, Test, wait_for
from linuxguest import Linux

SOFT = ['-accel', 'soft']


class Peer(threading.Thread):
    """Takes all that comes; answers each line in capitals."""

    def __init__(self, path) -> None:
        super().__init__(daemon=True)
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(str(path))
        self.server.listen(1)
        self.data = b''
        self.start()

    def run(self) -> None:
        conn, _ = self.server.accept()
        self.conn = conn
        line = b''
        while True:
            got = conn.recv(65536)
            if not got:
                return
            self.data += got
            line += got
            while b'\n' in line:
                one, line = line.split(b'\n', 1)
                if len(one) < 100:
                    conn.sendall(one.upper() + b'\n')


def test_serial_ports(t: Test) -> None:
    peer = Peer(t.path('peer'))
    g = Linux(t, *SOFT, '-device', 'virtio-serial-pci,id=vs', '-chardev',
              f'socket,id=c0,path={t.path("peer")}', '-device',
              'virtserialport,bus=vs.0,nr=3,chardev=c0,id=p0,name=org.test.0',
              '-chardev', f'file,id=c1,path={t.path("hvc")}', '-device',
              'virtconsole,chardev=c1', modules=['virtio_pci', 'virtio_console'])
    q = g.ferry.qmp
    assert g.run('cat /sys/class/virtio-ports/vport*p3/name').strip() == \
        'org.test.0'
    g.run('exec 3<>/dev/$(basename /sys/class/virtio-ports/vport*p3)')
    assert q.event('VSERPORT_CHANGE')['data'] == {'id': 'p0', 'open': True}
    g.run('echo from the guest >&3')
    assert g.run('head -n 1 <&3').strip() == 'FROM THE GUEST'
    n = len(peer.data)
    g.run("head -c 3000000 /dev/zero | tr '\\0' z >&3")
    wait_for(lambda: len(peer.data) == n + 3000000, 'all of the data')
    assert peer.data[n:] == b'z' * 3000000
    g.run('exec 3>&-')
    assert not q.event('VSERPORT_CHANGE')['data']['open']
    g.run('echo on the console > /dev/hvc0')
    wait_for(lambda: b'on the console' in t.path('hvc').read_bytes(),
             'the console')
    # A port comes and goes while the guest runs.
    q.cmd('chardev-add', id='c2', backend={'type': 'null', 'data': {}})
    q.cmd('device_add', driver='virtserialport', bus='vs.0', chardev='c2',
          id='p1', name='org.test.1')
    wait_for(lambda: 'org.test.1' in
             g.run('cat /sys/class/virtio-ports/*/name'), 'the port')
    q.cmd('device_del', id='p1')
    wait_for(lambda: 'org.test.1' not in
             g.run('cat /sys/class/virtio-ports/*/name'), 'it to go')
    g.power_off()


def test_entropy(t: Test) -> None:
    g = Linux(t, *SOFT, '-object', 'rng-random,id=r0', '-device',
              'virtio-rng-pci,rng=r0,max-bytes=65536,period=500',
              modules=['virtio_pci', 'virtio-rng'])
    assert 'virtio' in g.run('cat /sys/class/misc/hw_random/rng_current')
    assert g.run('head -c 100000 /dev/hwrng | wc -c').strip() == '100000'
    g.power_off()


def test_balloon(t: Test) -> None:
    g = Linux(t, *SOFT, '-device', 'virtio-balloon-pci,id=bal,'
              'free-page-reporting=on,deflate-on-oom=on',
              modules=['virtio_pci', 'virtio_balloon'], memory='512')
    q = g.ferry.qmp
    full = 512 << 20
    assert q.cmd('query-balloon')['actual'] == full
    g.run("mkdir -p /t && mount -t tmpfs t /t && head -c 200000000 /dev/zero | "
          "tr '\\0' q > /t/f && rm /t/f")
    before = g.ferry.rss_bytes() if hasattr(g.ferry, 'rss_bytes') else None
    q.cmd('balloon', value=256 << 20)
    wait_for(lambda: q.cmd('query-balloon')['actual'] == 256 << 20,
             'the balloon to fill')
    q.event('BALLOON_CHANGE')
    if before is not None:
        assert g.ferry.rss_bytes() < before
    q.cmd('qom-set', path='/machine/peripheral/bal',
          property='guest-stats-polling-interval', value=1)

    def stats():
        s = q.cmd('qom-get', path='/machine/peripheral/bal',
                  property='guest-stats')
        return s['stats'] if s['last-update'] else None
    wait_for(stats, 'statistics')
    assert 200 << 20 < stats()['stat-total-memory'] < full
    q.cmd('balloon', value=full)
    wait_for(lambda: q.cmd('query-balloon')['actual'] == full,
             'the balloon to empty')
    g.power_off()


def test_no_balloon(t: Test) -> None:
    f = t.ferry('-S', *SOFT)
    try:
        f.qmp.cmd('query-balloon')
        raise AssertionError('there is no balloon')
    except QmpError as e:
        assert e.cls == 'DeviceNotActive'


if __name__ == '__main__':
    ferrytest.main()
