package prestart_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// walked are the packages whose functions may be called before the runtime has started,
// if that holds for all functions that they call.
var walked = []string{"fdrace/internal/prestart", "fdrace/internal/stub", "fdrace/internal/rawsys"}

// without matches what works without the runtime: system calls, and loops over memory in
// assembly. The rest of it is compiled in but never reached: a bounds check that fails
// (TestBounds), a full stack (the limit in zeroG is 0), a write barrier (no garbage
// collection is running).
var without = regexp.MustCompile(`^(syscall\.RawSyscall6?` +
	`|runtime\.(memequal|memmove|memclrNoHeapPointers|duffzero|duffcopy)` +
	`|runtime\.(panic.*|morestack(_noctxt)?|gcWriteBarrier.*|wbZero|wbMove))$`)

var calls = regexp.MustCompile(`R_CALL\w*:(\S+?)(?:[<+]\S*)?\s`)

// TestCalls follows every call from the entry on. Much of Go calls the runtime, which has
// not started: to allocate, to compare two interfaces. A call through a variable could
// lead anywhere.
func TestCalls(t *testing.T) {
	for _, arch := range []string{"amd64", "arm64"} {
		functions := map[string]string{}
		for _, path := range walked {
			for function := range strings.SplitSeq(disassemble(t, path, arch), "\nTEXT ") {
				name, _, _ := strings.Cut(strings.TrimPrefix(function, "TEXT "), "(SB)")
				functions[name] += function // begin has a second one, which takes its arguments from assembly
			}
		}
		todo := []string{"fdrace/internal/prestart.begin"}
		for i := 0; i < len(todo); i++ {
			name := todo[i]
			code := functions[name]
			if code == "" {
				t.Errorf("%s: %s is called, and not in %v", arch, name, walked)
			}
			for line := range strings.Lines(code) {
				call := calls.FindStringSubmatch(line)
				switch {
				case call == nil:
					if strings.Contains(line, "R_CALLIND") {
						t.Errorf("%s: %s calls through a variable: %s", arch, name, line)
					}
				case without.MatchString(call[1]) || slices.Contains(todo, call[1]):
				case slices.ContainsFunc(walked, func(p string) bool { return strings.HasPrefix(call[1], p+".") }):
					todo = append(todo, call[1])
				default:
					t.Errorf("%s: %s calls %s", arch, name, call[1])
				}
			}
		}
		for _, want := range []string{"fdrace/internal/prestart.race", "fdrace/internal/stub.(*Lookup).Result", "fdrace/internal/stub.(*Policy).Sort", "fdrace/internal/rawsys.Receive"} {
			if !slices.Contains(todo, want) {
				t.Errorf("%s: %s is not called, only %v", arch, want, todo)
			}
		}
	}
}

// disassemble returns the machine code of a package.
func disassemble(t *testing.T, path, arch string) string {
	t.Helper()
	archive := filepath.Join(t.TempDir(), "archive")
	build := exec.Command("go", "build", "-o", archive, path)
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	code, err := exec.Command("go", "tool", "objdump", archive).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, code)
	}
	return string(code)
}

// withRuntime are the files of package prestart that run only after the runtime has
// started.
var withRuntime = []string{"prestart.go", "handoff_linux.go", "try_linux.go"}

// TestBounds makes sure that the compiler has left no bounds checks. If one failed, there
// would be no runtime to report it; and the bytes that are read come from others.
func TestBounds(t *testing.T) {
	for _, arch := range []string{"amd64", "arm64"} {
		for _, path := range walked {
			build := exec.Command("go", "build", "-gcflags=-d=ssa/check_bce", path)
			build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch)
			out, err := build.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			for line := range strings.Lines(string(out)) {
				file, _, _ := strings.Cut(filepath.Base(line), ":")
				if strings.Contains(line, ": Found ") && !slices.Contains(withRuntime, file) {
					t.Errorf("%s: %s", arch, line)
				}
			}
		}
	}
}
