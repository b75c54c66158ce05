#!/bin/sh
# Under mptcpize a server cannot listen, and a client cannot connect, where the
# kernel's MPTCP is turned off.
#
# libmptcpwrap0 0.12-1 (Debian 12), the library that `mptcpize run` and `mptcpize
# enable` preload; with OpenSSH and Python as they are installed.
#
# One would expect plain TCP: MPTCP falls back to it at each end and on the way, and
# mptcpize is for programs that know nothing of either.
#
# Seen: with net.mptcp.enabled=0 the kernel refuses an MPTCP socket (ENOPROTOOPT), and
# the library returns that error instead of asking for a TCP socket. Every socket() of
# the program fails. sshd says "Cannot bind any address" and ends.
#
# It matters to anyone who has run `mptcpize enable ssh` on a machine that is reached
# by ssh only: a line in sysctl.conf locks them out with the next start. Keep a second
# sshd, or another way in.
set -eu

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
PATH=$PATH:/usr/sbin:/sbin
for tool in apt-get dpkg-deb unshare ip sysctl ssh ssh-keygen sshd python3; do
	command -v $tool >/dev/null || { echo "cannot run: no $tool"; exit 2; }
done
unshare -rnm sysctl -qw net.mptcp.enabled=1 2>"$tmp/log" ||
	{ cat "$tmp/log"; echo "cannot run: no network namespace, or no MPTCP"; exit 2; }

chmod 755 "$tmp"
cd "$tmp"
{
	apt-get download libmptcpwrap0=0.12-1
	dpkg-deb -x libmptcpwrap0_*.deb root
} >log 2>&1 || { cat log; echo "cannot run: the package could not be installed"; exit 2; }

cat >main.py <<'EOF'
import socket
try:
    protocol = socket.socket().getsockopt(socket.SOL_SOCKET, socket.SO_PROTOCOL)
    print({6: 'TCP', 262: 'MPTCP'}[protocol])
except OSError as e:
    print(e.strerror)
EOF
ssh-keygen -q -t ed25519 -N '' -f key

cat >lab <<'EOF'
ip link set lo up
mount -t tmpfs tmpfs /run && mkdir /run/sshd
preload=$(ls root/usr/lib/*/mptcpize/libmptcpwrap.so.0.0.1)
for enabled in 1 0; do
	sysctl -qw net.mptcp.enabled=$enabled
	echo "net.mptcp.enabled=$enabled, socket:  $(LD_PRELOAD=$PWD/$preload python3 main.py)"
	LD_PRELOAD=$PWD/$preload timeout 2 "$(command -v sshd)" -D -e -f none -h "$PWD/key" -p 2222 -o ListenAddress=127.0.0.1 -o PidFile=none >said 2>&1
	echo "net.mptcp.enabled=$enabled, sshd:    $(tr -d '\r' <said | grep -E 'listening|Cannot')"
	timeout 10 env LD_PRELOAD=$PWD/$preload ssh -F none -p 1 127.0.0.1 true >said 2>&1 </dev/null
	echo "net.mptcp.enabled=$enabled, ssh:     $(tr -d '\r' <said | head -1)"
done
EOF
unshare -rnm sh lab 2>errors | tee seen

diff - seen >changed <<'EOF' || { echo "The behaviour has changed:"; cat changed errors; exit 1; }
net.mptcp.enabled=1, socket:  MPTCP
net.mptcp.enabled=1, sshd:    Server listening on 127.0.0.1 port 2222.
net.mptcp.enabled=1, ssh:     ssh: connect to host 127.0.0.1 port 1: Connection refused
net.mptcp.enabled=0, socket:  Protocol not available
net.mptcp.enabled=0, sshd:    Cannot bind any address.
net.mptcp.enabled=0, ssh:     socket: Protocol not available
EOF
echo "As described."
