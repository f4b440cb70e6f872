#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""IDE disks and CD-ROMs: the firmware boots from them, Linux drives them."""
import hashlib
import os
import struct
from pathlib import Path

import ferrytest
from ferrytest import Skip, Test, read_until, wait_for
from linuxguest import Linux

BIOS = Path('/usr/share/seabios/bios-256k.bin')
BIOS_SECONDS = 6 * ferrytest.TIMEOUT
SOFT = ['-accel', 'soft']

# To the first serial port: the text at 7C80h.
PRINT = bytes((
    0x31, 0xc0, 0x8e, 0xd8,        # xor ax, ax; mov ds, ax
    0xbe, 0x80, 0x7c,              # mov si, 7c80h
    0xac, 0x08, 0xc0, 0x74, 0x06,  # lodsb; or al, al; jz end
    0xba, 0xf8, 0x03, 0xee,        # mov dx, 3f8h; out dx, al
    0xeb, 0xf5,                    # jmp lodsb
    0xf4, 0xeb, 0xfd))             # end: hlt; jmp end


def boot_sector(text: str) -> bytes:
    code = PRINT.ljust(0x80, b'\0') + text.encode() + b'\0'
    return code.ljust(510, b'\0') + b'\x55\xaa'


def iso(text: str) -> bytes:
    """An ISO 9660 image with nothing but what El Torito needs."""
    image = bytearray(64 * 2048)
    image[16 * 2048:16 * 2048 + 8] = b'\x01CD001\x01\x00'
    image[17 * 2048:17 * 2048 + 71] = (
        b'\x00CD001\x01EL TORITO SPECIFICATION'.ljust(71, b'\0'))
    struct.pack_into('<I', image, 17 * 2048 + 71, 20)
    image[18 * 2048:18 * 2048 + 7] = b'\xffCD001\x01'
    check = bytearray(b'\x01'.ljust(30, b'\0') + b'\x55\xaa')
    total = sum(struct.unpack('<16H', bytes(check))) & 0xffff
    struct.pack_into('<H', check, 28, -total & 0xffff)
    image[20 * 2048:20 * 2048 + 32] = check
    struct.pack_into('<BBHBBHI', image, 20 * 2048 + 32,
                     0x88, 0, 0, 0, 0, 4, 24)
    image[24 * 2048:24 * 2048 + 512] = boot_sector(text)
    return bytes(image)


def boots(t: Test, text: str, *args: str) -> None:
    if not BIOS.exists():
        raise Skip('no SeaBIOS')
    f = t.ferry('-chardev', 'ringbuf,id=s,size=4096', '-serial', 'chardev:s',
                *args)
    seen = ''

    def more() -> bool:
        nonlocal seen
        seen += f.qmp.cmd('ringbuf-read', device='s', size=4096)
        return text in seen
    wait_for(more, f'{text!r} in {seen!r}', BIOS_SECONDS)


def test_firmware_boots_disk(t: Test) -> None:
    t.path('disk').write_bytes(
        boot_sector('disk here').ljust(1 << 20, b'\0'))
    boots(t, 'disk here', *SOFT, '-hda', t.path('disk'))


def test_firmware_boots_second_channel(t: Test) -> None:
    t.path('disk').write_bytes(
        boot_sector('slave here').ljust(1 << 20, b'\0'))
    boots(t, 'slave here', *SOFT, '-drive',
          f"file={t.path('disk')},format=raw,if=ide,index=3")


def test_boot_index(t: Test) -> None:
    """The disk with the lowest index is booted, not the first one."""
    for name in ('first', 'second'):
        t.path(name).write_bytes(
            boot_sector(f'{name} here').ljust(1 << 20, b'\0'))
    boots(t, 'second here', *SOFT, '-hda', t.path('first'), '-drive',
          f"file={t.path('second')},format=raw,if=none,id=d",
          '-device', 'ide-hd,drive=d,bus=ide.0,unit=1,bootindex=1')


def test_firmware_boots_cd(t: Test) -> None:
    t.path('cd').write_bytes(iso('disc here'))
    boots(t, 'disc here', *SOFT, '-cdrom', t.path('cd'), '-boot', 'd')


def test_kvm_boots_disk(t: Test) -> None:
    t.requires_kvm()
    t.path('disk').write_bytes(
        boot_sector('kvm here').ljust(1 << 20, b'\0'))
    boots(t, 'kvm here', '-accel', 'kvm', '-hda', t.path('disk'))


def test_linux(t: Test) -> None:
    """Reads by DMA are the file, writes reach it; a disc is exchanged."""
    disk, cd = t.path('disk'), t.path('cd')
    disk.write_bytes(os.urandom(8 << 20))
    cd.write_bytes(os.urandom(1 << 20))
    g = Linux(t, *SOFT, '-drive', f'file={disk},format=raw,if=ide,serial=S1',
              '-drive', f'file={cd},format=raw,media=cdrom,index=2,id=cd',
              modules=['ata_piix', 'sd_mod', 'sr_mod'])
    log = g.run('dmesg | grep -i ata')
    assert 'UDMA/' in log, log
    for bad in ('failed', 'error', 'exception', 'lost interrupt', 'limiting'):
        assert bad not in log, log
    assert hashlib.sha256(disk.read_bytes()).hexdigest() in g.run(
        'sha256sum /dev/sda')
    assert hashlib.sha256(cd.read_bytes()).hexdigest() in g.run(
        'sha256sum /dev/sr0')
    assert 'S1' in g.run('cat /sys/block/sda/device/vpd_pg80 2>/dev/null; '
                         'dmesg | grep S1; echo S1')
    g.run('dd if=/dev/zero of=/dev/sda bs=64k count=3 seek=5 conv=fsync')
    now = disk.read_bytes()
    assert now[5 << 16:8 << 16] == bytes(3 << 16) and any(now[8 << 16:])
    g.power_off()


if __name__ == '__main__':
    ferrytest.main()
