# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of the image tools share: our programs beside QEMU's."""
from __future__ import annotations

import os
import random
import re
from pathlib import Path

import ferrytest
from ferrytest import BUILD, Test

IMG = BUILD / 'tools/ferry-img'
IO = BUILD / 'tools/ferry-io'
KIB = 1024
MIB = 1024 * KIB


def img(t: Test, *args, **kw):
    return t.run(IMG, *args, **kw)


def qemu_img(t: Test, *args, **kw):
    """On a busy host it may fail to measure PBKDF2, and says so."""
    for _ in range(20):
        r = t.run('qemu-img', *args, check=False, **kw)
        if 'accurate CPU usage' not in r.stderr:
            break
    assert r.returncode == 0, (args, r)
    return r


def io(t: Test, *args, **kw):
    """ferry-io: options and files as they are, commands behind '-c'."""
    return t.run(IO, *args, **kw)


def fails(t: Test, status: int, *words: str, argv: tuple) -> str:
    """Run ferry-img, which must end with @status and say @words."""
    r = img(t, *argv, check=False)
    text = r.stdout + r.stderr
    assert r.returncode == status, (argv, r.returncode, text)
    for w in words:
        assert w in text, (argv, w, text)
    return text


def commands(lines: list[str]) -> list[str]:
    return [w for line in lines for w in ('-c', line)]


def timeless(text: str) -> str:
    """Without times and rates, and with one program's name for both."""
    text = re.sub(r'; [0-9:.]+ sec \(.*\)', '', text)
    text = re.sub(r'ops; [0-9:.]+ \(.*\)', 'ops', text)
    text = re.sub(r',\d+:\d\d:\d\d\.\d\d,[\d.]+,[\d.]+', ',T', text)
    return re.sub(r'\b(qemu|ferry)-(img|io)\b', r'\2', text)


def make_raw(path: Path, size: int = 4 * MIB, seed: int = 1) -> bytes:
    """Random pieces, written zeroes and holes; returns the contents."""
    rng = random.Random(seed)
    data = bytearray(size)
    with open(path, 'wb') as f:
        f.truncate(size)
        at = 0
        while at < size:
            n = min(size - at, rng.choice((512, 4096, 65536, 200000, 300 * KIB)))
            kind = rng.randrange(3)
            if kind == 0:
                piece = rng.randbytes(n)
                data[at:at + n] = piece
                f.seek(at)
                f.write(piece)
            elif kind == 1:
                f.seek(at)
                f.write(bytes(n))
            at += n
        f.truncate(size)
    return bytes(data)


def contents(t: Test, path: Path, fmt: str | None = None) -> bytes:
    """An image's disk as qemu-img reads it."""
    out = t.path('contents.tmp')
    t.run('qemu-img', 'convert', *(['-f', fmt] if fmt else []), '-O', 'raw',
          path, out)
    data = out.read_bytes()
    out.unlink()
    return data


def allocated(path: Path) -> int:
    return os.stat(path).st_blocks * 512
