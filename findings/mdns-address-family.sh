#!/bin/sh
# A name lookup for IPv6 alone loses the zone that the same lookup for both address
# families returns.
#
# libnss-mdns 0.15.1-3 with avahi-daemon 0.8-10+deb12u1, glibc 2.36 (Debian 12), and
# OpenSSH and Python as they are installed.
#
# One would expect getaddrinfo() for AF_INET6 to return what it returns for AF_UNSPEC,
# without the IPv4 addresses.
#
# Seen: the link-local address of box.local has a zone for AF_UNSPEC, and none for
# AF_INET6. Of the functions of an NSS module only gethostbyname4_r can return a zone,
# and glibc calls it for AF_UNSPEC only. `ssh box.local` reaches the host (which
# refuses the connection here), and `ssh -6 box.local` fails with "Invalid argument",
# although the host has no address but this one.
#
# It matters to users of `AddressFamily inet6`, and to programs that look up the two
# families separately, as Happy Eyeballs does. Ask for both at once, and sort the result.
set -eu

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
PATH=$PATH:/usr/sbin:/sbin
for tool in apt-get dpkg-deb ip unshare nsenter mount ssh python3; do
	command -v $tool >/dev/null || { echo "cannot run: no $tool"; exit 2; }
done
unshare -rnm ip link add eth0 type veth peer name other 2>"$tmp/log" ||
	{ cat "$tmp/log"; echo "cannot run: no network namespace with a veth pair"; exit 2; }

chmod 755 "$tmp"
cd "$tmp"
{
	apt-get download libnss-mdns=0.15.1-3 avahi-daemon=0.8-10+deb12u1 libavahi-core7=0.8-10+deb12u1 \
		libavahi-common3=0.8-10+deb12u1 libdaemon0 libdbus-1-3
	for package in *.deb; do dpkg-deb -x "$package" root; done
} >log 2>&1 || { cat log; echo "cannot run: the packages could not be installed"; exit 2; }

cat >resolve.py <<'EOF'
import socket
for family in socket.AF_UNSPEC, socket.AF_INET6:
    for address in socket.getaddrinfo("box.local", 22, family, socket.SOCK_STREAM):
        host, port, flow, zone = address[4]
        print("%s: %s, zone: %s" % (family.name, host, socket.if_indextoname(zone) if zone else "none"))
EOF
printf 'root:x:0:0::/:/bin/sh\navahi:x:0:0::/:/bin/false\n' >passwd
printf 'root:x:0:\navahi:x:0:\nnetdev:x:0:\n' >group
echo 'hosts: files mdns_minimal' >nsswitch.conf
echo '127.0.0.1 localhost' >hosts

# Runs avahi-daemon for the host name $1.
cat >avahi <<'EOF'
mount -t tmpfs tmpfs /run
mkdir /run/avahi-daemon
for file in passwd group nsswitch.conf hosts; do mount --bind $file /etc/$file; done
printf '[server]\nhost-name=%s\nenable-dbus=no\n' "$1" >"$1.conf"
exec root/usr/sbin/avahi-daemon -f "$PWD/$1.conf" --no-drop-root --no-chroot --no-rlimits --no-proc-title >&2
EOF

cat >lab <<'EOF'
LD_LIBRARY_PATH=$(echo "$PWD"/root/lib/*-linux-gnu*):$(echo "$PWD"/root/usr/lib/*-linux-gnu*)
export LD_LIBRARY_PATH
ip link set lo up
ip link add eth0 type veth peer name other
unshare -nm sh avahi box &
box=$!
sh avahi me &
me=$!
sleep 1
ip link set other netns $box
nsenter -t $box -n ip link set other address 02:00:00:00:00:02 up
ip link set eth0 up
for try in $(seq 20); do
	sleep 1
	getent ahosts box.local >/dev/null && break
done
python3 resolve.py
for flag in '' -6; do
	echo "ssh $flag: $(ssh -F none $flag box.local true 2>&1 </dev/null | tr -d '\r')"
done
kill $me $box
wait
EOF
unshare -rnm sh lab 2>errors | tee seen

diff - seen >changed <<'EOF' || { echo "The behaviour has changed:"; cat changed errors; exit 1; }
AF_UNSPEC: fe80::ff:fe00:2, zone: eth0
AF_INET6: fe80::ff:fe00:2, zone: none
ssh : ssh: connect to host box.local port 22: Connection refused
ssh -6: ssh: connect to host box.local port 22: Invalid argument
EOF
echo "As described."
