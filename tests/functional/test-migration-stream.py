#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What goes over the wire, read by scripts/analyze-stream, which is written
from the documented format alone: by each method that has a form of its own,
with post-copy, and as the peer implementation of the format writes it.
"""
import json
import socket
import sys
import threading
import time

import ferrytest
from ferrytest import SOURCE, wait_for
from migrate import Pair

ANALYZER = SOURCE / 'scripts/analyze-stream'


def analyze(t, path, *args, cwd=None):
    return t.run(sys.executable, ANALYZER, '-f', path, *args, cwd=cwd,
                 timeout=4 * ferrytest.TIMEOUT).stdout


def capture(t, ferry, name, capabilities=(), uri='exec:cat > {}'):
    """Migrate into a file; returns its path."""
    out = t.path(name)
    ferry.qmp.cmd('migrate-set-capabilities', capabilities=[
        {'capability': c, 'state': True} for c in capabilities])
    ferry.qmp.cmd('migrate', uri=uri.format(out))

    def ended():
        info = ferry.qmp.cmd('query-migrate')
        assert info['status'] not in ('failed', 'cancelled'), info
        return info['status'] == 'completed'
    wait_for(ended, 'the end of the migration', 2 * ferrytest.TIMEOUT)
    return out


def extract(t, path, name):
    """The RAM blocks that analyze-stream finds: {file name: bytes}."""
    where = t.path(name)
    where.mkdir()
    analyze(t, path, '-x', cwd=where)
    return {f.name: f.read_bytes() for f in where.glob('ram_*')}


def started(t, *args):
    accel = () if '-accel' in args else ('-accel', 'soft')
    f = t.ferry(*accel, '-m', '32', '-S', '-device', 'VGA',
                '-device', 'virtio-net-pci', '-device', 'virtio-serial-pci',
                '-serial', 'null', '-uuid',
                '12345678-1234-1234-1234-123456789abc', *args)
    f.started()
    return f


def test_methods(t):
    """The guest stands still: every method carries the same memory."""
    want = None
    for name, caps, uri in (
            ('plain', [], 'exec:cat > {}'),
            ('validated', ['validate-uuid', 'x-ignore-shared'],
             'exec:cat > {}'),
            ('xbzrle', ['xbzrle'], 'exec:cat > {}'),
            ('compress', ['compress'], 'exec:cat > {}'),
            ('file', [], 'file:{}'),
            ('mapped', ['mapped-ram'], 'file:{}')):
        f = started(t)
        path = capture(t, f, name, caps, uri)
        ram = extract(t, path, name + '-ram')
        assert any(ram['ram_pc.bios.bin']), name
        want = want or ram
        assert ram.keys() == want.keys(), (name, ram.keys(), want.keys())
        assert all(ram[k] == want[k] for k in want), name
        state = json.loads(analyze(t, path))
        assert state['configuration']['machine'].startswith('pc'), state
        assert ('uuid' in state['configuration']) == (name == 'validated')
        f.quit()


def test_tables(t):
    """Everything that is sent is described, and stands in -dump-vmstate."""
    f = started(t)
    path = capture(t, f, 'stream')
    desc = json.loads(analyze(t, path, '-d', 'desc'))
    out = t.path('tables')
    r = t.run(ferrytest.FERRY, '-accel', 'soft', '-m', '32', '-display', 'none',
              '-dump-vmstate', out)
    assert r.stdout == '' and r.stderr == '', r
    tables = json.loads(out.read_text())
    machine = tables.pop('vmschkmachine')['Name']
    assert machine == json.loads(analyze(t, path))['configuration']['machine']
    known = {x['Description']['name']: x['version_id']
             for x in tables.values()}
    assert len(desc['devices']) > 15, desc
    for device in desc['devices']:
        assert known[device['vmsd_name']] == device['version'], device


class Recorder:
    """A TCP relay that keeps what the main channel carries to the
    destination; other channels just pass."""

    def __init__(self, port):
        self.data = bytearray()
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.uri = f'tcp:127.0.0.1:{self.listener.getsockname()[1]}'
        self.port = port
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            a, _ = self.listener.accept()
            threading.Thread(target=self.relay, args=(a,), daemon=True).start()

    def relay(self, a):
        b = socket.create_connection(('127.0.0.1', self.port))
        threading.Thread(target=self.back, args=(b, a), daemon=True).start()
        main = None
        while data := a.recv(1 << 20):
            if main is None:
                main = data[:1] == b'Q'
            if main:
                self.data += data
            b.sendall(data)
        b.shutdown(socket.SHUT_WR)

    @staticmethod
    def back(src, dst):
        try:
            while data := src.recv(65536):
                dst.sendall(data)
        except OSError:
            pass


def recorded(t, capabilities, after_start=None, accel='soft', smp=1,
             **parameters):
    """A crossing of a guest that writes; what its main channel carried."""
    p = Pair(t, accel, smp=smp, append='mem=4M kept=2M pattern=verify '
             f'rate=4000 tick=20000 end=halt cpus={smp}', memory='32')
    p.new_target()
    p.settings(capabilities, {k.replace('_', '-'): v
                              for k, v in parameters.items()})
    uri = p.listen('tcp')
    recorder = Recorder(int(uri.rsplit(':', 1)[1]))
    p.source.qmp.cmd('migrate', uri=recorder.uri)
    if after_start:
        after_start(p)
    p.finish()
    p.check(1)
    out = t.path('recorded')
    out.write_bytes(recorder.data)
    return out


def record(t, capabilities, after_start=None, **kw):
    return analyze(t, recorded(t, capabilities, after_start, **kw), '-d',
                   'sections').splitlines()


def test_return_path(t):
    lines = record(t, ['return-path'])
    commands = [line.split()[1] for line in lines if line.startswith('COMMAND')]
    assert commands[:2] == ['OPEN_RETURN_PATH', 'PING'], commands


def switch(p):
    p.source.qmp.cmd('migrate-start-postcopy')


def test_live(t):
    """A guest that writes while it goes, by each technique: the main channel
    is understood to its last byte."""
    for capabilities, parameters in (
            (['xbzrle'], {}), (['compress'], {}), (['multifd'], {}),
            (['multifd'], {'multifd_compression': 'zstd'}),
            (['multifd'], {'zero_page_detection': 'legacy'}),
            (['validate-uuid', 'x-ignore-shared'], {}),
            (['auto-converge'], {})):
        lines = record(t, capabilities, max_bandwidth=20 << 20, **parameters)
        assert any(line.startswith('END') for line in lines), lines
        assert lines[-1].startswith('COMMAND'), lines[-3:]  # the commit
        t.cleanup_ferries()


def test_live_postcopy(t):
    if not ferrytest_uffd():
        raise ferrytest.Skip('no userfaultfd')
    for capabilities in (['multifd'], ['postcopy-preempt'],
                         ['multifd', 'postcopy-preempt'], ['release-ram']):
        lines = record(t, ['postcopy-ram', *capabilities], switch)
        assert lines[-1] == 'EOF', lines[-3:]
        t.cleanup_ferries()


def test_postcopy(t):
    if not ferrytest_uffd():
        raise ferrytest.Skip('no userfaultfd')
    lines = record(t, ['postcopy-ram'], switch)
    kinds = [line.split()[1] if line.startswith('COMMAND') else line.split()[0]
             for line in lines]
    order = ['CONFIGURATION', 'POSTCOPY_ADVISE', 'START', 'PACKAGED',
             'POSTCOPY_LISTEN', 'FULL', 'POSTCOPY_RUN', 'end', 'EOF']
    places = [kinds.index(k) for k in order]
    assert places == sorted(places), kinds
    assert 'FULL' not in kinds[kinds.index('end'):], kinds
    assert kinds[-1] == 'EOF' and 'END' in kinds, kinds


def test_kvm(t):
    """... with the states that only KVM's devices have: its clock, its vCPUs,
    interrupt controllers and timer in the kernel; each described and read to
    its last field."""
    t.requires_kvm()
    for capabilities, after_start in (
            ([], None), (['multifd'], None), (['postcopy-ram'], switch)):
        if after_start and not ferrytest_uffd():
            continue
        path = recorded(t, capabilities, after_start, accel='kvm', smp=2)
        lines = analyze(t, path, '-d', 'sections').splitlines()
        assert any(line.startswith('END') for line in lines), lines
        t.cleanup_ferries()
    f = started(t, '-accel', 'kvm', '-smp', '2')
    path = capture(t, f, 'kvm-stream')
    state = json.loads(analyze(t, path))
    desc = json.loads(analyze(t, path, '-d', 'desc'))
    f.quit()
    soft = json.loads(analyze(t, capture(t, started(t), 'soft-stream')))
    own = {'kvmclock (0)', 'kvm-irqchip (0)', 'kvm-pit (0)'}
    assert own <= state.keys() and not own & soft.keys(), (state.keys(),
                                                          soft.keys())
    assert 'cpu (1)' in state and 'clock' in str(state['kvmclock (0)']), state
    # A device is described alike, whoever runs the guest.
    for name in soft.keys() & state.keys() - {'configuration', 'ram (0)',
                                              'cpu (0)'}:
        assert soft[name].keys() == state[name].keys(), name
    names = {d['vmsd_name'] for d in desc['devices'] if 'vmsd_name' in d}
    assert {'kvmclock', 'cpu', 'kvm-irqchip', 'kvm-pit'} <= names, names


def ferrytest_uffd():
    try:
        with open('/proc/sys/vm/unprivileged_userfaultfd', encoding='ascii'):
            return True
    except OSError:
        return False


class Peer:
    """The other implementation, by its QMP."""

    def __init__(self, t, *args):
        t.requires('qemu-system-x86_64')
        path = t.path('peer')
        t.spawn('qemu-system-x86_64', '-accel', 'tcg', '-m', '32', '-display',
                'none', '-qmp', f'unix:{path},server=on,wait=off', *args)
        wait_for(path.exists, 'the peer')
        for _ in range(100):
            try:
                s = socket.socket(socket.AF_UNIX)
                s.connect(str(path))
                break
            except OSError:
                time.sleep(0.05)
        self.qmp = ferrytest.Qmp(s)


def test_peer(t):
    """The reader reads what others write, too; each field of each device."""
    peer = Peer(t, '-device', 'virtio-net-pci', '-uuid',
                '12345678-1234-1234-1234-123456789abc')
    path = capture(t, peer, 'peer-stream', ['validate-uuid'])
    state = json.loads(analyze(t, path))
    assert state['configuration']['uuid'].startswith('12345678'), state
    assert state['cpu (0)'] and state['mc146818rtc (0)'], state.keys()
    assert state['ram (0)']['pc.ram']['size'] == '0x2000000'


def test_cut(t):
    """A capture that is not complete is told from one that is."""
    f = started(t)
    path = capture(t, f, 'stream')
    whole = path.read_bytes()
    for part in (4, len(whole) // 3, len(whole) - 1):
        cut = t.path('cut')
        cut.write_bytes(whole[:part])
        r = t.run(sys.executable, ANALYZER, '-f', cut, check=False)
        assert r.returncode == 1 and r.stdout == '', r


if __name__ == '__main__':
    ferrytest.main(at_once=3)
