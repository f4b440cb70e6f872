#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Channels against programs that were not written here:
#
#   test-peers.sh CHANNEL-PEER
#
# WebSocket: node's client, Debian's python3-websockets as client and server.
# TLS: gnutls-cli, openssl s_client. A peer that is not installed
# is skipped; 77 when there was none at all.
set -u
peer=$1
work=$(mktemp -d)
ran=0 failed=0 server=
trap '[ -z "$server" ] || kill $server 2>/dev/null; rm -rf "$work"' EXIT

# serve STACK: start our echo server for one client; sets PORT and CA.
serve() {
    : >"$work/serve"
    timeout 30 "$peer" serve "$1" 1 >"$work/serve" 2>"$work/serve.err" &
    server=$!
    for _ in $(seq 100); do
        grep -q ^CA= "$work/serve" && break
        sleep 0.05
    done
    PORT=$(sed -n 's/^PORT=//p' "$work/serve")
    CA=$(sed -n 's/^CA=//p' "$work/serve")
    cp "$CA" "$work/ca.pem"
}

# result NAME STATUS: with the server's own status.
result() {
    ran=$((ran + 1))
    status=$2
    if [ -n "$server" ]; then
        wait $server || status="$status, ours $?"
        server=
    fi
    if [ "$status" = 0 ]; then
        echo "ok: $1"
    else
        echo "FAILED: $1 (peer's status $status)"
        cat "$work"/*.err "$work/out" 2>/dev/null
        failed=$((failed + 1))
    fi
}

cat >"$work/ws.js" <<'JS'
const ws = new WebSocket(process.argv[2], 'binary');
const sizes = [1, 125, 126, 65535, 65536, 300000];
let want = Buffer.alloc(0), got = Buffer.alloc(0), i = 0;
function next() {
  if (i === sizes.length) { ws.close(1000, 'done'); return; }
  want = Buffer.alloc(sizes[i], i + 1); got = Buffer.alloc(0); i++;
  ws.send(want);
}
ws.binaryType = 'arraybuffer';
ws.onopen = () => { if (ws.protocol !== 'binary') process.exit(3); next(); };
ws.onmessage = e => {
  got = Buffer.concat([got, Buffer.from(e.data)]);
  if (got.length < want.length) return;
  if (!got.equals(want)) process.exit(4);
  next();
};
ws.onerror = e => { console.error(e.message || e); process.exit(5); };
ws.onclose = e => process.exit(e.wasClean && e.code === 1000 ? 0 : 6);
JS
if node --experimental-websocket -e 'WebSocket' 2>/dev/null; then
    serve ws
    timeout 20 node --experimental-websocket "$work/ws.js" \
        "ws://127.0.0.1:$PORT/" >"$work/out" 2>&1
    result "node, ws" $?
    serve wss
    NODE_EXTRA_CA_CERTS="$work/ca.pem" timeout 20 node \
        --experimental-websocket "$work/ws.js" \
        "wss://localhost:$PORT/" >"$work/out" 2>&1
    result "node, wss" $?
fi

cat >"$work/client.py" <<'PY'
import asyncio, ssl, sys, websockets
async def main():
    url, ca = sys.argv[1], sys.argv[2]
    tls = ssl.create_default_context(cafile=ca) if url[:4] == 'wss:' else None
    async with websockets.connect(url, subprotocols=['binary'], ssl=tls,
                                  compression=None, max_size=None) as ws:
        assert ws.subprotocol == 'binary'
        for size in (1, 125, 126, 65535, 65536, 300000):
            data = bytes([size % 251]) * size
            # In fragments, with a ping between the messages.
            await ws.send(iter([data[:size // 2], data[size // 2:]]))
            await (await ws.ping(b'are you there'))
            got = b''
            while len(got) < size:
                got += await ws.recv()
            assert got == data
asyncio.run(main())
PY
cat >"$work/server.py" <<'PY'
import asyncio, sys, websockets
async def echo(ws, path=None):
    assert ws.subprotocol == 'binary'
    async for message in ws:
        await ws.ping()
        await ws.send(message)
    done.set_result(ws.close_code)
async def main():
    global done
    done = asyncio.get_running_loop().create_future()
    async with websockets.serve(echo, '127.0.0.1', 0, max_size=None,
                                subprotocols=['binary']) as server:
        print('PORT=%d' % server.sockets[0].getsockname()[1], flush=True)
        sys.exit(0 if await done == 1000 else 1)
asyncio.run(main())
PY
py=/usr/bin/python3
if $py -c 'import websockets' 2>/dev/null; then
    for s in ws wss; do
        serve $s
        timeout 20 $py "$work/client.py" "$s://localhost:$PORT/" \
            "$work/ca.pem" >"$work/out" 2>&1
        result "python3-websockets client, $s" $?
    done
    : >"$work/serve"
    timeout 20 $py "$work/server.py" >"$work/serve" 2>"$work/out" &
    server=$!
    for _ in $(seq 100); do
        grep -q ^PORT= "$work/serve" && break
        sleep 0.05
    done
    timeout 20 "$peer" connect ws "$(sed -n 's/^PORT=//p' "$work/serve")" \
        2>"$work/connect.err"
    result "python3-websockets server, ws" $?
fi

if command -v gnutls-cli >/dev/null; then
    serve tls
    { echo hello; sleep 0.5; } | timeout 20 gnutls-cli --logfile=/dev/null \
        --x509cafile="$work/ca.pem" -p "$PORT" localhost >"$work/out" \
        2>"$work/cli.err"
    grep -q '^hello$' "$work/out"
    result "gnutls-cli" $?
fi
if command -v openssl >/dev/null; then
    serve tls
    { echo hello; sleep 0.5; } | timeout 20 openssl s_client -quiet \
        -no_ign_eof -verify_return_error -CAfile "$work/ca.pem" \
        -verify_hostname localhost -connect "127.0.0.1:$PORT" \
        >"$work/out" 2>"$work/cli.err"
    grep -q '^hello$' "$work/out"
    result "openssl s_client" $?
fi

echo "$ran peers, $failed failed"
[ $ran -gt 0 ] || exit 77
[ $failed -eq 0 ]
