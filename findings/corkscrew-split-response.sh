#!/bin/sh
# corkscrew takes one read for the whole of a proxy's response.
#
# corkscrew 2.0-14 (Debian), beside connect-proxy 1.105-1.3 (Debian).
#
# One would expect a client to read the response up to its empty line, however
# TCP cuts it up.
#
# Seen: cut within the status line, a "200 OK" is reported as "Proxy could not
# open connection", and corkscrew fails. Cut after the status line, the rest of
# the header ("Via: ...", or the empty line alone) is taken for the server's data
# and handed to ssh in front of the banner. connect-proxy gets both right.
#
# It matters on paths that lose or delay packets, and with proxies that write
# line by line: logins fail now and then with an error that blames the proxy. ssh
# skips lines before the banner, so the second case shows only in programs that
# do not.
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
	apt-get download corkscrew=2.0-14 connect-proxy=1.105-1.3
	for package in *.deb; do dpkg-deb -x "$package" root; done
} >log 2>&1 || { cat log; echo "cannot run: the packages could not be installed"; exit 2; }

cat >main.mjs <<'EOF'
import net from 'node:net'
import { execFile } from 'node:child_process'

const pause = (ms) => new Promise((done) => setTimeout(done, ms))

const run = (tool, args) => new Promise((done) => {
	const child = execFile(`root/usr/bin/${tool}`, args, { timeout: 10000 }, (error, stdout, stderr) => {
		const failed = stderr.includes('could not open connection')
		done(failed ? 'could not open connection' : JSON.stringify(stdout))
	})
	child.stdin.on('error', () => {})
})

const responses = {
	'whole:                 ': ['HTTP/1.1 200 OK\r\nVia: 1.1 proxy\r\n\r\n', 'SSH-2.0-box\r\n'],
	'cut in the status line:': ['HTTP/1.1 ', '200 OK\r\nVia: 1.1 proxy\r\n\r\n', 'SSH-2.0-box\r\n'],
	'cut after it:          ': ['HTTP/1.1 200 OK\r\n', 'Via: 1.1 proxy\r\n\r\n', 'SSH-2.0-box\r\n'],
}
for (const [name, segments] of Object.entries(responses)) {
	const proxy = net.createServer(async (socket) => {
		socket.on('error', () => {})
		socket.setNoDelay()
		await new Promise((done) => socket.once('data', done))
		for (const segment of segments) {
			socket.write(segment)
			await pause(300)
		}
		socket.end()
	})
	await new Promise((done) => proxy.listen(0, '127.0.0.1', done))
	const port = proxy.address().port
	console.log(name, 'corkscrew:    ', await run('corkscrew', ['127.0.0.1', port, 'box', '22']))
	console.log(name, 'connect-proxy:', await run('connect-proxy', ['-H', `127.0.0.1:${port}`, 'box', '22']))
	proxy.close()
}
process.exit()
EOF
node main.mjs 2>errors | tee seen

diff - seen >changed <<'EOF' || { echo "The behaviour has changed:"; cat changed errors; exit 1; }
whole:                  corkscrew:     "SSH-2.0-box\r\n"
whole:                  connect-proxy: "SSH-2.0-box\r\n"
cut in the status line: corkscrew:     could not open connection
cut in the status line: connect-proxy: "SSH-2.0-box\r\n"
cut after it:           corkscrew:     "Via: 1.1 proxy\r\n\r\nSSH-2.0-box\r\n"
cut after it:           connect-proxy: "SSH-2.0-box\r\n"
EOF
echo "As described."
