#!/bin/sh
# A Happy Eyeballs package waits out its timer after a refusal, and is slower
# than Node without it.
#
# @balena/happy-eyeballs 0.0.6 (npm), on Node 20.
#
# One would expect a failed attempt to start the next one at once: the delay of
# Happy Eyeballs is for attempts that are still pending. The package says that it
# implements RFC 8305, and Node's own connect (since Node 20, without any
# package) goes on at once.
#
# Seen, for a name with three IPv4 addresses of which the first two refuse: Node
# alone connects in a few milliseconds. With the package's agent it takes 600 ms,
# 300 for each refusal. Its attempts all start by the clock, and nothing that
# happens to one moves the next.
#
# It matters to anyone who adds such a package to be fast where a host has dead
# addresses: refusals, the cheapest failures, are made to cost as much as
# silence. Measure with refused addresses, not only with silent ones.
set -eu

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
for tool in npm node unshare ip; do
	command -v $tool >/dev/null || { echo "cannot run: no $tool"; exit 2; }
done
unshare -rn true 2>"$tmp/log" || { cat "$tmp/log"; echo "cannot run: no network namespace"; exit 2; }

cd "$tmp"
npm install --ignore-scripts --no-audit --no-fund @balena/happy-eyeballs@0.0.6 >log 2>&1 ||
	{ cat log; echo "cannot run: the package could not be installed"; exit 2; }

cat >main.js <<'EOF'
const http = require('http')
const { HappyEyeballsHttpAgent } = require('@balena/happy-eyeballs')

// A stand-in for a name with three addresses, of which the last has the server.
const lookup = (name, options, done) => {
	done(null, ['127.0.0.1', '127.0.0.2', '127.0.0.3'].map((address) => ({ address, family: 4 })))
}

const get = (agent) => new Promise((done) => {
	const start = Date.now()
	http.get({ host: 'box.example', port: 8080, agent, lookup }, (response) => {
		response.resume()
		const refusals = Math.floor((Date.now() - start) / 300)
		done(`${response.socket.remoteAddress}, ${refusals} times 300 ms`)
	}).on('error', (error) => done(error.message))
})

http.createServer((request, response) => response.end()).listen(8080, '127.0.0.3', async () => {
	console.log('Node alone:      ', await get(new http.Agent()))
	console.log('with the package:', await get(new HappyEyeballsHttpAgent()))
	process.exit()
})
EOF
unshare -rn sh -c 'ip link set lo up && exec node main.js' 2>errors | tee seen

diff - seen >changed <<'EOF' || { echo "The behaviour has changed:"; cat changed errors; exit 1; }
Node alone:       127.0.0.3, 0 times 300 ms
with the package: 127.0.0.3, 2 times 300 ms
EOF
echo "As described."
