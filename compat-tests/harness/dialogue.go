package harness

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// Dialogue runs a foreign client's program that checks by itself what it sees of the broker. The program finds the
// broker's address in the environment variable BROKER and prints lines:
//
//	OK <name>   a check of that name passed
//	STOP        the broker is to be stopped and started again; the program goes on once it has read a line
//	KILL        the same with kill -9
//
// Every wanted check must pass and the program must end with status 0 within the limit.
func Dialogue(t *testing.T, b *Broker, limit time.Duration, wanted []string, program string, arguments ...string) {
	t.Helper()
	command := exec.Command(program, arguments...)
	command.Env = append(os.Environ(), "BROKER="+b.Address)
	stdin, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr strings.Builder
	command.Stderr = &stderr
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	overdue := time.AfterFunc(limit, func() { _ = command.Process.Kill() })
	passed, printed := map[string]bool{}, []string{}
	scanner := bufio.NewScanner(stdout)
	for scanner.Scan() {
		line := scanner.Text()
		switch word, rest, _ := strings.Cut(line, " "); word {
		case "OK":
			passed[rest] = true
		case "STOP", "KILL":
			if word == "STOP" {
				b.Stop()
			} else {
				b.Kill()
			}
			b.Start()
			if _, err := fmt.Fprintln(stdin, "started"); err != nil {
				t.Errorf("tell the program that the broker is back: %v", err)
			}
		default:
			printed = append(printed, line)
		}
	}
	err = command.Wait()
	if !overdue.Stop() {
		t.Errorf("the program did not end within %v", limit)
	}
	for _, name := range wanted {
		t.Run(name, func(t *testing.T) {
			if !passed[name] {
				t.Error("the check did not pass")
			}
		})
	}
	if err != nil || t.Failed() {
		t.Errorf("%s: %v\n%s\n%s", program, err, strings.Join(printed, "\n"), lastLines(stderr.String(), 60))
	}
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
