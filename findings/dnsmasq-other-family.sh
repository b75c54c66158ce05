#!/bin/sh
# An IPv4 address that dnsmasq or smartdns is given for a name does not replace the public
# IPv6 address of that name, which clients prefer.
#
# dnsmasq-base 2.90-4~deb12u2 and smartdns 40+dfsg-1, beside unbound 1.17.1-2+deb12u4
# (Debian 12) and the C library's /etc/hosts.
#
# One would expect a name that has a local IPv4 address to have no IPv6 address, unless one
# is given too. It is so in /etc/hosts, and in unbound (local-data).
#
# Seen: dnsmasq answers the question for IPv4 itself, and sends the one for IPv6 to the
# public name server. This is true of its hosts files, of host-record=, and of address=.
# Of the last its manual says both: that such questions are never forwarded, and that
# they are, since 2.86. smartdns's address rule does the same.
#
# It matters to anyone who gives box.example.org its LAN address at home: a client that
# prefers IPv6 still takes the way over the Internet. Add local=/box.example.org/ to
# dnsmasq's configuration, or the IPv6 address of the LAN.
set -eu

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
for tool in apt-get dpkg-deb unshare ip mount getent /usr/bin/python3; do
	command -v $tool >/dev/null || { echo "cannot run: no $tool"; exit 2; }
done
unshare -rnm true 2>"$tmp/log" || { cat "$tmp/log"; echo "cannot run: no network namespace"; exit 2; }

chmod 755 "$tmp"
cd "$tmp"
{
	apt-get download 'dnsmasq-base=2.90-4~deb12u2' smartdns=40+dfsg-1 unbound=1.17.1-2+deb12u4 \
		libhogweed6 libnettle8 libnetfilter-conntrack3 libnfnetlink0 libnftables1 libnftnl11 \
		libidn2-0 libunistring2 libdbus-1-3 libgmp10 libjansson4 libxtables12 libmnl0 \
		libprotobuf-c1 libevent-2.1-7 libpython3.11 libhiredis0.14 libfstrm0 libsodium23
	for package in *.deb; do dpkg-deb -x "$package" root; done
} >log 2>&1 || { cat log; echo "cannot run: the packages could not be installed"; exit 2; }

cat >ask.py <<'EOF'
import socket, struct, sys

def ask(port, name, kind):
    question = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"
    query = struct.pack(">6H", 7, 0x100, 1, 0, 0, 0) + question + struct.pack(">2H", kind, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(5)
        s.connect(("127.0.0.1", port))
        s.send(query)
        answer = s.recv(1500)
    if not answer[7]:
        return f"no answer, code {answer[3] & 15}"
    address = answer[len(query) + 12:]  # after a compressed name and the record's header
    return socket.inet_ntop(*((socket.AF_INET, address[:4]) if kind == 1 else (socket.AF_INET6, address[:16])))

name, port = sys.argv[1], int(sys.argv[2])
print(f"A {ask(port, name, 1)}; AAAA {ask(port, name, 28)}")
EOF
echo 192.168.0.7 box.example >addresses
cat >smartdns.conf <<'EOF'
bind 127.0.0.1:5304
server 127.0.0.1:5301
address /box.example/192.168.0.7
speed-check-mode none
cache-persist no
log-file smartdns.log
EOF
cat >unbound.conf <<'EOF'
server:
    directory: "."
    username: ""
    chroot: ""
    pidfile: ""
    use-syslog: no
    interface: 127.0.0.1
    port: 5305
    module-config: "iterator"
    do-not-query-localhost: no
    local-data: "box.example A 192.168.0.7"
forward-zone:
    name: "."
    forward-addr: 127.0.0.1@5301
remote-control:
    control-enable: no
EOF
# The public name server knows every name.
cat >lab <<'EOF'
ip link set lo up
mount --bind addresses /etc/hosts
LD_LIBRARY_PATH=$(echo "$PWD"/root/usr/lib/*-linux-gnu*):$(echo "$PWD"/root/lib/*-linux-gnu*)
started=
dnsmasq() {
	LD_LIBRARY_PATH=$LD_LIBRARY_PATH root/usr/sbin/dnsmasq --no-daemon --conf-file=/dev/null --no-resolv \
		--no-hosts --listen-address=127.0.0.1 --bind-interfaces "$@" >&2 &
	started="$started $!"
}
show() {
	name=$1
	shift
	echo "$name: $(/usr/bin/python3 ask.py box.example "$@")"
}
upstream=127.0.0.1#5301
dnsmasq --port=5301 --address=/#/198.51.100.7 --address=/#/2001:db8::7
dnsmasq --port=5302 --server=$upstream --addn-hosts=addresses
dnsmasq --port=5303 --server=$upstream --host-record=box.example,192.168.0.7
dnsmasq --port=5306 --server=$upstream --address=/box.example/192.168.0.7
dnsmasq --port=5307 --server=$upstream --addn-hosts=addresses --local=/box.example/
LD_LIBRARY_PATH=$LD_LIBRARY_PATH root/usr/sbin/smartdns -f -x -c smartdns.conf -p - >&2 &
started="$started $!"
LD_LIBRARY_PATH=$LD_LIBRARY_PATH root/usr/sbin/unbound -d -c unbound.conf >&2 &
started="$started $!"
sleep 3
show "public name server      " 5301
show "dnsmasq, hosts file     " 5302
show "dnsmasq, host-record=   " 5303
show "dnsmasq, address=       " 5306
show "dnsmasq, hosts, local=  " 5307
show "smartdns, address       " 5304
show "unbound, local-data     " 5305
echo "/etc/hosts              :" $(getent ahosts box.example | awk '{ print $1 }' | sort -u)
kill $started
EOF
unshare -rnm sh lab 2>errors | tee seen

diff - seen >changed <<'EOF' || { echo "The behaviour has changed:"; cat changed errors; exit 1; }
public name server      : A 198.51.100.7; AAAA 2001:db8::7
dnsmasq, hosts file     : A 192.168.0.7; AAAA 2001:db8::7
dnsmasq, host-record=   : A 192.168.0.7; AAAA 2001:db8::7
dnsmasq, address=       : A 192.168.0.7; AAAA 2001:db8::7
dnsmasq, hosts, local=  : A 192.168.0.7; AAAA no answer, code 0
smartdns, address       : A 192.168.0.7; AAAA 2001:db8::7
unbound, local-data     : A 192.168.0.7; AAAA no answer, code 0
/etc/hosts              : 192.168.0.7
EOF
echo "As described."
