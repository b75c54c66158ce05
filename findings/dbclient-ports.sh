#!/bin/sh
# Dropbear's client shares known_hosts with ssh, but leaves the port out of it.
#
# dropbear-bin 2022.83-1+deb12u3 (Debian), beside any OpenSSH client.
#
# One would expect dbclient to read and write ~/.ssh/known_hosts as ssh does, as
# it uses that very file: a host with another port than 22 is "[HOST]:PORT" there
# (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT").
#
# Seen: it looks for HOST and writes HOST, whatever the port.
# - A key that ssh has stored for "[HOST]:2222" is unknown to `dbclient -p 2222`,
#   which asks again.
# - After a "y", the key of port 2222 is stored as HOST's. From then on both
#   dbclient and ssh refuse the real sshd on port 22, with the words for an
#   attack: "host key mismatch", "REMOTE HOST IDENTIFICATION HAS CHANGED".
#
# It matters wherever one address has several sshd: port forwarding on a router,
# containers, a rescue sshd in an initramfs. Such hosts need names of their own
# for dbclient; ssh has HostKeyAlias.
set -eu

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
for tool in apt-get dpkg-deb script ssh ssh-keyscan unshare ip; do
	command -v $tool >/dev/null || { echo "cannot run: no $tool"; exit 2; }
done
unshare -rn true 2>"$tmp/log" || { cat "$tmp/log"; echo "cannot run: no network namespace"; exit 2; }

chmod 755 "$tmp"
cd "$tmp"
{
	apt-get download dropbear-bin=2022.83-1+deb12u3 libtomcrypt1=1.18.2-6 \
		libtommath1=1.2.0-6+deb12u1 libgmp10=2:6.2.1+dfsg1-1.1
	for package in *.deb; do dpkg-deb -x "$package" root; done
} >log 2>&1 || { cat log; echo "cannot run: the packages could not be installed"; exit 2; }

cat >lab <<'EOF'
ip link set lo up
LD_LIBRARY_PATH=$(echo $PWD/root/usr/lib/*-linux-gnu*)
export LD_LIBRARY_PATH
pids=
for port in 22 2222; do
	root/usr/bin/dropbearkey -t ed25519 -f key-$port >/dev/null 2>&1
	root/usr/sbin/dropbear -F -s -r key-$port -p 127.0.0.1:$port -P pid-$port 2>/dev/null &
	pids="$pids $!"
done
trap 'kill $pids' EXIT
for try in 1 2 3 4 5 6 7 8 9 10; do
	keys=$(LD_LIBRARY_PATH= ssh-keyscan -t ed25519 -p 2222 127.0.0.1 2>/dev/null) && [ "$keys" ] && break
	sleep 0.5
done

HOME=$PWD
export HOME
mkdir -m 700 .ssh

# Nobody can log in here: it is the host key that counts. What dbclient asks is
# answered at a terminal.
dbclient() {
	(sleep 2; echo "$1"; sleep 1) |
		timeout 20 script -qec "root/usr/bin/dbclient -p $2 127.0.0.1 true" /dev/null |
		grep -o 'not in the trusted hosts file\|host key mismatch' || echo 'key accepted'
}

echo "$keys" >.ssh/known_hosts
echo "stored by ssh:       $(cut -d' ' -f1,2 .ssh/known_hosts)"
echo "dbclient, port 2222: $(dbclient n 2222)"
: >.ssh/known_hosts
dbclient y 2222 >/dev/null
echo "stored by dbclient:  $(cut -d' ' -f1,2 .ssh/known_hosts)"
echo "dbclient, port 22:   $(dbclient n 22)"
echo "ssh, port 22:        $(LD_LIBRARY_PATH= ssh -F none -o BatchMode=yes -o HostKeyAlgorithms=ssh-ed25519 \
	-o UserKnownHostsFile=$PWD/.ssh/known_hosts -p 22 127.0.0.1 true 2>&1 | grep -o 'REMOTE HOST IDENTIFICATION HAS CHANGED')"
EOF
unshare -rn sh lab 2>errors | tee seen

diff - seen >changed <<'EOF' || { echo "The behaviour has changed:"; cat changed errors; exit 1; }
stored by ssh:       [127.0.0.1]:2222 ssh-ed25519
dbclient, port 2222: not in the trusted hosts file
stored by dbclient:  127.0.0.1 ssh-ed25519
dbclient, port 22:   host key mismatch
ssh, port 22:        REMOTE HOST IDENTIFICATION HAS CHANGED
EOF
echo "As described."
