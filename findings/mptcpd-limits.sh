#!/bin/sh
# mptcpd as Debian packages it adds endpoints that are never used, lowers the limits that
# the administrator has set, and leaves both behind when it ends.
#
# mptcpd 0.12-1, mptcpd-plugins 0.12-1 and iproute2 6.1.0-3 (Debian 12); seen on Linux 6.18.
#
# One would expect the Multipath TCP daemon to add paths for new addresses, to keep or
# raise the limits of `ip mptcp`, and to undo its changes when it is stopped.
#
# Seen: when it starts, "add_addr_accepted 2 subflows 4" becomes "add_addr_accepted 0
# subflows 2", so that this host ignores what servers announce. For a new address it adds
# an endpoint without any flag, because the line addr-flags=subflow of the packaged
# mptcpd.conf is a comment. The kernel adds no path from such an endpoint. With the same
# endpoint made by hand, or with --addr-flags=subflow, there is one. After SIGTERM,
# which is how systemd stops it, its limits and endpoints stay.
#
# It matters to anyone who installs mptcpd so that ssh survives the loss of a network: it
# does less than before. Set addr-flags in mptcpd.conf (and notify-flags=existing, for
# addresses that are there when it starts), or do without it.
set -eu

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
PATH=$PATH:/usr/sbin:/sbin
for tool in apt-get dpkg-deb unshare mount nsenter sysctl python3; do
	command -v $tool >/dev/null || { echo "cannot run: no $tool"; exit 2; }
done

chmod 755 "$tmp"
cd "$tmp"
{
	apt-get download mptcpd=0.12-1 mptcpd-plugins=0.12-1 libmptcpd3=0.12-1 libell0 \
		iproute2=6.1.0-3 libbpf1 libelf1 libmnl0 libbsd0 libmd0 libcap2
	for package in *.deb; do dpkg-deb -x "$package" root; done
} >log 2>&1 || { cat log; echo "cannot run: the packages could not be installed"; exit 2; }

cat >server.py <<'EOF'
import socket
with socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262) as server:  # IPPROTO_MPTCP
    server.bind(("10.0.0.2", 2222))
    server.listen()
    server.settimeout(60)
    while True:
        client = server.accept()[0]
        client.sendall(b"hello")
        client.recv(5)
        client.close()
EOF
cat >session.py <<'EOF'
import socket, time

def joins():
    names, values = [line.split() for line in open("/proc/net/netstat") if line.startswith("MPTcpExt:")]
    return int(dict(zip(names, values))["MPJoinSynAckRx"])

before = joins()
with socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262) as client:
    client.connect(("10.0.0.2", 2222))
    client.recv(5)
    time.sleep(1)
    client.sendall(b"hello")
print("  paths added to a session:", joins() - before)
EOF
# A host with two networks to one server.
cat >lab <<'EOF'
LD_LIBRARY_PATH=$(echo "$PWD"/root/usr/lib/*-linux-gnu*):$(echo "$PWD"/root/lib/*-linux-gnu*)
export LD_LIBRARY_PATH
ip() { root/bin/ip "$@"; }
unshare -n sh -c 'echo ready >peer; exec sleep 110' &
peer=$!
trap 'kill $peer $server || true' EXIT
server=
{
	sysctl -qw net.mptcp.enabled=1 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0
	for _ in 1 2 3 4 5 6 7 8 9 10; do [ -e peer ] || sleep 0.5; done
	inside="nsenter -t $peer -n"
	$inside sysctl -qw net.mptcp.enabled=1 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0
	for n in 0 1; do
		ip link add v$n type veth peer name w$n netns $peer
		ip link set v$n up
		$inside root/bin/ip link set w$n up
		$inside root/bin/ip addr add 10.0.$n.2/24 dev w$n
	done
	ip addr add 10.0.0.1/24 dev v0
	ip route add default via 10.0.0.2
	ip mptcp limits set subflows 4 add_addr_accepted 2
	mount -t overlay -o "lowerdir=$PWD/root/etc:/etc" overlay /etc
	[ -e /etc/mptcpd/mptcpd.conf ]
} || exit 2
$inside python3 server.py 2>/dev/null &
server=$!
sleep 1
show() {
	echo "$1"
	ip mptcp limits | sed 's/^/  /'
	ip mptcp endpoint | sed 's/^/  endpoint /'
}
mptcpd() {
	root/usr/libexec/mptcpd --plugin-dir="$(echo "$PWD"/root/usr/lib/*/mptcpd)" "$@" >&2 &
	mptcpd=$!
	sleep 2
}
second() {
	ip addr add 10.0.1.1/24 dev v1
	ip route add default via 10.0.1.2 metric 100
	sleep 2
}
show "before:"
mptcpd
show "mptcpd has started:"
second
show "a second network:"
python3 session.py
kill $mptcpd
wait $mptcpd || true
show "mptcpd has ended:"
ip mptcp endpoint flush
ip mptcp endpoint add 10.0.1.1 dev v1 subflow
show "an endpoint made by hand:"
python3 session.py
ip mptcp endpoint flush
ip addr del 10.0.1.1/24 dev v1
mptcpd --addr-flags=subflow
second
show "mptcpd --addr-flags=subflow:"
python3 session.py
kill $mptcpd
EOF
unshare -rnm sh -e lab >seen 2>errors || { cat errors; echo "cannot run: no namespaces with MPTCP and an overlay"; exit 2; }
sed -i 's/ *$//' seen
cat seen

diff - seen >changed <<'EOF' || { echo "The behaviour has changed:"; cat changed errors; exit 1; }
before:
  add_addr_accepted 2 subflows 4
mptcpd has started:
  add_addr_accepted 0 subflows 2
a second network:
  add_addr_accepted 0 subflows 3
  endpoint 10.0.1.1 id 1 dev v1
  paths added to a session: 0
mptcpd has ended:
  add_addr_accepted 0 subflows 3
  endpoint 10.0.1.1 id 1 dev v1
an endpoint made by hand:
  add_addr_accepted 0 subflows 3
  endpoint 10.0.1.1 id 1 subflow dev v1
  paths added to a session: 1
mptcpd --addr-flags=subflow:
  add_addr_accepted 3 subflows 3
  endpoint 10.0.1.1 id 1 subflow dev v1
  paths added to a session: 1
EOF
echo "As described."
