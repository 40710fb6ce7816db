package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"ottla/compat-tests/harness"
)

// kafkaVersion is the Apache Kafka that is measured beside Ottla.
const kafkaVersion = "4.3.1"

// Programs are the paths of what the subjects run.
type Programs struct {
	Ottla string
	// Floor is this program itself, which serves as the floor when its first argument is floorArgument.
	Floor string
	// Jars is the folder of Apache Kafka's jars.
	Jars string
	// Profile, if not empty, begins the names of the files to which perf writes what Ottla did in each measured window.
	Profile string
}

// outside lets the helpers of the tests work outside a test: what would fail or skip a test ends attempt instead.
type outside struct{ testing.TB }

// failure is what ends attempt.
type failure struct{ text string }

func (outside) Helper()                   {}
func (outside) Fatal(arguments ...any)    { panic(failure{strings.TrimSpace(fmt.Sprintln(arguments...))}) }
func (outside) Fatalf(f string, a ...any) { panic(failure{fmt.Sprintf(f, a...)}) }
func (outside) Skipf(f string, a ...any)  { panic(failure{fmt.Sprintf(f, a...)}) }

// attempt calls what is written for tests and returns what would have failed the test.
func attempt(work func(t testing.TB)) (err error) {
	defer func() {
		switch ended := recover().(type) {
		case nil:
		case failure:
			err = fmt.Errorf("%s", ended.text)
		default:
			panic(ended)
		}
	}()
	work(outside{})
	return nil
}

// preparePrograms builds and fetches what the subjects need. A path in ottla is used instead of building.
func preparePrograms(ottla string, subjects []Kind) (p *Programs, root string, err error) {
	p = &Programs{Ottla: ottla}
	err = attempt(func(t testing.TB) {
		root = harness.Root(t)
		for _, kind := range subjects {
			switch {
			case kind == Ottla && ottla == "":
				p.Ottla = harness.Build(t)
			case kind == Kafka:
				p.Jars = harness.Jars(t, "kafka-"+kafkaVersion, harness.Tools(kafkaVersion)...)
			case kind == Floor:
				p.Floor, err = os.Executable()
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	})
	return p, root, err
}

// freePorts returns two ports of loopback that nothing listens on.
func freePorts() (ports []int, err error) {
	err = attempt(func(t testing.TB) { ports = harness.FreePorts(t, 2) })
	return ports, err
}

// said is the first line that a command prints, or why there is none.
func said(directory, program string, arguments ...string) string {
	command := exec.Command(program, arguments...)
	command.Dir = directory
	output, err := command.CombinedOutput()
	if err != nil {
		return err.Error()
	}
	first, _, _ := strings.Cut(strings.TrimSpace(string(output)), "\n")
	return first
}
