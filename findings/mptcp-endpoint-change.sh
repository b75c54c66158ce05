#!/bin/sh
# `ip mptcp endpoint change` sets both flags of an endpoint: to turn on one turns off the
# other, also for sessions that are open.
#
# iproute2 6.1.0-3 (Debian 12); seen on Linux 6.18.
#
# One would expect "change id 1 fullmesh" to leave the backup flag as it is: there are
# four words, backup, nobackup, fullmesh and nofullmesh, so a flag that is not named
# seems to be kept.
#
# Seen: a flag that is not named is turned off. "fullmesh", "nofullmesh" and no flag at all
# each turn a backup endpoint into an ordinary one. The kernel tells the servers of open
# sessions at once (MP_PRIO), so that they send over a path that was to be used only when
# nothing else is left.
#
# It matters to anyone with a metered link as the backup of an MPTCP session. Name every
# flag that the endpoint is to have: "change id 1 backup fullmesh".
set -eu

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
PATH=$PATH:/usr/sbin:/sbin
for tool in apt-get dpkg-deb unshare nsenter sysctl python3; do
	command -v $tool >/dev/null || { echo "cannot run: no $tool"; exit 2; }
done

chmod 755 "$tmp"
cd "$tmp"
{
	apt-get download iproute2=6.1.0-3 libbpf1 libelf1 libmnl0 libbsd0 libmd0 libcap2
	for package in *.deb; do dpkg-deb -x "$package" root; done
} >log 2>&1 || { cat log; echo "cannot run: the packages could not be installed"; exit 2; }

cat >server.py <<'EOF'
import socket
with socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262) as server:  # IPPROTO_MPTCP
    server.bind(("10.0.0.2", 2222))
    server.listen()
    server.settimeout(60)
    client = server.accept()[0]
    client.sendall(b"hello")
    client.recv(5)
EOF
cat >session.py <<'EOF'
import socket, subprocess, time

def ip(*words):
    out = subprocess.run(["root/bin/ip", "mptcp", "endpoint", *words], check=True, capture_output=True)
    return out.stdout.decode().strip()

def sent():
    names, values = [line.split() for line in open("/proc/net/netstat") if line.startswith("MPTcpExt:")]
    return int(dict(zip(names, values))["MPPrioTx"])

ip("add", "10.0.1.1", "dev", "v1", "id", "1", "subflow", "backup")
with socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262) as client:
    client.connect(("10.0.0.2", 2222))
    client.recv(5)
    time.sleep(1)
    print("add subflow backup:", ip("show"))
    for flags in "fullmesh", "backup fullmesh", "nofullmesh", "backup", "", "backup":
        before = sent()
        ip("change", "id", "1", *flags.split())
        print(f"change id 1 {flags or '(no flag)'}: {ip('show')}; MP_PRIO sent: {sent() - before}")
        time.sleep(0.2)
    client.sendall(b"hello")
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
		ip addr add 10.0.$n.1/24 dev v$n
	done
	ip route add default via 10.0.0.2
	ip route add default via 10.0.1.2 metric 100
	ip mptcp limits set subflows 2
} || exit 2
$inside python3 server.py 2>/dev/null &
server=$!
sleep 1
timeout 30 python3 session.py
EOF
unshare -rn sh -e lab >seen 2>errors || { cat errors; echo "cannot run: no network namespace, or no MPTCP"; exit 2; }
cat seen

diff - seen >changed <<'EOF' || { echo "The behaviour has changed:"; cat changed errors; exit 1; }
add subflow backup: 10.0.1.1 id 1 subflow backup dev v1
change id 1 fullmesh: 10.0.1.1 id 1 subflow fullmesh dev v1; MP_PRIO sent: 1
change id 1 backup fullmesh: 10.0.1.1 id 1 subflow backup fullmesh dev v1; MP_PRIO sent: 1
change id 1 nofullmesh: 10.0.1.1 id 1 subflow dev v1; MP_PRIO sent: 1
change id 1 backup: 10.0.1.1 id 1 subflow backup dev v1; MP_PRIO sent: 1
change id 1 (no flag): 10.0.1.1 id 1 subflow dev v1; MP_PRIO sent: 1
change id 1 backup: 10.0.1.1 id 1 subflow backup dev v1; MP_PRIO sent: 1
EOF
echo "As described."
