package vfs

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
)

// OpKind is a kind of call that Trace sees and Fault may fail.
type OpKind string

// The kinds of calls. Lock, Open, ReadDir, Stat, Size and ReadAt change nothing.
const (
	OpOpen      OpKind = "open"
	OpCreate    OpKind = "create"
	OpReadDir   OpKind = "readdir"
	OpRename    OpKind = "rename"
	OpRemove    OpKind = "remove"
	OpRemoveAll OpKind = "removeall"
	OpMkdir     OpKind = "mkdir"
	OpStat      OpKind = "stat"
	OpSyncDir   OpKind = "syncdir"
	OpLock      OpKind = "lock"
	OpRead      OpKind = "read"
	OpWrite     OpKind = "write"
	OpSync      OpKind = "sync"
	OpTruncate  OpKind = "truncate"
)

// Op is one call.
type Op struct {
	Kind     OpKind
	Name     string
	To       string // the new name of a rename
	Position int64  // of a read or write; the size of a truncate
	Length   int    // of a read or write
}

// Mutates tells whether the call may change the disk.
func (o Op) Mutates() bool {
	switch o.Kind {
	case OpCreate, OpRename, OpRemove, OpRemoveAll, OpMkdir, OpSyncDir, OpWrite, OpSync, OpTruncate:
		return true
	}
	return false
}

// String is the op as a line of a golden trace.
func (o Op) String() string {
	switch o.Kind {
	case OpRename:
		return fmt.Sprintf("rename %s -> %s", o.Name, o.To)
	case OpRead, OpWrite:
		return fmt.Sprintf("%s %s %d+%d", o.Kind, o.Name, o.Position, o.Length)
	case OpTruncate:
		return fmt.Sprintf("truncate %s %d", o.Name, o.Position)
	}
	return fmt.Sprintf("%s %s", o.Kind, o.Name)
}

// Trace wraps an FS and reports each mutating call after it was done.
type Trace struct {
	observed
	mu    sync.Mutex
	lines []string
	after func(Op, error)
}

// NewTrace wraps fsys. After, if not nil, is called after every mutating call, from the goroutine that made it.
func NewTrace(fsys FS, after func(Op, error)) *Trace {
	t := &Trace{after: after}
	t.observed = observed{FS: fsys, after: t.record}
	return t
}

func (t *Trace) record(op Op, err error) {
	if !op.Mutates() {
		return
	}
	line := op.String()
	if err != nil {
		line += ": " + err.Error()
	}
	t.mu.Lock()
	t.lines = append(t.lines, line)
	t.mu.Unlock()
	if t.after != nil {
		t.after(op, err)
	}
}

// Take returns the lines since the last Take, each ended by a newline.
func (t *Trace) Take() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := strings.Join(t.lines, "\n")
	if len(t.lines) > 0 {
		s += "\n"
	}
	t.lines = nil
	return s
}

// ShortWriteError makes Fault write a part before it fails with Err.
type ShortWriteError struct {
	Length int // bytes that are written; negative: half of them
	Err    error
}

func (e *ShortWriteError) Error() string { return fmt.Sprintf("short write: %v", e.Err) }
func (e *ShortWriteError) Unwrap() error { return e.Err }

// Fault wraps an FS and fails the calls that its decide function chooses.
type Fault struct {
	observed
	mu     sync.Mutex
	decide func(Op) error
}

// NewFault wraps fsys. Decide is asked before each call, one at a time; a non-nil error is what the call returns, without having been
// made (but for *ShortWriteError). A nil decide fails nothing.
func NewFault(fsys FS, decide func(Op) error) *Fault {
	f := &Fault{decide: decide}
	f.observed = observed{FS: fsys, before: f.ask}
	return f
}

// Set replaces the decide function.
func (f *Fault) Set(decide func(Op) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.decide = decide
}

func (f *Fault) ask(op Op) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.decide == nil {
		return nil
	}
	return f.decide(op)
}

// FailNth fails the n-th call (from 1) that matches, once.
func FailNth(n int, match func(Op) bool, err error) func(Op) error {
	return func(op Op) error {
		if !match(op) {
			return nil
		}
		n--
		if n == 0 {
			return err
		}
		return nil
	}
}

// observed calls before and after around each call of an FS.
type observed struct {
	FS
	before func(Op) error
	after  func(Op, error)
}

func (o *observed) do(op Op, call func() error) error {
	var err error
	if o.before != nil {
		err = o.before(op)
	}
	if err == nil {
		err = call()
	}
	if o.after != nil {
		o.after(op, err)
	}
	return err
}

type observedFile struct {
	File
	fs   *observed
	name string
}

func (o *observed) file(op Op, open func(string) (File, error)) (File, error) {
	var f File
	err := o.do(op, func() (err error) { f, err = open(op.Name); return })
	if err != nil {
		return nil, err
	}
	return &observedFile{File: f, fs: o, name: op.Name}, nil
}

func (o *observed) Open(name string) (File, error) {
	return o.file(Op{Kind: OpOpen, Name: name}, o.FS.Open)
}

func (o *observed) Create(name string) (File, error) {
	return o.file(Op{Kind: OpCreate, Name: name}, o.FS.Create)
}

func (o *observed) ReadDir(name string) (entries []Entry, err error) {
	err = o.do(Op{Kind: OpReadDir, Name: name}, func() (err error) { entries, err = o.FS.ReadDir(name); return })
	return entries, err
}

func (o *observed) Rename(oldName, newName string) error {
	return o.do(Op{Kind: OpRename, Name: oldName, To: newName}, func() error { return o.FS.Rename(oldName, newName) })
}

func (o *observed) Remove(name string) error {
	return o.do(Op{Kind: OpRemove, Name: name}, func() error { return o.FS.Remove(name) })
}

func (o *observed) RemoveAll(name string) error {
	return o.do(Op{Kind: OpRemoveAll, Name: name}, func() error { return o.FS.RemoveAll(name) })
}

func (o *observed) Mkdir(name string) error {
	return o.do(Op{Kind: OpMkdir, Name: name}, func() error { return o.FS.Mkdir(name) })
}

func (o *observed) Stat(name string) (info Info, err error) {
	err = o.do(Op{Kind: OpStat, Name: name}, func() (err error) { info, err = o.FS.Stat(name); return })
	return info, err
}

func (o *observed) SyncDir(name string) error {
	return o.do(Op{Kind: OpSyncDir, Name: name}, func() error { return o.FS.SyncDir(name) })
}

func (o *observed) Lock(name string) (lock io.Closer, err error) {
	err = o.do(Op{Kind: OpLock, Name: name}, func() (err error) { lock, err = o.FS.Lock(name); return })
	return lock, err
}

func (f *observedFile) ReadAt(p []byte, position int64) (n int, err error) {
	err = f.fs.do(Op{Kind: OpRead, Name: f.name, Position: position, Length: len(p)}, func() (err error) {
		n, err = f.File.ReadAt(p, position)
		return
	})
	return n, err
}

func (f *observedFile) WriteAt(p []byte, position int64) (n int, err error) {
	op := Op{Kind: OpWrite, Name: f.name, Position: position, Length: len(p)}
	err = f.fs.do(op, func() (err error) {
		n, err = f.File.WriteAt(p, position)
		return
	})
	var short *ShortWriteError
	if errors.As(err, &short) && n == 0 {
		length := short.Length
		if length < 0 {
			length = len(p) / 2
		}
		n, _ = f.File.WriteAt(p[:min(length, len(p))], position)
	}
	return n, err
}

func (f *observedFile) Sync() error {
	return f.fs.do(Op{Kind: OpSync, Name: f.name}, f.File.Sync)
}

func (f *observedFile) Truncate(size int64) error {
	return f.fs.do(Op{Kind: OpTruncate, Name: f.name, Position: size}, func() error { return f.File.Truncate(size) })
}
