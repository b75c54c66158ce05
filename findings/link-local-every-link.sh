#!/bin/sh
# A DNS-SD responder announces the link-local addresses of all interfaces on every
# link, where most of them belong to nobody, or to somebody else.
#
# bonjour-hap 3.10.5 (npm), on Linux with the `ip` command installed.
#
# One would expect a host with two networks to tell each network the addresses by
# which it can be reached there. A link-local address (fe80::/10) means something on
# its own link only (RFC 4007): the one of another interface is not an address of
# this host there.
#
# Seen: asked on one link, it answers with the link-local addresses of both
# interfaces, in the order of the interfaces, and nothing tells them apart. The
# client adds its own interface as the zone and connects. Half of the addresses are
# dead, or lead to another host that happens to have the address on this link: with
# a docker0 or a VPN there are more such interfaces than real ones.
#
# It matters to clients of .local names. Try all addresses and not only the first,
# and check who answers (as ssh does).
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
npm install --ignore-scripts --no-audit --no-fund bonjour-hap@3.10.5 dns-packet@5.6.1 >log 2>&1 ||
	{ cat log; echo "cannot run: the packages could not be installed"; exit 2; }

cat >publish.js <<'EOF'
require('bonjour-hap')().publish({ name: 'box', type: 'ssh', port: 22, host: 'box.local' })
EOF

# Asks on the link of eth0 until there is an answer.
cat >ask.js <<'EOF'
const dgram = require('dgram')
const packet = require('dns-packet')
const local = '198.51.100.1'

const listener = dgram.createSocket({ type: 'udp4', reuseAddr: true })
listener.on('message', (message) => {
	const { type, answers } = packet.decode(message)
	const found = answers.filter(({ name, type }) => name === 'box.local' && type === 'AAAA')
	if (type !== 'response' || found.length === 0) return
	console.log('asked on eth0:', found.map(({ data }) => data).join(' '))
	process.exit()
})
listener.bind(5353, () => {
	listener.addMembership('224.0.0.251', local)
	listener.setMulticastInterface(local)
	setInterval(() => {
		const query = { type: 'query', questions: [{ name: 'box.local', type: 'AAAA', class: 'IN' }] }
		listener.send(packet.encode(query), 5353, '224.0.0.251')
	}, 1000)
})
setTimeout(() => { console.log('no answer'); process.exit() }, 20000)
EOF

cat >lab <<'EOF'
ip link set lo up
for name in eth0 eth1; do
	ip link add $name type veth peer name ${name}x
	for end in $name ${name}x; do
		ip link set $end addrgenmode none
		ip link set $end up
	done
done
ip addr add 198.51.100.1/24 dev eth0
ip addr add fe80::a/64 dev eth0 nodad
ip addr add 203.0.113.1/24 dev eth1
ip addr add fe80::b/64 dev eth1 nodad
ip route add default via 198.51.100.2
for name in eth0 eth1; do
	echo "$name has: $(ip -6 -o addr show dev $name | awk '{ print $4 }')"
done
node publish.js >&2 &
node ask.js
kill $!
EOF
unshare -rn sh lab 2>errors | tee seen

diff - seen >changed <<'EOF' || { echo "The behaviour has changed:"; cat changed errors; exit 1; }
eth0 has: fe80::a/64
eth1 has: fe80::b/64
asked on eth0: fe80::a fe80::b
EOF
echo "As described."
