#!/bin/sh
# ssh-keyscan and libssh try only the first address of a name; the first of them says
# nothing about it.
#
# openssh-client 1:9.2p1-2+deb12u10 and libssh-4 0.10.6-0+deb12u3 (Debian 12).
#
# One would expect them to go on to the next address when one refuses, as ssh does. Both
# have a loop over all addresses.
#
# Seen, with a name whose IPv6 address refuses and whose IPv4 address has the server: ssh
# connects. ssh-keyscan prints nothing, ends with status 1, and has never tried IPv4.
# libssh says "Connection refused" at once. Their sockets are non-blocking, so connect()
# returns EINPROGRESS, and the loops take that for success. The refusal comes later, when
# no address is left to try. `ssh-keyscan -4` works.
#
# It matters to anyone who fills known_hosts with ssh-keyscan: a host with one dead address
# is missing, although ssh reaches it, and no message says so. Run it with -4 and with -6,
# and check that there is a line for each host. Programs that use libssh should connect
# by themselves, and pass the descriptor (SSH_OPTIONS_FD).
set -eu

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
for tool in apt-get dpkg-deb unshare ip mount /usr/bin/python3; do
	command -v $tool >/dev/null || { echo "cannot run: no $tool"; exit 2; }
done
unshare -rnm sh -c 'ip link set lo up && ip -6 addr show dev lo | grep -q ::1' 2>"$tmp/log" ||
	{ cat "$tmp/log"; echo "cannot run: no network namespace with IPv6"; exit 2; }

chmod 755 "$tmp"
cd "$tmp"
{
	apt-get download openssh-client=1:9.2p1-2+deb12u10 libssh-4=0.10.6-0+deb12u3 \
		libgssapi-krb5-2 libkrb5-3 libk5crypto3 libkrb5support0 libcom-err2 libkeyutils1
	for package in *.deb; do dpkg-deb -x "$package" root; done
} >log 2>&1 || { cat log; echo "cannot run: the packages could not be installed"; exit 2; }

cat >client.py <<'EOF'
import ctypes, sys
libssh = ctypes.CDLL("libssh.so.4")
libssh.ssh_new.restype = ctypes.c_void_p
libssh.ssh_get_error.restype = ctypes.c_char_p
session = ctypes.c_void_p(libssh.ssh_new())
for option, value in (0, sys.argv[1]), (2, "2222"), (4, "me"):  # host, port, user
    libssh.ssh_options_set(session, option, ctypes.c_char_p(value.encode()))
libssh.ssh_connect(session)
print(libssh.ssh_get_error(session).decode())
EOF
# It tells clients that have connected from those that have not, and lets nobody log in.
cat >server.py <<'EOF'
import socket
with socket.create_server(("127.0.0.1", 2222)) as server:
    server.settimeout(60)
    while True:
        client = server.accept()[0]
        open("accepted", "a").write("x")
        client.sendall(b"SSH-2.0-test\r\n")
        client.close()
EOF
cat >lab <<'EOF'
ip link set lo up
printf '::1 dual\n127.0.0.1 dual\n' >hosts
mount --bind hosts /etc/hosts
LD_LIBRARY_PATH=$(echo "$PWD"/root/usr/lib/*-linux-gnu*)
export LD_LIBRARY_PATH
/usr/bin/python3 server.py 2>/dev/null &
server=$!
sleep 1
show() {
	name=$1 status=0
	shift
	rm -f accepted
	timeout 20 "$@" >out 2>&1 </dev/null || status=$?
	echo "$name: 127.0.0.1 was $([ -e accepted ] || echo 'not ')tried"
}
show "ssh           " root/usr/bin/ssh -F none -p 2222 dual true
show "ssh-keyscan   " root/usr/bin/ssh-keyscan -T 5 -p 2222 dual
echo "  it prints \"$(cat out)\" and ends with status $status"
show "ssh-keyscan -4" root/usr/bin/ssh-keyscan -T 5 -4 -p 2222 dual
show "libssh        " /usr/bin/python3 client.py dual
echo "  it says \"$(cat out)\""
show "libssh, IPv4  " /usr/bin/python3 client.py 127.0.0.1
kill $server
EOF
unshare -rnm sh lab 2>errors | tee seen

diff - seen >changed <<'EOF' || { echo "The behaviour has changed:"; cat changed errors; exit 1; }
ssh           : 127.0.0.1 was tried
ssh-keyscan   : 127.0.0.1 was not tried
  it prints "" and ends with status 1
ssh-keyscan -4: 127.0.0.1 was tried
libssh        : 127.0.0.1 was not tried
  it says "Connection refused"
libssh, IPv4  : 127.0.0.1 was tried
EOF
echo "As described."
