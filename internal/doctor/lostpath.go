//go:build unix

package doctor

import (
	"fmt"
	"os"
	"strings"
)

// staleLossCount is how many of its timeouts the kernel waits before it gives a
// silent path up, and sends what was lost with it by another (Linux 5.15).
const staleLossCount = "net.mptcp.stale_loss_cnt"

// checkLostPath looks at how long a session of l stands still when a path falls
// silent. Where the kernel has no such setting there is nothing to say.
func (l *login) checkLostPath() []Finding {
	if !l.wantsMPTCP() {
		return nil
	}
	text, err := os.ReadFile("/proc/sys/" + strings.ReplaceAll(staleLossCount, ".", "/"))
	if err != nil {
		return nil
	}
	const best = "1"
	value := strings.TrimSpace(string(text))
	f := Finding{Check: "MPTCP lost path", Status: OK, Found: staleLossCount + " is " + value + "; set it on the server, too"}
	if value != best {
		set := staleLossCount + "=" + best
		f.Status, f.Where = Warn, InShell
		f.Found = fmt.Sprintf("%s is %s: when a path fails, a session stalls longer than necessary, and continuous output can stall for good; the file keeps the setting across reboots", staleLossCount, value)
		f.Remedy = sudo("sysctl -w "+set) + "\necho " + set + " | " + sudo("tee "+sysctlFile)
	}
	return []Finding{f}
}

// sysctlFile is where a setting of the kernel is kept, by sysctl.d(5).
const sysctlFile = "/etc/sysctl.d/90-mptcp.conf"
