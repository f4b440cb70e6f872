#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A WebSocket between standard input and output, by Debian's
python3-websockets, so that Ferry's is not checked by itself.

  websocket-peer.py connect URL [CA CERT KEY]
  websocket-peer.py serve PORT [CERT KEY]

Each block of the input is sent as a message of three fragments; a ping goes
out beside it and its answer is waited for.
"""
import asyncio
import os
import ssl
import sys

import websockets

BLOCK = 60000
PROTOCOL = websockets.Subprotocol('binary')


async def send_input(ws) -> None:
    loop = asyncio.get_running_loop()
    while block := await loop.run_in_executor(None, os.read, 0, BLOCK):
        cut = len(block) // 3
        pong = await ws.ping()
        await ws.send([block[:cut], block[cut:2 * cut], block[2 * cut:]])
        await pong


async def copy(ws) -> None:
    assert ws.subprotocol == PROTOCOL, ws.subprotocol
    sender = asyncio.create_task(send_input(ws))
    try:
        async for message in ws:
            assert isinstance(message, bytes), message
            view = memoryview(message)
            while view:
                view = view[os.write(1, view):]
    finally:
        print(f'closed {ws.close_code}', file=sys.stderr, flush=True)
        os._exit(0 if not sender.done() or not sender.exception() else 1)


async def main() -> None:
    what, where, *files = sys.argv[1:]
    tls = None
    if what == 'connect':
        if files:
            tls = ssl.create_default_context(cafile=files[0])
            tls.load_cert_chain(files[1], files[2])
        async with websockets.connect(where, subprotocols=[PROTOCOL], ssl=tls,
                                      max_size=None) as ws:
            await copy(ws)
    else:
        if files:
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(files[0], files[1])
        async with websockets.serve(copy, '127.0.0.1', int(where), ssl=tls,
                                    subprotocols=[PROTOCOL], max_size=None):
            print('serving', file=sys.stderr, flush=True)
            await asyncio.Future()


asyncio.run(main())
