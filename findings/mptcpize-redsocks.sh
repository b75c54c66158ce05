#!/bin/sh
# A transparent proxy under mptcpize drops exactly those clients that use MPTCP.
#
# redsocks 0.5-2+b3 with libmptcpwrap0 0.12-1 (Debian 12), the library that `mptcpize
# run` and `mptcpize enable` preload; seen on Linux 6.18.
#
# One would expect mptcpize to make no difference here, or to fail for all clients. It is
# meant for programs that do not know MPTCP.
#
# Seen: redsocks asks the kernel for the original destination of a connection
# (SO_ORIGINAL_DST). For an MPTCP socket the kernel answers "Operation not supported",
# so the client is connected, and then dropped. TCP clients of the same process are
# served, because accept() returns a TCP socket for them. Without mptcpize both are
# served: MPTCP clients fall back to TCP.
#
# It matters to anyone who tests such a setup with an ordinary client: it works until
# somebody comes with `mptcpize run ssh`. The same is true of every transparent proxy
# that uses this option. Let it listen on TCP.
set -eu

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
PATH=$PATH:/usr/sbin:/sbin
for tool in apt-get dpkg-deb unshare ip sysctl nft python3; do
	command -v $tool >/dev/null || { echo "cannot run: no $tool"; exit 2; }
done
unshare -rn sh -c "sysctl -qw net.mptcp.enabled=1 &&
	nft 'add table ip t; add chain ip t output { type nat hook output priority -100; }'" 2>"$tmp/log" ||
	{ cat "$tmp/log"; echo "cannot run: no network namespace, no MPTCP, or no nftables"; exit 2; }

chmod 755 "$tmp"
cd "$tmp"
{
	apt-get download redsocks=0.5-2+b3 libmptcpwrap0=0.12-1 libevent-core-2.1-7
	for package in *.deb; do dpkg-deb -x "$package" root; done
} >log 2>&1 || { cat log; echo "cannot run: the packages could not be installed"; exit 2; }

cat >redsocks.conf <<'EOF'
base {
	log_debug = off;
	log_info = on;
	log = stderr;
	redirector = iptables;
}
redsocks {
	local_ip = 127.0.0.1;
	local_port = 12345;
	ip = 127.0.0.1;
	port = 1080;
	type = socks5;
}
EOF

# A SOCKS server that says where it was asked to connect, and clients of both kinds.
cat >main.py <<'EOF'
import socket, struct, sys, threading

def serve(listener):
    while True:
        conn, _ = listener.accept()
        methods = conn.recv(300)
        conn.sendall(b"\x05\x00")
        request = conn.recv(300)
        host, port = socket.inet_ntoa(request[4:8]), struct.unpack("!H", request[8:10])[0]
        conn.sendall(b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")
        conn.recv(300)
        conn.sendall(("connected to %s port %d" % (host, port)).encode())
        conn.recv(300)
        conn.close()

listener = socket.create_server(("127.0.0.1", 1080))
threading.Thread(target=serve, args=(listener,), daemon=True).start()
for client, protocol in ("TCP", 0), ("MPTCP", 262):
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, protocol) as s:
        s.settimeout(3)
        s.connect(("198.51.100.9", 22))
        try:
            s.sendall(b"SSH-2.0-client\r\n")
            answer = s.recv(100).decode() or "connected, then dropped"
        except ConnectionError:
            answer = "connected, then dropped"
        print("%s, %s client: %s" % (sys.argv[1], client, answer))
EOF

cat >lab <<'EOF'
ip link set lo up
ip addr add 192.0.2.1/32 dev lo
ip route add default dev lo
sysctl -qw net.mptcp.enabled=1
nft -f - <<'NFT'
add table ip t
add chain ip t output { type nat hook output priority -100; }
add rule ip t output ip daddr 198.51.100.9 tcp dport 22 redirect to :12345
NFT
LD_LIBRARY_PATH=$(echo "$PWD"/root/usr/lib/*-linux-gnu*)
export LD_LIBRARY_PATH
wrapper=$(echo "$PWD"/root/usr/lib/*/mptcpize/libmptcpwrap.so.0.0.1)
for preload in '' "$wrapper"; do
	LD_PRELOAD=$preload root/usr/sbin/redsocks -c redsocks.conf >&2 &
	redsocks=$!
	sleep 1
	python3 main.py "${preload:+mptcpize }redsocks"
	kill $redsocks
	wait $redsocks
done
EOF
unshare -rn sh lab 2>errors | tee seen
grep -o 'getsockopt.*' errors || true

diff - seen >changed <<'EOF' || { echo "The behaviour has changed:"; cat changed errors; exit 1; }
redsocks, TCP client: connected to 198.51.100.9 port 22
redsocks, MPTCP client: connected to 198.51.100.9 port 22
mptcpize redsocks, TCP client: connected to 198.51.100.9 port 22
mptcpize redsocks, MPTCP client: connected, then dropped
EOF
echo "As described."
