#!/bin/sh
# Two ProxyCommand tools leave the brackets off an IPv6 address.
#
# connect-proxy 1.105-1.3 and corkscrew 2.0-14 (Debian), with the proxies
# tinyproxy 1.11.1-2.1+deb12u1 (Debian) and proxy-chain 3.0.1 (npm).
#
# One would expect "CONNECT [2001:db8::1]:22", as RFC 9112, section 3.2.3 has it,
# from any tool that takes a host and a port as two arguments.
#
# Seen: they put the two together with a colon: "CONNECT 2001:db8::1:22", which
# is an IPv6 address of its own. tinyproxy takes that for address and port, and
# so the tools seem to work; proxy-chain answers 400, of which they show nothing
# on stdout. Both proxies take the form with brackets.
#
# It matters to anyone who writes "ProxyCommand corkscrew PROXY 3128 %h %p":
# whether an IPv6 address works depends on the proxy's parser, and "Bad Request"
# sounds like a mistake in the configuration. "[%h]" is no way out, as names are
# then wrong.
set -eu

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
for tool in apt-get dpkg-deb npm node unshare ip; do
	command -v $tool >/dev/null || { echo "cannot run: no $tool"; exit 2; }
done
unshare -rn true 2>"$tmp/log" || { cat "$tmp/log"; echo "cannot run: no network namespace"; exit 2; }

chmod 755 "$tmp"
cd "$tmp"
{
	apt-get download connect-proxy=1.105-1.3 corkscrew=2.0-14 tinyproxy-bin=1.11.1-2.1+deb12u1
	for package in *.deb; do dpkg-deb -x "$package" root; done
	npm install --ignore-scripts --no-audit --no-fund proxy-chain@3.0.1
} >log 2>&1 || { cat log; echo "cannot run: the packages could not be installed"; exit 2; }

cat >tinyproxy.conf <<'EOF'
Listen 127.0.0.1
Port 3128
Timeout 10
LogLevel Critical
EOF
cat >main.mjs <<'EOF'
import net from 'node:net'
import { execFile, spawn } from 'node:child_process'
import { Server } from 'proxy-chain'

const listen = (server, port, host) => new Promise((done) => server.listen(port, host, done))
const pause = (ms) => new Promise((done) => setTimeout(done, ms))

// What ssh would get from a ProxyCommand.
const output = (tool, ...args) => new Promise((done) => {
	const child = execFile(`root/usr/bin/${tool}`, args, { timeout: 10000 }, (error, stdout) => {
		done(stdout.trim() || 'nothing')
	})
	child.stdin.on('error', () => {})
})

// The first line of what a proxy answers.
const answer = (port, target) => new Promise((done) => {
	const socket = net.connect(port, '127.0.0.1')
	socket.setTimeout(10000, () => socket.destroy())
	socket.on('error', () => {}).on('close', () => done('nothing'))
	socket.once('data', (data) => {
		done(String(data).split('\r\n')[0])
		socket.destroy()
	})
	socket.write(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`)
})

// A proxy that only notes what it is asked for.
const asked = async (tool, ...args) => {
	let target = 'nothing'
	const server = net.createServer((socket) => {
		socket.on('error', () => {})
		socket.once('data', (data) => {
			target = String(data).split(' ')[1]
			socket.destroy()
		})
	})
	await listen(server, 3130, '127.0.0.1')
	await output(tool, ...args)
	await new Promise((done) => server.close(done))
	return target
}

const box = net.createServer((socket) => socket.on('error', () => {}).end('SSH-2.0-box\r\n'))
await listen(box, 2222, '::1')
const tinyproxy = spawn('root/usr/bin/tinyproxy', ['-d', '-c', 'tinyproxy.conf'])
process.on('exit', () => tinyproxy.kill())
const chain = new Server({ port: 3129, host: '127.0.0.1' })
await chain.listen()
await pause(1000)

console.log('tinyproxy, [::1]:2222:      ', await answer(3128, '[::1]:2222'))
console.log('proxy-chain, [::1]:2222:    ', await answer(3129, '[::1]:2222'))
console.log('connect-proxy asks for:     ', await asked('connect-proxy', '-H', '127.0.0.1:3130', '::1', '2222'))
console.log('  tinyproxy, it gets:       ', await output('connect-proxy', '-H', '127.0.0.1:3128', '::1', '2222'))
console.log('  proxy-chain, it gets:     ', await output('connect-proxy', '-H', '127.0.0.1:3129', '::1', '2222'))
console.log('corkscrew asks for:         ', await asked('corkscrew', '127.0.0.1', '3130', '::1', '2222'))
console.log('  tinyproxy, it gets:       ', await output('corkscrew', '127.0.0.1', '3128', '::1', '2222'))
console.log('  proxy-chain, it gets:     ', await output('corkscrew', '127.0.0.1', '3129', '::1', '2222'))
console.log('proxy-chain, ::1:2222:      ', await answer(3129, '::1:2222'))
process.exit()
EOF
unshare -rn sh -c 'ip link set lo up && exec node main.mjs' 2>errors | tee seen

diff - seen >changed <<'EOF' || { echo "The behaviour has changed:"; cat changed errors; exit 1; }
tinyproxy, [::1]:2222:       HTTP/1.0 200 Connection established
proxy-chain, [::1]:2222:     HTTP/1.1 200 Connection Established
connect-proxy asks for:      ::1:2222
  tinyproxy, it gets:        SSH-2.0-box
  proxy-chain, it gets:      nothing
corkscrew asks for:          ::1:2222
  tinyproxy, it gets:        SSH-2.0-box
  proxy-chain, it gets:      nothing
proxy-chain, ::1:2222:       HTTP/1.1 400 Bad Request
EOF
echo "As described."
