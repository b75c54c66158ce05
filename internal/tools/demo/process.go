//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
)

// process is a process of this machine.
type process struct {
	pid, parent, group int
	name               string // in brackets
}

func readProcesses() ([]process, error) {
	paths, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	var all []process
	for _, path := range paths {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended meanwhile
		}
		// "pid (name) state parent group ...", and a name may hold anything.
		var p process
		var state string
		begin, end := bytes.IndexByte(stat, '('), bytes.LastIndexByte(stat, ')')+1
		p.name = string(stat[begin:end])
		numbers := string(stat[:begin]) + string(stat[end:])
		if _, err := fmt.Sscan(numbers, &p.pid, &state, &p.parent, &p.group); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		all = append(all, p)
	}
	return all, nil
}
