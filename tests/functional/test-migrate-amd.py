#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Migration on true kvm_amd, wherever the tests run: in a virtual machine whose
processor has SVM, emulated by the peer (qemu-system-x86, TCG), with a stock
Debian kernel. The file system of this host is there read-only, so that the tests
themselves run inside: a Linux guest by each technique, then the whole matrix.

Slow: a processor that is emulated once, with a hypervisor on it.
"""
import os
import re
import subprocess
from pathlib import Path

import ferrytest
from ferrytest import BUILD, SOURCE, Skip, Test
from linuxguest import initrd, kernel

LIMIT = float(os.environ.get('FERRY_TEST_AMD_SECONDS', '1750'))
MODULES = ['virtio_pci', '9p', '9pnet_virtio', 'kvm_amd', 'tun']
# Laid over the read-only tree: what is this kernel's own, and space to write.
SETUP = '''
mkdir -p /host
mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144,cache=loose host /host
for m in proc sys dev; do mount --bind /$m /host/$m; done
mkdir -p /dev/shm && mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /host/run
ifconfig lo 127.0.0.1 up
# Reading thousands of modules' names over 9p would take long.
mkdir -p /host/run/linux/cloud/modules
cp /etc/vmlinuz /host/run/linux/cloud/
: > /host/run/linux/cloud/modules/modules.builtin
dmesg | grep -i 'kvm\\|svm' | tail -3
cd /host && exec chroot /host /usr/bin/env PATH=/usr/bin:/bin:/usr/sbin:/sbin \\
    FERRY_BUILD={build} FERRY_LINUX=/run/linux TMPDIR=/run FERRY_TEST_ACCEL=kvm \\
    FERRY_TEST_LONG=1 FERRY_TEST_TIMEOUT=120 \\
    /usr/bin/python3 {source}/tests/functional/{test}
'''


def inside(t: Test, test: str) -> str:
    """Output of a test that ran in the machine; it must be ok."""
    t.requires('qemu-system-x86_64')
    if os.geteuid():
        raise Skip('files of all owners are read: needs root')
    generic = kernel('generic')
    rd = initrd(t, MODULES, [f'{kernel("cloud") / "vmlinuz"}:etc/vmlinuz'],
                SETUP.format(build=BUILD, source=SOURCE, test=test),
                flavour='generic')
    log = t.path('console')
    with open(log, 'wb') as f:
        p = t.spawn(
            'qemu-system-x86_64', '-accel', 'tcg,thread=multi', '-cpu', 'EPYC',
            '-machine', 'q35', '-smp', '2', '-m', '3072', '-nodefaults',
            '-no-user-config', '-display', 'none', '-nic', 'none',
            '-no-reboot', '-serial', 'stdio', '-virtfs',
            'local,path=/,mount_tag=host,security_model=none,'
            'multidevs=remap,readonly=on',
            '-kernel', generic / 'vmlinuz', '-initrd', rd, '-append',
            'console=ttyS0 quiet panic=-1 ferry.run=/etc/run',
            stdin=subprocess.DEVNULL, stdout=f)
        try:
            p.wait(LIMIT)
        except subprocess.TimeoutExpired:
            pass
    text = Path(log).read_text(errors='replace').replace('\r', '')
    for line in text.splitlines():
        if line.startswith('# '):
            print(line, flush=True)
    assert 'ferry-init: exit 0' in text, text[-6000:]
    return text


def test_linux(t: Test) -> None:
    text = inside(t, 'test-migrate-linux.py')
    for name in ('techniques', 'shared_memory', 'dirty_ring'):
        assert re.search(f'^ok . test_{name}', text, re.M), text[-3000:]


def test_matrix(t: Test) -> None:
    text = inside(t, 'test-migrate-matrix.py test_kvm')
    assert re.search('^ok 1 test_kvm ', text, re.M), text[-3000:]


def test_matrix_tls(t: Test) -> None:
    text = inside(t, 'test-migrate-matrix.py test_kvm_tls')
    assert re.search('^ok 1 test_kvm_tls ', text, re.M), text[-3000:]


if __name__ == '__main__':
    ferrytest.main()
