package exactlyonce

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"ottla/compat-tests/harness"
)

// TestRowsNameTests: each row of the README's tables names tests that exist where it says, or why there is none.
func TestRowsNameTests(t *testing.T) {
	content, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	packages := map[string]map[string]bool{}
	place, test := regexp.MustCompile("^`([a-z/-]+)` (.*)$"), regexp.MustCompile(`\bTest\w+`)
	for _, line := range strings.Split(string(content), "\n") {
		cells := strings.Split(strings.Trim(line, "|"), "|")
		row := strings.TrimSpace(cells[0])
		if len(cells) != 3 || !regexp.MustCompile(`^[TG]\d+$`).MatchString(row) || row == "G0" {
			continue
		}
		rows = append(rows, row)
		named := strings.TrimSpace(cells[2])
		if strings.HasPrefix(named, "none: ") {
			continue
		}
		for _, part := range strings.Split(named, "; ") {
			found := place.FindStringSubmatch(part)
			if found == nil {
				t.Errorf("%s: %q names no package", row, part)
				continue
			}
			if packages[found[1]] == nil {
				packages[found[1]] = testsOf(t, found[1])
			}
			names := test.FindAllString(found[2], -1)
			if len(names) == 0 {
				t.Errorf("%s: %q names no test", row, part)
			}
			for _, name := range names {
				if !packages[found[1]][name] {
					t.Errorf("%s: %s has no %s", row, found[1], name)
				}
			}
		}
	}
	var want []string
	for i := range 16 {
		want = append(want, fmt.Sprint("T", i+1))
	}
	for i := range 10 {
		want = append(want, fmt.Sprint("G", i+1))
	}
	if !slices.Equal(rows, want) {
		t.Errorf("the rows are %v, want %v", rows, want)
	}
	for _, name := range anomalies() {
		if !strings.Contains(string(content), name) {
			t.Errorf("the README does not tell of %s", name)
		}
	}
}

// testsOf returns the names of the tests of a package of this project.
func testsOf(t *testing.T, path string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(harness.Root(t), filepath.FromSlash(path), "*_test.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no tests in %s: %v", path, err)
	}
	tests := map[string]bool{}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, declaration := range file.Decls {
			if f, ok := declaration.(*ast.FuncDecl); ok && f.Recv == nil {
				tests[f.Name.Name] = true
			}
		}
	}
	return tests
}
