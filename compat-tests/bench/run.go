package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// runner runs rows.
type runner struct {
	programs *Programs
	// memory and disk are directories of its own for the data.
	memory, disk string
	subjects     []Kind
	rounds       int
	scale        float64
	// memoryFor is how long the row about memory lasts, if not zero.
	memoryFor time.Duration
	// tell is called with each line of progress.
	tell func(line string)
}

// stage is rows that share running subjects, or one row whose measurements have subjects of their own.
type stage struct {
	own        bool
	disk       bool
	properties []string
	rows       []int
}

// stages groups the rows, in the order of each stage's first row.
func stages(rows []Row) (all []stage) {
	for i, row := range rows {
		same := func(s stage) bool {
			return !s.own && !row.Own && s.disk == row.Disk && slices.Equal(s.properties, row.Properties)
		}
		if at := slices.IndexFunc(all, same); at >= 0 {
			all[at].rows = append(all[at].rows, i)
			continue
		}
		all = append(all, stage{row.Own, row.Disk, row.Properties, []int{i}})
	}
	return all
}

// run runs all rows and calls finished with each result, as soon as there is one. A row that fails does not end the run.
func (r *runner) run(ctx context.Context, rows []Row, finished func(Result)) error {
	for _, stage := range stages(rows) {
		if stage.own {
			result := r.ownRow(ctx, rows[stage.rows[0]])
			finished(result)
		} else if err := r.sharedRows(ctx, stage, rows, finished); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// touch has the machine hold the memory that a run is going to write into, a disk's page cache too. The host of a virtual machine takes back what was free for
// two seconds, and gives it again at the first write, which is slower than all that is measured here.
func (r *runner) touch(row Row) error {
	if row.Writes == 0 || fileSystem(r.memory) != "tmpfs" {
		return nil
	}
	file, err := os.Create(filepath.Join(r.memory, "touched"))
	if err != nil {
		return err
	}
	block, wanted := make([]byte, 1<<20), int64(r.scale*float64(row.Writes))
	for written := int64(0); written < wanted && err == nil; written += int64(len(block)) {
		_, err = file.Write(block)
	}
	if errors.Is(err, syscall.ENOSPC) { // what there was is enough for what it is for
		err = nil
	}
	return errors.Join(err, file.Close(), os.Remove(file.Name()))
}

// newSubject lays out a subject's directory.
func (r *runner) newSubject(kind Kind, disk bool, properties []string) (*Subject, error) {
	base := r.memory
	if disk {
		base = r.disk
	}
	directory := filepath.Join(base, strings.ToLower(string(kind)))
	if err := os.RemoveAll(directory); err != nil {
		return nil, err
	}
	ports, err := freePorts()
	if err != nil {
		return nil, err
	}
	s := &Subject{
		Kind: kind, Address: fmt.Sprintf("127.0.0.1:%d", ports[0]), Directory: directory, Data: filepath.Join(directory, "data"),
		Scale: r.scale, Memory: r.memoryFor, port: ports[0], controllerPort: ports[1], programs: r.programs,
	}
	return s, s.configure(properties)
}

// dispose ends a subject and removes what it wrote.
func dispose(s *Subject) error { return errors.Join(s.Kill(), os.RemoveAll(s.Directory)) }

// sharedRows starts the subjects of a stage and runs its rows with them.
func (r *runner) sharedRows(ctx context.Context, stage stage, rows []Row, finished func(Result)) (err error) {
	var subjects []*Subject
	defer func() {
		for _, s := range subjects {
			err = errors.Join(err, dispose(s))
		}
	}()
	for _, kind := range r.subjects {
		s, err := r.newSubject(kind, stage.disk, stage.properties)
		if err != nil {
			return err
		}
		subjects = append(subjects, s)
		if err := formatAndStart(ctx, s); err != nil {
			return fmt.Errorf("start %s: %w", kind, err)
		}
	}
	for _, i := range stage.rows {
		finished(r.sharedRow(ctx, rows[i], subjects))
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// sharedRow warms the subjects up and takes rounds in which they alternate.
func (r *runner) sharedRow(ctx context.Context, row Row, all []*Subject) Result {
	result := Result{Row: row, Samples: map[Kind][]Sample{}}
	var subjects []*Subject
	for _, s := range all {
		if slices.Contains(row.Without, s.Kind) {
			continue
		}
		if err := r.warmUp(ctx, row, s); err != nil {
			r.fail(&result, s.Kind, 0, fmt.Errorf("warm-up: %w", err))
			r.renew(ctx, s)
			continue
		}
		subjects = append(subjects, s)
	}
	for round := range r.roundsOf(row) {
		for i := range subjects {
			s := subjects[(i+round)%len(subjects)]
			time.Sleep(time.Duration(float64(500*time.Millisecond) * min(r.scale, 1))) // what was deleted leaves
			s.label = fmt.Sprintf("%s-%d", row.Name, round+1)
			m, err := r.measure(ctx, row, s)
			s.label = ""
			if err != nil {
				r.fail(&result, s.Kind, round+1, err)
				r.renew(ctx, s)
				continue
			}
			r.add(&result, s.Kind, round+1, m)
		}
	}
	return result
}

// measure is once, behind what the machine needs for it.
func (r *runner) measure(ctx context.Context, row Row, s *Subject) (Measurement, error) {
	if err := r.touch(row); err != nil {
		return nil, err
	}
	return r.once(ctx, row, s)
}

func (r *runner) roundsOf(row Row) int {
	if row.Rounds > 0 {
		return min(row.Rounds, r.rounds)
	}
	return r.rounds
}

// warmUp readies a subject and does the row's work unmeasured. A Java machine compiles what it often does while it runs,
// so that Apache Kafka does all of the work twice at least, and again as long as that still makes it a tenth better.
func (r *runner) warmUp(ctx context.Context, row Row, s *Subject) error {
	if row.Prepare != nil {
		if err := row.Prepare(ctx, s); err != nil {
			return fmt.Errorf("prepare: %w", err)
		}
	}
	if row.NoWarmUp {
		return nil
	}
	if s.Kind != Kafka {
		full := s.Scale
		defer func() { s.Scale = full }()
		s.Scale *= .25
		_, err := r.once(ctx, row, s)
		return err
	}
	var before float64
	for run := range 6 {
		m, err := r.once(ctx, row, s)
		if err != nil {
			return err
		}
		if run > 0 && !better(row, m[0], before) {
			return nil
		}
		before = m[0].Value
	}
	return nil
}

// better tells whether a row's first figure is a tenth better than it was. Less is better, unless a goal wants more.
func better(row Row, now Figure, before float64) bool {
	if slices.ContainsFunc(row.Goals, func(g Goal) bool { return g.Quantity == now.Quantity && g.Least }) {
		return now.Value > before*1.1
	}
	return now.Value < before*.9
}

// once runs a row within its time.
func (r *runner) once(ctx context.Context, row Row, s *Subject) (Measurement, error) {
	limit := runLimit
	if row.Own {
		limit = 15*time.Minute + r.memoryFor
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	m, err := row.Run(ctx, s)
	if err == nil && len(m) == 0 {
		err = errors.New("nothing was measured")
	}
	if err != nil {
		r.tell(fmt.Sprintf("the end of the log of %s:\n%s", s.Kind, s.logTail()))
	}
	return m, err
}

// renew gives a subject a fresh start after a failed run, so that the rows that follow do not fail for it too.
func (r *runner) renew(ctx context.Context, s *Subject) {
	if err := errors.Join(s.Kill(), formatAndStart(ctx, s)); err != nil {
		r.tell(fmt.Sprintf("%s does not start again: %v", s.Kind, err))
	}
}

// ownRow takes rounds with a new subject for each measurement.
func (r *runner) ownRow(ctx context.Context, row Row) Result {
	result := Result{Row: row, Samples: map[Kind][]Sample{}}
	for round := range r.roundsOf(row) {
		for i := range r.subjects {
			kind := r.subjects[(i+round)%len(r.subjects)]
			if slices.Contains(row.Without, kind) || ctx.Err() != nil {
				continue
			}
			s, err := r.newSubject(kind, row.Disk, row.Properties)
			if err == nil {
				s.label = fmt.Sprintf("%s-%d", row.Name, round+1)
				var m Measurement
				if m, err = r.once(ctx, row, s); err == nil {
					r.add(&result, kind, round+1, m)
				}
				err = errors.Join(err, dispose(s))
			}
			if err != nil {
				r.fail(&result, kind, round+1, err)
			}
		}
	}
	return result
}

func (r *runner) add(result *Result, kind Kind, round int, m Measurement) {
	result.Samples[kind] = append(result.Samples[kind], Sample{Round: round, Measurement: m})
	var parts []string
	for _, f := range m {
		parts = append(parts, f.Quantity+" "+number3(f.Value))
	}
	r.tell(fmt.Sprintf("%s, round %d, %s: %s", result.Row.Name, round, kind, strings.Join(parts, ", ")))
}

func (r *runner) fail(result *Result, kind Kind, round int, err error) {
	result.Samples[kind] = append(result.Samples[kind], Sample{Round: round, Failed: err.Error()})
	r.tell(fmt.Sprintf("%s, round %d, %s: FAILED: %v", result.Row.Name, round, kind, err))
}
