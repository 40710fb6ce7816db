package lint

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "ottla"

// rows is the house: a package imports packages of a lower row only, or
// packages below its own path's root that allowed names. What is not named here
// does not exist.
var rows = map[string]int{
	"internal/uuid":             -1,
	"internal/persisted":        -1,
	"protocol/record":           0,
	"storage/vfs":               0,
	"security":                  0,
	"config":                    0,
	"protocol":                  1,
	"storage":                   1,
	"metadata":                  1,
	"replica":                   2,
	"coordinator":               2,
	"metadata/quorum":           2,
	"metadata/controller":       3,
	"coordinator/group":         3,
	"coordinator/transaction":   3,
	"server/api":                4,
	"server":                    5,
	"console":                   5,
	"internal/recordgen/schema": -1,
	"cli/flags":                 5,
	"cli/recordjson":            5,
	"cli":                       6,
	"":                          7, // main
}

// toolRow is the row of what is not part of the server: tests of the whole,
// generators, and what runs them.
const toolRow = 7

const (
	maxFileLines     = 600
	maxFunctionLines = 80
)

// source is one parsed file.
type source struct {
	name      string // from the root, with slashes
	pkg       string // the directory, "" for the root
	text      string
	file      *ast.File
	generated bool
	test      bool
}

func rowOf(pkg string) (int, bool) {
	if row, ok := rows[pkg]; ok {
		return row, true
	}
	if strings.HasPrefix(pkg, "internal/") || strings.HasPrefix(pkg, "compat-tests") || strings.HasSuffix(pkg, "/generate") {
		return toolRow, true
	}
	return 0, false
}

// tree is every file of the project with one of the extensions.
func tree(t *testing.T, extensions ...string) map[string]string {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	err = filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := entry.Name()
		if entry.IsDir() {
			if strings.HasPrefix(base, ".") && name != root || base == "build" || base == "data" || base == "testdata" || base == "node_modules" {
				return fs.SkipDir
			}
			return nil
		}
		for _, extension := range extensions {
			if strings.HasSuffix(base, extension) {
				relative, _ := filepath.Rel(root, name)
				text, err := os.ReadFile(name)
				if err != nil {
					return err
				}
				files[filepath.ToSlash(relative)] = string(text)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func parse(t *testing.T) ([]source, *token.FileSet) {
	t.Helper()
	set := token.NewFileSet()
	var sources []source
	for name, text := range tree(t, ".go") {
		file, err := parser.ParseFile(set, name, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		pkg := path.Dir(name)
		if pkg == "." {
			pkg = ""
		}
		sources = append(sources, source{name, pkg, text, file, ast.IsGenerated(file), strings.HasSuffix(name, "_test.go")})
	}
	if len(sources) < 10 {
		t.Fatalf("%d files found", len(sources))
	}
	return sources, set
}

// violation tells what is wrong with an import, "" if nothing is.
func violation(from, to string) string {
	fromRow, ok := rowOf(from)
	if !ok {
		return fmt.Sprintf("package %q has no row", from)
	}
	toRow, ok := rowOf(to)
	if !ok {
		return fmt.Sprintf("package %q has no row", to)
	}
	if toRow < fromRow || fromRow == toolRow && strings.HasPrefix(to, "compat-tests") || fromRow == toolRow && strings.HasPrefix(to, "internal/") {
		return ""
	}
	return fmt.Sprintf("%q (row %d) imports %q (row %d)", from, fromRow, to, toRow)
}

// TestLayers demands that imports go to a lower row only.
func TestLayers(t *testing.T) {
	sources, _ := parse(t)
	for _, s := range sources {
		if s.test {
			continue
		}
		for _, spec := range s.file.Imports {
			target := strings.Trim(spec.Path.Value, `"`)
			if target != module && !strings.HasPrefix(target, module+"/") {
				continue
			}
			to := strings.TrimPrefix(strings.TrimPrefix(target, module), "/")
			if wrong := violation(s.pkg, to); wrong != "" {
				t.Errorf("%s: %s", s.name, wrong)
			}
		}
	}
	for _, pair := range [][2]string{{"storage", "replica"}, {"storage", "metadata"}, {"server/api", "server"}, {"protocol/record", "protocol"}, {"replica", "coordinator"}} {
		if violation(pair[0], pair[1]) == "" {
			t.Errorf("%s may import %s: the rule lets everything through", pair[0], pair[1])
		}
	}
}

// onlyIn are the modules that one package alone may import, and only where they
// have no business.
var onlyIn = map[string]string{
	"github.com/spf13/viper": "config",
}

// TestForeignImports demands that storage knows no requests, and that some
// modules stay where they are used.
func TestForeignImports(t *testing.T) {
	sources, _ := parse(t)
	for _, s := range sources {
		for _, spec := range s.file.Imports {
			target := strings.Trim(spec.Path.Value, `"`)
			if owner, ok := onlyIn[target]; ok && s.pkg != owner {
				t.Errorf("%s imports %s, which is for %s alone", s.name, target, owner)
			}
			if strings.HasSuffix(target, "/kmsg") && strings.HasPrefix(s.pkg, "storage") {
				t.Errorf("%s imports %s", s.name, target)
			}
			if target == "C" || target == "plugin" {
				t.Errorf("%s imports %s", s.name, target)
			}
		}
	}
}

// TestLengths bounds files and functions.
func TestLengths(t *testing.T) {
	sources, set := parse(t)
	for _, s := range sources {
		if s.generated {
			continue
		}
		if lines := strings.Count(s.text, "\n"); lines > maxFileLines {
			t.Errorf("%s has %d lines, at most %d are allowed", s.name, lines, maxFileLines)
		}
		if s.test {
			continue
		}
		for _, declaration := range s.file.Decls {
			function, ok := declaration.(*ast.FuncDecl)
			if !ok || function.Body == nil || isTable(function) {
				continue
			}
			if lines := set.Position(function.End()).Line - set.Position(function.Pos()).Line; lines > maxFunctionLines {
				t.Errorf("%s: %s has %d lines, at most %d are allowed", s.name, function.Name.Name, lines, maxFunctionLines)
			}
		}
	}
}

// isTable tells whether a function only returns a literal.
func isTable(function *ast.FuncDecl) bool {
	if len(function.Body.List) != 1 {
		return false
	}
	result, ok := function.Body.List[0].(*ast.ReturnStmt)
	if !ok || len(result.Results) != 1 {
		return false
	}
	_, ok = result.Results[0].(*ast.CompositeLit)
	return ok
}

// TestNoMutableState forbids init functions and package variables that are made
// to be written: maps without content, channels, locks, counters. Sentinel
// errors and tables are fine, and so is a pool of memory, which has no meaning.
func TestNoMutableState(t *testing.T) {
	sources, set := parse(t)
	harmless := regexp.MustCompile(`^(\[[^]]*\])?sync\.(Pool|OnceValues?)\b`)
	mutable := regexp.MustCompile(`^(sync|atomic)\.|^(make|new)\(|^\*|^chan |^map\[[^]]*\][^{]*$|^&`)
	for _, s := range sources {
		if s.test || s.generated || strings.HasPrefix(s.pkg, "compat-tests") || strings.HasPrefix(s.pkg, "internal/") {
			continue
		}
		expression := func(node ast.Expr) string {
			if node == nil {
				return ""
			}
			return s.text[set.Position(node.Pos()).Offset:set.Position(node.End()).Offset]
		}
		for _, declaration := range s.file.Decls {
			if function, ok := declaration.(*ast.FuncDecl); ok && function.Recv == nil && function.Name.Name == "init" {
				t.Errorf("%s: an init function", s.name)
			}
			group, ok := declaration.(*ast.GenDecl)
			if !ok || group.Tok != token.VAR || embeds(group) {
				continue
			}
			for _, spec := range group.Specs {
				value := spec.(*ast.ValueSpec)
				written := func(node ast.Expr) bool {
					return mutable.MatchString(expression(node)) && !harmless.MatchString(expression(node))
				}
				wrong := written(value.Type) || len(value.Values) == 0 && !harmless.MatchString(expression(value.Type))
				for _, initial := range value.Values {
					wrong = wrong || written(initial)
				}
				if wrong && value.Names[0].Name != "_" {
					t.Errorf("%s: package variable %s can be written", s.name, value.Names[0].Name)
				}
			}
		}
	}
}

// embeds tells whether a variable is a file of the project.
func embeds(group *ast.GenDecl) bool {
	return group.Doc != nil && slices.ContainsFunc(group.Doc.List, func(line *ast.Comment) bool {
		return strings.HasPrefix(line.Text, "//go:embed ")
	})
}

// TestPackageComments demands one in every package that has code.
func TestPackageComments(t *testing.T) {
	sources, _ := parse(t)
	has := map[string]bool{}
	for _, s := range sources {
		if !s.test && !s.generated {
			has[s.pkg] = has[s.pkg] || s.file.Doc != nil
		}
	}
	for pkg, commented := range has {
		if !commented {
			t.Errorf("package %q has no package comment", pkg)
		}
	}
}

// TestNothingLeftLyingAbout looks for words that say that something is not done.
func TestNothingLeftLyingAbout(t *testing.T) {
	words := regexp.MustCompile(`\b(TODO|FIXME|XXX|HACK|WIP)\b|(?i:\bfor now\b|\bnot yet implemented\b|\bplaceholder\b)`)
	for name, text := range tree(t, ".go", ".md", ".sh", ".py", ".yml", "Makefile", ".properties", ".example", ".txt") {
		if strings.HasPrefix(name, "internal/lint/") {
			continue
		}
		for i, line := range strings.Split(text, "\n") {
			if found := words.FindString(line); found != "" {
				t.Errorf("%s:%d: %q", name, i+1, found)
			}
		}
	}
}
