#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Screen, keyboard and mouse by QMP and the human monitor; the picture of a
firmware, and keys that it reads."""
import os
import struct
import zlib
from pathlib import Path

import ferrytest
from ferrytest import Qmp, QmpError, Skip, Test, wait_for
from linuxguest import Linux

BIOS = Path('/usr/share/seabios/bios-256k.bin')
# Firmware on a software CPU under a sanitizer.
BIOS_SECONDS = 6 * ferrytest.TIMEOUT


def expect_error(func, cls: str = 'GenericError') -> str:
    try:
        func()
    except QmpError as e:
        assert e.cls == cls, e
        return e.desc
    raise AssertionError('no error')


def read_ppm(path: Path) -> tuple[int, int, bytes]:
    data = path.read_bytes()
    magic, size, top, pixels = data.split(b'\n', 3)
    width, height = map(int, size.split())
    assert magic == b'P6' and top == b'255', data[:20]
    assert len(pixels) == width * height * 3, len(pixels)
    return width, height, pixels


def read_png(path: Path) -> tuple[int, int, bytes]:
    data = path.read_bytes()
    assert data[:8] == b'\x89PNG\r\n\x1a\n'
    at, packed = 8, b''
    while at < len(data):
        n, kind = struct.unpack_from('>I4s', data, at)
        body = data[at + 8:at + 8 + n]
        assert zlib.crc32(kind + body) == struct.unpack_from(
            '>I', data, at + 8 + n)[0]
        if kind == b'IHDR':
            width, height, depth, color = struct.unpack_from('>IIBB', body)
            assert (depth, color) == (8, 2)
        if kind == b'IDAT':
            packed += body
        at += 12 + n
    raw = zlib.decompress(packed)
    bpp, stride = 3, width * 3
    rows, above = [], bytes(stride)
    for y in range(height):
        kind = raw[y * (stride + 1)]
        row = bytearray(raw[y * (stride + 1) + 1:(y + 1) * (stride + 1)])
        if kind or any(row):
            for x in range(stride):
                a = row[x - bpp] if x >= bpp else 0
                b = above[x]
                c = above[x - bpp] if x >= bpp else 0
                paeth = min((abs(b - c), 0, a), (abs(a - c), 1, b),
                            (abs(a + b - 2 * c), 2, c))[2]
                row[x] = (row[x] + (0, a, b, (a + b) // 2, paeth)[kind]) & 255
        above = bytes(row)
        rows.append(above)
    return width, height, b''.join(rows)


def dump(t: Test, q: Qmp, name: str = 'screen.ppm') -> tuple[int, int, bytes]:
    path = t.path(name)
    q.cmd('screendump', filename=str(path))
    return read_ppm(path)


def test_picture_files(t: Test) -> None:
    q = t.ferry('-S', '-vga', 'std').qmp
    width, height, pixels = dump(t, q)
    assert (width, height) == (640, 480) and not any(pixels)
    q.cmd('screendump', filename=str(t.path('a.png')), format='png')
    assert read_png(t.path('a.png')) == (width, height, pixels)
    assert q.hmp(f"screendump {t.path('b.png')} -f png") == ''
    assert t.path('b.png').read_bytes() == t.path('a.png').read_bytes()
    # A file that was longer is cut.
    t.path('c.ppm').write_bytes(bytes(2 << 20))
    q.cmd('screendump', filename=str(t.path('c.ppm')))
    read_ppm(t.path('c.ppm'))
    error = expect_error(lambda: q.cmd(
        'screendump', filename=str(t.path('no/such/folder'))))
    assert 'No such file' in error and 'no/such/folder' in error, error
    if os.path.exists('/dev/full'):
        error = expect_error(lambda: q.cmd('screendump', filename='/dev/full',
                                           format='png'))
        assert '/dev/full' in error, error
    assert 'gif' in q.hmp('screendump /tmp/x -f gif')


def test_screendump_does_not_block(t: Test) -> None:
    """The file is a FIFO that nobody reads: other commands are answered."""
    f = t.ferry('-S', '-vga', 'std', monitors=2)
    fifo = t.path('fifo')
    os.mkfifo(fifo)
    f.qmp.send('screendump', arguments={'filename': str(fifo)})
    q = f.connect_qmp(1)
    assert q.cmd('query-mice') # runs in the main loop
    q.close()
    with open(fifo, 'rb') as r:
        assert len(r.read()) == len(b'P6\n640 480\n255\n') + 640 * 480 * 3
    assert 'return' in f.qmp.reply()


def test_heads_and_devices(t: Test) -> None:
    q = t.ferry('-nodefaults', '-S', '-device', 'bochs-display,id=d0',
                '-device', 'VGA,id=d1').qmp
    for device in ('d0', 'd1', '/machine/peripheral/d1'):
        q.cmd('screendump', filename=str(t.path('x')), device=device, head=0)
    name = str(t.path('x'))
    expect_error(lambda: q.cmd('screendump', filename=name, device='none'),
                 'DeviceNotFound')
    assert 'head 3' in expect_error(lambda: q.cmd(
        'screendump', filename=name, device='d0', head=3))
    expect_error(lambda: q.cmd('screendump', filename=name, head=0))
    q = t.ferry('-nodefaults', '-S').qmp
    assert 'no graphics card' in expect_error(
        lambda: q.cmd('screendump', filename=name))
    assert 'cirrus' in t.fails('-vga', 'cirrus')


def test_mice(t: Test) -> None:
    q = t.ferry('-S', '-vga', 'std').qmp
    mice = q.cmd('query-mice')
    assert mice == [{'name': 'QEMU PS/2 Mouse', 'index': mice[0]['index'],
                     'current': True, 'absolute': False}], mice
    assert '* Mouse #' in q.hmp('info mice')
    assert q.hmp(f"mouse_set {mice[0]['index']}") == ''
    assert 'no mouse' in q.hmp('mouse_set 99')
    for line in ('mouse_move 3 -4', 'mouse_move 1 1 -1', 'mouse_button 7',
                 'mouse_button 0'):
        assert q.hmp(line) == '', line
    assert q.cmd('query-display-options') == {'type': 'none'}


def test_events(t: Test) -> None:
    q = t.ferry('-S', '-vga', 'std').qmp

    def key(key: dict, down: bool) -> dict:
        return {'type': 'key', 'data': {'down': down, 'key': key}}

    a = {'type': 'qcode', 'data': 'a'}
    q.cmd('input-send-event', events=[
        key(a, True), key(a, False),
        key({'type': 'number', 'data': 0x1e}, True),
        key({'type': 'number', 'data': 0x1e}, False),
        {'type': 'rel', 'data': {'axis': 'x', 'value': -5}},
        {'type': 'btn', 'data': {'button': 'left', 'down': True}}])
    assert "'abs'" in expect_error(lambda: q.cmd(
        'input-send-event',
        events=[{'type': 'abs', 'data': {'axis': 'x', 'value': 1}}]))
    assert '4660' in expect_error(lambda: q.cmd(
        'input-send-event', events=[key({'type': 'number', 'data': 0x1234},
                                        True)]))
    q.cmd('send-key', keys=[{'type': 'qcode', 'data': 'ctrl'}, a])
    q.cmd('send-key', keys=[a], **{'hold-time': 1})
    expect_error(lambda: q.cmd('send-key', keys=[a], **{'hold-time': -1}))
    expect_error(lambda: q.cmd('send-key', keys=[a] * 17))
    assert q.hmp('sendkey ctrl-alt-f1 5') == ''
    assert q.hmp('sendkey 0x1e-a') == ''
    assert "'nokey'" in q.hmp('sendkey ctrl-nokey')


def lit(pixels: bytes) -> int:
    return sum(1 for b in pixels[::3] if b)


def test_firmware_screen_and_keyboard(t: Test) -> None:
    """SeaBIOS shows its text, reads a key and shows its boot menu."""
    if not BIOS.exists():
        raise Skip('no SeaBIOS')
    q = t.ferry('-vga', 'std', '-boot', 'menu=on,splash-time=60000').qmp

    def shown() -> tuple | None:
        picture = dump(t, q)
        return picture if lit(picture[2]) > 500 else None

    width, height, first = wait_for(shown, 'a text', BIOS_SECONDS)
    assert (width, height) == (720, 400), (width, height)

    def menu() -> bool:
        q.cmd('send-key', keys=[{'type': 'qcode', 'data': 'esc'}])
        return lit(dump(t, q)[2]) > lit(first) + 500

    wait_for(menu, 'the boot menu', BIOS_SECONDS)


# Mode 13h: pixel (x, y) gets colour y - x (mod 256).
MODE_13H = bytes.fromhex(
    'b81300cd10'                # mov ax, 13h; int 10h
    'b800a08ec031ff31d2'        # es = a000h, di = 0, dx = 0
    'b94001' '88c800d0aae2f9'   # cx = 320; al = cl + dl; stosb; loop
    '4281fac80075ef' 'f4ebfd')  # next of 200 lines; hlt
# VESA mode 101h by banks of 64 KiB: a byte is its address / 256 + the bank.
MODE_101H = bytes.fromhex(
    'b8024fbb0101cd10' 'b800a08ec031d2'
    'b8054f31db52cd105a31ff31c9'   # bank dx; di = 0, cx = 0
    '89f888e000d0aae2f7' '4283fa0575e4' 'f4ebfd')


def boot_picture(t: Test, code: bytes, width: int, height: int, right) -> None:
    """Boot @code; its picture becomes one of that size that is @right()."""
    if not BIOS.exists():
        raise Skip('no SeaBIOS')
    t.path('disk').write_bytes(
        (code.ljust(510, b'\0') + b'\x55\xaa').ljust(1 << 20, b'\0'))
    q = t.ferry('-accel', 'soft', '-vga', 'std', '-hda', t.path('disk')).qmp

    def drawn() -> bool:
        w, h, pixels = dump(t, q)
        return (w, h) == (width, height) and right(pixels)
    wait_for(drawn, 'the picture', BIOS_SECONDS)


def test_mode_13h(t: Test) -> None:
    def right(p: bytes) -> bool:
        def at(x: int, y: int) -> bytes:
            return p[3 * (y * 640 + x):][:3]
        square = all(at(2 * x + dx, 2 * y + dy) == at(2 * x, 2 * y)
                     for x, y in ((0, 0), (17, 3), (319, 199), (5, 60))
                     for dx, dy in ((1, 0), (0, 1), (1, 1)))
        # cx counts down: colours go along the diagonal.
        diagonal = all(at(2 * (x + d), 2 * d) == at(2 * x, 0)
                       for x in (0, 50, 100) for d in range(1, 200))
        return square and diagonal and len({at(2 * x, 0)
                                            for x in range(320)}) > 100
    boot_picture(t, MODE_13H, 640, 400, right)


def test_vesa_banks(t: Test) -> None:
    def right(p: bytes) -> bool:
        # Runs of 256 bytes of one colour, over the ends of lines and banks.
        runs = [p[3 * a:3 * (a + 256)] for a in range(0, 640 * 480, 256)]
        return (all(r == r[:3] * 256 for r in runs) and len(set(runs)) >= 8
                and runs[1:4] == runs[256:259] != runs[257:260])
    boot_picture(t, MODE_101H, 640, 480, right)


def test_linux_keyboard(t: Test) -> None:
    """What send-key types reaches a shell on the first virtual terminal."""
    g = Linux(t, '-accel', 'soft', '-vga', 'std')
    # Leader of a session of its own, so the terminal becomes its own.
    g.run("(setsid sh -c 'exec sh </dev/tty1 >/dev/tty1 2>&1' &)")
    q = g.ferry.qmp
    for key in [*'echo', 'spc', *'typed', 'spc', 'shift-dot', 'spc', 'slash',
                *'out', 'ret']:
        q.hmp(f'sendkey {key} 20')
    wait_for(lambda: 'typed' in g.run('cat /out 2>/dev/null; true'),
             'the typed line', BIOS_SECONDS)
    g.power_off()


if __name__ == '__main__':
    ferrytest.main()
