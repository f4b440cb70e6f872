#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Multifd and mapped RAM: numbers of channels, compression that changes on the
way, zero pages, zero copy, limits, with post-copy; channels that fail, do not
fit or do not mean well; files that were tampered with."""
import os
import socket
import struct
import time

import ferrytest
from ferrytest import QmpError, Test, wait_for
from migrate import BUSY, Pair


def test_channels(t: Test) -> None:
    p = Pair(t)
    for channels in (1, 5, 255):
        p.migrate('unix', ['multifd'], {'multifd-channels': channels})
        p.check()


def test_tls(t: Test) -> None:
    for method in ('none', 'zlib'):
        p = Pair(t, tls='psk')
        info = p.migrate('tcp', ['multifd'], {'multifd-channels': 3,
                                              'multifd-compression': method})
        p.check()
        assert info['ram']['multifd-bytes'] > 1 << 18, info
        t.cleanup_ferries()


def test_zero_pages(t: Test) -> None:
    p = Pair(t)
    for where in ('none', 'legacy', 'multifd'):
        info = p.migrate('unix', ['multifd'],
                         {'zero-page-detection': where,
                          'max-bandwidth': 0})['ram']
        p.check()
        assert info['normal'] > 1000, info


def test_zero_copy(t: Test) -> None:
    p = Pair(t)
    info = p.migrate('tcp', ['multifd'], source_only=['zero-copy-send'])
    p.check()
    # Over loopback the kernel copies, and tells.
    assert info['ram']['dirty-sync-missed-zero-copy'] > 0, info


def test_compression_changes(t: Test) -> None:
    p = Pair(t, append=BUSY)
    p.new_target()
    p.settings(['multifd'], {'max-bandwidth': 20 << 20})
    p.source.qmp.cmd('migrate', uri=p.listen('unix'))
    p.wait_status('active')
    for method in ('zlib', 'zstd', 'none', 'zlib'):
        time.sleep(0.4)
        try:
            p.source.qmp.raw('migrate-set-parameters',
                             {'multifd-compression': method})
        except QmpError as e:
            assert 'multifd-compression' in str(e), e
    p.source.qmp.raw('migrate-set-parameters',
                     {'max-bandwidth': 0, 'downtime-limit': 2000})
    p.finish()
    p.check()


def test_rate(t: Test) -> None:
    """All channels together keep the limit, over each second too."""
    p = Pair(t, append=BUSY.replace('20M', '100M'), memory='192')
    limit = 24 << 20
    p.new_target()
    p.settings(['multifd'], {'max-bandwidth': limit, 'multifd-channels': 4,
                             'downtime-limit': 1})
    p.source.qmp.cmd('migrate', uri=p.listen('tcp'))
    p.wait_status('active')
    seen = []
    end = time.monotonic() + 3
    while time.monotonic() < end:
        before = time.monotonic()
        s = p.status()
        assert s['status'] == 'active', s
        seen.append(((before + time.monotonic()) / 2,
                     s['ram']['transferred']))
        time.sleep(0.05)
    for at, sent in seen:
        later = [x for x in seen if x[0] >= at + 1]
        if later:
            rate = (later[0][1] - sent) / (later[0][0] - at)
            # Bursts and the times of queries are in it.
            assert rate < limit * 1.05, (rate, limit)
    whole = (seen[-1][1] - seen[0][1]) / (seen[-1][0] - seen[0][0])
    assert whole > limit * 0.7, (whole, limit)
    p.source.qmp.raw('migrate-set-parameters',
                     {'max-bandwidth': 0, 'downtime-limit': 2000})
    p.finish()
    p.check()


def test_postcopy(t: Test) -> None:
    p = Pair(t, append=BUSY.replace('20M', '40M'))
    for capabilities in (['postcopy-ram', 'multifd'],
                         ['postcopy-ram', 'postcopy-preempt', 'multifd']):
        def start(p: Pair) -> None:
            p.wait_status('active')
            wait_for(lambda: p.status()['ram']['dirty-sync-count'] >= 2,
                     'the second pass')
            p.source.qmp.cmd('migrate-start-postcopy')
        # Slower than any guest that writes all the time, also on a busy host.
        p.migrate('unix', capabilities, {'max-bandwidth': 20 << 20,
                                         'downtime-limit': 20},
                  after_start=start)
        p.check()


def test_cancel(t: Test) -> None:
    p = Pair(t, append=BUSY)
    for n, wait in enumerate((0, 0.02, 0.1, 0.4)):
        p.new_target()
        p.settings(['multifd'],
                   {'max-bandwidth': 1 << 20, 'multifd-channels': 1 + 3 * n,
                    'multifd-compression': ('none', 'zlib')[n % 2]})
        p.source.qmp.cmd('migrate', uri=p.listen('tcp'))
        time.sleep(wait)
        p.source.qmp.cmd('migrate_cancel')
        wait_for(lambda: p.status()['status'] == 'cancelled', 'the end')
        p.still_here()
    p.new_target()
    p.migrate('tcp', ['multifd'], {'max-bandwidth': 0, 'multifd-channels': 2,
                                   'multifd-compression': 'none'})
    p.check()


def test_destination_has_less(t: Test) -> None:
    p = Pair(t)
    p.new_target()
    p.settings(['multifd'], {'multifd-channels': 4})
    p.target.qmp.raw('migrate-set-parameters', {'multifd-channels': 2})
    uri = p.listen('unix', **{'exit-on-error': False})
    p.source.qmp.cmd('migrate', uri=uri)
    info = wait_for(lambda: (s := p.status())['status'] == 'failed' and s,
                    'the failure')
    assert info['error-desc'], info
    p.still_here()


def test_destination_dies(t: Test) -> None:
    p = Pair(t, append=BUSY)
    p.new_target()
    p.settings(['multifd'], {'max-bandwidth': 20 << 20})
    p.source.qmp.cmd('migrate', uri=p.listen('tcp'))
    p.wait_status('active')
    time.sleep(0.5)
    p.target.proc.kill()
    wait_for(lambda: p.status()['status'] == 'failed', 'the failure')
    p.target.proc.wait()
    t.ferries.remove(p.target)
    p.still_here()


def hello(number: int, uuid: bytes = bytes(16)) -> bytes:
    return struct.pack('>II16sB39x', 0x11223344, 1, uuid, number)


def test_strangers(t: Test) -> None:
    """Channels of others on the incoming port: the true source gets in."""
    p = Pair(t)
    p.new_target()
    p.settings(['multifd'])
    uri = p.listen('tcp')
    port = int(uri.rsplit(':', 1)[1])
    crowd = []
    for first in (hello(0, b'another guest..!'), hello(200), b'\x11\x22\x33\x44',
                  hello(1)[:40], b'garbage' * 30, b''):
        s = socket.create_connection(('127.0.0.1', port))
        s.sendall(first)
        crowd.append(s)
    time.sleep(0.3)
    p.source.qmp.cmd('migrate', uri=uri)
    p.finish()
    p.check()
    for s in crowd:
        s.close()


def save(p: Pair, path: str, capabilities: list, parameters: dict) -> None:
    p.settings(capabilities, parameters)
    p.source.qmp.cmd('migrate', uri=f'file:{path}')
    p.wait_status('completed')


def test_mapped_ram(t: Test) -> None:
    for n, (capabilities, parameters, offset) in enumerate((
            (['mapped-ram'], {}, ''),
            (['mapped-ram'], {'direct-io': True}, ''),
            (['mapped-ram', 'multifd'], {'direct-io': True,
                                         'multifd-channels': 4}, ''),
            (['mapped-ram', 'multifd'], {'zero-page-detection': 'legacy'},
             ',offset=0x123000'))):
        p = Pair(t, append=BUSY)
        path = t.path(f'image{n}')
        try:
            save(p, f'{path}{offset}', capabilities, parameters)
        except (QmpError, AssertionError) as e:
            # A file system without O_DIRECT.
            if 'direct-io' in parameters and 'direct' in str(e).lower():
                continue
            raise
        # However often a page was written, it has one place.
        assert os.stat(path).st_size < 100 << 20, os.stat(path)
        p.new_target()
        p.settings(capabilities, parameters)
        p.target.qmp.cmd('migrate-incoming', uri=f'file:{path}{offset}')
        p.finish()
        p.check()
        t.cleanup_ferries()


def test_mapped_ram_tampered(t: Test) -> None:
    p = Pair(t)
    path = t.path('image')
    save(p, str(path), ['mapped-ram'], {})
    size = os.stat(path).st_size
    good = path.read_bytes()[:65536]
    # The first block's header: version 1, page size 4096.
    at = good.index(bytes.fromhex('00000001' '0000000000001000'))
    for what in ('version', 'offset', 'short'):
        with open(path, 'r+b') as f:
            f.write(good)
            if what == 'version':
                f.seek(at)
                f.write(b'\xff')
            elif what == 'offset':
                f.seek(at + 20)
                f.write(b'\x7f')
            else:
                f.truncate(size // 2)
        p.new_target()
        p.settings(['mapped-ram'])
        p.target.qmp.cmd('migrate-incoming', uri=f'file:{path}',
                         **{'exit-on-error': False})
        info = wait_for(lambda: (s := p.status(p.target)).get('status') ==
                        'failed' and s, 'the failure')
        assert 'mapped-ram' in info['error-desc'] or what == 'short', info
        p.target.qmp.cmd('query-status')


if __name__ == '__main__':
    ferrytest.main()
