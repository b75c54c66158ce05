#!/bin/sh
# Under proxychains a non-blocking connect blocks, and a name has no family.
#
# proxychains4 4.16-2 and microsocks 1.0.3-2 (Debian).
#
# One would expect connect(2) on a non-blocking socket to return EINPROGRESS at
# once, also when a proxy stands between, and a host that does not answer to end
# in ETIMEDOUT. One would expect getaddrinfo(3), asked for AF_INET6, to return
# AF_INET6 or nothing.
#
# Seen: connect() returns only when the proxy has answered, with 0, never with
# EINPROGRESS. For a host that does not answer it blocks until
# tcp_read_time_out (2 s here, 15 s as packaged), and the error is ECONNREFUSED.
# getaddrinfo() for AF_INET6 returns an AF_INET address, one of 224/8 that stands
# for the name.
#
# It matters to programs that race connections (Happy Eyeballs): under
# proxychains their attempts run one after the other, the first silent address
# holds up all the rest and every timer of the program, and its separate lookups
# for IPv6 and IPv4 both return IPv4. Such a program does better to speak SOCKS
# itself.
set -eu

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
for tool in apt-get dpkg-deb python3 unshare ip; do
	command -v $tool >/dev/null || { echo "cannot run: no $tool"; exit 2; }
done
unshare -rn ip link add v0 type veth peer name v1 2>"$tmp/log" ||
	{ cat "$tmp/log"; echo "cannot run: no network namespace with a veth pair"; exit 2; }

chmod 755 "$tmp"
cd "$tmp"
{
	apt-get download proxychains4=4.16-2 libproxychains4=4.16-2 microsocks=1.0.3-2
	for package in *.deb; do dpkg-deb -x "$package" root; done
} >log 2>&1 || { cat log; echo "cannot run: the packages could not be installed"; exit 2; }

cat >main.py <<'EOF'
import errno, socket, time

def attempt(name, address):
    with socket.socket() as s:
        s.setblocking(False)
        start = time.monotonic()
        code = s.connect_ex((address, 2222))
        seconds = time.monotonic() - start
    print(f"{name} {errno.errorcode.get(code, code)} after {seconds:.0f} s")

attempt("connect, answers:     ", "127.0.0.1")
attempt("connect, silent:      ", "198.51.100.9")
family, _, _, _, address = socket.getaddrinfo("box.example", 22, socket.AF_INET6, socket.SOCK_STREAM)[0]
print("getaddrinfo AF_INET6: ", family.name, address[0])
EOF
cat >server.py <<'EOF'
import socket
with socket.create_server(("127.0.0.1", 2222)) as server:
    server.settimeout(30)
    while True:
        server.accept()[0].close()
EOF
cat >proxychains.conf <<'EOF'
strict_chain
proxy_dns
tcp_connect_time_out 2000
tcp_read_time_out 2000
[ProxyList]
socks5 127.0.0.1 1080
EOF
# Nobody is behind the neighbor entry: what is sent there is never answered.
cat >lab <<'EOF'
ip link set lo up
ip link add v0 type veth peer name v1
ip link set v0 up
ip link set v1 up
ip addr add 198.51.100.1/24 dev v0
ip neigh add 198.51.100.9 lladdr 02:00:00:00:00:09 dev v0
root/usr/bin/microsocks -i 127.0.0.1 -p 1080 2>/dev/null &
proxy=$!
python3 server.py 2>/dev/null &
server=$!
sleep 1
LD_PRELOAD=$(echo root/usr/lib/*-linux-gnu*/libproxychains.so.4) PROXYCHAINS_QUIET_MODE=1 \
	PROXYCHAINS_CONF_FILE=proxychains.conf timeout 30 python3 main.py || true
kill $proxy $server
EOF
unshare -rn sh lab 2>errors | tee seen

diff - seen >changed <<'EOF' || { echo "The behaviour has changed:"; cat changed errors; exit 1; }
connect, answers:      0 after 0 s
connect, silent:       ECONNREFUSED after 2 s
getaddrinfo AF_INET6:  AF_INET 224.0.0.1
EOF
echo "As described."
