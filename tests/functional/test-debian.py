#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A whole Debian system on a disk: SeaBIOS, GRUB, systemd, a login on the
serial port, and real work: dpkg, gcc, Python, OpenSSL, apt.

Slow: the image is made by debootstrap (scripts/guest-disk), which needs root.
It is kept in build/linux/ and copied for each test.
"""
import hashlib
import http.server
import os
import re
import threading
from functools import partial
from pathlib import Path

import ferrytest
from ferrytest import Skip, Test
from linuxguest import BOOT_SECONDS, Linux, PROMPT, SOURCE

DISK = SOURCE / 'build/linux/debian.raw'
WORK_SECONDS = 4 * BOOT_SECONDS


def disk(t: Test) -> Path:
    if os.geteuid():
        raise Skip('making the disk needs root')
    t.requires('debootstrap', 'grub-mkimage', 'mke2fs')
    if not DISK.exists():
        DISK.parent.mkdir(parents=True, exist_ok=True)
        t.run(SOURCE / 'scripts/guest-disk', DISK, '--size', '3G', '--include',
              'gcc,libc6-dev,python3,openssl,make', timeout=1200)
    copy = t.path('disk.raw')
    t.run('cp', '--sparse=always', DISK, copy, timeout=300)
    return copy


class Debian(Linux):
    """The same shell on the serial port, behind a BIOS and a boot loader."""

    def __init__(self, t: Test, image: Path, *args: str, bus: str = 'virtio',
                 accel: str = 'soft', memory: str = '768', **kw) -> None:
        self.test = t
        self.path = t.path('console')
        self.path.unlink(missing_ok=True)
        self.ferry = t.ferry(
            '-accel', accel, '-m', memory,
            '-drive', f'file={image},if={bus},format=raw',
            '-chardev', f'socket,id=console,path={self.path},server=on,wait=off',
            '-serial', 'chardev:console', *args, **kw)
        self.connect()
        self.wait_shell()

    def wait_shell(self) -> None:
        self.expect('GRUB loads Linux')
        self.expect(r'ferry-guest login: root \(automatic login\)', WORK_SECONDS)
        self.expect(re.escape(PROMPT))
        self.sock.sendall(b"bind 'set enable-bracketed-paste off'; stty -echo; "
                          b"dmesg -n 1; export TERM=dumb PS1='ferry-''guest# '"
                          b"; echo rea''dy\n")
        self.expect(r'ready\r\n' + PROMPT)

    def power_off(self) -> None:
        self.sock.sendall(b'poweroff\n')
        status = self.ferry.wait(WORK_SECONDS)
        assert status == 0, (status, self.ferry.output())


SUM_C = r'''
#include <stdio.h>
#include <math.h>
int main(void) {
    double s = 0; unsigned long h = 5381;
    for (int i = 1; i < 2000000; i++) { s += sqrt(i) / (i + 1.5); h = h * 33 ^ i; }
    printf("%.9f %lx\n", s, h);
}
'''
PYTHON = ("import hashlib,zlib,json,unittest,decimal;"
          "d=bytes(range(256))*4096;"
          "print(hashlib.sha256(d).hexdigest(),zlib.crc32(zlib.compress(d)),"
          "decimal.Decimal(2).sqrt(),json.dumps({'a':[1.5,None]}))")


def test_work(t: Test) -> None:
    g = Debian(t, disk(t), '-smp', '2')
    assert 'running' in g.run('systemctl is-system-running --wait || '
                              'systemctl --failed', timeout=WORK_SECONDS)
    assert g.run('nproc').strip() == '2'
    # gcc compiles a program, which computes what it computes outside.
    source = t.path('sum.c')
    source.write_text(SUM_C)
    t.run('gcc', '-O2', '-o', t.path('sum'), source, '-lm')
    g.run("cat > sum.c <<'EOF'\n" + SUM_C + 'EOF\ntrue', timeout=WORK_SECONDS)
    g.run('gcc -O2 -o sum sum.c -lm', timeout=WORK_SECONDS)
    assert g.run('./sum').strip() == t.run(t.path('sum')).stdout.strip()
    # 256 MiB through sha256sum.
    want = hashlib.sha256()
    for _ in range(256):
        want.update(bytes(1 << 20))
    got = g.run('dd if=/dev/zero bs=1M count=256 2> /dev/null | sha256sum',
                timeout=WORK_SECONDS)
    assert got.split()[0] == want.hexdigest()
    # Python and its libraries.
    want = t.run('/usr/bin/python3', '-c', PYTHON).stdout
    got = g.run(f'python3 -c "{PYTHON}"', timeout=WORK_SECONDS)
    assert got == want, (got, want)
    g.run('python3 -m test.test_support --help > /dev/null 2>&1; '
          'python3 -c "import this" | wc -l', timeout=WORK_SECONDS)
    # OpenSSL with whatever it finds in the CPU.
    out = g.run('openssl speed -seconds 1 -evp aes-128-gcm 2>&1 | tail -1; '
                'openssl speed -seconds 1 sha256 2>&1 | tail -1',
                timeout=WORK_SECONDS)
    assert 'AES-128-GCM' in out and 'sha256' in out, out
    g.run('openssl rand -out r 100000; openssl enc -aes-256-ctr -K 00 -iv 00 '
          '-in r -out e 2>/dev/null; openssl enc -d -aes-256-ctr -K 00 -iv 00 '
          '-in e -out d 2>/dev/null; cmp r d', timeout=WORK_SECONDS)
    # The package manager, and the disk under it.
    g.run('dpkg --audit; dpkg -l > /dev/null; dpkg -V coreutils',
          timeout=WORK_SECONDS)
    assert 'clean' in g.run('e2fsck -n /dev/vda1 2>&1 | tail -1; echo clean')
    g.power_off()


def serve(directory: Path) -> http.server.ThreadingHTTPServer:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(
        ('127.0.0.1', 0), partial(Quiet, directory=str(directory)))
    threading.Thread(target=server.serve_forever).start()
    return server


def test_apt(t: Test) -> None:
    """apt-get through user networking, from an archive on this host."""
    t.requires('dpkg-deb', 'apt-ftparchive')
    archive, tree = t.path('archive'), t.path('tree')
    (tree / 'DEBIAN').mkdir(parents=True)
    (tree / 'usr/bin').mkdir(parents=True)
    archive.mkdir()
    (tree / 'DEBIAN/control').write_text(
        'Package: ferry-hello\nVersion: 1.0\nArchitecture: all\n'
        'Maintainer: Nobody <nobody@localhost>\nDescription: says hello\n')
    hello = tree / 'usr/bin/ferry-hello'
    hello.write_text('#!/bin/sh\necho hello from the package\n')
    hello.chmod(0o755)
    t.run('dpkg-deb', '-b', tree, archive / 'ferry-hello_1.0_all.deb')
    (archive / 'Packages').write_text(
        t.run('apt-ftparchive', 'packages', '.', cwd=archive).stdout)
    server = serve(archive)
    try:
        g = Debian(t, disk(t), '-nic', 'user')
        g.run('until ip -4 addr show up scope global | grep -q inet; do '
              'sleep 0.2; done')
        g.run(f'echo "deb [trusted=yes] http://10.0.2.2:{server.server_port} '
              './" > /etc/apt/sources.list')
        g.run('apt-get update -q 2>&1', timeout=WORK_SECONDS)
        g.run('apt-get install -y -q ferry-hello 2>&1', timeout=WORK_SECONDS)
        assert g.run('ferry-hello').strip() == 'hello from the package'
        g.power_off()
    finally:
        server.shutdown()
        server.server_close()


def test_ide(t: Test) -> None:
    """The same image on the IDE controller; nothing is lost in a reboot."""
    g = Debian(t, disk(t), bus='ide')
    g.run('dd if=/dev/urandom of=/root/random bs=1M count=32 2> /dev/null; sync')
    before = g.run('sha256sum /root/random', timeout=WORK_SECONDS)
    g.sock.sendall(b'reboot\n')
    g.wait_shell()
    assert g.run('sha256sum /root/random', timeout=WORK_SECONDS) == before
    g.power_off()


if __name__ == '__main__':
    ferrytest.main()
