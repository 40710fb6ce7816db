// Command testrunner runs the project's tests step by step and closes with one line: `N passed, N failed, N skipped`.
//
//	go run ./internal/testrunner            every step, as `make test` does
//	go run ./internal/testrunner unit race  some steps
//	go run ./internal/testrunner -list      the steps
//
// A step is one call of `go test -json` (or of another checker that counts as one test). A failed test's output is
// printed whole, a skipped one's reason in one line. The exit status is 1 unless every test that ran passed and at
// least one ran.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// step is one command. A step whose command is not `go test` counts as one test of its own name.
type step struct {
	name    string
	test    bool
	command []string
}

// counts are what the closing line tells.
type counts struct{ passed, failed, skipped int }

func (c *counts) add(other counts) {
	c.passed += other.passed
	c.failed += other.failed
	c.skipped += other.skipped
}

func main() {
	list := flag.Bool("list", false, "print the names of the steps")
	flag.Parse()
	steps, err := plan()
	if err != nil {
		fmt.Fprintln(os.Stderr, "testrunner:", err)
		os.Exit(1)
	}
	for _, wanted := range flag.Args() {
		if !slices.ContainsFunc(steps, func(s step) bool { return s.name == wanted }) {
			fmt.Fprintf(os.Stderr, "testrunner: no step %q; see -list\n", wanted)
			os.Exit(2)
		}
	}
	var total counts
	for _, s := range steps {
		if *list {
			fmt.Println(s.name)
			continue
		}
		if flag.NArg() > 0 && !slices.Contains(flag.Args(), s.name) {
			continue
		}
		started := time.Now()
		c := s.run(os.Stdout)
		total.add(c)
		fmt.Printf("== %s: %d passed, %d failed, %d skipped in %v\n", s.name, c.passed, c.failed, c.skipped,
			time.Since(started).Round(time.Second/10))
	}
	if *list {
		return
	}
	fmt.Printf("%d passed, %d failed, %d skipped\n", total.passed, total.failed, total.skipped)
	if total.failed > 0 || total.passed == 0 {
		os.Exit(1)
	}
}

// plan lists the steps: checks of the source, the unit tests, the same under the race detector, then each suite of
// compat-tests by itself, so that a broken one does not hide the others.
func plan() ([]step, error) {
	packages, err := packages("./...")
	if err != nil {
		return nil, err
	}
	var own, suites []string
	for _, p := range packages {
		if strings.HasPrefix(p, "ottla/compat-tests/") {
			suites = append(suites, p)
		} else {
			own = append(own, p)
		}
	}
	goTest := func(name string, arguments ...string) step {
		return step{name, true, append([]string{"go", "test", "-json", "-count=1"}, arguments...)}
	}
	steps := []step{
		{"gofmt", false, []string{"sh", "-c", `files=$(git ls-files '*.go' | xargs gofmt -l) && echo "$files" && test -z "$files"`}},
		{"vet", false, []string{"go", "vet", "./..."}},
		{"build", false, []string{"make", "--no-print-directory", "build"}},
		{"other systems", false, []string{"sh", "-c", "for system in darwin freebsd; do CGO_ENABLED=0 GOOS=$system GOARCH=arm64 go build -o /dev/null . || exit; done"}},
		goTest("unit", append([]string{"-timeout=15m"}, own...)...),
		goTest("race", append([]string{"-race", "-short", "-timeout=20m"}, own...)...),
	}
	for _, suite := range suites {
		name := strings.TrimPrefix(suite, "ottla/compat-tests/")
		steps = append(steps, goTest(name, "-timeout=25m", suite))
	}
	return steps, nil
}

// packages returns the import paths of the packages that have tests.
func packages(pattern string) ([]string, error) {
	command := exec.Command("go", "list", "-f", "{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}", pattern)
	command.Stderr = os.Stderr
	output, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	return strings.Fields(string(output)), nil
}

// run runs the step and reports to out.
func (s step) run(out io.Writer) counts {
	fmt.Fprintf(out, "== %s\n", s.name)
	command := exec.Command(s.command[0], s.command[1:]...)
	if !s.test {
		if output, err := command.CombinedOutput(); err != nil {
			fmt.Fprintf(out, "--- FAIL: %s: %v\n%s", s.name, err, output)
			return counts{failed: 1}
		}
		return counts{passed: 1}
	}
	command.Stderr = out
	pipe, err := command.StdoutPipe()
	if err == nil {
		err = command.Start()
	}
	if err != nil {
		fmt.Fprintf(out, "--- FAIL: %s: %v\n", s.name, err)
		return counts{failed: 1}
	}
	c := read(pipe, out)
	if err := command.Wait(); err != nil && c.failed == 0 {
		fmt.Fprintf(out, "--- FAIL: %s: %v\n", s.name, err)
		c.failed++
	}
	return c
}

// event is one line of `go test -json`.
type event struct {
	Action, Package, Test, Output string
	ImportPath                    string
}

// read counts the tests of a stream of events and prints what a reader must see. A test with subtests counts as the
// sum of its subtests; a package that fails without a failed test (a build error, a panic outside tests) counts as one.
func read(in io.Reader, out io.Writer) counts {
	var c counts
	outputs, parents := map[string][]string{}, map[string]bool{}
	failedTests := map[string]int{}
	scanner := bufio.NewScanner(in)
	scanner.Buffer(make([]byte, 1<<20), 1<<26)
	for scanner.Scan() {
		var e event
		if json.Unmarshal(scanner.Bytes(), &e) != nil {
			fmt.Fprintln(out, scanner.Text())
			continue
		}
		key := e.Package + " " + e.Test
		switch e.Action {
		case "build-output":
			fmt.Fprint(out, e.Output)
		case "output":
			outputs[key] = append(outputs[key], e.Output)
		case "run":
			for i := strings.LastIndexByte(e.Test, '/'); i > 0; i = strings.LastIndexByte(e.Test[:i], '/') {
				parents[e.Package+" "+e.Test[:i]] = true
			}
		case "pass", "fail", "skip":
			if e.Test == "" {
				if e.Action == "fail" && failedTests[e.Package] == 0 {
					c.failed++
					fmt.Fprintf(out, "--- FAIL: %s\n%s", e.Package, strings.Join(outputs[key], ""))
				}
				continue
			}
			c.count(e, parents[key], failedTests)
			tell(out, e, outputs[key])
			delete(outputs, key)
		}
	}
	return c
}

// count counts one finished test.
func (c *counts) count(e event, parent bool, failedTests map[string]int) {
	if e.Action == "fail" {
		failedTests[e.Package]++
	}
	if parent {
		return
	}
	switch e.Action {
	case "pass":
		c.passed++
	case "fail":
		c.failed++
	case "skip":
		c.skipped++
	}
}

// tell prints a failed test's output, or why one was skipped.
func tell(out io.Writer, e event, output []string) {
	switch e.Action {
	case "fail":
		fmt.Fprintf(out, "--- FAIL: %s %s\n%s", e.Package, e.Test, strings.Join(output, ""))
	case "skip":
		reason := ""
		for _, line := range output {
			line = strings.TrimSpace(line)
			if line != "" && !strings.HasPrefix(line, "===") && !strings.HasPrefix(line, "---") {
				reason = line
			}
		}
		fmt.Fprintf(out, "--- SKIP: %s %s: %s\n", e.Package, e.Test, reason)
	}
}
