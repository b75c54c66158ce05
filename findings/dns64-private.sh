#!/bin/sh
# A DNS64 resolver makes IPv6 addresses even of private addresses and of 0.0.0.0, and
# the NAT64 translator behind it refuses them.
#
# unbound 1.17.1-2+deb12u4 and tayga 0.9.2-8 (Debian 12).
#
# One would expect the resolver to synthesize an AAAA record only where a translator can
# reach the address. Its default prefix, 64:ff9b::/96, must not be used for private
# and other non-global addresses (RFC 6052, section 3.1).
#
# Seen: unbound with its dns64 module turns 10.0.0.5 into 64:ff9b::a00:5, 127.0.0.1 into
# 64:ff9b::7f00:1, and 0.0.0.0, which block lists return for "no such host", into
# 64:ff9b::. tayga follows the RFC. It connects to 64:ff9b::c01f:c407, a public host, and
# answers "Network is unreachable" for 64:ff9b::a00:5, although it can reach 10.0.0.5.
#
# It matters on networks that have both NAT64 and hosts with private addresses: clients
# try IPv6 first, and it always fails. Give such a network a prefix of its own. A
# client should go on to the next address, and treat 64:ff9b:: like 0.0.0.0.
set -eu

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
PATH=$PATH:/usr/sbin:/sbin
for tool in apt-get dpkg-deb unshare ip sysctl python3; do
	command -v $tool >/dev/null || { echo "cannot run: no $tool"; exit 2; }
done
unshare -rn ip tuntap add dev nat64 mode tun 2>"$tmp/log" ||
	{ cat "$tmp/log"; echo "cannot run: no network namespace with a tun device"; exit 2; }

chmod 755 "$tmp"
cd "$tmp"
{
	apt-get download unbound=1.17.1-2+deb12u4 tayga=0.9.2-8 libprotobuf-c1 libevent-2.1-7 \
		libpython3.11 libhiredis0.14 libfstrm0 libsodium23
	for package in *.deb; do dpkg-deb -x "$package" root; done
} >log 2>&1 || { cat log; echo "cannot run: the packages could not be installed"; exit 2; }

cat >unbound.conf <<EOF
server:
	interface: 127.0.0.1@5300
	do-daemonize: no
	chroot: ""
	directory: "$tmp"
	username: ""
	pidfile: ""
	use-syslog: no
	module-config: "dns64 iterator"
	do-not-query-localhost: no
remote-control:
	control-enable: no
stub-zone:
	name: "example."
	stub-addr: 127.0.0.1@5301
EOF
cat >tayga.conf <<'EOF'
tun-device nat64
ipv4-addr 192.168.255.1
ipv6-addr 2001:db8:1::1
prefix 64:ff9b::/96
dynamic-pool 192.168.255.0/24
EOF

cat >main.py <<'EOF'
import socket, struct, threading

A, AAAA = 1, 28
hosts = {"public": "192.31.196.7", "nas": "10.0.0.5", "loopback": "127.0.0.1", "blocked": "0.0.0.0"}

# An authoritative server for the zone "example", with A records only.
def serve(server):
    while True:
        query, client = server.recvfrom(512)
        end = query.index(b"\0", 12) + 5
        name = query[13:13 + query[12]].decode().lower()
        records = b""
        if name in hosts and query[end - 4:end - 2] == struct.pack("!H", A):
            records = struct.pack("!HHHIH", 0xC00C, A, 1, 60, 4) + socket.inet_aton(hosts[name])
        header = query[:2] + struct.pack("!HHHHH", 0x8400, 1, bool(records), 0, 0)
        server.sendto(header + query[12:end] + records, client)

# Asks unbound for the AAAA record of a name in the zone.
def resolve(name):
    question = bytes([len(name)]) + name.encode() + b"\x07example\0" + struct.pack("!HH", AAAA, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(1)
        for _ in range(10):
            try:
                s.connect(("127.0.0.1", 5300))
                s.send(struct.pack("!HHHHHH", 7, 0x0100, 1, 0, 0, 0) + question)
                answer = s.recv(512)
            except OSError:
                continue
            record = 12 + len(question)
            if answer[6:8] != b"\0\0" and answer[record + 2:record + 4] == struct.pack("!H", AAAA):
                return socket.inet_ntop(socket.AF_INET6, answer[record + 12:record + 28])
            return None

server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 5301))
threading.Thread(target=serve, args=(server,), daemon=True).start()
listener = socket.create_server(("", 2222))

for name, address4 in hosts.items():
    address6 = resolve(name)
    print("%s, %s: %s" % (name, address4, address6))
    if address6 is None or name in ("loopback", "blocked"):
        continue
    for family, address in (socket.AF_INET, address4), (socket.AF_INET6, address6):
        with socket.socket(family) as s:
            s.settimeout(5)
            try:
                s.connect((address, 2222))
                print("  %s: connected" % address)
            except OSError as e:
                print("  %s: %s" % (address, e.strerror or e))
EOF

cat >lab <<'EOF'
LD_LIBRARY_PATH=$(echo "$PWD"/root/usr/lib/*-linux-gnu*)
export LD_LIBRARY_PATH
ip link set lo up
ip addr add 10.0.0.5/32 dev lo
ip addr add 192.31.196.7/32 dev lo
sysctl -qw net.ipv4.ip_forward=1
ip tuntap add dev nat64 mode tun
ip link set nat64 up
ip addr add 2001:db8::2/128 dev nat64 nodad
ip route add 192.168.255.0/24 dev nat64
ip route add 64:ff9b::/96 dev nat64
root/usr/sbin/tayga --config "$PWD/tayga.conf" -d >&2 &
tayga=$!
root/usr/sbin/unbound -d -c unbound.conf >&2 &
unbound=$!
sleep 1
python3 main.py
kill $tayga $unbound
wait
EOF
unshare -rn sh lab 2>errors | tee seen

diff - seen >changed <<'EOF' || { echo "The behaviour has changed:"; cat changed errors; exit 1; }
public, 192.31.196.7: 64:ff9b::c01f:c407
  192.31.196.7: connected
  64:ff9b::c01f:c407: connected
nas, 10.0.0.5: 64:ff9b::a00:5
  10.0.0.5: connected
  64:ff9b::a00:5: Network is unreachable
loopback, 127.0.0.1: 64:ff9b::7f00:1
blocked, 0.0.0.0: 64:ff9b::
EOF
echo "As described."
