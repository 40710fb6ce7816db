// Package harness is what the compat-tests share: it builds and runs brokers (Ottla, and Apache Kafka beside it),
// fetches foreign software by the ordinary package clients and runs stock tools.
//
// Every process it starts listens on loopback on a port that was free a moment before, keeps its data in a
// directory of its own, and is ended when the test that asked for it ends. Fetched software stays under build/
// in the project, which git ignores; a marker file written last tells a whole fetch from a broken one.
package harness

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// Root returns the project's root folder: the one that holds go.mod.
func Root(t testing.TB) string {
	t.Helper()
	_, file, _, ok := runtime.Caller(0)
	if !ok {
		t.Fatal("the place of this source file is not known")
	}
	root := filepath.Dir(filepath.Dir(filepath.Dir(file)))
	if _, err := os.Stat(filepath.Join(root, "go.mod")); err != nil {
		t.Fatalf("the project's root is not %s: %v", root, err)
	}
	return root
}

// Require skips the test, saying why, where a program that the suite needs is not installed.
func Require(t testing.TB, programs ...string) {
	t.Helper()
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed", program)
		}
	}
}

// FreePorts returns n different ports of loopback that nothing listens on at the moment.
func FreePorts(t testing.TB, n int) []int {
	t.Helper()
	ports := make([]int, 0, n)
	for range n {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatalf("find a free port: %v", err)
		}
		defer func() { _ = listener.Close() }()
		ports = append(ports, listener.Addr().(*net.TCPAddr).Port)
	}
	return ports
}

// WaitForPort returns once something accepts connections on the loopback port, or an error after limit.
func WaitForPort(ctx context.Context, port int, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	address := fmt.Sprintf("127.0.0.1:%d", port)
	for {
		connection, err := net.DialTimeout("tcp", address, time.Second)
		if err == nil {
			return connection.Close()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("nothing listens on %s after %v", address, limit)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Tail returns the last lines of a file, for the message of a failed test.
func Tail(path string, lines int) string {
	content, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimRight(string(content), "\n"), "\n")
	if len(all) > lines {
		all = all[len(all)-lines:]
	}
	return strings.Join(all, "\n")
}
