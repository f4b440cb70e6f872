#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""QMP and the human monitor, as their clients see them."""
import json
import os
import re
import signal
import socket
import subprocess
import time

import ferrytest
from ferrytest import Qmp, QmpError, STRESS, Test, read_until, wait_for


def expect_error(func, cls: str = 'GenericError') -> str:
    try:
        func()
    except QmpError as e:
        assert e.cls == cls, e
        return e.desc
    raise AssertionError('no error')


def test_greeting_and_negotiation(t: Test) -> None:
    f = t.ferry('-machine', 'none')
    q = f.connect_qmp(0, negotiate=False)
    version = q.greeting['QMP']['version']
    assert set(version['qemu']) == {'major', 'minor', 'micro'}, version
    assert q.greeting['QMP']['capabilities'] == ['oob']
    expect_error(lambda: q.cmd('query-status'), 'CommandNotFound')
    q.cmd('qmp_capabilities')
    expect_error(lambda: q.cmd('qmp_capabilities'), 'CommandNotFound')
    wait_for(lambda: q.cmd('query-status') == {
        'running': True, 'singlestep': False, 'status': 'running'},
        'the guest to run')


def test_ids_errors_and_recovery(t: Test) -> None:
    f = t.ferry('-machine', 'none')
    q = f.qmp
    for id_ in (1, 'x', None, [1, {'a': 2}], 1.5):
        q.sock.sendall(json.dumps({'execute': 'query-name', 'id': id_}).encode())
        r = q.reply()
        assert r['id'] == id_ and type(r['id']) == type(id_), r
    q.sock.sendall(b"{'execute': 'query-name', 'id': 'single'}")
    assert q.reply()['id'] == 'single'
    for bad in (b'{"execute": }\n', b'}\n', b'[1,2\n\xff', b'"\x01"\n'):
        q.sock.sendall(bad)
        assert 'error' in q.reply(), bad
        # What is left of the bad text may cause more errors; get in step.
        q.sock.sendall(b'\n{"execute": "query-name", "id": "sync"}')
        while q.reply().get('id') != 'sync':
            pass
    expect_error(lambda: q.cmd('no-such'), 'CommandNotFound')
    assert 'nothing' in expect_error(
        lambda: q.raw('query-status', {'nothing': 1}))
    assert 'fdname' in expect_error(lambda: q.cmd('getfd'))


def test_any_cutting_of_the_stream(t: Test) -> None:
    f = t.ferry('-machine', 'none')
    q = f.qmp
    text = b'{"execute": "query-name", "id": 7}'
    for cut in range(1, len(text)):
        q.sock.sendall(text[:cut])
        q.sock.sendall(text[cut:])
        assert q.reply()['id'] == 7
    q.sock.sendall(text * 200)
    for _ in range(200):
        assert q.reply()['id'] == 7


def test_stop_cont_events(t: Test) -> None:
    t.requires_kvm()
    f = t.ferry('-m', '64', '-kernel', STRESS, '-append', 'mem=1M')
    q = f.qmp
    wait_for(lambda: q.cmd('query-status')['running'], 'running')
    q.cmd('stop')
    q.event('STOP')
    assert q.cmd('query-status')['status'] == 'paused'
    q.cmd('cont')
    q.event('RESUME')
    q.cmd('system_reset')
    assert q.event('RESET')['data'] == {
        'guest': False, 'reason': 'host-qmp-system-reset'}
    cpus = q.cmd('query-cpus-fast')
    assert len(cpus) == 1 and os.path.exists(
        f'/proc/{f.proc.pid}/task/{cpus[0]["thread-id"]}'), cpus
    q.cmd('quit')
    assert q.event('SHUTDOWN')['data']['reason'] == 'host-qmp-quit'
    assert f.wait() == 0


def test_sigterm(t: Test) -> None:
    f = t.ferry('-machine', 'none')
    q = f.qmp
    f.proc.send_signal(signal.SIGTERM)
    assert q.event('SHUTDOWN')['data'] == {'guest': False,
                                           'reason': 'host-signal'}
    assert f.wait() == 0


def test_schema_names_every_command(t: Test) -> None:
    f = t.ferry('-machine', 'none')
    schema = f.qmp.cmd('query-qmp-schema')
    names = {e['name'] for e in schema if e['meta-type'] == 'command'}
    commands = {c['name'] for c in f.qmp.cmd('query-commands')}
    assert names == commands, names ^ commands
    types = {e['name'] for e in schema}
    for e in schema:
        for key in ('arg-type', 'ret-type', 'element-type'):
            assert e.get(key, e['name']) in types, e
        for m in e.get('members', []):
            assert isinstance(m, str) or m.get('type', e['name']) in types, m
    add = next(e for e in schema if e['name'] == 'object-add')
    arg = next(e for e in schema if e['name'] == add['arg-type'])
    assert {'secret', 'tls-creds-x509', 'authz-list'} <= {
        v['case'] for v in arg['variants']}, arg


def test_command_line_options(t: Test) -> None:
    f = t.ferry('-machine', 'none')
    options = {o['option'] for o in f.qmp.cmd('query-command-line-options')}
    assert {'machine', 'sandbox', 'chardev', 'name'} <= options
    one = f.qmp.cmd('query-command-line-options', option='sandbox')
    assert any(p['name'] == 'spawn' for p in one[0]['parameters']), one
    expect_error(lambda: f.qmp.cmd('query-command-line-options', option='zz'))


def test_answers_while_the_main_loop_hangs(t: Test) -> None:
    """query-status within 10 ms although another command hangs for seconds."""
    f = t.ferry('-machine', 'none', monitors=2)
    slow, fast = f.qmp, f.connect_qmp(1)

    def times() -> list[float]:
        samples = []
        for _ in range(50):
            start = time.monotonic()
            fast.cmd('query-status')
            samples.append(time.monotonic() - start)
        return sorted(samples)
    usual = times()
    fifo = t.path('fifo')
    os.mkfifo(fifo)
    # Reading a secret from a pipe that nobody writes to blocks the main loop.
    slow.send('object-add', arguments={'qom-type': 'secret', 'id': 's',
                                       'file': str(fifo)})
    time.sleep(0.3)
    samples = times()
    fd = os.open(fifo, os.O_WRONLY)
    os.write(fd, b'late')
    os.close(fd)
    assert 'return' in slow.reply()
    # As fast as when nothing hangs, which a busy machine may make slow.
    assert samples[25] < max(0.010, 3 * usual[25]), (samples, usual)


def test_answers_beside_a_peer_that_does_not_read(t: Test) -> None:
    f = t.ferry('-machine', 'none', monitors=2)
    stuck, good = f.connect_qmp(1), f.qmp
    stuck.sock.settimeout(1)
    try:
        for _ in range(200):
            stuck.send('query-qmp-schema')
    except (socket.timeout, BlockingIOError):
        pass
    good.cmd('query-status')


def test_out_of_band(t: Test) -> None:
    f = t.ferry('-machine', 'none')
    q = f.connect_qmp(0, oob=True)
    fifo = t.path('fifo')
    os.mkfifo(fifo)
    q.send('object-add', id=1, arguments={'qom-type': 'secret', 'id': 's',
                                          'file': str(fifo)})
    q.send('query-yank', id=2, exec_oob=True)
    assert q.reply()['id'] == 2
    fd = os.open(fifo, os.O_WRONLY)
    os.write(fd, b'late')
    os.close(fd)
    assert q.reply()['id'] == 1
    q.send('query-status', id=3, exec_oob=True)
    assert 'error' in q.reply()


def test_getfd_and_chardev_on_it(t: Test) -> None:
    f = t.ferry('-machine', 'none')
    ours, theirs = socket.socketpair()
    f.qmp.cmd('getfd', _fds=[theirs.fileno()], fdname='line')
    theirs.close()
    f.qmp.raw('chardev-add', {'id': 'c', 'backend': {
        'type': 'socket', 'data': {'server': False, 'addr': {
            'type': 'fd', 'data': {'str': 'line'}}}}})
    assert any(c['label'] == 'c' for c in f.qmp.cmd('query-chardev'))
    expect_error(lambda: f.qmp.cmd('closefd', fdname='line'))
    expect_error(lambda: f.qmp.cmd('getfd', fdname='none-sent'))
    ours.close()


def test_human_monitor(t: Test) -> None:
    f = t.ferry('-machine', 'none')
    hmp = f.qmp.hmp
    assert 'running' in hmp('info status')
    assert 'quit' in hmp('help') and 'status' in hmp('info')
    assert 'unknown command' in hmp('frobnicate')
    assert 'chardev' in hmp('help chardev-add')
    hmp('object_add secret,id=s,data=x')
    hmp('chardev-add null,id=nn')
    assert 'nn' in hmp('info chardev')
    assert 'Error' in hmp('object_del nobody')


def test_human_monitor_on_a_terminal(t: Test) -> None:
    pid, fd = os.forkpty()
    if pid == 0:
        os.execv(ferrytest.FERRY, ['ferry', '-nodefaults', '-display', 'none',
                                   '-machine', 'none', '-monitor', 'stdio'])
    term = os.fdopen(fd, 'r+b', 0)
    try:
        read_until(term, r'\(ferry\) ')
        term.write(b'info st\t\r')
        read_until(term, r'VM status: [\s\S]*\(ferry\) ')
        term.write(b'\x1b[A\r')             # up: the same again
        read_until(term, r'VM status: [\s\S]*\(ferry\) ')
        term.write(b'quit\r')
        _, status = os.waitpid(pid, 0)
        assert os.waitstatus_to_exitcode(status) == 0
    finally:
        term.close()


def test_monitor_and_console_share_a_terminal(t: Test) -> None:
    t.requires_kvm()
    f = t.ferry('-m', '64', '-kernel', STRESS, '-append', 'mem=1M', '-serial',
                'mon:stdio', qmp=False, stdin=subprocess.PIPE,
                stdout=subprocess.PIPE)
    read_until(f.proc.stdout, r'pass \d+')
    f.proc.stdin.write(b'\x01c')
    f.proc.stdin.flush()
    read_until(f.proc.stdout, r'\(ferry\) ')
    f.proc.stdin.write(b'quit\r')
    f.proc.stdin.flush()
    assert f.wait() == 0


def test_socat_scripts(t: Test) -> None:
    t.requires('socat')
    f = t.ferry('-machine', 'none', monitors=2)
    script = ('{"execute":"qmp_capabilities"}\n'
              '{"execute":"query-status","id":"a"}\n'
              '{"execute":"human-monitor-command","arguments":'
              '{"command-line":"info version"},"id":"b"}\n')
    wait_for(lambda: f.qmp.cmd('query-status')['running'], 'the start')
    out = t.run('socat', '-t5', '-', f'UNIX-CONNECT:{f.qmp_path}.1',
                input=script).stdout
    answers = [json.loads(line) for line in out.splitlines()]
    assert 'QMP' in answers[0] and answers[1] == {'return': {}}, out
    assert answers[2]['id'] == 'a' and answers[2]['return']['running'], out
    assert answers[3]['id'] == 'b' and 'ferry' in answers[3]['return'], out


def test_leave_by_the_multiplexer_key(t: Test) -> None:
    f = t.ferry('-machine', 'none', '-serial', 'mon:stdio',
                stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    q = f.qmp
    f.proc.stdin.write(b'\x01x')
    f.proc.stdin.flush()
    assert q.event('SHUTDOWN')['data']['reason'] == 'host-ui'
    assert f.wait() == 0


def test_qmp_over_tls_in_one_record_or_many(t: Test) -> None:
    t.requires('certtool', 'openssl')
    from pki import Pki
    import ssl
    pki = Pki(t.path('pki'))
    srv, _ = pki.standard()
    f = t.ferry('-machine', 'none', '-object',
                f'tls-creds-x509,id=tls0,endpoint=server,dir={srv}',
                '-chardev', 'socket,id=m,host=127.0.0.1,port=0,server,wait=off,'
                'tls-creds=tls0', '-mon', 'chardev=m,mode=control')
    ctx = ssl.create_default_context(cafile=str(pki.dir / 'ca-cert.pem'))
    ctx.load_cert_chain(pki.dir / 'client-cert.pem', pki.dir / 'client-key.pem')
    raw = socket.create_connection(('127.0.0.1', f.chardev_port('m')))
    q = Qmp(ctx.wrap_socket(raw, server_hostname='localhost'))
    assert q.cmd('query-status')
    q.sock.sendall(b'{"execute":"query-status","id":1}' * 100)  # one record
    for _ in range(100):
        assert q.reply()['id'] == 1
    for byte in b'{"execute":"query-status","id":2}':           # one record each
        q.sock.sendall(bytes([byte]))
    assert q.reply()['id'] == 2
    q.close()


def test_standard_input_ends_before_the_answers(t: Test) -> None:
    """What was asked is answered, also by commands of the main loop."""
    ask = ''.join(json.dumps({'execute': e, 'id': n}) for n, e in enumerate((
        'qmp_capabilities', 'query-machines', 'query-kvm', 'query-status',
        'quit')))
    r = t.run(ferrytest.FERRY, '-nodefaults', '-display', 'none', '-machine',
              'none', '-qmp', 'stdio', input=ask)
    messages = [json.loads(line) for line in r.stdout.splitlines()]
    ids = [m['id'] for m in messages if 'id' in m]
    assert ids == [0, 1, 2, 3, 4], r.stdout
    # quit is answered before the event that it causes.
    assert messages[-1]['event'] == 'SHUTDOWN', r.stdout


def test_client_that_only_sends_gets_its_answers(t: Test) -> None:
    """As printf | socat does."""
    f = t.ferry('-machine', 'none')
    assert f.qmp.greeting
    f.qmp.close()
    s = socket.socket(socket.AF_UNIX)
    s.connect(f'{f.qmp_path}.0')
    s.settimeout(ferrytest.TIMEOUT)
    s.sendall(b'{"execute": "qmp_capabilities"}\n'
              b'{"execute": "query-machines", "id": 1}\n'
              b'{"execute": "quit", "id": 2}\n')
    s.shutdown(socket.SHUT_WR)
    data = b''
    while more := s.recv(65536):
        data += more
    assert b'"id": 1}' in data and b'"id": 2}' in data, data
    assert f.wait() == 0


def test_banner_comes_with_the_focus(t: Test) -> None:
    f = t.ferry('-machine', 'none', '-chardev', 'stdio,id=m,mux=on',
                '-mon', 'chardev=m', '-mon', 'chardev=m,mode=control',
                stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    # The last one has the focus; only QMP speaks without being asked.
    first = read_until(f.proc.stdout, b'\\n')
    assert first.startswith(b'{"QMP"') and b'"capabilities": []' in first, first
    f.proc.stdin.write(b'\x01c')
    f.proc.stdin.flush()
    seen = read_until(f.proc.stdout, r'\(ferry\) ')
    assert seen.count(b'monitor - type') == 1, seen
    f.proc.stdin.write(b'info status\r')
    f.proc.stdin.flush()
    read_until(f.proc.stdout, r'VM status: running')


def test_completion_of_arguments(t: Test) -> None:
    t.requires_kvm()
    path = t.path('hmp')
    f = t.ferry('-m', '64', '-kernel', STRESS, '-S', '-chardev', 'null,id=nul',
                '-device', 'isa-serial,id=uart,chardev=nul', '-monitor',
                f'unix:{path},server=on,wait=off')
    assert f.qmp
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(str(path))
        read_until(s, r'\(ferry\) ')
        for typed, done in ((b'device_add isa-ser', b'isa-serial '),
                            (b'device_del ua', b'uart '),
                            (b'chardev-add ringb', b'ringbuf '),
                            (b'chardev-remove nu', b'nul '),
                            (b'object_add tls-creds-ps', b'tls-creds-psk '),
                            (b'help chardev-cha', b'chardev-change '),
                            (b'info qtr', b'info qtree ')):
            s.sendall(typed + b'\t')
            read_until(s, done)
            s.sendall(b'\x15')          # ^U


def test_qmp_on_a_terminal(t: Test) -> None:
    path = t.path('pty')
    t.ferry('-machine', 'none', '-chardev', f'pty,id=p,path={path}', '-mon',
            'chardev=p,mode=control', qmp=False)
    wait_for(path.exists, 'the pty')
    for _ in range(2):      # again after the terminal was left
        fd = os.open(path, os.O_RDWR | os.O_NOCTTY)
        term = os.fdopen(fd, 'r+b', 0)
        read_until(term, rb'"capabilities": \["oob"\]}}\r\n')
        term.write(b'{"execute": "qmp_capabilities"}\n')
        read_until(term, rb'"return": {}')
        term.write(b'{"execute": "query-kvm", "id": 1}\n')
        read_until(term, rb'"id": 1}')
        term.close()
        time.sleep(1.5)


def telnet_strip(data: bytes) -> bytes:
    return re.sub(rb'\xff[\xfb-\xfe].', b'', data, flags=re.S)


def test_monitors_over_telnet(t: Test) -> None:
    f = t.ferry('-machine', 'none', '-qmp', 'telnet:127.0.0.1:0,server,nowait',
                '-monitor', 'telnet:127.0.0.1:0,server,nowait')
    ports = [int(m) for m in re.findall(
        r'telnet:127.0.0.1:(\d+)', json.dumps(f.qmp.cmd('query-chardev')))]
    with socket.create_connection(('127.0.0.1', ports[0])) as s:
        read_until(s, rb'capabilities": \["oob"\]}}\r\n')
        s.sendall(b'{"execute": "qmp_capabilities"}\r\n'
                  b'{"execute": "query-kvm", "id": 1}\r\n')
        read_until(s, rb'"id": 1}')
    with socket.create_connection(('127.0.0.1', ports[1])) as s:
        read_until(s, r'\(ferry\) ')
        s.sendall(b'info status\r\ninfo name\r\0')
        text = telnet_strip(read_until(s, r'info name[\s\S]*\(ferry\) '))
        # One prompt for each line.
        assert text.count(b'(ferry) ') == 2, text


def websocket_frame(data: bytes) -> bytes:
    mask = b'\x01\x02\x03\x04'
    assert len(data) < 126
    return (bytes([0x82, 0x80 | len(data)]) + mask
            + bytes(b ^ mask[i % 4] for i, b in enumerate(data)))


def test_qmp_over_websocket(t: Test) -> None:
    f = t.ferry('-machine', 'none', '-chardev',
                'socket,id=w,host=127.0.0.1,port=0,server=on,wait=off,'
                'websocket=on', '-mon', 'chardev=w,mode=control')
    with socket.create_connection(('127.0.0.1', f.chardev_port('w'))) as s:
        s.sendall(b'GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n'
                  b'Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n'
                  b'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n'
                  b'Sec-WebSocket-Protocol: binary\r\n\r\n')
        read_until(s, rb'\["oob"\]}}\r\n')
        s.sendall(websocket_frame(b'{"execute": "qmp_capa')
                  + websocket_frame(b'bilities"}{"execute": "query-kvm"}'))
        read_until(s, rb'"present"')


def test_human_monitor_over_tls(t: Test) -> None:
    t.requires('certtool', 'openssl')
    from pki import Pki
    import ssl
    pki = Pki(t.path('pki'))
    srv, _ = pki.standard()
    f = t.ferry('-machine', 'none', '-object',
                f'tls-creds-x509,id=tls0,endpoint=server,dir={srv},'
                'verify-peer=off', '-chardev',
                'socket,id=m,host=127.0.0.1,port=0,server,wait=off,'
                'tls-creds=tls0', '-mon', 'chardev=m')
    ctx = ssl.create_default_context(cafile=str(pki.dir / 'ca-cert.pem'))
    raw = socket.create_connection(('127.0.0.1', f.chardev_port('m')))
    s = ctx.wrap_socket(raw, server_hostname='localhost')
    s.settimeout(ferrytest.TIMEOUT)
    s.sendall(b'info status\n' * 20)               # one record, many lines
    data = b''
    while data.count(b'VM status') < 20:
        data += s.recv(65536)
    s.close()


def test_client_that_leaves_without_reading(t: Test) -> None:
    """Its socket then reports an error, not an end, while a command runs."""
    f = t.ferry('-machine', 'none')
    fifo = t.path('fifo')
    os.mkfifo(fifo)
    f.qmp.send('query-name')            # the answer stays unread
    f.qmp.send('object-add', arguments={'qom-type': 'secret', 'id': 's',
                                        'file': str(fifo)})
    time.sleep(0.2)
    f.qmp.close()
    q = f.connect_qmp(0)
    assert q.cmd('query-status')
    q.close()
    fd = os.open(fifo, os.O_WRONLY)
    os.write(fd, b'late')
    os.close(fd)


def test_next_client_does_not_wait_for_the_last_ones_command(t: Test) -> None:
    f = t.ferry('-machine', 'none')
    fifo = t.path('fifo')
    os.mkfifo(fifo)
    f.qmp.send('object-add', arguments={'qom-type': 'secret', 'id': 's',
                                        'file': str(fifo)})
    time.sleep(0.2)
    f.qmp.close()
    q = f.connect_qmp(0)
    assert q.cmd('query-status')
    fd = os.open(fifo, os.O_WRONLY)
    os.write(fd, b'late')
    os.close(fd)
    assert q.cmd('query-kvm')
    q.close()


if __name__ == '__main__':
    ferrytest.main()
