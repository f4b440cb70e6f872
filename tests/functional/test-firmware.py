#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""SeaBIOS on the machine `pc`: from what it boots, what it sees of the board,
the power button and the ways to a reset. The guests are boot sectors."""
import re
import subprocess

import ferrytest
from ferrytest import Test

WORDS = {
    'console': '''
        mov $msg, %si
    1:  lodsb
        test %al, %al
        jz 2f
        mov %al, %bl
        mov $0x3fd, %dx
    3:  in %dx, %al
        test $0x20, %al
        jz 3b
        mov %bl, %al
        mov $0x3f8, %dx
        out %al, %dx
        jmp 1b
    2:
''',
    # S5 by PM1 control, where SeaBIOS puts it
    'off': '''
        mov $0x604, %dx
        mov $0x2000, %ax
        out %ax, %dx
        jmp .
''',
    # wait for the power button's status bit
    'button': '''
    1:  mov $0x600, %dx
        in %dx, %ax
        test $0x100, %ax
        jz 1b
        out %ax, %dx
''',
    # a flag in CMOS memory outlives a reset
    'once': '''
        mov $0x7e, %al
        out %al, $0x70
        in $0x71, %al
        inc %al
        out %al, $0x71
        cmp $2, %al
        jae 9f
''',
    'cf9': 'mov $0xcf9, %dx; mov $6, %al; out %al, %dx; hlt; 9:\n',
    'port92': 'in $0x92, %al; or $1, %al; out %al, $0x92; hlt; 9:\n',
    'pulse': 'mov $0xfe, %al; out %al, $0x64; hlt; 9:\n',
    'triple': 'lidt none; int $3; hlt; none: .word 0, 0, 0; 9:\n',
    # numbers of fw_cfg as two characters: CPUs, and 'Q' of the signature
    'fwcfg': '''
        mov $0x510, %dx
        mov $5, %ax
        out %ax, %dx
        inc %dx
        in %dx, %al
        add $'0', %al
        mov $0x3f8, %dx
        out %al, %dx
        mov $0x510, %dx
        xor %ax, %ax
        out %ax, %dx
        inc %dx
        in %dx, %al
        mov $0x3f8, %dx
        out %al, %dx
''',
}


def disk(t: Test, name: str, text: str, *words: str):
    """A disk whose boot sector does what the words say."""
    src, obj, img = (t.path(f'{name}.{x}') for x in ('s', 'o', 'img'))
    code = ''.join(WORDS[w] for w in words)
    src.write_text('.code16\n.globl _start\n_start: cli; xor %ax, %ax;'
                   f'mov %ax, %ds\n{code}\nmsg: .asciz "{text}"\n'
                   '.org 510\n.word 0xaa55\n')
    subprocess.run(['as', '--32', '-o', obj, src], check=True)
    subprocess.run(['ld', '-m', 'elf_i386', '-Ttext', '0x7c00', '--oformat',
                    'binary', '-o', img, obj], check=True)
    with open(img, 'r+b') as f:
        f.truncate(1 << 20)
    return img


def drive(n: int, img, **props) -> list[str]:
    more = ''.join(f',{k}={v}' for k, v in props.items())
    return ['-drive', f'file={img},if=none,id=d{n},format=raw', '-device',
            f'virtio-blk-pci,drive=d{n}{more}']


def run(t: Test, *args, status: int = 0) -> str:
    """Run to power off; what came over COM1."""
    out = t.path('com1')
    f = t.ferry('-chardev', f'file,id=com1,path={out}', '-device',
                'isa-serial,chardev=com1', '-action', 'shutdown=pause', *args)
    ev = f.qmp.event('SHUTDOWN')
    assert ev['data'] == {'guest': True, 'reason': 'guest-shutdown'}, ev
    assert f.quit() == status
    return out.read_text(errors='replace')


def test_boots_a_disk(t: Test) -> None:
    img = disk(t, 'a', 'BOOTED', 'console', 'fwcfg', 'off')
    text = run(t, *drive(0, img), '-smp', '2')
    assert text == 'BOOTED2Q', text


def test_serial_console(t: Test) -> None:
    img = disk(t, 'a', 'BOOTED', 'console', 'off')
    text = run(t, '-machine', 'graphics=off', *drive(0, img))
    assert 'SeaBIOS' in text and 'Booting from Hard Disk' in text, text
    assert text.rstrip('\0').endswith('BOOTED'), text


def test_boot_order(t: Test) -> None:
    one = disk(t, 'one', 'ONE', 'console', 'off')
    two = disk(t, 'two', 'TWO', 'console', 'off')
    assert run(t, *drive(0, one), *drive(1, two)) == 'ONE'
    assert run(t, *drive(0, one), *drive(1, two, bootindex=0)) == 'TWO'
    assert run(t, *drive(0, one, bootindex=7),
               *drive(1, two, bootindex=3), '-boot', 'strict=on') == 'TWO'
    assert run(t, *drive(0, one, addr='5'), *drive(1, two, addr='4')) == 'TWO'


def test_power_button(t: Test) -> None:
    img = disk(t, 'a', 'PRESSED', 'button', 'console', 'off')
    f = t.ferry('-chardev', 'ringbuf,id=c', '-device', 'isa-serial,chardev=c',
                *drive(0, img), '-machine', 'graphics=off')
    f.ring_until('c', 'Booting from Hard Disk')
    f.qmp.cmd('system_powerdown')
    f.qmp.event('POWERDOWN')
    assert f.qmp.event('SHUTDOWN')['data']['reason'] == 'guest-shutdown'
    assert f.wait() == 0


def test_resets(t: Test) -> None:
    for way in ('cf9', 'port92', 'pulse', 'triple'):
        img = disk(t, way, 'AGAIN', 'once', way, 'console', 'off')
        f = t.ferry('-chardev', 'ringbuf,id=c', '-device',
                    'isa-serial,chardev=c', '-action', 'shutdown=pause',
                    *drive(0, img))
        assert f.qmp.event('RESET')['data']['guest'], way
        f.qmp.event('SHUTDOWN')
        assert f.qmp.cmd('ringbuf-read', device='c', size=100) == 'AGAIN'
        assert f.quit() == 0


def test_pci(t: Test) -> None:
    img = disk(t, 'a', 'UP', 'console', 'button', 'off')
    f = t.ferry('-chardev', 'ringbuf,id=c', '-device', 'isa-serial,chardev=c',
                *drive(0, img, addr='6.0', id='vd', multifunction='on'),
                '-device', 'virtio-rng-pci,addr=06.2')
    f.ring_until('c', 'UP')
    bus, = f.qmp.cmd('query-pci')
    at = {(d['slot'], d['function']): d for d in bus['devices']}
    assert {(0, 0), (1, 0), (1, 1), (1, 3), (6, 0), (6, 2)} == set(at), at
    assert (at[0, 0]['id']['vendor'], at[0, 0]['id']['device']) == \
        (0x8086, 0x1237)
    vd = at[6, 0]
    assert vd['qdev_id'] == 'vd' and vd['irq_pin'] == 1, vd
    assert vd['irq'] in (10, 11), vd
    seen = []
    for d in bus['devices']:
        for r in d['regions']:
            assert r['address'] > 0 or r['bar'] == 6, (d, r)
            assert r['address'] % r['size'] == 0 or r['address'] == -1, r
            if r['address'] > 0 and r['type'] == 'memory':
                seen.append((r['address'], r['address'] + r['size']))
    seen.sort()
    assert all(a[1] <= b[0] for a, b in zip(seen, seen[1:])), seen
    text = f.qmp.hmp('info pci')
    assert re.search(r'Bus  0, device   6, function 0:\s+SCSI controller: PCI '
                     r'device 1af4:1001', text), text
    f.qmp.cmd('system_powerdown')
    assert f.wait() == 0


def test_machine_without_acpi(t: Test) -> None:
    img = disk(t, 'a', 'UP', 'console', 'off')
    f = t.ferry('-no-acpi', '-no-hpet', '-chardev', 'ringbuf,id=c', '-device',
                'isa-serial,chardev=c', *drive(0, img))
    f.ring_until('c', 'UP')
    bus, = f.qmp.cmd('query-pci')
    assert (1, 3) not in {(d['slot'], d['function']) for d in bus['devices']}
    assert f.quit() == 0


def test_refusals(t: Test) -> None:
    img, two = disk(t, 'a', 'x', 'off'), disk(t, 'b', 'x', 'off')
    for args, why in (
            (('-boot', 'order=x'), "'x' is not one of"),
            (('-boot', 'order=cadn'), 'more than 3'),
            (('-boot', 'splash-time=70000'), '65535'),
            ((*drive(0, img, bootindex=1), *drive(1, two, bootindex=1)),
             'bootindex 1'),
            (drive(0, img, addr='1'), 'slot 1 function 0'),
            (drive(0, img, addr='40'), "'40' is not SLOT"),
            ((*drive(0, img, addr='5'),
              '-device', 'virtio-rng-pci,addr=5.1'), 'multifunction'),
            (drive(0, img, romfile='/nonexistent'), 'not found'),
            (('-fw_cfg', 'name=opt/a,string=b,file=c'), "'opt/a'"),
    ):
        r = subprocess.run([str(ferrytest.FERRY), '-nodefaults', '-display',
                            'none', *map(str, args)],
                           stdin=subprocess.DEVNULL, capture_output=True,
                           text=True, timeout=ferrytest.TIMEOUT)
        assert r.returncode == 1 and why in r.stderr, (args, r)


def test_no_hotplug(t: Test) -> None:
    f = t.ferry('-S')
    try:
        f.qmp.cmd('device_add', driver='virtio-rng-pci')
    except ferrytest.QmpError as e:
        assert 'cannot be added' in str(e), e
    else:
        raise AssertionError('it was added')
    assert f.quit() == 0


if __name__ == '__main__':
    ferrytest.main()
