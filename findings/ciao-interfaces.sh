#!/bin/sh
# A DNS-SD responder joins no network in a container or on a VLAN, and says that
# it is advertising.
#
# @homebridge/ciao 1.3.12 (npm), on Linux with the `ip` command installed.
#
# One would expect it to advertise on every interface that is up and can do
# multicast. Its README recommends to install iproute2, so that interfaces are
# found more easily.
#
# Seen: it takes interface names from `ip -o link show`. That command prints an
# interface that has a peer or a parent as "NAME@OTHER:" (veth, so the eth0 of
# nearly every container; VLANs; macvlan; some tunnels). The package keeps
# "NAME@OTHER" as the name, finds no such interface, and goes on with loopback
# alone. advertise() resolves, and nothing is printed. Where `ip` is missing it
# falls back on a list of its own and joins the very same interface.
#
# It matters to anyone who looks for a host by its .local name: a host or service
# that says it is announced is unreachable by that name, and the cure is to name
# the interface in getResponder({ interface: ... }), or to have no `ip` in PATH.
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
npm install --ignore-scripts --no-audit --no-fund @homebridge/ciao@1.3.12 >log 2>&1 ||
	{ cat log; echo "cannot run: the package could not be installed"; exit 2; }

cat >main.js <<'EOF'
const options = process.argv[2] ? { interface: process.argv[2] } : {}
const responder = require('@homebridge/ciao').getResponder(options)
const service = responder.createService({ name: 'box', type: 'ssh', port: 22, hostname: 'box' })
service.on('name-change', () => {})
service.advertise().then(() => console.log('advertised'))
setTimeout(() => process.exit(), 30000)
EOF

# Those with a membership of 224.0.0.251 hear questions and are sent answers.
cat >lab <<'EOF'
ip link set lo up
ip link add eth0 type veth peer name other
ip link set eth0 up
ip link set other up
ip addr add 198.51.100.1/24 dev eth0
node=$(command -v node)
mkdir without-ip
joined() {
	: >said
	"$@" >said &
	for i in 1 2 3 4 5 6 7 8 9 10; do
		sleep 1
		! grep -q advertised said || break
	done
	for name in lo eth0; do
		ip maddr show dev $name | grep -q 'inet  *224\.0\.0\.251' && printf ' %s' $name
	done
	printf ', %s\n' "$(cat said)"
	kill $!
	wait $! 2>/dev/null || true
}
printf 'with ip:             '; joined "$node" main.js
printf 'eth0 named:          '; joined "$node" main.js eth0
printf 'without ip:          '
joined env PATH="$PWD/without-ip" "$node" main.js
EOF
unshare -rn sh lab 2>errors | tee seen

diff - seen >changed <<'EOF' || { echo "The behaviour has changed:"; cat changed errors; exit 1; }
with ip:              lo, advertised
eth0 named:           lo eth0, advertised
without ip:           lo eth0, advertised
EOF
echo "As described."
