#!/bin/sh
# Four mDNS responders do not answer a simple resolver as they should; it finds
# nothing, for three different reasons.
#
# dnssd-advertise 1.1.6, dnssd 0.4.1, @astronautlabs/mdns 1.0.10 and bonjour-hap 3.10.5
# (npm), on Linux with the `ip` command installed.
#
# One would expect dig, or any resolver that asks from a port of its own, to get a
# unicast answer that repeats the ID and the question, as from any name server
# (RFC 6762, section 6.7).
#
# Seen: dnssd-advertise, which "aims to be compliant" with that RFC, answers to the right
# port, but with ID 0 and no question, so the resolver discards the answer.
# bonjour-hap answers to the multicast group, where the resolver does not listen. dnssd
# and its descendant @astronautlabs/mdns give a correct answer on a network with private
# addresses (192.168.7.0/24 here), and none on one with public addresses, because they
# send unicast to private and link-local addresses only. All four answer a multicast
# question from port 5353.
#
# It matters to anyone who publishes a name with one of these packages. Test it with
# `dig @224.0.0.251 -p 5353 box.local`, also on a network with public addresses. A
# resolver should listen to the group as well, and accept ID 0 there.
set -eu

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
for tool in npm node ip unshare nsenter; do
	command -v $tool >/dev/null || { echo "cannot run: no $tool"; exit 2; }
done
unshare -rn ip link add eth0 type veth peer name other 2>"$tmp/log" ||
	{ cat "$tmp/log"; echo "cannot run: no network namespace with a veth pair"; exit 2; }

cd "$tmp"
npm install --ignore-scripts --no-audit --no-fund dnssd-advertise@1.1.6 dnssd@0.4.1 \
	@astronautlabs/mdns@1.0.10 bonjour-hap@3.10.5 dns-packet@5.6.1 >log 2>&1 ||
	{ cat log; echo "cannot run: the packages could not be installed"; exit 2; }

cat >publish.js <<'EOF'
const name = process.argv[2]
if (name === 'dnssd-advertise')
	import(name).then(({ advertise }) => advertise({ name: 'box', type: 'ssh', protocol: 'tcp', port: 22, hostname: 'box' }))
else if (name === 'bonjour-hap')
	require(name)().publish({ name: 'box', type: 'ssh', port: 22, host: 'box.local' })
else {
	const { Advertisement, ServiceType, tcp } = require(name)
	new Advertisement(ServiceType ? ServiceType.tcp('ssh') : tcp('ssh'), 22, { name: 'box', host: 'box' }).start()
}
setInterval(() => {}, 60000) // dnssd-advertise alone keeps no process alive
EOF

# Asks once from port 5353, to see that there is an answer, and then three times from
# a port of its own.
cat >ask.js <<'EOF'
const dgram = require('dgram')
const packet = require('dns-packet')
const [, , name, local] = process.argv
const group = '224.0.0.251'
const pause = (ms) => new Promise((done) => setTimeout(done, ms))

let toGroup = []
let toResolver = []
const keep = (list) => (message) => {
	const answer = packet.decode(message)
	if (answer.type === 'response' && answer.answers.some(({ name, type }) => name === 'box.local' && type === 'A')) list().push(answer)
}
const listener = dgram.createSocket({ type: 'udp4', reuseAddr: true }).on('message', keep(() => toGroup))
const resolver = dgram.createSocket('udp4').on('message', keep(() => toResolver))
const ask = (socket, id) => socket.send(packet.encode({ type: 'query', id, questions: [{ name: 'box.local', type: 'A' }] }), 5353, group)

async function main() {
	await new Promise((done) => listener.bind(5353, done))
	await new Promise((done) => resolver.bind(0, local, done))
	listener.addMembership(group, local)
	listener.setMulticastInterface(local)
	resolver.setMulticastInterface(local)

	// Announcements have an answer in them as well: wait until they are over.
	for (let quiet = 0, tries = 0; quiet < 3 && tries < 15; tries++) {
		toGroup = []
		await pause(1000)
		quiet = toGroup.length > 0 ? 0 : quiet + 1
	}
	toGroup = []
	for (let tries = 0; tries < 5 && toGroup.length === 0; tries++) {
		ask(listener, 0)
		await pause(1000)
	}
	const answers = toGroup.length > 0
	toGroup = []
	for (let tries = 0; tries < 3; tries++) {
		await pause(1500)
		ask(resolver, 7)
	}
	await pause(1500)
	const own = toResolver[0]
	console.log(`${name}, ${local}, port 5353: ${answers ? 'an answer' : 'nothing'}; another port: ` +
		(own ? `an answer, ID ${own.id} for 7, ${own.questions.length > 0 ? 'with the question' : 'no question'}` : toGroup.length > 0 ? 'an answer to the group only' : 'nothing'))
	process.exit()
}
main()
EOF

# One network: responder $2 at $1.1, and the resolver at $1.2.
cat >network <<'EOF'
ip link set lo up
ip link add eth0 type veth peer name eth1
unshare -n sleep 60 &
resolver=$!
sleep 0.5
ip link set eth1 netns $resolver
ip addr add $1.1/24 dev eth0
ip link set eth0 up
ip route add default via $1.2
nsenter -t $resolver -n sh -c "ip addr add $1.2/24 dev eth1; ip link set eth1 up; ip route add default via $1.1"
sleep 2
node publish.js $2 >&2 &
responder=$!
sleep 1
nsenter -t $resolver -n node ask.js $2 $1.2
kill $responder $resolver
wait
EOF
for package in dnssd-advertise bonjour-hap dnssd @astronautlabs/mdns; do
	for network in 192.168.7 198.51.100; do
		unshare -rn sh network $network $package >"seen.$network.${package#*/}" 2>>errors &
	done
	wait
	cat seen.*."${package#*/}" >>seen
done
cat seen

diff - seen >changed <<'EOF' || { echo "The behaviour has changed:"; cat changed errors; exit 1; }
dnssd-advertise, 192.168.7.2, port 5353: an answer; another port: an answer, ID 0 for 7, no question
dnssd-advertise, 198.51.100.2, port 5353: an answer; another port: an answer, ID 0 for 7, no question
bonjour-hap, 192.168.7.2, port 5353: an answer; another port: an answer to the group only
bonjour-hap, 198.51.100.2, port 5353: an answer; another port: an answer to the group only
dnssd, 192.168.7.2, port 5353: an answer; another port: an answer, ID 7 for 7, with the question
dnssd, 198.51.100.2, port 5353: an answer; another port: nothing
@astronautlabs/mdns, 192.168.7.2, port 5353: an answer; another port: an answer, ID 7 for 7, with the question
@astronautlabs/mdns, 198.51.100.2, port 5353: an answer; another port: nothing
EOF
echo "As described."
