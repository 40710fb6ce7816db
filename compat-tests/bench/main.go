// Command bench is the project's load tool and benchmark: it runs Ottla, Apache Kafka and the floor (the least that a
// broker must cost) in turns on the same work, prints a table with the goals and writes docs/benchmarks.md.
//
//	go run ./compat-tests/bench                                                       everything
//	go run ./compat-tests/bench -rows produce -rounds 1 -subjects ottla,floor         one row, quickly
//	go run ./compat-tests/bench -rows 'produce*' -subjects ottla -cpuprofile /tmp/ottla-   a profile of each measured window
//
// The load is raw: frames are built once and patched in place, answers are read by hand, so that most of the CPU of a
// small machine is left to the subject. What the generator itself spends is measured and shown.
//
// A row is a value of type Row in a rows_….go file and in the list in rows.go. A stage is rows that share running
// subjects; runner takes them through warm-up and rounds; results are kept below build/bench and the page is written
// from what is kept.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"

	"ottla/compat-tests/bench/floor"
)

// floorArgument makes this program serve as the floor.
const floorArgument = "serve-as-floor"

// options are what the command line asks for.
type options struct {
	rows, subjects, ottla, memory, profile string
	rounds                                 int
	quick, list, write                     bool
	memoryFor                              time.Duration
}

func main() {
	if len(os.Args) == 4 && os.Args[1] == floorArgument {
		fmt.Fprintln(os.Stderr, serveAsFloor(os.Args[2], os.Args[3]))
		os.Exit(1)
	}
	var o options
	flag.StringVar(&o.rows, "rows", "", "names of rows, patterns like produce* too, with spaces or commas between; empty: all")
	flag.StringVar(&o.subjects, "subjects", "ottla,kafka,floor", "what takes turns")
	flag.IntVar(&o.rounds, "rounds", 3, "rounds of each row; 0 only writes the page")
	flag.BoolVar(&o.quick, "quick", false, "a tenth of the work in one round, to see that everything runs; the figures are worth little")
	flag.BoolVar(&o.list, "list", false, "print the rows and their goals")
	flag.BoolVar(&o.write, "write", false, "write docs/benchmarks.md from all that was measured in this run and before; a whole run does so anyway")
	flag.StringVar(&o.ottla, "ottla", "", "an ottla binary to measure instead of building one")
	flag.StringVar(&o.memory, "memory-directory", "/dev/shm", "where the data of the rows in memory is")
	flag.DurationVar(&o.memoryFor, "memory", 0, "how long the row about memory lasts, such as 30m")
	flag.StringVar(&o.profile, "cpuprofile", "", "how the names of the files begin to which perf writes what Ottla did in each measured window")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code, err := o.run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		code = 1
	}
	os.Exit(code)
}

// serveAsFloor serves until it is killed.
func serveAsFloor(address, directory string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	return floor.New(directory).Serve(listener)
}

// chosen returns the rows that the names and patterns mean, and whether these are all.
func chosen(all []Row, names string) (rows []Row, whole bool, err error) {
	patterns := strings.FieldsFunc(names, func(r rune) bool { return r == ' ' || r == ',' })
	if len(patterns) == 0 {
		return all, true, nil
	}
	for _, pattern := range patterns {
		found := false
		for _, row := range all {
			matches, err := path.Match(pattern, row.Name)
			if err != nil {
				return nil, false, fmt.Errorf("%s: %w", pattern, err)
			}
			found = found || matches
			if matches && !slices.ContainsFunc(rows, func(r Row) bool { return r.Name == row.Name }) {
				rows = append(rows, row)
			}
		}
		if !found {
			return nil, false, fmt.Errorf("no row %q; -list prints them", pattern)
		}
	}
	return rows, len(rows) == len(all), nil
}

// kinds reads the names of subjects.
func kinds(names string) (all []Kind, err error) {
	for _, name := range strings.Split(names, ",") {
		i := slices.IndexFunc([]Kind{Ottla, Kafka, Floor}, func(k Kind) bool { return strings.EqualFold(string(k), strings.TrimSpace(name)) })
		if i < 0 {
			return nil, fmt.Errorf("no subject %q", name)
		}
		all = append(all, []Kind{Ottla, Kafka, Floor}[i])
	}
	return all, nil
}

// run does what the command line asks for and returns the exit status: 1 where a run of a row failed.
func (o options) run(ctx context.Context) (int, error) {
	rows, whole, err := chosen(rows(), o.rows)
	if err != nil {
		return 1, err
	}
	if o.list {
		list(rows)
		return 0, nil
	}
	subjects, err := kinds(o.subjects)
	if err != nil {
		return 1, err
	}
	programs, root, err := preparePrograms(o.ottla, subjects)
	if err != nil {
		return 1, err
	}
	programs.Profile = o.profile
	keep := filepath.Join(root, "build", "bench", "results")
	if o.rounds == 0 {
		return 0, writePage(root, keep)
	}
	r, done, err := o.runner(root, programs, subjects)
	if err != nil {
		return 1, err
	}
	defer done()
	if err := r.hasRoom(rows); err != nil {
		return 1, err
	}
	debug.SetGCPercent(400) // the generator's collections would be the machine's
	facts, versions := machine(r.memory, r.disk), versions(root, o.ottla, subjects)
	results, began := map[string]Result{}, time.Now()
	var saved error
	err = r.run(ctx, rows, func(result Result) {
		results[result.Row.Name] = result
		if !o.quick && slices.Contains(subjects, Ottla) && slices.Contains(subjects, Kafka) && ctx.Err() == nil {
			s := stored{Row: result.Row.Name, Measured: time.Now(), Machine: facts, Versions: versions, Samples: result.Samples}
			saved = errors.Join(saved, s.save(keep))
		}
	})
	var ordered []Result
	for _, row := range rows {
		if result, ran := results[row.Name]; ran {
			ordered = append(ordered, result)
		}
	}
	fmt.Println()
	err = errors.Join(err, saved, writeTable(os.Stdout, ordered))
	met, missed, unknown, failed := tally(ordered)
	fmt.Printf("\n%d goals met, %d not met, %d unknown; rows in which a run failed: %d; %v\n", met, missed, unknown, failed,
		time.Since(began).Round(time.Second))
	if err == nil && (o.write || whole && !o.quick && len(subjects) == 3) {
		err = writePage(root, keep)
	}
	return min(failed, 1), err
}

// runner makes the directories of a run; the returned function removes them.
func (o options) runner(root string, programs *Programs, subjects []Kind) (*runner, func(), error) {
	r := &runner{
		programs: programs, subjects: subjects, rounds: o.rounds, scale: 1, memoryFor: o.memoryFor,
		tell: func(line string) { fmt.Println(time.Now().Format(time.TimeOnly), line) },
	}
	if o.quick {
		r.scale, r.rounds = .1, 1
	}
	build := filepath.Join(root, "build", "bench")
	if err := os.MkdirAll(build, 0o755); err != nil {
		return nil, nil, err
	}
	var err error
	if r.memory, err = os.MkdirTemp(o.memory, "ottla-bench-"); err != nil {
		return nil, nil, err
	}
	if r.disk, err = os.MkdirTemp(build, "disk-"); err != nil {
		_ = os.RemoveAll(r.memory)
		return nil, nil, err
	}
	return r, func() {
		_ = os.RemoveAll(r.memory)
		_ = os.RemoveAll(r.disk)
	}, nil
}

// hasRoom returns an error where the data would not fit.
func (r *runner) hasRoom(rows []Row) error {
	if fileSystem(r.memory) != "tmpfs" {
		r.tell(fmt.Sprintf("note: the rows in memory run on %s, not on tmpfs", fileSystem(r.memory)))
	}
	// What is fetched stays for each subject; what is produced is deleted after each run, but not at once.
	need := int64(r.scale * float64(int64(len(r.subjects))*fetchBytes+3*loadBytes))
	for _, at := range []struct {
		directory string
		disk      bool
	}{{r.memory, false}, {r.disk, true}} {
		need := need
		there := 0
		for _, row := range rows {
			if row.Disk == at.disk {
				there, need = there+1, max(need, int64(r.scale*float64(row.Bytes)))
			}
		}
		if there == 0 {
			continue
		}
		have, err := room(at.directory)
		if err != nil {
			return err
		}
		if have < need {
			return fmt.Errorf("the benchmark needs %d MB on the file system of %s, which has %d: run it with -quick or another -memory-directory",
				need>>20, at.directory, have>>20)
		}
	}
	return nil
}

// writePage writes docs/benchmarks.md from what is kept.
func writePage(root, keep string) error {
	results, kept, err := load(keep, rows())
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(root, "docs", "benchmarks.md"), []byte(page(results, kept, rows())), 0o644)
}

// list prints the rows.
func list(rows []Row) {
	for _, row := range rows {
		fmt.Printf("%-20s %s\n", row.Name, row.Title)
		for _, goal := range row.Goals {
			fmt.Printf("%-20s   %s %s\n", "", goal.Quantity, goal)
		}
	}
}
