package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Usage is what a process has used up to a moment: CPU (user and system), resident bytes and their peak.
type Usage struct {
	CPU            time.Duration
	Resident, Peak int64
}

// Usage reads the running subject's use from /proc.
func (s *Subject) Usage() (Usage, error) { return usageOf(s.PID()) }

func usageOf(pid int) (u Usage, err error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return u, err
	}
	if u.CPU, err = parseStat(string(stat)); err != nil {
		return u, err
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return u, err
	}
	u.Resident, u.Peak = statusBytes(string(status), "VmRSS:"), statusBytes(string(status), "VmHWM:")
	return u, nil
}

// parseStat returns user and system time of a line of /proc/pid/stat, which counts in hundredths of a second.
func parseStat(stat string) (time.Duration, error) {
	// The name in brackets may hold anything; what follows are numbers, user and system time the 14th and 15th field of all.
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) < 13 {
		return 0, fmt.Errorf("%q is not a line of /proc/pid/stat", stat)
	}
	user, err := strconv.ParseInt(fields[11], 10, 64)
	system, err2 := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * 10 * time.Millisecond, errors.Join(err, err2)
}

// statusBytes returns a figure of /proc/pid/status, which is in kB there.
func statusBytes(status, name string) int64 {
	_, rest, found := strings.Cut(status, name)
	fields := strings.Fields(rest)
	if !found || len(fields) == 0 {
		return 0
	}
	n, _ := strconv.ParseInt(fields[0], 10, 64)
	return n * 1024
}

// ForgetPeak makes the peak of resident memory start again from what is resident now.
func (s *Subject) ForgetPeak() error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", s.PID()), []byte("5"), 0)
}

// Window is the measured part of a run.
type Window struct {
	subject   *Subject
	began     time.Time
	before    Usage
	generator time.Duration
}

// Spent is what a window took: time on the clock, CPU of the subject and of the load generator, memory at its end.
type Spent struct {
	Wall, CPU, Generator time.Duration
	Resident, Peak       int64
}

// Open begins the measured part; what came before (topics made, connections dialled) is not counted.
func (s *Subject) Open() (*Window, error) {
	if err := s.ForgetPeak(); err != nil {
		return nil, err
	}
	if err := s.profile(); err != nil {
		return nil, err
	}
	before, err := s.Usage()
	return &Window{s, time.Now(), before, ownCPU()}, err
}

// profile starts perf on Ottla where that is wanted, until the window is closed.
func (s *Subject) profile() error {
	if s.Kind != Ottla || s.programs.Profile == "" || s.label == "" || s.profiler != nil {
		return nil
	}
	s.profiler = exec.Command("perf", "record", "-q", "-g", "-F", "499", "-o", s.programs.Profile+s.label+".perf", "-p", strconv.Itoa(s.PID()))
	if err := s.profiler.Start(); err != nil {
		return fmt.Errorf("perf: %w", err)
	}
	time.Sleep(300 * time.Millisecond) // perf attaches to every thread before it counts
	return nil
}

// Close ends the measured part.
func (w *Window) Close() (Spent, error) {
	wall := time.Since(w.began)
	after, err := w.subject.Usage()
	if profiler := w.subject.profiler; profiler != nil {
		w.subject.profiler = nil
		_ = profiler.Process.Signal(syscall.SIGINT)
		_ = profiler.Wait()
	}
	return Spent{
		Wall: wall, CPU: after.CPU - w.before.CPU, Generator: ownCPU() - w.generator, Resident: after.Resident, Peak: after.Peak,
	}, err
}

// ownCPU is the CPU time of this process, the load generator.
func ownCPU() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		return 0
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
