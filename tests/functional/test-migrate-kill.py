#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The source, the destination or the network is killed at each step of a
migration: exactly one side has the guest afterwards, unless the process that had
it is the one that was killed.

A first run lists the steps (wiresteps.py); then one migration each is stopped
there. Suite `slow` takes all steps, else some are taken; each run takes those at
which it is decided who has the guest.
"""
import re

import ferrytest
from ferrytest import LONG, Test, wait_for
from migrate import Pair
from wiresteps import StepRelay

GUEST = 'mem=12M kept=4M pattern=verify rate=4000 tick=20000 end=halt'
SETTLED = ('completed', 'failed', 'postcopy-paused')
# It is decided around these.
DECIDE = ('<SHUT 0', '>PING FCOM', 'in >PING FCOM', '<PONG FCOM',
          'in <PONG FCOM', '>PING 1#2')
SOME = 5  # others of a quick run
# Cut there, the destination waits long for channels that never come.
SLOW = ('>START ram end', 'in >START ram end')


class Course:
    """Migrations with one guest, for as long as somebody has it."""

    def __init__(self, t: Test, capabilities: list[str] = ()):
        self.t = t
        t.any_status = True
        self.capabilities = list(capabilities)
        self.postcopy = 'postcopy-ram' in capabilities
        self.p: Pair | None = None
        self.reached: set[str] = set()

    def start(self, stop: str | None) -> None:
        """A migration that stands at @stop."""
        if not self.p:
            self.t.cleanup_ferries()
            self.p = Pair(self.t, accel='soft', memory='32', append=GUEST)
        p = self.p
        p.new_target()
        p.settings(self.capabilities, {'max-postcopy-bandwidth': 4 << 20})
        uri = p.listen('unix', **{'exit-on-error': False})
        self.relay = StepRelay(self.t, uri, stop)
        p.source.qmp.cmd('migrate', uri=self.relay.uri)
        if self.postcopy:
            self.start_postcopy()

    def start_postcopy(self) -> None:
        def passed():
            s = self.status(self.p.source)
            return (s.get('ram', {}).get('dirty-sync-count', 0) >= 1 and
                    s['status'] == 'active') or self.relay.frozen.is_set()
        wait_for(passed, 'the first pass')
        self.p.source.qmp.cmd('migrate-start-postcopy')

    def status(self, f) -> dict:
        return f.qmp.cmd('query-migrate')

    def names(self) -> list[str]:
        """The steps of a migration that nobody disturbs."""
        self.start(None)
        self.p.finish()
        self.p.check()
        return self.relay.names

    def kill(self, victim: str) -> None:
        p, relay = self.p, self.relay
        if victim in ('source', 'destination'):
            f = p.source if victim == 'source' else p.target
            f.proc.kill()
            f.proc.wait()
        if victim == 'destination':
            relay.close()
        else:
            relay.cut(dark=victim == 'dark')

    def settled(self, f) -> dict:
        """How the migration ended for @f."""
        def there():
            s = self.status(f)
            return s.get('status') in SETTLED and s
        return wait_for(there, 'the end', 3 * ferrytest.TIMEOUT)

    def runs(self, f) -> bool:
        return f.qmp.cmd('query-status')['running']

    def has_guest(self, f, other) -> None:
        """@f runs the guest, and @other, if there is one, does not."""
        p = self.p
        wait_for(lambda: self.runs(f), 'the guest to run')
        silent = p.serial_of(other) if other else None
        size = silent.stat().st_size if silent else 0
        p.check_of(p.serial.index(p.serial_of(f)))
        if other:
            assert not self.runs(other), 'both run'
            assert silent.stat().st_size == size, 'the other writes as well'
        p.source, p.target = f, None

    def nobody(self, f) -> None:
        """@f, the last one, does not have it."""
        assert not self.runs(f)
        p = self.p
        size = p.serial_of(f).stat().st_size
        f.qmp.cmd('query-migrate')
        assert p.serial_of(f).stat().st_size == size
        self.p = None

    def migrate(self, stop: str, victim: str) -> bool:
        """Returns: did it come by @stop?"""
        self.start(stop)
        p = self.p
        if not self.relay.wait_stop(
                lambda: self.status(p.source)['status'] == 'completed'):
            p.finish()
            return False
        self.reached.add(stop)
        self.kill(victim)
        try:
            check = getattr(self, f'after_{victim}')
            check(self.relay.passed)
        except Exception:
            print(f'# at {stop!r}, victim {victim}; passed: '
                  f'{self.relay.names[-6:]}', flush=True)
            raise
        for f in [f for f in self.t.ferries if self.p and f is not
                  self.p.source and f.proc.poll() is None]:
            f.proc.kill()
            f.proc.wait()
        return True

    # -- what must be ----------------------------------------------------------

    def after_network(self, passed: set[str]) -> None:
        p = self.p
        source = self.settled(p.source)
        if source['status'] == 'postcopy-paused':
            assert '>PACKAGED' in passed, passed
            if self.settled(p.target)['status'] == 'completed':
                # Its last word was lost: the source has nothing any more.
                assert '>EOF' in passed, passed
                self.has_guest(p.target, p.source)
            else:
                self.recover()
            return
        if '>configuration' not in passed:
            # A stranger, to the destination.
            assert source['status'] == 'failed', source
            self.has_guest(p.source, p.target)
            return
        target = self.settled(p.target)
        if '>PING FCOM' in passed:
            assert source['status'] == target['status'] == 'completed', (
                source, target)
            self.has_guest(p.target, p.source)
            return
        assert source['status'] == 'failed' and source['error-desc'], source
        # One that has a whole package waits for the commit, or a recovery.
        assert target['status'] == 'failed' and target['error-desc'] or \
            target['status'] == 'postcopy-paused' and \
            '>POSTCOPY_RUN' in passed, target
        self.has_guest(p.source, p.target)

    def after_dark(self, passed: set[str]) -> None:
        """No other connection comes to the destination: where the source
        cannot know, it leaves the guest stopped and says so."""
        p = self.p
        source = self.settled(p.source)
        if '>PING FCOM' not in self.relay.names:
            assert source['status'] == 'failed', source
            self.has_guest(p.source, p.target)
        elif '<PONG FCOM' in passed:
            assert source['status'] == 'completed', source
            self.has_guest(p.target, p.source)
        else:
            assert source['status'] == 'failed', source
            assert "use 'cont' here only" in source['error-desc'], source
            assert not self.runs(p.source)
            if '>PING FCOM' in passed:
                self.has_guest(p.target, p.source)
            else:
                assert not self.runs(p.target)
                p.source.qmp.cmd('cont')
                self.has_guest(p.source, p.target)

    def after_destination(self, passed: set[str]) -> None:
        source = self.settled(self.p.source)
        if source['status'] == 'failed':
            assert source['error-desc'], source
            self.has_guest(self.p.source, None)
            return
        # It had the guest, or nobody can know.
        assert ('<PONG FCOM' if source['status'] == 'completed' else
                '>PACKAGED') in self.relay.names, source
        self.nobody(self.p.source)

    def after_source(self, passed: set[str]) -> None:
        if '>configuration' not in passed:
            self.nobody(self.p.target)
            return
        target = self.settled(self.p.target)
        if '>PING FCOM' not in passed:
            assert target['status'] != 'completed', target
            self.nobody(self.p.target)
        elif target['status'] == 'completed':
            self.has_guest(self.p.target, None)
        else:
            # The rest of its memory is gone.
            assert self.postcopy and target['status'] == 'postcopy-paused', \
                target
            self.p = None

    def recover(self) -> None:
        p = self.p
        assert not self.runs(p.source)
        p.count += 1
        uri = f'unix:{self.t.path(f"again{p.count}")}'
        p.target.qmp.cmd('migrate-recover', uri=uri)
        p.source.qmp.cmd('migrate', uri=uri, resume=True)
        p.source.qmp.raw('migrate-set-parameters',
                         {'max-postcopy-bandwidth': 0})
        p.finish()
        p.check(1)


def chosen(names: list[str], victim: str) -> list[str]:
    """For each victim others."""
    if LONG:
        return names
    others = [n for n in names if n not in DECIDE + SLOW]
    step = len(others) // SOME
    first = ('network', 'destination', 'source').index(victim)
    return others[first * step // 4::step] + [n for n in names if n in DECIDE]


def proof(t: Test, victims: tuple[str, ...], least: int,
          capabilities: tuple[str, ...] = ()) -> None:
    c = Course(t, capabilities)
    names = c.names()
    print(f'# {len(names)} steps', flush=True)
    assert len(names) >= least, names
    for victim in victims:
        steps = chosen(names, victim)
        reached = sum(c.migrate(step, victim) for step in steps)
        print(f'# {victim}: {reached} of {len(steps)} steps', flush=True)
        assert reached >= len(steps) * 3 // 4, (reached, steps)


def test_network(t: Test) -> None:
    proof(t, ('network',), 40)


def stays_away(t: Test, *steps: str) -> None:
    c = Course(t)
    for step in steps:
        assert c.migrate(step, 'dark'), step


# The source asks for long.
def test_network_stays_away_before_commit(t: Test) -> None:
    stays_away(t, *(('in >VMDESC', '<SHUT 0') if LONG else ()), '>PING FCOM')


def test_network_stays_away_after_commit(t: Test) -> None:
    stays_away(t, '<PONG FCOM')


def test_processes(t: Test) -> None:
    proof(t, ('destination', 'source'), 40)


def test_multifd(t: Test) -> None:
    proof(t, ('network', 'destination') if LONG else ('network',), 40,
          ('multifd',))


def postcopy(t: Test, victim: str) -> None:
    proof(t, (victim,), 40, ('postcopy-ram', 'postcopy-preempt'))


def test_postcopy_network(t: Test) -> None:
    postcopy(t, 'network')


def test_postcopy_destination(t: Test) -> None:
    postcopy(t, 'destination')


def test_postcopy_source(t: Test) -> None:
    postcopy(t, 'source')


if __name__ == '__main__':
    ferrytest.main(at_once=8)
