#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Guest memory on its way: ways of sending that come and go while it runs, the
bandwidth limit, memory that was never touched."""
import time
from pathlib import Path

import ferrytest
from ferrytest import Test, wait_for
from migrate import Pair

# It writes 8 MiB all the time: more than the limits below let pass.
WRITES = 'mem=16M kept=8M pattern=verify rate=0 tick=20000 end=halt'
# So much is there that a slow first pass lasts.
LARGE = 'mem=56M kept=8M pattern=verify rate=40000 tick=20000 end=halt'


def resident(f) -> int:
    """Bytes of host memory that the process has."""
    pages = int(Path(f'/proc/{f.proc.pid}/statm').read_text().split()[1])
    return pages * 4096


def capability(p: Pair, **switches: bool) -> None:
    p.source.qmp.cmd('migrate-set-capabilities', capabilities=[
        {'capability': c, 'state': on} for c, on in switches.items()])


def passes(p: Pair, n: int) -> dict:
    """Wait for @n more passes."""
    start = p.status()['ram']['dirty-sync-count']

    def there():
        s = p.status()
        assert s['status'] == 'active', s
        return s['ram']['dirty-sync-count'] >= start + n and s
    return wait_for(there, f'{n} passes', 2 * ferrytest.TIMEOUT)


def method(info: dict, name: str) -> dict:
    return next(m for m in info['methods'] if m['method'] == name)


def slow(p: Pair, bandwidth: int, **parameters) -> None:
    """A migration that goes on until it is let go."""
    p.new_target()
    p.settings([], {'max-bandwidth': bandwidth, 'downtime-limit': 0,
                    **parameters})
    uri = p.listen('unix')
    p.source.qmp.cmd('migrate', uri=uri)
    p.wait_status('active')


def let_go(p: Pair) -> dict:
    p.source.qmp.raw('migrate-set-parameters',
                     {'max-bandwidth': 0, 'downtime-limit': 2000})
    info = p.finish()
    p.check()
    return info


def test_switching(t: Test) -> None:
    p = Pair(t, append=WRITES)
    # Half of what is written fits the cache: it helps, but not enough.
    slow(p, 12 << 20, **{'xbzrle-cache-size': 4 << 20})
    passes(p, 2)
    capability(p, xbzrle=True)
    s = passes(p, 4)
    assert s['xbzrle-cache']['cache-size'] == 4 << 20, s
    wait_for(lambda: p.status()['xbzrle-cache']['pages'] > 0,
             'pages as differences', 2 * ferrytest.TIMEOUT)
    p.source.qmp.raw('migrate-set-parameters', {'xbzrle-cache-size': 2 << 20})
    s = passes(p, 2)
    assert s['xbzrle-cache']['cache-size'] == 2 << 20, s
    p.source.qmp.raw('migrate-set-parameters', {'compress-level': 2})
    capability(p, xbzrle=False, compress=True)
    # Stamps and zeros become so small that it may come to its end by itself.
    # What the threads cost is counted at the end of a pass.
    wait_for(lambda: (m := method(p.status(), 'compress')) and
             m['bytes-in'] > 0 and m['cpu-ms'] > 0,
             'compressed pages', 2 * ferrytest.TIMEOUT)
    info = let_go(p)
    assert info['ram']['remaining'] == 0, info


def measure(p: Pair, seconds: float) -> float:
    """Bytes a second, as query-migrate counts them."""
    start = time.monotonic()
    a = p.status()['ram']['transferred']
    time.sleep(seconds)
    b = p.status()['ram']['transferred']
    return (b - a) / (time.monotonic() - start)


def test_bandwidth(t: Test) -> None:
    p = Pair(t, append=LARGE)
    slow(p, 8 << 20)
    time.sleep(0.5)
    for limit in (8 << 20, 12 << 20, 4 << 20):
        p.source.qmp.raw('migrate-set-parameters', {'max-bandwidth': limit})
        time.sleep(0.2)
        rate = measure(p, 1.2)
        assert p.status()['status'] == 'active'
        # The limit, and what a busy machine does to this clock.
        assert rate < limit * 1.05, (rate, limit)
        assert rate > limit * 0.5, (rate, limit)
    let_go(p)


def test_untouched(t: Test) -> None:
    p = Pair(t, memory='1024')
    p.migrate('unix')
    p.check()
    for f in (p.source, *t.ferries):
        if f.proc.poll() is None:
            assert resident(f) < 400 << 20, resident(f)


def test_compress_levels(t: Test) -> None:
    p = Pair(t)
    for level, wait in ((0, True), (1, False), (9, True)):
        info = p.migrate('unix', ['compress', 'xbzrle'],
                         {'compress-level': level, 'compress-threads': 3,
                          'compress-wait-thread': wait,
                          'decompress-threads': 1})
        assert method(info, 'compress')['bytes-in'] > 0, info
        p.check()


if __name__ == '__main__':
    ferrytest.main()
