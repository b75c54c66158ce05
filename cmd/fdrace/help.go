//go:build unix

package main

import (
	"fmt"
	"slices"

	"github.com/alecthomas/kong"
)

// A flagText is the help of a flag. It is not in the tags of helper.Options, because kong
// would parse it for every command line.
type flagText struct{ name, text string }

// helpGroups are the flags in the order of the help.
var helpGroups = []struct {
	title string
	flags []flagText
}{
	{"Addresses", []flagText{
		{"ipv4", "Use IPv4 addresses only."},
		{"ipv6", "Use IPv6 addresses only."},
		{"port", "The default port, if no bare number gives it."},
		{"bind-address", "Connect from this local address."},
		{"interface", "Connect through this network interface."},
		{"every-interface", "Also try each address from every interface that is up, --delay after the normal route."},
		{"names-only", "Accept only host names and IP addresses as targets: for Host *, where %h may come from a URL."},
	}},
	{"Timing", []flagText{
		{"timeout", "The time for the whole race, lookups included. A bare number is seconds."},
		{"delay", "The time between two attempts on one target's addresses, 10ms to 2s."},
		{"head-start", "How long each target starts after the one before it."},
		{"wait", "If no target answers, all refuse, or no name resolves, try again twice a second for this time, names included; -w then limits one round. With --banner, a server that accepts and is not ready counts as absent."},
		{"wake", "Send Wake-on-LAN packets to each target that is a MAC address, or to --wake=MAC, at the start and every second; implies --wait 60s. Can be repeated."},
		{"no-retry", "Open only one connection to each address. Without it, silent addresses are tried again after --delay, and then less and less often. For firewalls that count connections (ufw limit)."},
	}},
	{"The right server", []flagText{
		{"banner", "Only accept a connection once the server has sent its SSH banner. Costs one round trip; skips firewalls and hotspots that accept in place of the server."},
		{"host-key", "Let an address win only if its server has a host key that known_hosts has for NAME or [NAME]:PORT: %k with HostKeyAlias, %h without. Checks addresses that may be another machine elsewhere: private, shared (100.64/10), link-local, .local and MAC."},
		{"known-hosts", "With --host-key: the known_hosts file. The default is ssh's own files."},
		{"host-key-always", "With --host-key: check every address."},
	}},
	{"Jump hosts and proxies", []flagText{
		{"jump", "If no target answers within --fallback, connect to the first target through this jump host, by ssh -W: [USER@]HOST[:PORT], several with commas. HOST=TARGET[:PORT] leads to another target. Can be repeated."},
		{"or", "If no target answers within --fallback, run this other ProxyCommand. Can be repeated."},
		{"fallback", "How long after the last target --jump and --or start. They start at once when all targets have failed."},
		{"proxy", "If no target answers within --delay, ask this proxy for the first target: socks5://[USER:PASSWORD@]HOST[:1080], socks4a://HOST[:1080] or http://[USER:PASSWORD@]HOST[:3128]. Can be repeated."},
		{"proxy-auth", "A file with the line USER:PASSWORD for proxies. No other user may be able to read it."},
		{"no-direct", "Connect only by --proxy, --jump and --or, and do not look up the target's name."},
	}},
	{"Multipath TCP", []flagText{
		{"mptcp", "Connect by Multipath TCP. Where that fails or takes longer than --delay, by plain TCP too."},
		{"require-mptcp", "Connect by Multipath TCP or not at all."},
	}},
	{"Diagnosis", []flagText{
		{"setup", "Print a Host block for ssh_config: fdrace --setup ALIAS TARGET... [PORT]. Changes nothing."},
		{"doctor", "Check this machine and, for ssh ALIAS, its ssh_config and the path to the server. Suggests a fix for each problem. The only argument is the ALIAS."},
		{"explain", "Try every address and print the result; do not connect ssh."},
		{"json", "With --explain: print each event as a line of JSON; with --doctor, each check."},
		{"ssh-config", "With --doctor and --jump: the ssh_config, like ssh's own -F."},
		{"verbose", "Print which address won; twice, print every step."},
		{"log", "Append every step, the winner and each error to this file. The environment variable FDRACE_LOG does the same."},
		{"version", "Print the version, and whether a race starts before Go's runtime (fast start)."},
		{"help", "Print this help."},
	}},
}

const targetHelp = "A host name or address, with or without its own port: box, box:2222, 192.0.2.1, 2001:db8::1, [2001:db8::1]:2222, fe80::1%eth0, fe80::1 (every link). Other targets: a MAC address, 00:00:5e:00:53:01; box.local (mDNS); _ssh._tcp.example.org (SRV); unix:/path; vsock:CID[:PORT]; vsock-mux/PATH; machine/NAME; .host. A bare number, first or last, is the default port."

const description = `Try all addresses of all targets at once, hand ssh the first connection that works, and exit.

In ssh_config:

    Host box
        ProxyCommand fdrace -- %h %p
        ProxyUseFdpass yes`

// help prints kong's help, with the flags in groups.
func help(o kong.HelpOptions, ctx *kong.Context) error {
	fmt.Fprint(ctx.Stdout, "Usage: fdrace [flags] TARGET... [PORT]\nFlags go before the targets; what comes after -- is not read as a flag.\n")
	o.NoAppSummary = true
	ctx.Model.Positional[0].Help = targetHelp
	all := ctx.Model.Flags
	ctx.Model.Flags = nil
	for _, g := range helpGroups {
		group := &kong.Group{Key: g.title, Title: g.title + ":"}
		for _, f := range g.flags {
			if i := slices.IndexFunc(all, func(flag *kong.Flag) bool { return flag.Name == f.name }); i >= 0 {
				all[i].Help, all[i].Group = f.text, group
				ctx.Model.Flags = append(ctx.Model.Flags, all[i])
			}
		}
	}
	return kong.DefaultHelpPrinter(o, ctx)
}
