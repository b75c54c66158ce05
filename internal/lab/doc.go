// Package lab is a small internet for tests: hosts, wires between them whose
// every packet a test can delay, lose, refuse or rewrite, a DNS server with a
// mind of its own, and a reader that takes a file descriptor as ssh does.
//
//	 near (laptop)                                        far (the internet)
//	┌─────────────┐   TUN ┌──────── Wire ────────┐ TUN   ┌──────────────────┐
//	│ fdrace, ssh ├─wifi──┤ rules → delay → heap ├───────┤ sshd, listeners  │
//	│ DNS server  ├─lte───┤ every packet recorded├───────┤ 192.0.2.5, …     │
//	└─────────────┘       └──────────────────────┘       └──────────────────┘
//
// A [Host] is a network and a mount namespace. A [Wire] is one loop in the
// test's own process that carries the packets of any number of links. The
// verbs ([Commands]) make testscript stories of all of it.
//
// It runs on Linux, as root or, through [Reexec], as anybody.
package lab
