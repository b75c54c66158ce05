#!/bin/sh
# ncat tries every address of a name as a client, and only the first as a proxy.
#
# ncat 7.93+dfsg1-1 and microsocks 1.0.3-2 (Debian).
#
# One would expect a proxy to try the addresses of a name in turn, as any client
# does (RFC 1123, section 2.3), above all one that is a client with that ability
# itself.
#
# Seen, with a name whose IPv6 address refuses and whose IPv4 address has the
# server: `ncat dual 2222` gets there at once. `ncat --listen --proxy-type http`,
# the same program, answers "504 Gateway Timeout", at once too, so nothing timed
# out. The SOCKS server microsocks gives up after the first address as well.
#
# It matters to anyone who has a proxy resolve names, as with "nc -X" and "%h" in
# a ProxyCommand: one dead IPv6 address hides a healthy host, for the proxy's
# clients alone, and the error names neither the address nor the cause. To be
# safe, resolve on the client, and ask the proxy for one address after the other.
set -eu

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
for tool in apt-get dpkg-deb node unshare ip; do
	command -v $tool >/dev/null || { echo "cannot run: no $tool"; exit 2; }
done
unshare -rnm true 2>"$tmp/log" || { cat "$tmp/log"; echo "cannot run: no network namespace"; exit 2; }

chmod 755 "$tmp"
cd "$tmp"
{
	apt-get download ncat=7.93+dfsg1-1 microsocks=1.0.3-2 libpcap0.8=1.10.3-1 liblua5.3-0=5.3.6-2
	for package in *.deb; do dpkg-deb -x "$package" root; done
} >log 2>&1 || { cat log; echo "cannot run: the packages could not be installed"; exit 2; }

cat >main.js <<'EOF'
const net = require('net')
const { spawn } = require('child_process')

const children = []
process.on('exit', () => children.forEach((child) => child.kill()))
const start = (...args) => children.push(spawn('root/usr/bin/' + args[0], args.slice(1)))
const pause = (ms) => new Promise((done) => setTimeout(done, ms))

// Connects to port and sends each message once the one before was answered;
// shows the last answer.
const talk = async (port, ...messages) => {
	for (let tries = 0; tries < 20; tries++) {
		const socket = net.connect(port, '127.0.0.1')
		const connected = await new Promise((done) => socket.once('connect', () => done(true)).once('error', () => done(false)))
		if (!connected) {
			await pause(200)
			continue
		}
		socket.on('error', () => {})
		socket.setTimeout(5000, () => socket.destroy())
		let answer
		for (const message of messages) {
			socket.write(message)
			answer = await new Promise((done) => socket.once('data', done).once('close', () => done(Buffer.alloc(0))))
		}
		socket.destroy()
		return answer
	}
	return Buffer.from('no proxy')
}

async function main() {
	const server = net.createServer((socket) => {
		socket.on('error', () => {})
		socket.end('SSH-2.0-box\r\n')
	})
	await new Promise((done) => server.listen(2222, '127.0.0.1', done))
	start('ncat', '--listen', '--keep-open', '--proxy-type', 'http', '127.0.0.1', '3128')
	start('microsocks', '-i', '127.0.0.1', '-p', '1080')

	const client = spawn('root/usr/bin/ncat', ['dual', '2222'])
	children.push(client)
	const banner = await new Promise((done) => client.stdout.once('data', done).once('close', () => done('')))
	console.log('ncat, client:      ', String(banner).trim())

	for (const host of ['only4', 'dual']) {
		const name = Buffer.from(host)
		const connect = Buffer.concat([Buffer.from([5, 1, 0, 3, name.length]), name, Buffer.from([2222 >> 8, 2222 & 255])])
		const http = await talk(3128, `CONNECT ${host}:2222 HTTP/1.1\r\n\r\n`)
		const socks = await talk(1080, Buffer.from([5, 1, 0]), connect)
		console.log(`ncat, proxy, ${host}:`.padEnd(19), String(http).split('\r\n')[0])
		console.log(`microsocks, ${host}:`.padEnd(19), 'reply', socks[1])
	}
	process.exit()
}
main()
EOF
cat >hosts <<'EOF'
127.0.0.1 localhost
127.0.0.1 only4
::1 dual
127.0.0.1 dual
EOF
LD_LIBRARY_PATH=$(echo "$PWD"/root/usr/lib/*-linux-gnu*) unshare -rnm sh -c '
	ip link set lo up
	mount --bind hosts /etc/hosts
	exec node main.js' 2>errors | tee seen

diff - seen >changed <<'EOF' || { echo "The behaviour has changed:"; cat changed errors; exit 1; }
ncat, client:       SSH-2.0-box
ncat, proxy, only4: HTTP/1.0 200 OK
microsocks, only4:  reply 0
ncat, proxy, dual:  HTTP/1.0 504 Gateway Timeout
microsocks, dual:   reply 5
EOF
echo "As described."
