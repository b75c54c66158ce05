package stub

// An Exchange is a Lookup with what its caller keeps for it. One that has begun it can
// leave it to another, which calls Repeat.
type Exchange struct {
	Lookup
	Config *Config // the Lookup's
	Health *Health

	// FDs are UDP sockets by question and server, each connected to the server. 0 is
	// none.
	FDs [2][MaxServers]int

	// Messages are those that Answer said to keep.
	Messages [2][MaxServers][]byte
}

// Repeat makes Result return again what it has returned.
func (l *Lookup) Repeat() {
	for i := range l.questions {
		l.questions[i].told = nothing
	}
}
