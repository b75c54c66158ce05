// Package lab is a small internet for tests: hosts, wires between them whose
// every packet a test can delay, lose, refuse or rewrite, a DNS server that can
// misbehave, and a reader that receives a file descriptor as ssh does.
//
//	 near (laptop)                                        far (the internet)
//	┌─────────────┐   TUN ┌──────── Wire ────────┐ TUN   ┌──────────────────┐
//	│ fdrace, ssh ├─wifi──┤ rules → delay → heap ├───────┤ sshd, listeners  │
//	│ DNS server  ├─lte───┤ every packet recorded├───────┤ 192.0.2.5, …     │
//	└─────────────┘       └──────────────────────┘       └──────────────────┘
//
// A [Host] is a network namespace and a mount namespace. A [Wire] is one loop in
// the test's own process that carries the packets of any number of links. Stories
// ([RunStories]) are testscript files that use the verbs of [Commands].
//
// It runs on Linux, as root or, with [Reexec], as any user.
package lab
