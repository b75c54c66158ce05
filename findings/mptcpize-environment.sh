#!/bin/sh
# `mptcpize enable` removes every Environment= line of a unit, and `disable` does
# not put them back. On a socket unit it reports success and changes nothing.
#
# mptcpize 0.12-1 (Debian 12).
#
# One would expect `mptcpize enable ssh` to add one line to the unit, which
# preloads a library, and `mptcpize disable ssh` to remove that line: the manual
# says that it updates the unit. One would expect an error where it cannot work.
#
# Seen: it rewrites the unit file in place. Where it meets "Environment=" it drops
# the whole line, whatever the variable is, and disabling drops them too, so that
# enabling and disabling leaves a service without its environment. ssh.socket has
# no [Service] section and no process to preload anything into. "mptcp successfully
# enabled", says mptcpize, and the file is as it was.
#
# It matters to anyone who makes a server speak Multipath TCP: the next restart
# has other settings, and nothing says so. A drop-in does the same without editing
# the unit: LD_PRELOAD for a service, SocketProtocol=mptcp for a socket.
set -eu

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
for tool in apt-get dpkg-deb; do
	command -v $tool >/dev/null || { echo "cannot run: no $tool"; exit 2; }
done

chmod 755 "$tmp"
cd "$tmp"
{
	apt-get download mptcpize=0.12-1
	dpkg-deb -x mptcpize_*.deb root
} >log 2>&1 || { cat log; echo "cannot run: the package could not be installed"; exit 2; }

# mptcpize asks systemctl where the unit file is. This stand-in knows those below
# units; nothing here touches the system's own.
mkdir bin units
cat >bin/systemctl <<EOF
#!/bin/sh
if [ "\$1" = show ]; then echo "FragmentPath=$tmp/units/\$4"; fi
EOF
chmod +x bin/systemctl
cat >units/ssh.service <<'EOF'
[Unit]
Description=OpenBSD Secure Shell server

[Service]
Environment=KRB5_KTNAME=/etc/ssh.keytab
EnvironmentFile=-/etc/default/ssh
ExecStart=/usr/sbin/sshd -D
Environment="TZ=UTC" "MALLOC_ARENA_MAX=2"
EOF
cat >units/ssh.socket <<'EOF'
[Socket]
ListenStream=22
Accept=no
EOF

mptcpize() {
	cp units/$2 before
	echo "mptcpize $1 $2"
	PATH="$tmp/bin:$PATH" root/usr/bin/mptcpize $1 $2 2>&1 | sed "s,$tmp/units/,,"
	diff before units/$2 | sed -n 's,=/.*/libmptcpwrap,=.../libmptcpwrap,; s/^</removed:/p; s/^>/added:/p'
}
{
	mptcpize enable ssh.service
	mptcpize disable ssh.service
	mptcpize enable ssh.socket
} | tee seen

diff - seen >changed <<'EOF' || { echo "The behaviour has changed:"; cat changed; exit 1; }
mptcpize enable ssh.service
mptcp successfully enabled on unit ssh.service
removed: Environment=KRB5_KTNAME=/etc/ssh.keytab
added: Environment=LD_PRELOAD=.../libmptcpwrap.so.0.0.1
removed: Environment="TZ=UTC" "MALLOC_ARENA_MAX=2"
mptcpize disable ssh.service
mptcp successfully disabled on unit ssh.service
removed: Environment=LD_PRELOAD=.../libmptcpwrap.so.0.0.1
mptcpize enable ssh.socket
mptcp successfully enabled on unit ssh.socket
EOF
echo "As described."
