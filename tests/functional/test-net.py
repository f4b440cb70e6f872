#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest's network: DHCP, the host from inside, a port into the guest, the
cable pulled; each with the guest's own drivers and programs."""
import hashlib
import os
import socket

import ferrytest
from ferrytest import LONG, Skip, Test, free_port, wait_for
from linuxguest import Linux
from webserver import Web

MODULES = ['virtio_net', 'virtio_pci']
BYTES = (64 if LONG else 8) << 20


def up(g: Linux) -> None:
    g.run('ip link set lo up; ip link set eth0 up')
    # busybox leaves the configuration to a script.
    g.run("printf '#!/bin/sh\\n[ $1 = bound ] && ip addr add $ip/24 dev $interface "
          "&& ip route add default via $router\\n' > /tmp/dhcp; "
          'chmod +x /tmp/dhcp')
    g.run('udhcpc -q -n -f -i eth0 -s /tmp/dhcp')


def fetch_and_compare(t: Test, *args: str) -> None:
    data = os.urandom(BYTES)
    web = Web(data)
    try:
        g = Linux(t, '-accel', 'soft', *args, modules=MODULES)
        up(g)
        assert '10.0.2.15' in g.run('ip addr show eth0')
        got = g.run(f'wget -q -O - http://10.0.2.2:{web.port}/ | sha256sum')
        assert got.split()[0] == hashlib.sha256(data).hexdigest(), got
        g.power_off()
    finally:
        web.close()
        t.cleanup_ferries()


def test_nic(t: Test) -> None:
    fetch_and_compare(t, '-nic', 'user')


def test_variants(t: Test) -> None:
    for device in ('virtio-net-pci,packed=on',
                   'virtio-net-pci,mrg_rxbuf=off,ctrl_vq=off',
                   'virtio-net-pci,disable-modern=on,disable-legacy=off',
                   'virtio-net-pci-non-transitional,vectors=0'):
        fetch_and_compare(t, '-netdev', 'user,id=n', '-device',
                          f'{device},netdev=n,mac=52:54:00:aa:bb:cc')


def test_port_into_the_guest(t: Test) -> None:
    port, other = free_port(), free_port()
    g = Linux(t, '-accel', 'soft', '-nic',
              f'user,id=n,hostfwd=tcp:127.0.0.1:{port}-:7000', modules=MODULES)
    up(g)
    g.run('(nc -l -p 7000 -e /bin/cat &)')

    def echoes(p: int) -> bool:
        try:
            with socket.create_connection(('127.0.0.1', p), 5) as s:
                s.settimeout(5)
                s.sendall(b'into the guest\n')
                return s.recv(100) == b'into the guest\n'
        except OSError:
            return False
    wait_for(lambda: echoes(port), 'an echo through the forwarded port')
    g.ferry.qmp.hmp(f'hostfwd_add n tcp:127.0.0.1:{other}-:7001')
    g.run('(nc -l -p 7001 -e /bin/cat &)')
    wait_for(lambda: echoes(other), 'an echo through the second port')
    g.ferry.qmp.hmp(f'hostfwd_remove n tcp:127.0.0.1:{other}')
    assert not echoes(other)
    assert f'{port}' in g.ferry.qmp.hmp('info usernet')
    g.power_off()


def test_cable(t: Test) -> None:
    g = Linux(t, '-accel', 'soft', '-netdev', 'user,id=n', '-device',
              'virtio-net-pci,netdev=n,id=card', modules=MODULES)
    up(g)
    q = g.ferry.qmp

    def carrier() -> str:
        return g.run('cat /sys/class/net/eth0/carrier').strip()
    assert carrier() == '1'
    q.cmd('set_link', name='card', up=False)
    wait_for(lambda: carrier() == '0', 'the carrier to go')
    q.cmd('set_link', name='card', up=True)
    wait_for(lambda: carrier() == '1', 'the carrier to come')
    q.cmd('set_link', name='n', up=False)
    wait_for(lambda: carrier() == '0', 'the carrier to go')
    q.cmd('set_link', name='n', up=True)
    wait_for(lambda: carrier() == '1', 'the carrier to come')
    g.run('ping -c 2 -W 5 10.0.2.2')
    assert 'card' in q.hmp('info network')
    g.power_off()


def test_restricted(t: Test) -> None:
    """A restricted guest has its own network and no more."""
    web = Web(b'secret')
    try:
        g = Linux(t, '-accel', 'soft', '-nic', 'user,restrict=on',
                  modules=MODULES)
        up(g)
        out = g.run(f'wget -q -T 3 -O - http://10.0.2.2:{web.port}/',
                    check=False)
        assert 'secret' not in out, out
        g.power_off()
    finally:
        web.close()


def test_tap(t: Test) -> None:
    """An interface in a network namespace of its own."""
    if os.geteuid() or not os.path.exists('/dev/net/tun'):
        raise Skip('needs root and /dev/net/tun')
    t.requires('unshare', 'ip')
    wrapper, script = t.path('ferry-in-namespace'), t.path('ifup')
    wrapper.write_text(f'#!/bin/sh\nexec unshare -n {ferrytest.FERRY} "$@"\n')
    script.write_text('#!/bin/sh\nip addr add 10.9.0.1/24 dev "$1"\n'
                      'ip link set "$1" up\n')
    wrapper.chmod(0o755)
    script.chmod(0o755)
    g = Linux(t, '-accel', 'soft', '-nic',
              f'tap,ifname=ferrytap0,script={script}', modules=MODULES,
              program=wrapper)
    g.run('ip addr add 10.9.0.2/24 dev eth0; ip link set eth0 up')
    g.run('ping -c 3 -W 5 10.9.0.1')
    g.run('ping -c 20 -i 0.05 -s 1400 -W 5 10.9.0.1')
    assert 'ferrytap0' in g.ferry.qmp.hmp('info network')
    g.power_off()


def test_refusals(t: Test) -> None:
    for args, why in (
            (['-netdev', 'user,id=n,hostfwd=x'], 'hostfwd'),
            (['-netdev', 'carrier-pigeon,id=n'], 'carrier-pigeon'),
            (['-nic', 'user,net=1.2.3'], 'net'),
            (['-nic', 'user,model.0=virtio'], 'model'),
            (['-netdev', 'tap,id=n,ifname=aninterfacenamethatistoolong'],
             'too long')):
        message = t.fails(*args)
        assert why in message, message


if __name__ == '__main__':
    ferrytest.main(at_once=2)
