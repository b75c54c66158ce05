#!/bin/sh
# Three SOCKS5 server packages refuse with two bytes where the protocol has ten,
# so that clients never learn why.
#
# @mongodb-js/socksv5 0.0.11, @heroku/socksv5 0.0.9 and sockx 0.2.3 (npm; all
# descend from socksv5), with the client socks 2.8.10.
#
# One would expect the reply of RFC 1928, section 6, whatever its code: version,
# reply, reserved, address type, address, port, at least ten bytes. Only the
# rejection of all authentication methods is two bytes long.
#
# Seen: for a port where nobody listens they send 05 05, which has the right code
# for "connection refused", and close. A client that reads the reply by its
# length, as it must, sees a broken connection and not a refusal. The client here
# says "Socket closed". A success is answered in full, so nothing is noticed
# while all goes well.
#
# It matters to anyone who tries several addresses by a proxy: "refused" means to
# try the next one at once, and "the proxy hung up" looks like a proxy that is
# down.
set -eu

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
for tool in npm node; do
	command -v $tool >/dev/null || { echo "cannot run: no $tool"; exit 2; }
done

cd "$tmp"
npm install --ignore-scripts --no-audit --no-fund \
	@mongodb-js/socksv5@0.0.11 @heroku/socksv5@0.0.9 sockx@0.2.3 socks@2.8.10 >log 2>&1 ||
	{ cat log; echo "cannot run: the packages could not be installed"; exit 2; }

cat >main.js <<'EOF'
const net = require('net')
const { SocksClient } = require('socks')

const listen = (server) => new Promise((done) => {
	server.listen(0, '127.0.0.1', () => done(server.address().port))
})

// The bytes of the reply to a CONNECT, up to the end or the first banner.
const replyTo = (proxy, port) => new Promise((done) => {
	const socket = net.connect(proxy, '127.0.0.1')
	const received = []
	socket.once('data', () => {
		socket.on('data', (data) => received.push(data))
		socket.write(Buffer.from([5, 1, 0, 1, 127, 0, 0, 1, port >> 8, port & 255]))
	})
	socket.on('close', () => done(Buffer.concat(received)))
	socket.write(Buffer.from([5, 1, 0]))
})

async function main() {
	const accepts = await listen(net.createServer((socket) => socket.on('error', () => {}).end()))
	const closed = net.createServer()
	const refuses = await listen(closed)
	await new Promise((done) => closed.close(done))

	for (const name of ['@mongodb-js/socksv5', '@heroku/socksv5', 'sockx']) {
		const socksv5 = require(name)
		const server = socksv5.createServer((info, accept) => accept())
		server.useAuth(socksv5.auth.None())
		const proxy = await listen(server)
		const refusal = await replyTo(proxy, refuses)
		console.log(`${name}: success ${(await replyTo(proxy, accepts)).length} bytes, refusal ${refusal.toString('hex')}`)
		await SocksClient.createConnection({
			proxy: { host: '127.0.0.1', port: proxy, type: 5 },
			command: 'connect',
			destination: { host: '127.0.0.1', port: refuses },
			timeout: 5000,
		}).catch((error) => console.log('    the client:', error.message))
	}
	process.exit()
}
main()
EOF
node main.js 2>errors | tee seen

diff - seen >changed <<'EOF' || { echo "The behaviour has changed:"; cat changed errors; exit 1; }
@mongodb-js/socksv5: success 10 bytes, refusal 0505
    the client: Socket closed
@heroku/socksv5: success 10 bytes, refusal 0505
    the client: Socket closed
sockx: success 10 bytes, refusal 0505
    the client: Socket closed
EOF
echo "As described."
