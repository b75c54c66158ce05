#!/bin/sh
# Six ProxyCommand tools for HTTP proxies take an interim response for a failure, and
# five of them any 2xx status but 200.
#
# connect-proxy 1.105-1.3, corkscrew 2.0-14, ncat 7.93+dfsg1-1, netcat-openbsd 1.219-1,
# proxytunnel 1.10.20210604-2 and socat 1.7.4.4-2 (Debian 12).
#
# One would expect a client to take any 2xx response to CONNECT for success (RFC 9110,
# section 9.3.6), and to skip 1xx responses before it, even unexpected ones (section
# 15.2).
#
# Seen: only corkscrew accepts "201 Created". None accepts "100 Continue" or "103 Early
# Hints", although "200 OK" follows. proxytunnel -q ends without a message; the others
# report an error that is none, such as "Proxy error: HTTP/1.1 100 Continue". Node's http
# module, for comparison, accepts 201, but no interim response either.
#
# It matters to anyone who writes a proxy for ssh, or puts one in front of another:
# whatever the RFC allows, the first line that the client gets must say 200. A proxy
# cannot report progress while it connects.
set -eu

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
for tool in apt-get dpkg-deb node; do
	command -v $tool >/dev/null || { echo "cannot run: no $tool"; exit 2; }
done

chmod 755 "$tmp"
cd "$tmp"
{
	apt-get download connect-proxy=1.105-1.3 corkscrew=2.0-14 ncat=7.93+dfsg1-1 netcat-openbsd=1.219-1 \
		proxytunnel=1.10.20210604-2 socat=1.7.4.4-2 libpcap0.8 liblua5.3-0 libbsd0 libwrap0
	for package in *.deb; do dpkg-deb -x "$package" root; done
} >log 2>&1 || { cat log; echo "cannot run: the packages could not be installed"; exit 2; }

cat >main.mjs <<'EOF'
import http from 'node:http'
import net from 'node:net'
import { spawn } from 'node:child_process'

const ok = 'HTTP/1.1 200 OK\r\n\r\n'
const responses = {
	'200': [ok],
	'201': ['HTTP/1.1 201 Created\r\n\r\n'],
	'103, 200': ['HTTP/1.1 103 Early Hints\r\n\r\n', ok],
	'100, 200': ['HTTP/1.1 100 Continue\r\n\r\n', ok],
}
const tools = {
	'connect-proxy': (port) => ['connect-proxy', '-H', `127.0.0.1:${port}`, 'box', '22'],
	corkscrew: (port) => ['corkscrew', '127.0.0.1', port, 'box', '22'],
	ncat: (port) => ['ncat', '--proxy-type', 'http', '--proxy', `127.0.0.1:${port}`, 'box', '22'],
	nc: (port) => ['nc.openbsd', '-X', 'connect', '-x', `127.0.0.1:${port}`, 'box', '22'],
	proxytunnel: (port) => ['proxytunnel', '-q', '-p', `127.0.0.1:${port}`, '-d', 'box:22'],
	socat: (port) => ['socat', '-', `PROXY:127.0.0.1:box:22,proxyport=${port}`],
}
const pause = (ms) => new Promise((done) => setTimeout(done, ms))

// A proxy that answers each CONNECT with parts, and then has a banner for the client.
const serve = async (parts) => {
	const server = net.createServer((socket) => {
		socket.on('error', () => {})
		socket.once('data', async () => {
			for (const part of parts) {
				socket.write(part)
				await pause(200)
			}
			socket.end('SSH-2.0-box\r\n')
		})
	})
	await new Promise((done) => server.listen(0, '127.0.0.1', done))
	return server.address().port
}

// Reports whether the banner came through.
const run = ([tool, ...args]) => new Promise((done) => {
	const child = spawn(tool, args.map(String), { stdio: ['pipe', 'pipe', 'inherit'] })
	let got = ''
	const timer = setTimeout(() => child.kill(), 5000)
	child.stdin.on('error', () => {})
	child.stdout.on('data', (data) => { got += data })
	child.on('close', () => {
		clearTimeout(timer)
		done(got.startsWith('SSH-2.0-box') ? 'connected' : 'failed')
	})
})
const request = (port) => new Promise((done) => {
	http.request({ host: '127.0.0.1', port, method: 'CONNECT', path: 'box:22' })
		.on('connect', (response, socket) => {
			socket.destroy()
			done(Math.floor(response.statusCode / 100) === 2 ? 'connected' : 'failed')
		})
		.on('error', () => done('failed'))
		.end()
})

for (const [status, parts] of Object.entries(responses)) {
	const port = await serve(parts)
	const results = []
	for (const [name, command] of Object.entries(tools)) results.push(`${name} ${await run(command(port))}`)
	results.push(`Node's http ${await request(port)}`)
	console.log(`${status}: ${results.join(', ')}`)
}
process.exit()
EOF
LD_LIBRARY_PATH=$(echo "$PWD"/root/usr/lib/*-linux-gnu*) PATH="$PWD/root/usr/bin:$PWD/root/bin:$PATH" \
	node main.mjs 2>errors | tee seen

diff - seen >changed <<'EOF' || { echo "The behaviour has changed:"; cat changed errors; exit 1; }
200: connect-proxy connected, corkscrew connected, ncat connected, nc connected, proxytunnel connected, socat connected, Node's http connected
201: connect-proxy failed, corkscrew connected, ncat failed, nc failed, proxytunnel failed, socat failed, Node's http connected
103, 200: connect-proxy failed, corkscrew failed, ncat failed, nc failed, proxytunnel failed, socat failed, Node's http failed
100, 200: connect-proxy failed, corkscrew failed, ncat failed, nc failed, proxytunnel failed, socat failed, Node's http failed
EOF
echo "As described."
