#!/bin/sh
# Of three programs that run ssh on many hosts, one takes the end of an IPv6 address for
# a port and connects to another host, and one rejects some addresses but not others.
#
# pssh 2.3.4-2, pdsh 2.34-0.2 and clustershell 1.9.1-1 (Debian 12).
#
# One would expect an IPv6 address to be passed to ssh as it is, or to be rejected.
# "2001:db8::1:22" is one address without a port.
#
# Seen: pssh cuts it at the last colon, runs `ssh -p 22 2001:db8::1`, which is another
# machine, and lists the result as that of 2001:db8::1:22. Brackets do not help: pssh
# passes them to ssh, which takes them for part of a name. pdsh looks for an "rcmd
# module" called 2001, but accepts fe80::1%eth0, and any address after "ssh:". clush, of
# clustershell, gets all of them right.
#
# It matters to anyone who keeps IPv6 addresses in a list of hosts. With pssh use names,
# or add a port to each address, without brackets.
set -eu

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
for tool in apt-get dpkg-deb unshare mount /usr/bin/python3; do
	command -v $tool >/dev/null || { echo "cannot run: no $tool"; exit 2; }
done
unshare -rm true 2>"$tmp/log" || { cat "$tmp/log"; echo "cannot run: no mount namespace"; exit 2; }

chmod 755 "$tmp"
cd "$tmp"
{
	apt-get download pssh=2.3.4-2 python3-psshlib=2.3.4-2 pdsh=2.34-0.2 libgenders0 \
		clustershell=1.9.1-1 python3-clustershell=1.9.1-1 python3-yaml libyaml-0-2
	for package in *.deb; do dpkg-deb -x "$package" root; done
	mkdir bin layer
	cp root/usr/bin/pdsh.bin bin/pdsh
} >log 2>&1 || { cat log; echo "cannot run: the packages could not be installed"; exit 2; }

# A stand-in for ssh that shows where it would connect.
cat >bin/ssh <<'EOF'
#!/bin/sh
port=
while [ $# -gt 1 ]; do
	case $1 in
	-p) port=", port $2"; shift ;;
	-o) shift ;;
	-*) ;;
	*) host=$1 ;;
	esac
	shift
done
echo "host $host$port" >>"$SSH_LOG"
EOF
chmod 755 bin/ssh

# pdsh loads its modules from nowhere but /usr/lib.
cat >lab <<'EOF'
lib=$(dirname root/usr/lib/*/pdsh)
mount -t tmpfs tmpfs layer
mkdir layer/upper layer/work
mount -t overlay -o "lowerdir=/${lib#root/},upperdir=layer/upper,workdir=layer/work" overlay "/${lib#root/}" || exit 2
cp -r "$lib/pdsh" "/${lib#root/}/pdsh"
export LD_LIBRARY_PATH="$PWD/$lib" PYTHONPATH="$PWD/root/usr/lib/python3/dist-packages"
export PATH="$PWD/bin:$PATH" SSH_LOG="$PWD/connects"
show() {
	name=$1 said=
	shift
	rm -f connects
	said=$(timeout 10 "$@" 2>&1 </dev/null | sed 's/\[SUCCESS\]/success/' | grep -oE 'success.*|No such rcmd module.*') || true
	echo "$name: $(cat connects 2>/dev/null || echo nothing)${said:+ ($said)}"
}
for host in 2001:db8::1:22 '[2001:db8::1:22]:22' 2001:db8::1:22:22 fe80::1%eth0; do
	show "pssh  $host" /usr/bin/python3 root/usr/bin/parallel-ssh -t 5 -H "$host" true
done
for host in 2001:db8::1:22 ssh:2001:db8::1:22 fe80::1%eth0; do
	show "pdsh  $host" pdsh -R ssh -w "$host" true
done
for host in 2001:db8::1:22 fe80::1%eth0; do
	show "clush $host" /usr/bin/python3 root/usr/bin/clush -w "$host" true
done
EOF
unshare -rm sh lab >seen 2>errors || { cat errors; echo "cannot run: no overlay file system"; exit 2; }
cat seen

diff - seen >changed <<'EOF' || { echo "The behaviour has changed:"; cat changed errors; exit 1; }
pssh  2001:db8::1:22: host 2001:db8::1, port 22 (success 2001:db8::1:22)
pssh  [2001:db8::1:22]:22: host [2001:db8::1:22], port 22 (success [2001:db8::1:22]:22)
pssh  2001:db8::1:22:22: host 2001:db8::1:22, port 22 (success 2001:db8::1:22:22)
pssh  fe80::1%eth0: host fe80:, port 1%eth0 (success fe80::1%eth0)
pdsh  2001:db8::1:22: nothing (No such rcmd module "2001")
pdsh  ssh:2001:db8::1:22: host 2001:db8::1:22
pdsh  fe80::1%eth0: host fe80::1%eth0
clush 2001:db8::1:22: host 2001:db8::1:22
clush fe80::1%eth0: host fe80::1%eth0
EOF
echo "As described."
