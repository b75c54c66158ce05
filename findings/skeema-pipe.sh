#!/bin/sh
# A Go package for known_hosts trusts no host over a pipe, and stores the pipe as
# a host.
#
# github.com/skeema/knownhosts v1.3.3 (Go), with golang.org/x/crypto v0.59.0.
#
# One would expect a host that is in known_hosts to be accepted whatever carries
# the connection: ssh itself looks up the name alone if there is a ProxyCommand.
#
# Seen: over net.Pipe, or one end of a socketpair, which is what a program has
# that runs a ProxyCommand or another ssh, the callback fails with "missing port
# in address": not an unknown key, and not a changed one. So a program that asks
# its user about unknown hosts never gets to ask. WriteKnownHost takes the same
# peer without a word and stores its String() as a second host name: "pipe", or
# "@". The line does not make the next connection work either.
#
# It matters to Go clients that support ProxyCommand, fdpass or jump hosts of
# their own: give the callback a peer that has an address, for example
# &net.TCPAddr{IP: net.IPv4zero}, which the package treats as none.
set -eu

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
command -v go >/dev/null || { echo "cannot run: no go"; exit 2; }

cd "$tmp"
cat >main.go <<'EOF'
package main

import (
	"crypto/ed25519"
	"fmt"
	"log"
	"net"
	"os"
	"syscall"

	"github.com/skeema/knownhosts"
	"golang.org/x/crypto/ssh"
)

func main() {
	public, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		log.Fatal(err)
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		log.Fatal(err)
	}
	pipe, _ := net.Pipe()
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		log.Fatal(err)
	}
	end, err := net.FileConn(os.NewFile(uintptr(pair[0]), "socketpair"))
	if err != nil {
		log.Fatal(err)
	}

	peers := []net.Addr{
		&net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 22},
		pipe.RemoteAddr(),
		end.RemoteAddr(),
		&net.TCPAddr{IP: net.IPv4zero},
	}
	for _, peer := range peers {
		file, err := os.Create("known_hosts")
		if err != nil {
			log.Fatal(err)
		}
		if err := knownhosts.WriteKnownHost(file, "box.example:22", peer, key); err != nil {
			log.Fatal(err)
		}
		file.Close()
		line, err := os.ReadFile("known_hosts")
		if err != nil {
			log.Fatal(err)
		}
		var hosts string
		fmt.Sscan(string(line), &hosts)

		db, err := knownhosts.NewDB("known_hosts")
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%T %q: stored as %s, then: %v\n", peer, peer, hosts, db.HostKeyCallback()("box.example:22", peer, key))
	}
}
EOF
{
	export GOMODCACHE="$tmp/mod" GOFLAGS="-mod=mod -modcacherw"
	go mod init finding && go get github.com/skeema/knownhosts@v1.3.3 golang.org/x/crypto@v0.59.0 && go build -o main main.go
} >log 2>&1 || { cat log; echo "cannot run: the packages could not be installed"; exit 2; }
./main | tee seen

diff - seen >changed <<'EOF' || { echo "The behaviour has changed:"; cat changed; exit 1; }
*net.TCPAddr "192.0.2.1:22": stored as box.example,192.0.2.1, then: <nil>
net.pipeAddr "pipe": stored as box.example,pipe, then: knownhosts: SplitHostPort(pipe): address pipe: missing port in address
*net.UnixAddr "@": stored as box.example,@, then: knownhosts: SplitHostPort(@): address @: missing port in address
*net.TCPAddr "0.0.0.0:0": stored as box.example, then: <nil>
EOF
echo "As described."
