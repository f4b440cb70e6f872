#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""scripts/analyze-stream against streams that the emulator's code writes, and
against bytes written by hand: each checks the other.

  test-analyze-stream.py ANALYZER STREAM-SAMPLE
"""
import json
import os
import struct
import subprocess
import sys
import tempfile
import zlib

ANALYZER, SAMPLE = sys.argv[1:3]
PAGE = 4096
number = 0
failed = 0


def check(name, ok, detail=''):
    global number, failed
    number += 1
    failed += not ok
    print(f"{'ok' if ok else 'not ok'} {number} {name}")
    if not ok:
        print(f'# {detail}')


def analyze(data, *args, cwd=None):
    with tempfile.NamedTemporaryFile() as f:
        f.write(data)
        f.flush()
        return subprocess.run([sys.executable, os.path.abspath(ANALYZER), '-f',
                               f.name, *args], capture_output=True, text=True,
                              cwd=cwd, timeout=30, check=False)


def sample(kind):
    return subprocess.run([SAMPLE, kind], capture_output=True, check=True,
                          timeout=30).stdout


def be(n, value):
    return value.to_bytes(n, 'big')


def counted(text):
    return bytes([len(text)]) + text


def hand_made(records, blocks=((b'pc.ram', 4 * PAGE),), config=b''):
    """Header, configuration, one ram section of the records, EOF."""
    total = sum(size for _, size in blocks)
    listed = b''.join(counted(n) + be(8, size) for n, size in blocks)
    footer = b'\x7e' + be(4, 5)
    return (b'QEVM' + be(4, 3) + b'\x07' + be(4, 2) + b'pc' + config +
            b'\x01' + be(4, 5) + counted(b'ram') + be(4, 0) + be(4, 4) +
            be(8, total | 0x04) + listed + be(8, 0x10) + footer +
            b'\x03' + be(4, 5) + records + be(8, 0x10) + footer + b'\0')


def test_precopy():
    data = sample('precopy')
    run = analyze(data)
    check('precopy is understood', run.returncode == 0, run.stderr)
    state = json.loads(run.stdout)
    check('configuration', state['configuration'] == {'machine': 'pc'})
    ram = state['ram (0)']
    check('kinds of pages', ram['pc.ram']['pages'] ==
          {'normal': 2, 'zero': 1, 'xbzrle': 1}, ram)
    dev = state['sample (0)']
    want = {'b': True, 'i8': '-2', 'u64': '0xd0e0f1011121314',
            'equal': '0x11223344', 'doubles': 1.0,
            'timer': 0x7000000000000001, 'timer_ptr': -1, 'buffer': '61 62 63',
            'array': ['0x102', '0x304'],
            'grid': ['0x21', '0x22', '0x23', '0x24'],
            'point': {'x': '0x71', 'y': '0x7273'}, 'vpoint': {'x': '0x74'},
            'points': [{'x': '0x0', 'y': '0x0'}, {'x': '0x81', 'y': '0x8283'}],
            'point_ptrs': [{'x': '0x91', 'y': '0x9293'}, None,
                           {'x': '0x94', 'y': '0x9596'}],
            'tmp': {'half': '0x5'}, 'unused': '00 00', 'new_field': '0xb1'}
    for key, value in want.items():
        check(f'field {key}', dev.get(key) == value, dev.get(key))
    check('nested subsections', state['0000:00:02.0/sample (0)']
          ['sample/extra']['sample/extra/nested'] ==
          {'extra_nested': '0xc2'})
    check('device of the older form', state['old (0)'] ==
          {'data': b'old~form'.hex(' ')})
    run = analyze(data, '-m')
    memory = json.loads(run.stdout)['ram (0)']['pc.ram']['memory']
    first = bytearray(b'a' * PAGE)
    first[256:258] = b'XY'
    check('pages', memory == {f'0x{0:016x}': first.hex(),
                              f'0x{7 * PAGE:016x}': (b'z' * PAGE).hex()})
    run = analyze(data, '-d', 'desc')
    check('description', json.loads(run.stdout)['devices'][0]['vmsd_name'] ==
          'sample')


def test_extract():
    with tempfile.TemporaryDirectory() as where:
        analyze(sample('precopy'), '-x', cwd=where)
        check('extracted files', sorted(os.listdir(where)) ==
              ['desc.json', 'ram_pc.ram.bin', 'ram_pc.rom.bin', 'state.json'],
              os.listdir(where))
        with open(os.path.join(where, 'ram_pc.ram.bin'), 'rb') as f:
            ram = f.read()
        check('extracted RAM', len(ram) == 8 * PAGE and
              ram[7 * PAGE:] == b'z' * PAGE and ram[256:258] == b'XY')


def test_postcopy():
    run = analyze(sample('postcopy'), '-d', 'sections')
    lines = [' '.join(line.split()[:2]) for line in run.stdout.splitlines()]
    check('post-copy in order', lines == [
        'CONFIGURATION {"machine":', 'COMMAND OPEN_RETURN_PATH',
        'COMMAND PING', 'COMMAND POSTCOPY_ADVISE', 'START 0', 'PART 0',
        'COMMAND POSTCOPY_RAM_DISCARD', 'COMMAND PACKAGED',
        'COMMAND POSTCOPY_LISTEN', 'FULL 1', 'FULL 2', 'FULL 3',
        'COMMAND PING', 'COMMAND POSTCOPY_RUN', 'end of', 'END 0', 'EOF'],
        (lines, run.stderr))
    check('UUID', '30313233-3435-3637-3839-616263646566' in run.stdout)


def test_plain():
    """Neither configuration nor footers."""
    run = analyze(sample('plain'))
    check('without footers', run.returncode == 0 and
          json.loads(run.stdout)['sample (0)']['new_field'] == '0xb1',
          run.stderr)


def test_by_hand():
    page = bytes(range(256)) * 16
    packed = zlib.compress(page)
    run = analyze(hand_made(
        be(8, PAGE | 0x100) + counted(b'pc.ram') + be(4, len(packed)) + packed +
        be(8, 0x80) + be(8, 2 * PAGE | 0x02 | 0x20) + b'\0'), '-m')
    check('compressed page', run.returncode == 0 and
          json.loads(run.stdout)['ram (0)']['pc.ram']['memory'] ==
          {f'0x{PAGE:016x}': page.hex()}, run.stderr)

    caps = (b'\x05' + counted(b'configuration/capabilities') + be(4, 1) +
            be(4, 1) + counted(b'x-ignore-shared'))
    gpa = hand_made(b'', config=caps).replace(
        counted(b'pc.ram') + be(8, 4 * PAGE),
        counted(b'pc.ram') + be(8, 4 * PAGE) + be(8, 0x100000))
    run = analyze(gpa)
    check('address with x-ignore-shared', run.returncode == 0, run.stderr)


def test_mapped():
    """A block of 70 pages, of which 0 and 65 are there."""
    caps = (b'\x05' + counted(b'configuration/capabilities') + be(4, 1) +
            be(4, 1) + counted(b'mapped-ram'))
    size = 70 * PAGE
    whole = hand_made(b'', ((b'pc.ram', size),), caps)
    cut = whole.index(counted(b'pc.ram')) + 7 + 8
    bitmap_at, pages_at = cut + 28, 1 << 20
    header = be(4, 1) + be(8, PAGE) + be(8, bitmap_at) + be(8, pages_at)
    data = bytearray(whole[:cut] + header + struct.pack('<QQ', 1, 2))
    data += bytes(pages_at + size - len(data))
    data[pages_at:pages_at + PAGE] = b'A' * PAGE
    data[pages_at + PAGE:pages_at + 2 * PAGE] = b'-' * PAGE  # has no bit
    data[pages_at + 65 * PAGE:pages_at + 66 * PAGE] = b'B' * PAGE
    run = analyze(bytes(data) + whole[cut:], '-m')
    check('mapped RAM', run.returncode == 0 and
          json.loads(run.stdout)['ram (0)']['pc.ram'] ==
          {'size': f'0x{size:x}', 'pages': {'mapped': 2},
           'memory': {f'0x{0:016x}': (b'A' * PAGE).hex(),
                      f'0x{65 * PAGE:016x}': (b'B' * PAGE).hex()}},
          run.stderr or run.stdout[:300])


def test_refused():
    good = sample('precopy')
    cases = {
        'cut off': good[:len(good) // 2],
        'magic': b'QEVX' + good[4:],
        'trailing byte': hand_made(b'') + b'x',
        'footer': hand_made(b'').replace(b'\x7e' + be(4, 5), b'\x7e' + be(4, 6),
                                         1),
        'unknown flag': hand_made(be(8, 0x400)),
        'page beyond the block': hand_made(
            be(8, 4 * PAGE | 0x02) + counted(b'pc.ram') + b'\0'),
        'unknown block': hand_made(be(8, 0x02) + counted(b'foo') + b'\0'),
        'no block': hand_made(be(8, 0x22) + b'\0'),
        'xbzrle beyond the page': hand_made(
            be(8, 0x40) + counted(b'pc.ram') + b'\1' + be(2, 4) +
            b'\xff\x1f\x02X'),
        'section type': good[:15] + b'\x09' + good[16:],
    }
    for name, data in cases.items():
        run = analyze(data)
        check(f'{name} is refused', run.returncode == 1 and
              run.stderr.startswith('analyze-stream: '), run.stderr)


for test in (test_precopy, test_extract, test_postcopy, test_plain,
             test_by_hand, test_mapped, test_refused):
    test()
print(f'1..{number}')
sys.exit(1 if failed else 0)
