package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// loadName names the fact that is another for each run: how busy the machine was before it.
const loadName = "load average before the run"

// machine tells what the figures depend on.
func machine(memory, disk string) []Fact {
	var kernel unix.Utsname
	_ = unix.Uname(&kernel)
	return []Fact{
		{"CPU", fmt.Sprintf("%s, %d cores", cpuModel(), runtime.NumCPU())},
		{"memory", fmt.Sprintf("%.1f GB", float64(memInfo("MemTotal:"))/1e9)},
		{"kernel", unix.ByteSliceToString(kernel.Sysname[:]) + " " + unix.ByteSliceToString(kernel.Release[:])},
		{"file system of the rows in memory", fileSystem(memory)},
		{"file system of the rows on disk", fileSystem(disk)},
		{loadName, loadAverage()},
	}
}

// versions tells what is measured.
func versions(root, ottla string, subjects []Kind) (facts []Fact) {
	for _, kind := range subjects {
		switch kind {
		case Ottla:
			version := "commit " + said(root, "git", "rev-parse", "--short", "HEAD")
			if ottla != "" {
				version = "a binary given by -ottla"
			} else if said(root, "git", "status", "--porcelain", "--", "*.go", ":!compat-tests") != "" {
				version += " with changes"
			}
			facts = append(facts, Fact{"Ottla", version + ", " + runtime.Version()})
		case Kafka:
			facts = append(facts, Fact{"Kafka", "Apache Kafka " + kafkaVersion + ", " + said("", "java", "-version") + ", " + strings.Join(kafkaFlags(), " ")})
		case Floor:
			facts = append(facts, Fact{"floor", "compat-tests/bench/floor, " + runtime.Version()})
		}
	}
	return facts
}

func cpuModel() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	_, rest, found := strings.Cut(string(text), "model name")
	if !found {
		return runtime.GOARCH
	}
	line, _, _ := strings.Cut(rest, "\n")
	return strings.TrimSpace(strings.TrimLeft(line, "\t :"))
}

// loadAverage is that of the last minute: more than nothing means that others were at work too.
func loadAverage() string {
	text, _ := os.ReadFile("/proc/loadavg")
	first, _, _ := strings.Cut(string(text), " ")
	return first
}

// memInfo returns bytes of a line of /proc/meminfo.
func memInfo(name string) int64 {
	text, _ := os.ReadFile("/proc/meminfo")
	return statusBytes(string(text), name)
}

// fileSystem is the type of the file system that holds a directory.
func fileSystem(directory string) string {
	mounts, _ := os.ReadFile("/proc/self/mounts")
	best, kind := "", "unknown"
	for line := range strings.Lines(string(mounts)) {
		fields := strings.Fields(line)
		if len(fields) < 3 {
			continue
		}
		at := fields[1]
		below := directory == at || at == "/" || strings.HasPrefix(directory, at+"/")
		if below && len(at) >= len(best) {
			best, kind = at, fields[2]
		}
	}
	return kind
}

// room returns how many bytes more a directory may hold; in memory no more than the machine can spare.
func room(directory string) (int64, error) {
	var stat unix.Statfs_t
	if err := unix.Statfs(directory, &stat); err != nil {
		return 0, fmt.Errorf("%s: %w", directory, err)
	}
	free := int64(stat.Bavail) * stat.Bsize
	if fileSystem(directory) == "tmpfs" {
		// What the brokers and the generator themselves need stays out of it.
		free = min(free, memInfo("MemAvailable:")-3<<30)
	}
	return free, nil
}
