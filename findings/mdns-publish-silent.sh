#!/bin/sh
# A package that publishes .local host names never answers a question for one.
#
# mdns-listener-advanced 4.0.1 (npm), beside bonjour-service 1.4.4, on Linux with the
# `ip` command installed. Its README asks for Node 22; this was seen with Node 20.
#
# One would expect a name that it has published to resolve, in ssh, a browser or
# dig: its description says "discover and publish .local hostnames easily". Another
# package, bonjour-service, is asked in the same way here, and answers.
#
# Seen: publish() multicasts the address once, and again every 30 s or whatever
# the heartbeat is. A query for the very name gets no answer, neither to the group
# nor to who asked: whoever did not listen by chance at that moment finds nothing.
# And the name is announced as it was passed. publish("box") announces "box", not
# "box.local"; the two are different hosts to every resolver.
#
# It matters to anyone who uses it to give a device a name. The package's own
# discover() works, as it sits and listens; resolvers ask, and wait a second or
# two. Test such a package with another program: dig @224.0.0.251 -p 5353 box.local
set -eu

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
for tool in npm node ip unshare; do
	command -v $tool >/dev/null || { echo "cannot run: no $tool"; exit 2; }
done
unshare -rn ip link add eth0 type veth peer name other 2>"$tmp/log" ||
	{ cat "$tmp/log"; echo "cannot run: no network namespace with a veth pair"; exit 2; }

cd "$tmp"
npm install --ignore-scripts --no-audit --no-fund mdns-listener-advanced@4.0.1 \
	bonjour-service@1.4.4 dns-packet@5.6.1 >log 2>&1 ||
	{ cat log; echo "cannot run: the packages could not be installed"; exit 2; }

cat >publish.js <<'EOF'
const [, , name, other] = process.argv
if (other) {
	const { Bonjour } = require('bonjour-service')
	new Bonjour().publish({ name: 'box', type: 'ssh', port: 22, host: name })
} else {
	const { Core } = require('mdns-listener-advanced')
	new Core([], null, {}).publish(name)
}
EOF

# Listens to the group, waits for an announcement, and asks three times.
cat >ask.js <<'EOF'
const dgram = require('dgram')
const packet = require('dns-packet')
const local = '198.51.100.1'
const group = '224.0.0.251'

const names = process.argv.slice(2)
let announced
const answers = []
const take = (message) => {
	const { type, answers: records } = packet.decode(message)
	if (type !== 'response') return
	for (const { name, type, data } of records) {
		if (type !== 'A') continue
		if (announced) answers.push(`${name} ${data}`)
		else {
			announced = `${name} ${data}`
			for (const delay of [0, 500, 1000]) setTimeout(ask, delay)
			setTimeout(report, 4000)
		}
	}
}
const listener = dgram.createSocket({ type: 'udp4', reuseAddr: true }).on('message', take)
listener.bind(5353, () => listener.addMembership(group, local))
const socket = dgram.createSocket('udp4').on('message', take)
socket.bind(0, local, () => socket.setMulticastInterface(local))

const ask = () => {
	for (const name of names) {
		const query = { type: 'query', id: 7, questions: [{ name, type: 'A', class: 'IN' }] }
		socket.send(packet.encode(query), 5353, group)
	}
}
const report = () => {
	console.log(`announced ${announced}; asked for ${names.join(' and ')}: ${answers.length > 0 ? answers[0] : 'no answer'}`)
	process.exit()
}
setTimeout(() => { console.log('nothing was announced'); process.exit() }, 20000)
EOF

cat >lab <<'EOF'
ip link set lo up
ip link add eth0 type veth peer name other
ip link set eth0 up
ip link set other up
ip addr add 198.51.100.1/24 dev eth0
ip route add default via 198.51.100.2
for name in box box.local 'box.local other'; do
	node ask.js box box.local &
	asks=$!
	sleep 1
	node publish.js $name >&2 &
	publishes=$!
	wait $asks
	kill $publishes
	wait $publishes || true
done
EOF
unshare -rn sh lab 2>errors | tee seen

diff - seen >changed <<'EOF' || { echo "The behaviour has changed:"; cat changed errors; exit 1; }
announced box 198.51.100.1; asked for box and box.local: no answer
announced box.local 198.51.100.1; asked for box and box.local: no answer
announced box.local 198.51.100.1; asked for box and box.local: box.local 198.51.100.1
EOF
echo "As described."
