#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The machine as a guest and its user see it: the stress guest under KVM."""
import hashlib
import re
import socket
import subprocess
import time

import ferrytest
from ferrytest import BUILD, FERRY, QmpError, STRESS, Test, read_until, wait_for

PVH = BUILD / 'guest/stress-pvh.elf'
EXIT = ('-device', 'isa-debug-exit')


def run_guest(t: Test, append: str, *args, kernel=STRESS, status: int = 1,
              expect: str = '') -> str:
    """Run the guest to its end; returns what it said on COM1."""
    t.requires_kvm()
    out = t.path('com1')
    r = subprocess.run(
        [str(FERRY), '-nodefaults', '-display', 'none', *EXIT,
         '-kernel', str(kernel), '-append', append,
         '-chardev', f'file,id=com1,path={out}',
         '-device', 'isa-serial,chardev=com1', *map(str, args)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=ferrytest.TIMEOUT)
    assert r.returncode == status, (r.returncode, r.stderr)
    text = out.read_text()
    assert text.startswith('A'), text
    assert re.search(expect, text), (expect, text)
    return text


def refused(t: Test, *args) -> str:
    r = subprocess.run([str(FERRY), '-nodefaults', '-display', 'none',
                        *map(str, args)], stdin=subprocess.DEVNULL,
                       capture_output=True, text=True,
                       timeout=ferrytest.TIMEOUT)
    assert r.returncode == 1, (r.returncode, r.stderr)
    return r.stderr


def test_boot_protocols(t: Test) -> None:
    for kernel, name in ((STRESS, 'multiboot'), (PVH, 'pvh')):
        text = run_guest(t, 'mem=1M passes=2 rate=0 exit=3', kernel=kernel,
                         status=7, expect=f'boot {name} clock')
        assert len(re.findall(r'pass \d cpu 0 .* pages 256', text)) == 2, text


def test_modules(t: Test) -> None:
    data = bytes(range(256)) * 40
    one, two = t.path('one'), t.path('two')
    one.write_bytes(data)
    two.write_bytes(b'x')
    for kernel in (STRESS, PVH):
        run_guest(t, 'idle', '-initrd', f'{one} with arguments,{two}',
                  kernel=kernel,
                  expect=f'module 0 bytes {len(data)} sum {sum(data)}\n'
                         f'module 1 bytes 1 sum {ord("x")}\n')


def test_ram_sizes(t: Test) -> None:
    for size, usable in (('4M', 4), ('129M', 129), ('3584M', 3584),
                         ('3585M', 3585), ('6G', 6144)):
        text = run_guest(t, 'idle', '-m', size)
        ram = int(re.search(r' ram (\d+) ', text).group(1))
        # 640 KiB to 1 MiB is not RAM, and a page of it is the firmware's. The
        # ACPI tables take some pages at the end.
        tables = (usable << 20) - 0x61000 - ram
        assert 0 < tables <= 0x10000 and tables % 4096 == 0, (size, ram)
    run_guest(t, 'idle', '-m', '16M', '-machine', 'acpi=off',
              expect=f' ram {(16 << 20) - 0x61000} ')
    run_guest(t, 'mem=all rate=0 passes=1', '-m', '16M')


def test_smp(t: Test) -> None:
    for n, smp, model in ((2, '2', 'qemu64'), (4, '4,sockets=2,cores=2', 'host'),
                          (6, '6,sockets=2,cores=3,threads=1', 'max')):
        text = run_guest(t, f'mem=1M passes=1 rate=0 cpus={n}', '-smp', smp,
                         '-cpu', model, expect=f'cpus {n} ')
        assert len(re.findall('pass 1 cpu', text)) == n, text


def test_memory_backends(t: Test) -> None:
    f = t.path('ram')
    for backend in ('memory-backend-ram,prealloc=on,prealloc-threads=2',
                    'memory-backend-memfd,share=on',
                    f'memory-backend-file,share=on,mem-path={f}'):
        run_guest(t, 'mem=1M passes=1 rate=0 pattern=text', '-machine',
                  'pc,memory-backend=pc.ram', '-object',
                  f'{backend},id=pc.ram,size=32M', expect='ram 331[0-9]{5} ')
    assert b'memory' in f.read_bytes()[1 << 20:]


def test_rtc(t: Test) -> None:
    run_guest(t, 'idle rtc', '-rtc', 'base=2011-12-13T14:15:16',
              expect='rtc 2011-12-13T14:15:1[67]')
    text = run_guest(t, 'idle rtc', '-rtc', 'base=utc')
    said = re.search(r'rtc (\S+)', text).group(1)
    diff = time.mktime(time.strptime(said, '%Y-%m-%dT%H:%M:%S')) - \
        time.mktime(time.gmtime())
    assert abs(diff) < 10, said


def test_other_ports(t: Test) -> None:
    dbg, lpt, com2 = t.path('dbg'), t.path('lpt'), t.path('com2')
    run_guest(t, 'idle com=2 debugcon lpt',
              '-chardev', f'file,id=d,path={dbg}',
              '-device', 'isa-debugcon,chardev=d',
              '-chardev', f'file,id=p,path={lpt}',
              '-device', 'isa-parallel,chardev=p',
              '-chardev', f'file,id=s,path={com2}',
              '-device', 'isa-serial,chardev=s')
    assert 'stress boot' in com2.read_text()
    assert dbg.read_text() == lpt.read_text() == com2.read_text()


def test_reset_ways(t: Test) -> None:
    for end in ('reset', 'reset-92', 'reset-cf9', 'triple'):
        run_guest(t, f'idle end={end}', '-no-reboot', status=0)
    t.requires_kvm()
    f = t.ferry('-kernel', STRESS, '-append', 'idle end=reset',
                '-chardev', 'ringbuf,id=r', '-device', 'isa-serial,chardev=r')
    for _ in range(3):
        ev = f.qmp.event('RESET')
        assert ev['data'] == {'guest': True, 'reason': 'guest-reset'}, ev
    assert f.quit() == 0


def test_reset_keeps_the_kernel(t: Test) -> None:
    """A guest that wrote over everything starts anew all the same."""
    t.requires_kvm()
    f = t.ferry('-kernel', STRESS, '-append', 'mem=all pattern=random rate=0',
                '-m', '8M', '-smp', '2', '-chardev', 'ringbuf,id=r',
                '-device', 'isa-serial,chardev=r')
    q = f.qmp
    for n in range(3):
        f.ring_until('r', 'pass 1 ')
        q.cmd('system_reset')
    assert f.quit() == 0


def test_emulation_failure(t: Test) -> None:
    t.requires_kvm()
    f = t.ferry('-accel', 'kvm',
                '-kernel', STRESS, '-append', 'idle end=emulation',
                '-chardev', 'ringbuf,id=r', '-device', 'isa-serial,chardev=r')
    wait_for(lambda: f.qmp.cmd('query-status')['status'] == 'internal-error',
             'the error')
    assert not f.qmp.cmd('query-status')['running']
    assert '00000000f0000000' in f.output(), f.output()
    # A reset brings it to life again.
    f.qmp.cmd('system_reset')
    assert f.quit() == 0


def test_stop_cont(t: Test) -> None:
    t.requires_kvm()
    f = t.ferry('-S', '-kernel', STRESS, '-append', 'mem=400k rate=1000',
                '-chardev', 'ringbuf,id=r', '-device', 'isa-serial,chardev=r')
    q = f.qmp
    assert q.cmd('query-status')['status'] == 'prelaunch'
    assert q.cmd('ringbuf-read', device='r', size=4096) == ''
    q.cmd('cont')
    f.ring_until('r', 'pass 2')
    q.cmd('stop')
    time.sleep(0.1)
    q.cmd('ringbuf-read', device='r', size=4096)
    time.sleep(3)
    assert q.cmd('ringbuf-read', device='r', size=4096) == ''
    q.cmd('cont')
    text = f.ring_until('r', r'took \S+ pages[^$]*took \S+ pages')
    # The guest's clock stood still meanwhile.
    took = [float(x) for x in re.findall(r'took (\S+)', text)]
    assert max(took) < 2.5, text
    assert f.quit() == 0


def test_nothing_is_lost(t: Test) -> None:
    """A reader slower than the guest gets every byte, in order."""
    t.requires_kvm()
    f = t.ferry('-chardev', 'socket,id=s,host=127.0.0.1,port=0,server=on,'
                'wait=off', '-device', 'isa-serial,chardev=s', '-S',
                '-kernel', STRESS, '-append', 'mem=4k rate=0 passes=3000',
                *EXIT)
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.connect(('127.0.0.1', f.chardev_port('s')))
    t.any_status = True
    f.qmp.cmd('cont')
    data = b''
    while more := s.recv(1000):
        data += more
        if len(data) < 30000:
            time.sleep(0.005)
    s.close()
    numbers = [int(n) for n in re.findall(rb'pass (\d+) cpu', data)]
    assert numbers == list(range(1, 3001)), (len(numbers), data[-200:])
    assert f.wait() == 1


def test_echo(t: Test) -> None:
    """What is sent to a guest with a 16-byte FIFO comes back whole."""
    t.requires_kvm()
    f = t.ferry('-chardev', 'socket,id=s,host=127.0.0.1,port=0,server=on,'
                'wait=off', '-device', 'isa-serial,chardev=s',
                '-kernel', STRESS, '-append', 'idle echo end=halt', '-S')
    s = socket.create_connection(('127.0.0.1', f.chardev_port('s')))
    f.qmp.cmd('cont')
    read_until(s, 'end\r\n')
    data = b''.join(b'%05d,' % n for n in range(1000))
    s.sendall(data + b'.')
    got = read_until(s, r'\.')
    assert hashlib.sha256(got).digest() == hashlib.sha256(data + b'.').digest()
    s.close()
    assert f.quit() == 0


def test_thread_names(t: Test) -> None:
    t.requires_kvm()
    f = t.ferry('-accel', 'kvm', '-name', 'x,debug-threads=on', '-smp', '2',
                '-kernel', STRESS)
    cpus = f.qmp.cmd('query-cpus-fast')
    names = []
    for c in cpus:
        with open(f'/proc/{f.proc.pid}/task/{c["thread-id"]}/comm') as comm:
            names.append(comm.read().strip())
    assert names == ['CPU 0/KVM', 'CPU 1/KVM'], names
    for c in cpus:
        assert f.qmp.cmd('qom-get', path=c['qom-path'],
                         property='realized') is True
        unavailable = f.qmp.cmd('qom-get', path=c['qom-path'],
                                property='unavailable-features')
        assert isinstance(unavailable, list)
    assert f.quit() == 0


def test_queries(t: Test) -> None:
    t.requires_kvm()
    f = t.ferry('-S', '-smp', '2', '-machine', 'pc,memory-backend=m', '-object',
                'memory-backend-memfd,id=m,size=16M')
    q = f.qmp
    assert [(m['id'], m['size'], m['share']) for m in q.cmd('query-memdev')] \
        == [('m', 16 << 20, True)]
    places = q.cmd('query-hotpluggable-cpus')
    assert [p['props']['core-id'] for p in places] == [1, 0], places
    for name in ('host', 'max', 'qemu64'):
        model = q.raw('query-cpu-model-expansion',
                      {'type': 'static', 'model': {'name': name}})['model']
        assert model['name'] == 'base' and model['props']['lm'] is True, model
    model = q.raw('query-cpu-model-expansion',
                  {'type': 'full', 'model': {'name': 'qemu64',
                                             'props': {'lm': False}}})['model']
    assert model['name'] == 'qemu64' and model['props']['lm'] is False, model
    for model in ({'name': 'nosuch'}, {'name': 'host,+x'},
                  {'name': 'host', 'props': {'nosuch': True}},
                  {'name': 'host', 'props': 5}):
        try:
            q.raw('query-cpu-model-expansion', {'type': 'full', 'model': model})
        except QmpError:
            continue
        raise AssertionError(model)
    assert f.quit() == 0


def test_refusals(t: Test) -> None:
    t.requires_kvm()
    guest = ('-kernel', STRESS)
    for args, why in (
            (('-cpu', 'nosuch', *guest), "CPU model 'nosuch'"),
            (('-cpu', 'host,+nosuch', *guest), "CPU feature 'nosuch'"),
            (('-m', '1M', *guest), 'at least 2 MiB'),
            (('-m', '64M,slots=2,maxmem=1G', *guest), 'memory slots'),
            (('-smp', '3,cores=2', *guest), 'topology'),
            (('-smp', '1,maxcpus=2', *guest), 'maxcpus'),
            (('-kernel', __file__), 'Multiboot'),
            (('-kernel', t.path('none')), 'none'),
            (('-append', 'x'), '-kernel'),
            (('-machine', 'none', *guest), "'none' has no CPU"),
            (('-machine', 'pc,vmport=on', *guest), 'vmport=on'),
            (('-machine', 'pc,x-oem-id=FERRYXX', *guest), 'x-oem-id'),
            (('-bios', t.path('none')), 'firmware'),
            (('-bios', __file__), 'multiple of 64 KiB'),
            (('-fw_cfg', 'name=opt/a', *guest), "fw_cfg 'opt/a'"),
            (('-fw_cfg', f'name={"x" * 56},string=a', *guest), '1 to 55'),
            (('-smbios', 'type=1,vendor=x', *guest), "no 'vendor'"),
            (('-smbios', 'type=5', *guest), 'type='),
            (('-smbios', 'type=1,uuid=x', *guest), 'UUID'),
            (('-machine', 'pc,memory-backend=x', *guest), "backend 'x'"),
            (('-accel', 'nosuch', *guest), 'nosuch'),
            (('-rtc', 'base=never', *guest), 'never'),
            (('-device', 'nosuch'), 'nosuch'),
            (('-device', 'isa-serial,chardev=x'), "chardev 'x'"),
            (('-device', 'isa-serial,index=7'), 'index'),
            (('-device', 'isa-debugcon'), 'chardev'),
            (('-global', 'isa-serial.x=1', '-device', 'isa-serial'),
             '-global isa-serial.x=1'),
    ):
        message = refused(t, *args)
        assert why in message and message.count('\n') <= 2, (args, message)


def test_qemu_boots_the_guest(t: Test) -> None:
    """The guest is a plain one: the reference emulator runs it too."""
    qemu = 'qemu-system-x86_64'
    t.requires(qemu)
    for kernel in (STRESS, PVH):
        r = t.run(qemu, '-accel', 'tcg', '-nodefaults', '-display', 'none',
                  '-nic', 'none', '-no-reboot', '-m', '64', '-smp', '2',
                  '-kernel', kernel, '-append',
                  'mem=1M cpus=2 passes=1 rate=0 exit=5', *EXIT,
                  '-serial', 'stdio', check=False)
        assert r.returncode == 11, (r.returncode, r.stdout, r.stderr)
        assert r.stdout.count('pass 1 cpu') == 2, r.stdout


if __name__ == '__main__':
    ferrytest.main()
