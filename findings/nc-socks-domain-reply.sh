#!/bin/sh
# OpenBSD netcat breaks off every connection by name through a SOCKS server whose
# replies hold a name, as the RFC allows.
#
# netcat-openbsd 1.219-1 (Debian), simple-socks 3.6.0 (npm).
#
# One would expect `nc -X 5 -x PROXY HOST PORT`, the usual ProxyCommand for a
# SOCKS proxy, to work with any SOCKS5 server. The address in the server's reply
# (BND.ADDR) may be IPv4, IPv6 or a domain name (RFC 1928, section 6), and a
# client that only connects has no use for it.
#
# Seen: asked for a name, simple-socks answers "succeeded" with that name as
# BND.ADDR. nc accepts only IPv4 and IPv6 addresses in replies: it says
# "unsupported address type" and closes a connection that is already open. Asked
# for an address, the same server answers with an address, and nc works. So
# `ssh 192.0.2.1` works and `ssh box` does not.
#
# It matters to writers of SOCKS servers (reply with an address, 0.0.0.0 if there
# is none) and of clients (read the domain form, and skip it).
set -eu

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
for tool in npm node apt-get dpkg-deb; do
	command -v $tool >/dev/null || { echo "cannot run: no $tool"; exit 2; }
done

chmod 755 "$tmp"
cd "$tmp"
{
	apt-get download netcat-openbsd=1.219-1 libbsd0=0.11.7-2 libmd0=1.0.4-2
	for package in *.deb; do dpkg-deb -x "$package" root; done
	npm install --ignore-scripts --no-audit --no-fund simple-socks@3.6.0
} >log 2>&1 || { cat log; echo "cannot run: the packages could not be installed"; exit 2; }

cat >main.mjs <<'EOF'
import net from 'node:net'
import { execFile } from 'node:child_process'
import socks from 'simple-socks'

const listen = (server) => new Promise((done) => {
	server.listen(0, '127.0.0.1', () => done(server.address().port))
})

// Reports the kind of address in the server's reply to a CONNECT to localhost.
const replyTo = (proxy, request) => new Promise((done) => {
	const socket = net.connect(proxy, '127.0.0.1')
	socket.once('data', () => {
		socket.once('data', (reply) => {
			socket.destroy()
			done(`reply ${reply[1]}, address type ${reply[3]}`)
		})
		socket.write(request)
	})
	socket.write(Buffer.from([5, 1, 0]))
})

const netcat = (proxy, host, port) => new Promise((done) => {
	const args = ['-X', '5', '-x', `127.0.0.1:${proxy}`, host, String(port)]
	const child = execFile('root/bin/nc.openbsd', args, { timeout: 5000 }, (error, stdout, stderr) => {
		done(JSON.stringify(stdout + stderr || String(error)))
	})
	child.stdin.on('error', () => {})
})

const banner = net.createServer((socket) => {
	socket.on('error', () => {})
	socket.end('SSH-2.0-box\r\n')
})
const port = await listen(banner)
const proxy = await listen(socks.createServer())
const high = port >> 8
const low = port & 255

const name = Buffer.from('localhost')
console.log('by address, server:', await replyTo(proxy, Buffer.from([5, 1, 0, 1, 127, 0, 0, 1, high, low])))
console.log('by address, nc:    ', await netcat(proxy, '127.0.0.1', port))
console.log('by name, server:   ', await replyTo(proxy, Buffer.from([5, 1, 0, 3, name.length, ...name, high, low])))
console.log('by name, nc:       ', await netcat(proxy, 'localhost', port))
process.exit()
EOF
LD_LIBRARY_PATH=$(echo root/usr/lib/*-linux-gnu*) node main.mjs 2>errors | tee seen

diff - seen >changed <<'EOF' || { echo "The behaviour has changed:"; cat changed errors; exit 1; }
by address, server: reply 0, address type 1
by address, nc:     "SSH-2.0-box\r\n"
by name, server:    reply 0, address type 3
by name, nc:        "nc.openbsd: connection failed, unsupported address type\n"
EOF
echo "As described."
