# SPDX-License-Identifier: LGPL-2.1-or-later
"""Fixtures of the functional tests, on the standard library alone.

A test file defines functions test_*(t) and ends with `ferrytest.main()`.
Each gets a Test: a temporary folder, ferry processes and a QMP client, all
of which are gone when it ends. The output is TAP; t.requires() skips.
"""
from __future__ import annotations

import array
import json
import os
import random
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get('FERRY_BUILD', 'build')).resolve()
FERRY = BUILD / 'ferry'
STRESS = BUILD / 'guest/stress.elf'
# What the programs are built with: '', 'address,undefined' or 'thread'.
SANITIZER = os.environ.get('FERRY_SANITIZER', '')
# Generous, because a test machine may be busy; nothing waits for it to pass.
TIMEOUT = float(os.environ.get('FERRY_TEST_TIMEOUT',
                               '120' if SANITIZER else '60'))
# The suite `slow` asks for more rounds and more data.
LONG = bool(os.environ.get('FERRY_TEST_LONG'))
# What a sanitizer calls its reports; of a log so many lines are shown.
REPORT = re.compile(r'^.*(\w+Sanitizer: |runtime error: )', re.M)
LOG_LINES = 60
# What sanitizers end a program with (scripts/check).
SANITIZER_STATUS = 99
# Signals that tests send, and that of a closed pipe.
HARMLESS = {-signal.SIGHUP, -signal.SIGINT, -signal.SIGKILL, -signal.SIGPIPE,
            -signal.SIGTERM}


class Skip(Exception):
    pass


class QmpError(Exception):
    def __init__(self, error: dict):
        super().__init__(f"{error['class']}: {error['desc']}")
        self.cls = error['class']
        self.desc = error['desc']


class Qmp:
    """A QMP client on a connected stream."""

    def __init__(self, sock, negotiate: bool = True, oob: bool = False):
        self.sock = sock
        self.sock.settimeout(TIMEOUT)
        self.buf = b''
        self.events: list[dict] = []
        self.greeting = self.read()
        if negotiate:
            self.cmd('qmp_capabilities', **({'enable': ['oob']} if oob else {}))

    def read(self) -> dict:
        while b'\n' not in self.buf:
            data = self.sock.recv(65536)
            if not data:
                raise EOFError('QMP connection closed')
            self.buf += data
        line, self.buf = self.buf.split(b'\n', 1)
        return json.loads(line)

    def send(self, execute: str, id=None, exec_oob: bool = False,
             fds: list[int] = (), arguments: dict | None = None) -> None:
        msg = {'exec-oob' if exec_oob else 'execute': execute}
        if arguments:
            msg['arguments'] = arguments
        if id is not None:
            msg['id'] = id
        data = json.dumps(msg).encode()
        if fds:
            self.sock.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                                        array.array('i', fds))])
        else:
            self.sock.sendall(data)

    def reply(self) -> dict:
        while True:
            msg = self.read()
            if 'event' in msg:
                self.events.append(msg)
            else:
                return msg

    def cmd(self, execute: str, _fds: list[int] = (), **arguments):
        arguments = {k.rstrip('_').replace('_', '-') if k not in ('qom_type',)
                     else 'qom-type': v for k, v in arguments.items()}
        return self.raw(execute, arguments, _fds)

    def raw(self, execute: str, arguments: dict | None = None,
            fds: list[int] = ()):
        self.send(execute, fds=fds, arguments=arguments)
        msg = self.reply()
        if 'error' in msg:
            raise QmpError(msg['error'])
        return msg['return']

    def hmp(self, line: str) -> str:
        return self.raw('human-monitor-command', {'command-line': line})

    def event(self, name: str, timeout: float = TIMEOUT) -> dict:
        end = time.monotonic() + timeout
        while True:
            for i, ev in enumerate(self.events):
                if ev['event'] == name:
                    return self.events.pop(i)
            self.sock.settimeout(max(0.01, end - time.monotonic()))
            try:
                msg = self.read()
            finally:
                self.sock.settimeout(TIMEOUT)
            assert 'event' in msg, msg
            self.events.append(msg)

    def close(self) -> None:
        self.sock.close()


class Ferry:
    """A running emulator with QMP monitors on UNIX sockets.

    A socket serves one client at a time; monitors=N makes more sockets."""

    def __init__(self, test: Test, *args: str, qmp: bool = True,
                 monitors: int = 1,
                 defaults: bool = False, program: str | Path = FERRY,
                 wrapper: tuple[str, ...] = (), **popen):
        self.test = test
        self.qmp_path = test.path(f'qmp{len(test.ferries)}')
        # A wrapper must exec: its process is to be the emulator's.
        argv = [*wrapper, str(program), *([] if defaults else ['-nodefaults']),
                '-display', 'none', *map(str, args)]
        for n in range(monitors if qmp else 0):
            argv += ['-qmp', f'unix:{self.qmp_path}.{n},server=on,wait=off']
        self.log = open(test.path(f'ferry{len(test.ferries)}.log'), 'w+b')
        popen.setdefault('stdin', subprocess.DEVNULL)
        popen.setdefault('stdout', self.log)
        popen.setdefault('stderr', self.log)
        self.proc = subprocess.Popen(argv, **popen)
        test.ferries.append(self)
        self._qmp: Qmp | None = None

    @property
    def qmp(self) -> Qmp:
        if not self._qmp:
            self._qmp = self.connect_qmp(0)
        return self._qmp

    def connect_qmp(self, number: int, **kw) -> Qmp:
        end = time.monotonic() + TIMEOUT
        while True:
            s = socket.socket(socket.AF_UNIX)
            try:
                s.connect(f'{self.qmp_path}.{number}')
                return Qmp(s, **kw)
            except OSError:
                s.close()
                if self.proc.poll() is not None or time.monotonic() > end:
                    raise AssertionError('no QMP: ' + self.output())
                time.sleep(0.01)

    def chardev_port(self, label: str) -> int:
        """The TCP port that a chardev with port=0 got."""
        for c in self.qmp.cmd('query-chardev'):
            if c['label'] == label:
                m = re.search(r':(\d+)(,|$)', c['filename'])
                assert m, c
                return int(m.group(1))
        raise AssertionError(f'no chardev {label}')

    def ring_until(self, label: str, pattern: str) -> str:
        """Read a ringbuf chardev until what was read matches."""
        text = ''

        def more():
            nonlocal text
            text += self.qmp.cmd('ringbuf-read', device=label, size=65536)
            return re.search(pattern, text)
        wait_for(more, f'{pattern!r} in {label}')
        return text

    def output(self) -> str:
        return Path(self.log.name).read_text(errors='replace')

    def wait(self, timeout: float = TIMEOUT) -> int:
        return self.proc.wait(timeout)

    def quit(self) -> int:
        try:
            self.qmp.cmd('quit')
        except (EOFError, ConnectionError):
            pass
        return self.wait()

    def started(self) -> 'Ferry':
        """Wait for the end of start-up: QMP answers what it can before it;
        this command is answered by the main loop."""
        self.qmp.hmp('info status')
        return self

    def fds(self) -> int:
        self.started()
        return len(os.listdir(f'/proc/{self.proc.pid}/fd'))

    def stop(self) -> None:
        if self._qmp:
            self._qmp.close()
        if self.proc.poll() is None:
            self.proc.terminate()
            try:
                self.proc.wait(TIMEOUT)
            except subprocess.TimeoutExpired:
                self.proc.kill()
                self.proc.wait()
                self.test.problems.append('ferry did not end on SIGTERM')
        output = self.output()
        if REPORT.search(output):
            self.test.problems.append(excerpt(output))
        elif not self.ended_well():
            self.test.problems.append(
                f'{excerpt(output)}\n'
                f'ferry ended with status {self.proc.returncode}')
        self.log.close()

    def ended_well(self) -> bool:
        status = self.proc.returncode
        return (status in (0, 1, -signal.SIGTERM) or self.test.any_status and
                (0 <= status != SANITIZER_STATUS or status == -signal.SIGKILL))


class Test:
    def __init__(self) -> None:
        self.dir = Path(tempfile.mkdtemp(prefix='ferry-test-'))
        self.ferries: list[Ferry] = []
        self.procs: list[subprocess.Popen] = []
        self.problems: list[str] = []
        # Emulators may refuse, or be killed; never crash.
        self.any_status = False

    def path(self, name: str) -> Path:
        return self.dir / name

    def requires(self, *programs: str) -> None:
        for p in programs:
            if not shutil.which(p):
                raise Skip(f'{p} is not installed')

    def requires_kvm(self) -> None:
        if not os.access('/dev/kvm', os.R_OK | os.W_OK):
            raise Skip('/dev/kvm cannot be used')

    def ferry(self, *args: str, **kw) -> Ferry:
        return Ferry(self, *args, **kw)

    def fails(self, *args: str, timeout: float = TIMEOUT) -> str:
        """Run ferry, which must refuse to start; returns its message."""
        r = subprocess.run([str(FERRY), '-nodefaults', '-display', 'none',
                            '-machine', 'none', *map(str, args)],
                           stdin=subprocess.DEVNULL, capture_output=True,
                           text=True, timeout=timeout)
        crash = died(r.args, r.returncode)
        if crash:
            raise AssertionError(f'{r.stderr}\n{crash}')
        assert r.returncode == 1, (r.returncode, r.stderr)
        return r.stderr

    def run(self, *argv: str, check: bool = True, **kw):
        kw.setdefault('timeout', TIMEOUT)
        kw.setdefault('text', True)
        if 'input' not in kw:
            kw.setdefault('stdin', subprocess.DEVNULL)
        r = subprocess.run(list(map(str, argv)), capture_output=True, **kw)
        said = r.stderr if kw['text'] else r.stderr.decode(errors='replace')
        crash = died(r.args, r.returncode)
        if (check and r.returncode or crash or
                SANITIZER and REPORT.search(said)):
            crash = crash or f'{argv}: {r.returncode}'
            raise AssertionError(f'{r.stdout}{said}\n{crash}')
        return r

    def spawn(self, *argv: str, **kw) -> subprocess.Popen:
        kw.setdefault('stdin', subprocess.PIPE)
        kw.setdefault('stdout', subprocess.PIPE)
        kw.setdefault('stderr', subprocess.STDOUT)
        p = subprocess.Popen(list(map(str, argv)), **kw)
        self.procs.append(p)
        return p

    def cleanup_ferries(self) -> None:
        """End them now; for a test that starts many, one after another."""
        for f in self.ferries:
            f.stop()
        self.ferries.clear()

    def cleanup(self) -> None:
        self.cleanup_ferries()
        for p in self.procs:
            if p.poll() is None:
                p.kill()
            crash = died(p.args, p.wait())
            if crash:
                self.problems.append(f'{excerpt(unread(p.stdout))}\n{crash}')
            for f in (p.stdin, p.stdout):
                if f:
                    try:
                        f.close()
                    except OSError:
                        pass
        shutil.rmtree(self.dir, ignore_errors=True)


def died(argv: list[str], status: int) -> str:
    """Says so if a program of this build crashed, or a sanitizer ended it:
    in the words that scripts/check knows."""
    if (BUILD not in Path(argv[0]).parents or status in HARMLESS or
            0 <= status != SANITIZER_STATUS):
        return ''
    return f'{argv} ended with status {status}'


def unread(pipe) -> str:
    """What is left in a pipe that somebody else may still have open."""
    if not pipe or pipe.closed:
        return ''
    os.set_blocking(pipe.fileno(), False)
    try:
        return os.read(pipe.fileno(), 1 << 20).decode(errors='replace')
    except BlockingIOError:
        return ''


def excerpt(text: str) -> str:
    """The end of a log, or a sanitizer's report from its begin."""
    report = REPORT.search(text)
    if report:
        lines = text[report.start():].splitlines()[:LOG_LINES]
    else:
        lines = text.rstrip().splitlines()[-LOG_LINES:]
    return '\n'.join(lines)


def wait_for(condition, what: str, timeout: float = TIMEOUT):
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f'waited in vain for {what}')
        time.sleep(0.02)


PORTS = range(20000, 30000)
_taken: list[socket.socket] = []


def free_port(kind: int = socket.SOCK_STREAM) -> int:
    """A port for a program that cannot choose one itself. Nobody gets it
    meanwhile: the kernel hands out others, and no other test takes it."""
    for port in random.sample(PORTS, 100):
        mark = socket.socket(socket.AF_UNIX)
        try:
            mark.bind(f'\0ferry-test-port-{port}')  # until this process ends
            with socket.socket(socket.AF_INET, kind) as s:
                s.bind(('127.0.0.1', port))
        except OSError:
            mark.close()
            continue
        _taken.append(mark)
        return port
    raise AssertionError('no free port')


def wait_port(port: int) -> None:
    """Until somebody listens on a TCP port of this host."""
    def up() -> bool:
        with socket.socket() as s:
            return s.connect_ex(('127.0.0.1', port)) == 0
    wait_for(up, f'a listener on port {port}')


def read_until(stream, pattern: bytes | str, timeout: float = TIMEOUT) -> bytes:
    """Read a pipe or socket until a regular expression matches."""
    if isinstance(pattern, str):
        pattern = pattern.encode()
    data = b''
    end = time.monotonic() + timeout
    while not re.search(pattern, data):
        left = end - time.monotonic()
        if left <= 0 or not select.select([stream], [], [], left)[0]:
            raise AssertionError(f'no {pattern!r} in {data!r}')
        more = (stream.recv(65536) if isinstance(stream, socket.socket)
                else os.read(stream.fileno(), 65536))
        if not more:
            raise AssertionError(f'end before {pattern!r}: {data!r}')
        data += more
    return data


def run_one(func) -> tuple[str, str]:
    """Returns: '', 'skip' or 'failed'; and why."""
    t = Test()
    result, why = '', ''
    try:
        func(t)
    except Skip as e:
        result, why = 'skip', str(e)
    except Exception:
        result, why = 'failed', traceback.format_exc(chain=False)
        for f in t.ferries:
            print(f'--- ferry {f.proc.args}\n{excerpt(f.output())}',
                  file=sys.stderr)
    t.cleanup()
    if t.problems:
        result, why = 'failed', '\n'.join([*t.problems, why])
    return result, why


def run_apart(name: str) -> tuple[list[str], str]:
    """One test in a process of its own; its lines, and why it failed."""
    r = subprocess.run([sys.executable, sys.argv[0], name],
                       capture_output=True, text=True, errors='replace')
    lines = [line for line in r.stdout.splitlines()
             if not line.startswith('1..')]
    passed = [line for line in lines if line.startswith('ok ')]
    failed = any(line.startswith('not ok ') for line in lines)
    if not failed and (r.returncode or not passed):
        lines = [line for line in lines if line not in passed]
        lines.append(f'not ok 1 {name} # ended with status {r.returncode}')
    return lines, r.stderr


def main(at_once: int = 1) -> None:
    """@at_once: for tests that mostly wait: so many run beside each other,
    each in a process of its own."""
    tests = [(n, f) for n, f in sys.modules['__main__'].__dict__.items()
             if n.startswith('test_') and callable(f)]
    only = sys.argv[1:]
    tests = [t for t in tests if not only or t[0] in only]
    failed = []
    print(f'1..{len(tests)}', flush=True)
    if at_once > 1 and len(tests) > 1:
        with ThreadPoolExecutor(at_once) as pool:
            for number, (lines, why) in enumerate(
                    pool.map(run_apart, [t[0] for t in tests]), 1):
                for line in lines:
                    print(re.sub('^((?:not )?ok) 1 ', rf'\1 {number} ', line),
                          flush=True)
                if any(line.startswith('not ok') for line in lines):
                    failed.append(why)
        tests = []
    for number, (name, func) in enumerate(tests, 1):
        begin = time.monotonic()
        result, why = run_one(func)
        if result == 'failed':
            failed.append(f'--- {name}\n{why}')
        print('not ok' if result == 'failed' else 'ok', number, name,
              f'# SKIP {why}' if result == 'skip' else
              f'# {time.monotonic() - begin:.1f} s', flush=True)
    # The causes are the last thing in the log.
    print('\n'.join(failed), end='', file=sys.stderr)
    sys.exit(1 if failed else 0)
