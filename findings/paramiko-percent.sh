#!/bin/sh
# paramiko does not make one % of two, so that no ssh_config can name a link-local
# address for both it and ssh.
#
# paramiko 2.12.0 (Debian's python3-paramiko 2.12.0-2), beside OpenSSH's ssh -G.
#
# One would expect SSHConfig.lookup() to return what ssh would use: it expands %h, %p
# and other tokens in HostName and ProxyCommand, and ssh_config(5) lists %% among them
# (in HostName there are only %% and %h).
#
# Seen: %% stays as it is. The zone of a link-local address is written `%%eth0`
# there, and ssh connects to fe80::1%eth0; a program with paramiko looks for an
# interface called "%eth0". With a single % paramiko works, and ssh ends with
# "unknown key". In a ProxyCommand, `%%h` means the two characters %h to ssh. To
# paramiko it is a % and the host.
#
# It matters to programs that share ~/.ssh/config with ssh, such as Fabric: replace
# %% by % in the host name that lookup() returns, or let ssh -G read the file.
set -eu

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
for tool in ssh apt-get dpkg-deb /usr/bin/python3; do
	command -v $tool >/dev/null || { echo "cannot run: no $tool"; exit 2; }
done

chmod 755 "$tmp"
cd "$tmp"
{
	apt-get download python3-paramiko=2.12.0-2 python3-cryptography python3-bcrypt \
		python3-nacl python3-cffi-backend python3-six
	for package in *.deb; do dpkg-deb -x "$package" root; done
} >log 2>&1 || { cat log; echo "cannot run: the packages could not be installed"; exit 2; }

cat >two <<'EOF'
Host box
    HostName fe80::1%%lo
    ProxyCommand log 'asked for %%h'; nc %h %p
EOF
cat >one <<'EOF'
Host box
    HostName fe80::1%lo
EOF

cat >main.py <<'EOF'
import socket
import sys
from paramiko import SSHConfig

host = SSHConfig.from_path(sys.argv[1]).lookup('box')
name = host['hostname']
try:
    address, _, _, scope = socket.getaddrinfo(name, 22, flags=socket.AI_NUMERICHOST)[0][4]
    found = address + ' on ' + socket.if_indextoname(scope)
except socket.gaierror:
    found = 'no such address'
print('hostname', name, '->', found)
if 'proxycommand' in host:
    print('proxycommand', host['proxycommand'])
EOF
for file in two one; do
	echo "ssh, $file:"
	ssh -F $file -G box 2>&1 </dev/null | tr -d '\r' | grep -E '^hostname|unknown key' | sed 's/.*unknown/unknown/'
	echo "paramiko, $file:"
	PYTHONPATH=root/usr/lib/python3/dist-packages /usr/bin/python3 -W ignore main.py $file
done >seen 2>errors
cat seen

diff - seen >changed <<'EOF' || { echo "The behaviour has changed:"; cat changed errors; exit 1; }
ssh, two:
hostname fe80::1%lo
paramiko, two:
hostname fe80::1%%lo -> no such address
proxycommand log 'asked for %fe80::1%%lo'; nc fe80::1%%lo 22
ssh, one:
unknown key %l
paramiko, one:
hostname fe80::1%lo -> fe80::1 on lo
EOF
echo "As described."
