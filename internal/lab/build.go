//go:build linux

package lab

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Build builds fdrace to dir, which need not exist, as make does, and returns its path. The
// working directory must be in the module.
func Build(dir string) (path string, err error) {
	module, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return "", fmt.Errorf("build fdrace: go list: %w", err)
	}
	if path, err = filepath.Abs(filepath.Join(dir, "fdrace")); err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	cmd := exec.Command("sh", ".ci/build", path)
	cmd.Dir = strings.TrimSpace(string(module))
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build fdrace: %w\n%s", err, out)
	}
	return path, nil
}
