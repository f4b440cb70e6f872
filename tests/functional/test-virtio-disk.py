#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Virtio disks under Debian's stock driver, with a file system on them;
through every interface and form of ring; images that are in use, or full."""
import hashlib
import os
import subprocess

import ferrytest
from ferrytest import FERRY, Test, wait_for
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
    g.run('dd if=/dev/urandom of=/m/f bs=1M count=2 2>/dev/null && sync')
    before = g.run('sha256sum /m/f').split()[0]
    g.run('umount /m && echo 3 > /proc/sys/vm/drop_caches')
    g.run(f'e2fsck -f -n {dev} 2>/dev/null')
    g.run(f'mount {dev} /m')
    assert g.run('sha256sum /m/f').split()[0] == before
    g.run('rm /m/f && umount /m')


def every(t: Test, *disks: tuple[str, str]) -> None:
    for n, (device, smp) in enumerate(disks):
        g = Linux(t, *SOFT, '-smp', smp,
                  '-drive', f'file={disk(t, f"d{n}")},if=none,id=d,format=raw',
                  '-device', f'{device},drive=d', modules=['virtio_pci', 'virtio_blk'],
                  add=tools('mkfs.ext4', 'e2fsck'))
        exercise(g)
        assert 'I/O error' not in g.run('dmesg')
        g.power_off()
        t.cleanup_ferries()


def test_every_interface(t: Test) -> None:
    every(t, ('virtio-blk-pci', '2'),
          ('virtio-blk-pci,disable-modern=on', '1'),
          ('virtio-blk-pci-transitional,vectors=0,event_idx=off', '1'))


def test_packed_rings(t: Test) -> None:
    every(t, ('virtio-blk-pci-non-transitional,packed=on', '2'),
          ('virtio-blk-pci,packed=on,event_idx=off,indirect_desc=off', '1'))


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


if __name__ == '__main__':
    ferrytest.main(at_once=3)
