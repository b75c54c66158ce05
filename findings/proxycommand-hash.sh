#!/bin/sh
# Two parsers of ssh_config end a ProxyCommand at "#"; one also rewrites it.
#
# github.com/kevinburke/ssh_config v1.6.0 (Go), ssh-config 5.3.0 (npm).
#
# One would expect the whole rest of the line, "#" included: ssh_config(5) says
# that a ProxyCommand extends to the end of the line, and `ssh -G` shows it
# whole. A "#" starts a comment only as the first character of a line, or after
# the arguments of most other keywords. In a ProxyCommand it is often the shell's
# ${name#prefix}.
#
# Seen: both return "sh -c 'exec nc ${1", with no error. The Go package, asked to
# print the file that it has just read, puts a space before the "#" as well, so
# that ssh then runs another command than before. ssh-config prints it unchanged.
#
# It matters to programs that show, run or edit other people's ssh_config: what
# they run is half a command, and saving the file with the Go package breaks ssh.
set -eu

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
for tool in go npm node ssh; do
	command -v $tool >/dev/null || { echo "cannot run: no $tool"; exit 2; }
done

cd "$tmp"
cat >config <<'EOF'
Host lan-*
    ProxyCommand sh -c 'exec nc ${1#lan-} $2' -- %h %p
EOF

cat >main.go <<'EOF'
package main

import (
	"fmt"
	"log"
	"os"

	"github.com/kevinburke/ssh_config"
)

func main() {
	file, err := os.Open("config")
	if err != nil {
		log.Fatal(err)
	}
	config, err := ssh_config.Decode(file)
	if err != nil {
		log.Fatal(err)
	}
	command, err := config.Get("lan-box", "ProxyCommand")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("go reads:    ", command)
	os.WriteFile("written-by-go", []byte(config.String()), 0o600)
}
EOF
cat >main.js <<'EOF'
const fs = require('fs')
const SSHConfig = require('ssh-config').default || require('ssh-config')
const config = SSHConfig.parse(fs.readFileSync('config', 'utf8'))
console.log('npm reads:   ', config.compute('lan-box').ProxyCommand)
fs.writeFileSync('written-by-npm', SSHConfig.stringify(config))
EOF
{
	export GOMODCACHE="$tmp/mod" GOFLAGS="-mod=mod -modcacherw"
	go mod init finding && go get github.com/kevinburke/ssh_config@v1.6.0 && go build -o main main.go
	npm install --ignore-scripts --no-audit --no-fund ssh-config@5.3.0
} >log 2>&1 || { cat log; echo "cannot run: the packages could not be installed"; exit 2; }

command_of() { ssh -G -F "$1" lan-box 2>/dev/null | sed -n 's/^proxycommand //p'; }
{
	echo "ssh reads:    $(command_of config)"
	./main
	echo "go writes:    $(command_of written-by-go)"
	node main.js
	echo "npm writes:   $(command_of written-by-npm)"
} | tee seen

diff - seen >changed <<'EOF' || { echo "The behaviour has changed:"; cat changed; exit 1; }
ssh reads:    sh -c 'exec nc ${1#lan-} $2' -- %h %p
go reads:     sh -c 'exec nc ${1
go writes:    sh -c 'exec nc ${1 #lan-} $2' -- %h %p
npm reads:    sh -c 'exec nc ${1
npm writes:   sh -c 'exec nc ${1#lan-} $2' -- %h %p
EOF
echo "As described."
