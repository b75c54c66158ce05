//go:build unix

package doctor

import (
	"fmt"
	"strings"

	"fdrace/internal/resolve"
)

// checkMDNS checks that something can resolve names such as box.local.
func checkMDNS() Finding {
	f := Finding{Check: ".local names", Status: OK}
	ways := resolve.MDNSDaemons()
	links, err := resolve.MDNSLinks()
	if len(links) > 0 {
		ways = append(ways, "multicast on "+strings.Join(links, ", "))
	}
	if len(ways) > 0 {
		f.Found = "resolved by " + strings.Join(ways, ", then ")
		return f
	}
	f.Status, f.Found = Warn, "cannot be resolved: no interface that is up has an address and supports multicast"
	if err != nil {
		f.Found += fmt.Sprintf(" (%v)", err)
	}
	i := firstInterface()
	f.Remedy, f.Where = sudo(fmt.Sprintf("ip link set %s up multicast on", i)), InShell
	return f
}
