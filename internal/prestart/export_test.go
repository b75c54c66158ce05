package prestart

// Parse returns what is made of args before the runtime has started: targets are names,
// and addresses in their usual notation. ok is false if args are left to the runtime.
func Parse(args []string) (targets []string, port uint16, mptcp, ok bool) {
	var c commandLine
	if !c.parse(args) {
		return nil, 0, false, false
	}
	for _, t := range c.targets[:c.n] {
		if t.name != "" {
			targets = append(targets, t.name)
		} else {
			targets = append(targets, toNetip(&t.addr).String())
		}
	}
	return targets, c.port, c.mptcp, true
}
