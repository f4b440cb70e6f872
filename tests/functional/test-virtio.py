#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Virtio devices under Debian's stock drivers: disks with a file system on
them, serial ports, entropy, the balloon; through every interface and form of
ring."""
import hashlib
import os
import socket
import subprocess
import threading

import ferrytest
from ferrytest import FERRY, QmpError, Test, wait_for
from linuxguest import Linux

SOFT = ['-accel', 'soft']
DISK = 64 << 20


def tools(*names: str) -> list[str]:
    """Programs of the host, with their libraries, for the guest."""
    add = []
    for name in names:
        path = f'/usr/sbin/{name}'
        if not os.path.exists(path):
            raise ferrytest.Skip(f'no {name}')
        add.append(f'{path}:sbin/{name}')
        out = subprocess.run(['ldd', path], capture_output=True, text=True)
        for word in out.stdout.split():
            if word.startswith('/'):
                add.append(f'{word}:{word.lstrip("/")}')
    return sorted(set(add))


def disk(t: Test, name: str = 'disk.raw', size: int = DISK):
    path = t.path(name)
    with open(path, 'wb') as f:
        f.truncate(size)
    return path


def exercise(g: Linux, dev: str = '/dev/vda') -> None:
    """A file system is made, filled, checked, and has kept its contents."""
    g.run(f'mkfs.ext4 -q {dev} && mkdir -p /m && mount {dev} /m')
    g.run('dd if=/dev/urandom of=/m/f bs=1M count=8 2>/dev/null && sync')
    before = g.run('sha256sum /m/f').split()[0]
    g.run('umount /m && echo 3 > /proc/sys/vm/drop_caches')
    g.run(f'e2fsck -f -n {dev} 2>/dev/null')
    g.run(f'mount {dev} /m')
    assert g.run('sha256sum /m/f').split()[0] == before
    g.run('rm /m/f && umount /m')


def test_disk_every_interface(t: Test) -> None:
    for n, (device, smp) in enumerate((
            ('virtio-blk-pci', '2'),
            ('virtio-blk-pci,disable-modern=on', '1'),
            ('virtio-blk-pci-non-transitional,packed=on', '2'),
            ('virtio-blk-pci,packed=on,event_idx=off,indirect_desc=off', '1'),
            ('virtio-blk-pci-transitional,vectors=0,event_idx=off', '1'))):
        g = Linux(t, *SOFT, '-smp', smp,
                  '-drive', f'file={disk(t, f"d{n}")},if=none,id=d,format=raw',
                  '-device', f'{device},drive=d', modules=['virtio_pci', 'virtio_blk'],
                  add=tools('mkfs.ext4', 'e2fsck'))
        exercise(g)
        assert 'I/O error' not in g.run('dmesg')
        g.power_off()
        t.cleanup_ferries()


def test_disk_by_drive_and_blockdev(t: Test) -> None:
    image = disk(t)
    pattern = hashlib.sha256(b'ferry').digest() * (1 << 15)
    with open(image, 'r+b') as f:
        f.write(pattern)
    g = Linux(t, *SOFT, '-drive', f'file={image},if=virtio,format=raw,'
              'cache=none,serial=NUMBER1', '-blockdev',
              f'driver=raw,node-name=n0,file.driver=file,'
              f'file.filename={disk(t, "two")},discard=unmap', '-device',
              'virtio-blk-pci,drive=n0,id=two,logical_block_size=4096',
              modules=['virtio_pci', 'virtio_blk'])
    two = g.run('cd /sys/block; grep -l . */serial; grep NUMBER1 */serial')
    assert 'NUMBER1' in two
    first = 'vda' if 'vda' in two.splitlines()[-1] or \
        g.run('cat /sys/block/vda/serial', check=False).strip() == 'NUMBER1' \
        else 'vdb'
    second = 'vdb' if first == 'vda' else 'vda'
    out = g.run(f'head -c {len(pattern)} /dev/{first} | sha256sum')
    assert out.split()[0] == hashlib.sha256(pattern).hexdigest()
    assert g.run(f'cat /sys/block/{second}/queue/logical_block_size'
                 ).strip() == '4096'
    q = g.ferry.qmp
    info = {b['qdev']: b for b in q.cmd('query-block')}
    assert info['two']['inserted']['node-name'] == 'n0'
    assert q.cmd('query-blockstats')[0]['stats']['rd_operations'] > 0
    # A larger image is noticed; space that the guest does not need goes.
    q.cmd('block_resize', **{'node-name': 'n0', 'size': 2 * DISK})
    wait_for(lambda: int(g.run(f'cat /sys/block/{second}/size')) ==
             2 * DISK // 512, 'the new size')
    g.run(f'dd if=/dev/zero of=/dev/{second} bs=1M count=8 2>/dev/null; sync')
    used = os.stat(t.path('two')).st_blocks
    g.run(f'blkdiscard /dev/{second}')
    assert os.stat(t.path('two')).st_blocks < used
    g.power_off()


def test_image_in_use(t: Test) -> None:
    image = disk(t)
    g = Linux(t, *SOFT, '-drive', f'file={image},if=virtio,format=raw',
              modules=['virtio_pci', 'virtio_blk'])
    r = subprocess.run([FERRY, '-nodefaults', '-display', 'none', *SOFT,
                        '-drive', f'file={image},if=virtio,format=raw'],
                       stdin=subprocess.DEVNULL, capture_output=True, text=True,
                       timeout=ferrytest.TIMEOUT)
    assert r.returncode == 1 and 'lock' in r.stderr, r.stderr
    g.power_off()


def test_full_disk_stops_and_goes_on(t: Test) -> None:
    """No space on the host: the guest waits, and loses nothing."""
    if os.geteuid() != 0:
        raise ferrytest.Skip('needs a small file system: not root')
    small = t.path('small')
    small.mkdir()
    r = subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=4m', 'tmpfs',
                        str(small)], capture_output=True)
    if r.returncode:
        raise ferrytest.Skip('cannot mount')
    try:
        image = small / 'disk'
        with open(image, 'wb') as f:
            f.truncate(16 << 20)
        g = Linux(t, *SOFT, '-drive', f'file={image},if=virtio,format=raw',
                  modules=['virtio_pci', 'virtio_blk'])
        q = g.ferry.qmp
        g.sock.sendall(b'dd if=/dev/zero bs=1M count=8 2>/dev/null | '
                       b"tr '\\0' x > /dev/vda; sync; echo fini''shed\n")
        e = q.event('BLOCK_IO_ERROR')['data']
        assert e['action'] == 'stop' and e['nospace'], e
        q.event('STOP')
        assert q.cmd('query-status')['status'] == 'io-error'
        assert q.cmd('query-block')[0]['io-status'] == 'nospace'
        subprocess.run(['mount', '-o', 'remount,size=64m', str(small)],
                       check=True)
        q.cmd('cont')
        g.expect('finished')
        assert image.read_bytes()[:8 << 20] == b'x' * (8 << 20)
        assert 'error' not in g.run('dmesg | grep vda')
        g.power_off()
    finally:
        t.cleanup_ferries()
        subprocess.run(['umount', str(small)])


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
