package exactlyonce

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Outcome is what a client knows about the end of an operation.
type Outcome string

// The outcomes. Failed is certain: the transaction was aborted, or no commit was ever asked for.
const (
	Ok      Outcome = "ok"
	Failed  Outcome = "failed"
	Unknown Outcome = "unknown"
)

// Kind is the kind of an operation.
type Kind string

// The kinds. The steps of a Transaction stand or fall together; a Send holds one record outside of any transaction.
// A Poll is one by a client that chose its partitions itself, from the place its Assign says. Offsets are what was
// read of a group's committed offsets, Ends the last stable and the end offset of partitions once all is at rest.
const (
	Transaction Kind = "transaction"
	Send        Kind = "send"
	Poll        Kind = "poll"
	Assign      Kind = "assign"
	Offsets     Kind = "offsets"
	Ends        Kind = "ends"
)

// Verb is what a step of an operation did.
type Verb string

// The verbs. An Ends operation has steps Stable (Value: the last stable offset, Offset: the end).
const (
	Wrote     Verb = "wrote"     // Value went to Partition, at Offset if that was told
	Copied    Verb = "copied"    // the same for a Value that copies Source
	Read      Verb = "read"      // Value was at Offset
	Committed Verb = "committed" // Offset became the group's, together with the transaction
	Found     Verb = "found"     // Offset was found to be the group's
	From      Verb = "from"      // reading starts at Offset
	Stable    Verb = "stable"
)

// NoOffset stands where a client was not told an offset.
const NoOffset = -1

// Step is one part of an operation. Values are unique to the write.
type Step struct {
	Verb                  Verb
	Partition             string
	Value, Offset, Source int64
}

// Operation is what one client did in one go. Times are nanoseconds of one monotonic clock. Decided is when the
// commit was asked for; zero: never, or not known.
type Operation struct {
	Process             string
	Kind                Kind
	Start, Decided, End int64
	Outcome             Outcome
	// Error is what the client was told, with blanks as underscores.
	Error string
	Steps []Step
}

// History collects operations. It may be used by several goroutines.
type History struct {
	mutex      sync.Mutex
	begun      time.Time
	operations []Operation
}

// NewHistory starts the clock of an empty history.
func NewHistory() *History { return &History{begun: time.Now()} }

// Now is the time by the history's clock.
func (h *History) Now() int64 { return int64(time.Since(h.begun)) + 1 }

// Add adds an operation that has ended.
func (h *History) Add(o Operation) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	h.operations = append(h.operations, o)
}

// Operations returns those added so far, by the time they ended in.
func (h *History) Operations() []Operation {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	return append([]Operation(nil), h.operations...)
}

// WriteHistory writes operations as text, one a line, as ReadHistory reads them.
func WriteHistory(w io.Writer, operations []Operation) error {
	buffered := bufio.NewWriter(w)
	for _, o := range operations {
		text := o.Error
		if text == "" {
			text = "-"
		}
		fmt.Fprintf(buffered, "%s %s %d %d %d %s %s", o.Process, o.Kind, o.Start, o.Decided, o.End, o.Outcome, text)
		for _, s := range o.Steps {
			fmt.Fprintf(buffered, " %s:%s:%d:%d:%d", s.Verb, s.Partition, s.Value, s.Offset, s.Source)
		}
		fmt.Fprintln(buffered)
	}
	return buffered.Flush()
}

// ReadHistory reads what WriteHistory wrote. Empty lines and lines that begin with # are passed over, and the
// numbers at the end of a step may be left out.
func ReadHistory(r io.Reader) ([]Operation, error) {
	var operations []Operation
	scanner := bufio.NewScanner(r)
	scanner.Buffer(nil, 1<<26)
	for line := 1; scanner.Scan(); line++ {
		words := strings.Fields(scanner.Text())
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		o, err := parseOperation(words)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		operations = append(operations, o)
	}
	return operations, scanner.Err()
}

func parseOperation(words []string) (Operation, error) {
	if len(words) < 7 {
		return Operation{}, fmt.Errorf("%d words are too few for an operation", len(words))
	}
	o := Operation{Process: words[0], Kind: Kind(words[1]), Outcome: Outcome(words[5])}
	for i, number := range []*int64{&o.Start, &o.Decided, &o.End} {
		var err error
		if *number, err = strconv.ParseInt(words[2+i], 10, 64); err != nil {
			return o, err
		}
	}
	if words[6] != "-" {
		o.Error = words[6]
	}
	for _, word := range words[7:] {
		parts := strings.Split(word, ":")
		if len(parts) < 3 || len(parts) > 5 {
			return o, fmt.Errorf("%q is no step", word)
		}
		s := Step{Verb: Verb(parts[0]), Partition: parts[1], Offset: NoOffset}
		for i, number := range []*int64{&s.Value, &s.Offset, &s.Source}[:len(parts)-2] {
			var err error
			if *number, err = strconv.ParseInt(parts[2+i], 10, 64); err != nil {
				return o, err
			}
		}
		o.Steps = append(o.Steps, s)
	}
	return o, nil
}
