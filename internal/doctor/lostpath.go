//go:build unix

package doctor

import (
	"fmt"
	"os"
	"strings"
)

// staleLossCount is the sysctl for the number of retransmission timeouts after which the
// kernel gives up a silent path, and sends the lost data over another (Linux 5.15).
const staleLossCount = "net.mptcp.stale_loss_cnt"

// checkLostPath checks the setting that decides how long a session stalls when a path falls
// silent. It returns nothing if the kernel does not have it.
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

// sysctlFile is a file for settings that survive a reboot (sysctl.d(5)).
const sysctlFile = "/etc/sysctl.d/90-mptcp.conf"
