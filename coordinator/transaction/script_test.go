package transaction

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"ottla/coordinator"
)

// TestScripts plays the files of testdata: commands, and below each, indented,
// what came of it: the answer, the transactions that were written and those whose
// markers are to go out. With OTTLA_REWRITE in the environment the files are written anew.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			b := newBench(t.Fatalf)
			var out []string
			for _, line := range strings.Split(string(content), "\n") {
				switch {
				case strings.HasPrefix(line, "    "):
					continue
				case line == "" || line[0] == '#':
					out = append(out, line)
					continue
				}
				out = append(out, line)
				for _, said := range b.command(t, line) {
					out = append(out, "    "+said)
				}
			}
			played := strings.Join(out, "\n")
			if os.Getenv("OTTLA_REWRITE") != "" {
				if err := os.WriteFile(file, []byte(played), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if played != string(content) {
				t.Errorf("%s: it went\n%s", file, played)
			}
		})
	}
}

// arguments are those of a command: key=value, and words.
type arguments struct {
	t     *testing.T
	words []string
	named map[string]string
}

func (a *arguments) number(key string, otherwise int64) int64 {
	text, ok := a.named[key]
	if !ok {
		return otherwise
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		a.t.Fatal(err)
	}
	return n
}

func (a *arguments) partitions() (all []Partition) {
	for _, word := range a.words {
		if topic, index, ok := strings.Cut(word, "-"); ok {
			n, err := strconv.Atoi(index)
			if err != nil {
				a.t.Fatal(err)
			}
			all = append(all, Partition{topic, int32(n)})
		}
	}
	return all
}

func (b *bench) command(t *testing.T, line string) (said []string) {
	fields := strings.Fields(line)
	a := &arguments{t: t, named: map[string]string{}}
	for _, field := range fields[1:] {
		if key, value, ok := strings.Cut(field, "="); ok {
			a.named[key] = value
		} else {
			a.words = append(a.words, field)
		}
	}
	before := len(b.log)
	b.prepared = b.prepared[:len(b.prepared):len(b.prepared)]
	markers := len(b.prepared)
	answer := b.run(fields[0], a)
	if answer != "" {
		said = append(said, answer)
	}
	for _, r := range b.log[before:] {
		id, _ := decodeKey(r.Key)
		if r.Value == nil {
			said = append(said, "wrote "+id+" tombstone")
			continue
		}
		written, _ := decodeValue(id, r.Value)
		said = append(said, fmt.Sprintf("wrote v%d %s", r.Value[1], written.text()))
	}
	for _, p := range b.prepared[min(markers, len(b.prepared)):] {
		said = append(said, fmt.Sprintf("markers commit=%t pid=%d epoch=%d to %d partitions", p.Commit(), p.ProducerID, p.Epoch, len(p.Partitions)))
	}
	for _, p := range b.timedOut {
		said = append(said, "timed out, needs a producer id: "+p.ID)
	}
	return said
}

func (b *bench) run(name string, a *arguments) string {
	id, pid, epoch, newID := a.named["id"], a.number("pid", None), int16(a.number("epoch", None)), a.number("new", NoNewID)
	switch name {
	case "init":
		answer, result := b.machine.InitProducerID(Init{id, int32(a.number("timeout", 60000)), pid, epoch}, newID)
		return b.answered(answer, result)
	case "add":
		failure, result := b.machine.AddPartitions(id, pid, epoch, a.partitions(), int16(a.number("v", 2)))
		return b.answered(Answer{failure, pid, epoch, false}, result)
	case "verify":
		verdicts, failure := b.machine.VerifyPartitions(id, pid, epoch, a.partitions())
		if failure != nil {
			return failure.Message
		}
		said := ""
		for _, v := range verdicts {
			if v == nil {
				said += "ok "
			} else {
				said += v.Message + " "
			}
		}
		return strings.TrimSpace(said)
	case "commit", "abort":
		answer, result := b.machine.EndTxn(End{id, pid, epoch, name == "commit", int16(a.number("v", 2))}, newID)
		return b.answered(answer, result)
	case "markers":
		b.complete()
	case "id":
		timedOut := b.timedOut
		b.timedOut = nil
		for _, t := range timedOut {
			b.do(b.machine.Abort(t, newID))
		}
	case "advance":
		by, err := time.ParseDuration(a.words[0])
		if err != nil {
			a.t.Fatal(err)
		}
		b.advance(by)
	case "seed": // an id with an epoch that would take long to come to
		b.do(b.machine.write(&Transaction{ID: id, ProducerID: pid, PreviousProducerID: pid, NextProducerID: None, Epoch: epoch, TimeoutMillis: int32(a.number("timeout", 60000)), StartedMillis: None}, nil))
	case "level":
		b.level = int16(a.number("to", 2))
	case "fail":
		b.failing = true
	case "reload":
		b.load()
	default:
		a.t.Fatalf("no command %q", name)
	}
	return ""
}

// answered is what the client is told once the result is committed, or could not be.
func (b *bench) answered(answer Answer, result coordinator.Result) string {
	inner := result.Done
	result.Done = func(failure *kerr.Error) {
		if inner != nil {
			inner(failure)
		}
		if failure != nil {
			answer = refused(storeError(failure))
		}
	}
	b.do(result)
	return answer.text()
}
