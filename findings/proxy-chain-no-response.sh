#!/bin/sh
# A failed CONNECT through proxy-chain gets no HTTP response at all.
#
# proxy-chain 3.0.1 (npm).
#
# One would expect a status line that says why there is no tunnel (RFC 9110,
# section 15.6.3: 502). The package's README has a list of its own, 590 to 599,
# with 593 for a lookup that failed and 594 for a refused connection.
#
# Seen: where it makes the tunnel by itself, with no upstream proxy, none of them
# is sent. A refused connection and a name that cannot be looked up both end the
# client's connection after zero bytes, which looks like a proxy that crashed.
#
# It matters to anyone who connects through HTTP proxies: a close without a
# status can be about this one destination. Go on to the next address, not to the
# next proxy.
set -eu

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
for tool in npm node unshare ip; do
	command -v $tool >/dev/null || { echo "cannot run: no $tool"; exit 2; }
done
unshare -rn true 2>"$tmp/log" || { cat "$tmp/log"; echo "cannot run: no network namespace"; exit 2; }

cd "$tmp"
npm install --ignore-scripts --no-audit --no-fund proxy-chain@3.0.1 >log 2>&1 ||
	{ cat log; echo "cannot run: the package could not be installed"; exit 2; }

cat >main.mjs <<'EOF'
import net from 'node:net'
import { Server } from 'proxy-chain'

const listen = (server, host) => new Promise((done) => {
	server.listen(0, host, () => done(server.address().port))
})
const closedPort = async () => {
	const server = net.createServer()
	const port = await listen(server, '127.0.0.1')
	await new Promise((done) => server.close(done))
	return port
}

// The first line that the proxy sends.
const connect = (proxy, target) => new Promise((done) => {
	const socket = net.connect(proxy, '127.0.0.1')
	let answer = ''
	const end = () => {
		socket.destroy()
		done(answer ? answer.split('\r\n')[0] : `closed after ${socket.bytesRead} bytes`)
	}
	socket.setTimeout(10000, end)
	socket.on('data', (data) => {
		answer += data
		if (answer.includes('\r\n')) end()
	})
	socket.on('error', () => {}).on('close', end)
	socket.write(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`)
})

const accepts = await listen(net.createServer((socket) => socket.on('error', () => {}).end()), '127.0.0.1')
const refuses = await closedPort()
const server = new Server({ port: 0, host: '127.0.0.1' })
await server.listen()

console.log('accepted:      ', await connect(server.port, `127.0.0.1:${accepts}`))
console.log('refused:       ', await connect(server.port, `127.0.0.1:${refuses}`))
console.log('failed lookup: ', await connect(server.port, 'box.invalid:22'))
process.exit()
EOF
unshare -rn sh -c 'ip link set lo up && exec node main.mjs' 2>errors | tee seen

diff - seen >changed <<'EOF' || { echo "The behaviour has changed:"; cat changed errors; exit 1; }
accepted:       HTTP/1.1 200 Connection Established
refused:        closed after 0 bytes
failed lookup:  closed after 0 bytes
EOF
echo "As described."
