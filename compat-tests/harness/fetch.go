package harness

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// fetched serialises fetches within one test process; a file lock does it between processes.
var fetched sync.Mutex

// Artifact names a library of Maven Central: group:artifact:version.
type Artifact struct {
	Group, Name, Version string
}

// Tools returns the artifacts of Apache Kafka's server and command-line tools of one version.
func Tools(version string) []Artifact {
	return []Artifact{
		{"org.apache.kafka", "kafka_2.13", version},
		{"org.apache.kafka", "kafka-tools", version},
	}
}

// Jars fetches the artifacts with all they depend on by Maven, once, and returns the folder that holds the jars.
// The test is skipped where Java or Maven is not installed, and fails where the fetch fails.
func Jars(t testing.TB, name string, artifacts ...Artifact) string {
	t.Helper()
	Require(t, "java", "mvn")
	var pom strings.Builder
	pom.WriteString(`<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>` +
		`<groupId>ottla</groupId><artifactId>jars</artifactId><version>1</version><dependencies>`)
	for _, a := range artifacts {
		fmt.Fprintf(&pom, "<dependency><groupId>%s</groupId><artifactId>%s</artifactId><version>%s</version></dependency>",
			a.Group, a.Name, a.Version)
	}
	pom.WriteString("</dependencies></project>\n")
	return fetchOnce(t, "jars/"+name, pom.String(), func(folder string) error {
		file := filepath.Join(folder, "pom.xml")
		if err := os.WriteFile(file, []byte(pom.String()), 0o644); err != nil {
			return err
		}
		return run(folder, "mvn", "-q", "-B", "-f", file, "dependency:copy-dependencies",
			"-DincludeScope=runtime", "-DoutputDirectory="+folder)
	})
}

// Python makes a virtual environment that holds the requirements (pip's notation) and returns its interpreter.
func Python(t testing.TB, name string, requirements ...string) string {
	t.Helper()
	Require(t, "python3")
	folder := fetchOnce(t, "python/"+name, strings.Join(requirements, "\n"), func(folder string) error {
		if err := run(folder, "python3", "-m", "venv", folder); err != nil {
			return err
		}
		return run(folder, filepath.Join(folder, "bin", "pip"), append([]string{"install", "-q"}, requirements...)...)
	})
	return filepath.Join(folder, "bin", "python")
}

// Node makes a folder whose node_modules hold the packages (npm's notation) and returns the folder.
func Node(t testing.TB, name string, packages ...string) string {
	t.Helper()
	Require(t, "node", "npm")
	return fetchOnce(t, "node/"+name, strings.Join(packages, "\n"), func(folder string) error {
		if err := os.WriteFile(filepath.Join(folder, "package.json"), []byte(`{"private":true}`), 0o644); err != nil {
			return err
		}
		return run(folder, "npm", append([]string{"install", "--silent", "--no-audit", "--no-fund"}, packages...)...)
	})
}

// fetchOnce runs fetch in an empty folder build/<name> unless an earlier run with the same inputs finished there.
func fetchOnce(t testing.TB, name, inputs string, fetch func(folder string) error) string {
	t.Helper()
	fetched.Lock()
	defer fetched.Unlock()
	folder := filepath.Join(Root(t), "build", filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(folder), 0o755); err != nil {
		t.Fatal(err)
	}
	unlock, err := lockFile(folder + ".lock")
	if err != nil {
		t.Fatalf("lock %s: %v", folder, err)
	}
	defer unlock()
	sum := sha256.Sum256([]byte(inputs))
	marker, want := filepath.Join(folder, ".fetched"), hex.EncodeToString(sum[:])
	if have, err := os.ReadFile(marker); err == nil && string(have) == want {
		return folder
	}
	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := fetch(folder); err != nil {
		t.Fatalf("fetch %s: %v", name, err)
	}
	if err := os.WriteFile(marker, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
	return folder
}

// lockFile takes an exclusive lock between processes; the system drops it when the process ends.
func lockFile(path string) (unlock func(), err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
		_ = file.Close()
		return nil, err
	}
	return func() { _ = file.Close() }, nil
}

// run runs a program in a folder and puts what it printed into the error.
func run(folder, program string, arguments ...string) error {
	command := exec.Command(program, arguments...)
	command.Dir = folder
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", program, strings.Join(arguments, " "), err, output)
	}
	return nil
}
