package stub

// An Exchange is a Lookup with its sockets and messages. One owner can hand it over to
// another, who calls Repeat first.
type Exchange struct {
	Lookup
	Config *Config // that of the Lookup
	Health *Health // that of the Lookup

	// FDs are UDP sockets by question and server, each connected to the server; 0 if
	// there is none. The owner of the Exchange closes them.
	FDs [2][MaxServers]int

	// Messages are those that must be kept according to Answer.
	Messages [2][MaxServers][]byte
}

// Repeat makes Result return all its results again.
func (l *Lookup) Repeat() {
	for i := range l.questions {
		l.questions[i].reported = unreported
	}
}
