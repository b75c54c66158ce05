#!/bin/sh
# Three SOCKS servers report success before they have connected, and so also for hosts
# that refuse or do not answer.
#
# python3-asyncssh 2.10.1-2+deb12u2, putty-tools 0.78-2+deb12u2 and shadowsocks-libev
# 3.3.5+ds-10, beside openssh-client 1:9.2p1-2+deb12u10, dante-server 1.4.2+dfsg-7+b8 and
# microsocks 1.0.3-2 (Debian 12).
#
# One would expect a reply to CONNECT to say how the connection went: it has codes for
# "connection refused" and "host unreachable" (RFC 1928, section 6), and SSH tells its
# client of each forwarded connection whether it was opened (RFC 4254, section 5.1).
#
# Seen: `plink -D`, AsyncSSH's forward_socks() and shadowsocks' ss-local say "succeeded" at
# once. If the host refuses, they close the connection afterwards, and if it is silent, the
# client waits. `ssh -D` waits for the server's answer, but has no word for a refusal: it
# closes. dante and microsocks reply as the RFC says.
#
# It matters to anyone who races connections, or falls back from one host to another,
# through such a proxy: each attempt wins at once, also on a dead host. Wait for the
# first bytes of the server, which for ssh are its banner.
set -eu

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
for tool in apt-get dpkg-deb unshare ip /usr/bin/python3; do
	command -v $tool >/dev/null || { echo "cannot run: no $tool"; exit 2; }
done
unshare -rn ip link add v0 type veth peer name v1 2>"$tmp/log" ||
	{ cat "$tmp/log"; echo "cannot run: no network namespace with a veth pair"; exit 2; }

chmod 755 "$tmp"
cd "$tmp"
{
	apt-get download python3-asyncssh=2.10.1-2+deb12u2 putty-tools=0.78-2+deb12u2 \
		shadowsocks-libev=3.3.5+ds-10 openssh-client=1:9.2p1-2+deb12u10 \
		dante-server=1.4.2+dfsg-7+b8 microsocks=1.0.3-2 python3-cryptography \
		python3-cffi-backend python3-typing-extensions libgssapi-krb5-2 libkrb5-3 \
		libk5crypto3 libkrb5support0 libcom-err2 libkeyutils1 libbloom1 libc-ares2 \
		libcork16 libcorkipset1 libev4 libjsonparser1.1 libmbedcrypto7 libpcre3 \
		libsodium23 libwrap0
	for package in *.deb; do dpkg-deb -x "$package" root; done
} >log 2>&1 || { cat log; echo "cannot run: the packages could not be installed"; exit 2; }

cat >sshd.py <<'EOF'
import asyncio, asyncssh

class Server(asyncssh.SSHServer):
    def begin_auth(self, username):
        return False

    def connection_requested(self, *_):
        return True

async def main():
    key = asyncssh.generate_private_key("ssh-ed25519")
    open("fingerprint", "w").write(key.get_fingerprint())
    await asyncssh.create_server(Server, "127.0.0.1", 2222, server_host_keys=[key])
    connection = await asyncssh.connect("127.0.0.1", 2222, username="me", known_hosts=None,
                                        config=None, client_keys=None)
    await connection.forward_socks("127.0.0.1", 1083)
    await asyncio.sleep(100)

asyncio.run(main())
EOF
cat >client.py <<'EOF'
import socket, time

def receive(s, size):
    data = b""
    try:
        while len(data) < size:
            more = s.recv(size - len(data))
            if not more:
                return data + b"closed"
            data += more
    except ConnectionResetError:
        return data + b"closed"
    except TimeoutError:
        return data + b"waits"
    return data

def ask(port, address, target):
    for _ in range(100):
        try:
            s = socket.create_connection(("127.0.0.1", port))
            break
        except ConnectionRefusedError:
            time.sleep(0.1)
    with s:
        s.settimeout(2)
        s.sendall(b"\5\1\0")
        assert receive(s, 2) == b"\5\0"
        s.sendall(b"\5\1\0\1" + socket.inet_aton(address) + target.to_bytes(2, "big"))
        reply = receive(s, 10)
        if reply[:1] != b"\5":
            return reply.decode()
        if reply[1]:
            return f"error {reply[1]}"
        return "succeeded, then " + receive(s, 6).decode()

servers = "ssh -D", "plink -D", "asyncssh", "ss-local", "danted", "microsocks"
for port, name in enumerate(servers, 1081):
    print(f"{name}: sshd: {ask(port, '127.0.0.1', 2222)}; refused: {ask(port, '127.0.0.1', 9)};",
          f"silent: {ask(port, '198.51.100.9', 22)}")
EOF
cat >danted.conf <<'EOF'
internal: 127.0.0.1 port = 1085
external: v0
external: lo
external.rotation: route
socksmethod: none
clientmethod: none
user.privileged: root
user.unprivileged: root
client pass { from: 0/0 to: 0/0 }
socks pass { from: 0/0 to: 0/0 }
EOF
# Nobody is behind the neighbor entry: what is sent there is never answered.
cat >lab <<'EOF'
ip link set lo up
ip link add v0 type veth peer name v1
ip link set v0 up
ip link set v1 up
ip addr add 198.51.100.1/24 dev v0
ip neigh add 198.51.100.9 lladdr 02:00:00:00:00:09 dev v0
export HOME="$PWD" PYTHONPATH="$PWD/root/usr/lib/python3/dist-packages"
LD_LIBRARY_PATH=$(echo "$PWD"/root/usr/lib/*-linux-gnu*):$(echo "$PWD"/root/lib/*-linux-gnu*)
export LD_LIBRARY_PATH
bin=root/usr/bin
/usr/bin/python3 sshd.py >&2 &
started=$!
for _ in 1 2 3 4 5 6 7 8 9 10; do [ -s fingerprint ] && break; sleep 1; done
sleep 1
$bin/ssh -F none -N -D 1081 -p 2222 -o StrictHostKeyChecking=no -o UserKnownHostsFile=known me@127.0.0.1 >&2 &
started="$started $!"
$bin/plink -batch -N -D 1082 -P 2222 -hostkey "$(cat fingerprint)" me@127.0.0.1 >&2 &
started="$started $!"
$bin/ss-server -s 127.0.0.1 -p 8388 -k secret -m aes-256-gcm >&2 &
started="$started $!"
$bin/ss-local -s 127.0.0.1 -p 8388 -l 1084 -k secret -m aes-256-gcm >&2 &
started="$started $!"
root/usr/sbin/danted -f danted.conf >&2 &
started="$started $!"
$bin/microsocks -i 127.0.0.1 -p 1086 >&2 &
started="$started $!"
timeout 60 /usr/bin/python3 client.py || true
kill $started
EOF
unshare -rn sh lab 2>errors | tee seen

diff - seen >changed <<'EOF' || { echo "The behaviour has changed:"; cat changed errors; exit 1; }
ssh -D: sshd: succeeded, then SSH-2.; refused: closed; silent: waits
plink -D: sshd: succeeded, then SSH-2.; refused: succeeded, then closed; silent: succeeded, then waits
asyncssh: sshd: succeeded, then SSH-2.; refused: succeeded, then closed; silent: succeeded, then waits
ss-local: sshd: succeeded, then SSH-2.; refused: succeeded, then closed; silent: succeeded, then waits
danted: sshd: succeeded, then SSH-2.; refused: error 5; silent: waits
microsocks: sshd: succeeded, then SSH-2.; refused: error 5; silent: waits
EOF
echo "As described."
