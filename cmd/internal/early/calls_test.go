package early_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// What is there without the runtime: the system calls, a comparison. The rest is
// compiled in but not reached: a panic, a stack that is full (the limit of
// nobody's is 0), a write barrier (the collector is off).
var without = regexp.MustCompile(`^(fdrace/cmd/internal/early\..*` +
	`|syscall\.RawSyscall6?|runtime\.memequal` +
	`|runtime\.panic.*|runtime\.morestack_noctxt|runtime\.gcWriteBarrier.*)$`)

// What the runtime calls has it.
var within = regexp.MustCompile(`^(fdrace/cmd/internal/early\.(Taken|\(\*address\)\.netip)|type:)`)

// TestCalls looks at everything that is called. Most of what Go code can do
// calls the runtime, which is not there: to allocate, to copy a large value, to
// compare two interfaces.
func TestCalls(t *testing.T) {
	for _, arch := range []string{"amd64", "arm64"} {
		archive := filepath.Join(t.TempDir(), "early.a")
		build := exec.Command("go", "build", "-o", archive, "fdrace/cmd/internal/early")
		build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch)
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		code, err := exec.Command("go", "tool", "objdump", archive).CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, code)
		}
		seen := map[string]bool{}
		for function := range strings.SplitSeq(string(code), "\nTEXT ") {
			name, _, _ := strings.Cut(strings.TrimPrefix(function, "TEXT "), "(SB)")
			if within.MatchString(name) {
				continue
			}
			for _, call := range regexp.MustCompile(`R_CALL\w*:(\S+?)(?:<\d+>)?\s`).FindAllStringSubmatch(function, -1) {
				seen[call[1]] = true
				if !without.MatchString(call[1]) {
					t.Errorf("%s: %s calls %s", arch, name, call[1])
				}
			}
		}
		if !seen["syscall.RawSyscall6"] || !seen["fdrace/cmd/internal/early.race"] {
			t.Errorf("%s: no calls but %v: where are the others?", arch, seen)
		}
	}
}
