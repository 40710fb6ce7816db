package vfs

import (
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"path"
	"sort"
	"strings"
	"sync"
	"syscall"
)

// Memory is a file system in memory that remembers what a power cut would leave. Bytes become durable by File.Sync, names by SyncDir
// of their directory, independently of each other.
type Memory struct {
	mu    sync.Mutex
	root  *node
	locks map[string]bool
	now   int64 // ModTime of what is written next
}

// node is a file or a directory. What was done to it since it was synced last is kept as a list, from which CrashClone chooses.
type node struct {
	dir     bool
	modTime int64

	data    []byte
	durable []byte
	writes  []write

	entries        map[string]*node
	durableEntries map[string]*node
	changes        []change
}

// write is a write (data not nil) or a truncation to position.
type write struct {
	position int64
	data     []byte
}

// change sets a name in a directory (nil removes it); a rename within a directory is one change of two names, because file systems
// keep it whole.
type change struct {
	name    string
	target  *node
	removed string
}

func newDir() *node {
	return &node{dir: true, entries: map[string]*node{}, durableEntries: map[string]*node{}}
}

// NewMemory makes an empty file system with the root "/".
func NewMemory() *Memory { return &Memory{root: newDir(), locks: map[string]bool{}} }

// SetTime sets the ModTime of what is written from now on, in milliseconds.
func (m *Memory) SetTime(ms int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now = ms
}

func split(name string) []string {
	name = strings.Trim(path.Clean("/"+name), "/")
	if name == "" {
		return nil
	}
	return strings.Split(name, "/")
}

func pathError(op, name string, err error) error { return &fs.PathError{Op: op, Path: name, Err: err} }

func (m *Memory) find(op, name string) (*node, error) {
	n := m.root
	for _, part := range split(name) {
		if !n.dir {
			return nil, pathError(op, name, syscall.ENOTDIR)
		}
		next, ok := n.entries[part]
		if !ok {
			return nil, pathError(op, name, fs.ErrNotExist)
		}
		n = next
	}
	return n, nil
}

func (m *Memory) parent(op, name string) (*node, string, error) {
	parts := split(name)
	if len(parts) == 0 {
		return nil, "", pathError(op, name, fs.ErrInvalid)
	}
	dir, err := m.find(op, strings.Join(parts[:len(parts)-1], "/"))
	if err != nil {
		return nil, "", err
	}
	if !dir.dir {
		return nil, "", pathError(op, name, syscall.ENOTDIR)
	}
	return dir, parts[len(parts)-1], nil
}

func (d *node) set(name string, target *node) {
	if target == nil {
		delete(d.entries, name)
	} else {
		d.entries[name] = target
	}
	d.changes = append(d.changes, change{name: name, target: target})
}

// Open implements FS.
func (m *Memory) Open(name string) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.find("open", name)
	if err != nil {
		return nil, err
	}
	if n.dir {
		return nil, pathError("open", name, syscall.EISDIR)
	}
	return &memoryFile{fs: m, node: n, name: name}, nil
}

// Create implements FS.
func (m *Memory) Create(name string) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	dir, base, err := m.parent("create", name)
	if err != nil {
		return nil, err
	}
	n := dir.entries[base]
	switch {
	case n == nil:
		n = &node{modTime: m.now}
		dir.set(base, n)
	case n.dir:
		return nil, pathError("create", name, syscall.EISDIR)
	default:
		n.truncate(0, m.now)
	}
	return &memoryFile{fs: m, node: n, name: name}, nil
}

// ReadDir implements FS.
func (m *Memory) ReadDir(name string) ([]Entry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.find("readdir", name)
	if err != nil {
		return nil, err
	}
	if !n.dir {
		return nil, pathError("readdir", name, syscall.ENOTDIR)
	}
	entries := make([]Entry, 0, len(n.entries))
	for base, child := range n.entries {
		entries = append(entries, Entry{Name: base, Dir: child.dir})
	}
	sort.Slice(entries, func(i, j int) bool { return entries[i].Name < entries[j].Name })
	return entries, nil
}

// Rename implements FS.
func (m *Memory) Rename(oldName, newName string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	from, oldBase, err := m.parent("rename", oldName)
	if err != nil {
		return err
	}
	to, newBase, err := m.parent("rename", newName)
	if err != nil {
		return err
	}
	n := from.entries[oldBase]
	if n == nil {
		return pathError("rename", oldName, fs.ErrNotExist)
	}
	if old := to.entries[newBase]; old != nil && old.dir && len(old.entries) > 0 {
		return pathError("rename", newName, syscall.ENOTEMPTY)
	}
	delete(from.entries, oldBase)
	to.entries[newBase] = n
	if from == to {
		to.changes = append(to.changes, change{name: newBase, target: n, removed: oldBase})
		return nil
	}
	to.changes = append(to.changes, change{name: newBase, target: n})
	from.changes = append(from.changes, change{name: oldBase})
	return nil
}

// Remove implements FS.
func (m *Memory) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	dir, base, err := m.parent("remove", name)
	if err != nil {
		return err
	}
	n := dir.entries[base]
	if n == nil {
		return pathError("remove", name, fs.ErrNotExist)
	}
	if n.dir && len(n.entries) > 0 {
		return pathError("remove", name, syscall.ENOTEMPTY)
	}
	dir.set(base, nil)
	return nil
}

// RemoveAll implements FS.
func (m *Memory) RemoveAll(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	dir, base, err := m.parent("removeall", name)
	if err != nil {
		return nil
	}
	if dir.entries[base] != nil {
		dir.set(base, nil)
	}
	return nil
}

// Mkdir implements FS.
func (m *Memory) Mkdir(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	dir, base, err := m.parent("mkdir", name)
	if err != nil {
		return err
	}
	if dir.entries[base] != nil {
		return pathError("mkdir", name, fs.ErrExist)
	}
	dir.set(base, newDir())
	return nil
}

// Stat implements FS.
func (m *Memory) Stat(name string) (Info, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.find("stat", name)
	if err != nil {
		return Info{}, err
	}
	return Info{Size: int64(len(n.data)), Dir: n.dir, ModTime: n.modTime}, nil
}

// SyncDir implements FS.
func (m *Memory) SyncDir(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.find("syncdir", name)
	if err != nil {
		return err
	}
	if !n.dir {
		return pathError("syncdir", name, syscall.ENOTDIR)
	}
	for _, c := range n.changes {
		c.apply(n.durableEntries)
	}
	n.changes = nil
	return nil
}

func (c change) apply(entries map[string]*node) {
	if c.target == nil {
		delete(entries, c.name)
	} else {
		entries[c.name] = c.target
	}
	if c.removed != "" {
		delete(entries, c.removed)
	}
}

type memoryLock struct {
	fs   *Memory
	name string
	once sync.Once
}

func (l *memoryLock) Close() error {
	l.once.Do(func() {
		l.fs.mu.Lock()
		defer l.fs.mu.Unlock()
		delete(l.fs.locks, l.name)
	})
	return nil
}

// Lock implements FS.
func (m *Memory) Lock(name string) (io.Closer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.locks[name] {
		return nil, fmt.Errorf("lock %s: %w", name, ErrLocked)
	}
	dir, base, err := m.parent("lock", name)
	if err != nil {
		return nil, err
	}
	if dir.entries[base] == nil {
		dir.set(base, &node{modTime: m.now})
	}
	m.locks[name] = true
	return &memoryLock{fs: m, name: name}, nil
}

type memoryFile struct {
	fs     *Memory
	node   *node
	name   string
	closed bool
}

func (f *memoryFile) check(op string) error {
	if f.closed {
		return pathError(op, f.name, fs.ErrClosed)
	}
	return nil
}

func (f *memoryFile) ReadAt(p []byte, position int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.check("read"); err != nil {
		return 0, err
	}
	if position >= int64(len(f.node.data)) {
		return 0, io.EOF
	}
	n := copy(p, f.node.data[position:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *memoryFile) WriteAt(p []byte, position int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.check("write"); err != nil {
		return 0, err
	}
	f.node.modTime = f.fs.now
	w := write{position: position, data: append(make([]byte, 0, len(p)), p...)}
	f.node.data = w.apply(f.node.data)
	f.node.writes = append(f.node.writes, w)
	return len(p), nil
}

func (w write) apply(data []byte) []byte {
	if w.data == nil {
		if int64(len(data)) >= w.position {
			return data[:w.position:w.position]
		}
		return append(data, make([]byte, w.position-int64(len(data)))...)
	}
	end := w.position + int64(len(w.data))
	if int64(len(data)) < end {
		data = append(data, make([]byte, end-int64(len(data)))...)
	}
	copy(data[w.position:], w.data)
	return data
}

func (n *node) truncate(size, now int64) {
	n.modTime = now
	w := write{position: size}
	n.data = w.apply(n.data)
	n.writes = append(n.writes, w)
}

func (f *memoryFile) Sync() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.check("sync"); err != nil {
		return err
	}
	for _, w := range f.node.writes {
		f.node.durable = w.apply(f.node.durable)
	}
	f.node.writes = nil
	return nil
}

func (f *memoryFile) Truncate(size int64) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.check("truncate"); err != nil {
		return err
	}
	f.node.truncate(size, f.fs.now)
	return nil
}

func (f *memoryFile) Size() (int64, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	return int64(len(f.node.data)), f.check("stat")
}

func (f *memoryFile) Fd() (uintptr, bool) { return 0, false }

func (f *memoryFile) Close() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.check("close"); err != nil {
		return err
	}
	f.closed = true
	return nil
}

// CrashClone is the disk as a power cut now may leave it: all that was synced, and of the rest what rand chooses. Writes may be kept,
// lost, torn, kept in some sectors, or be there in length alone (zeroes); names may be kept or lost one by one. A nil rand keeps
// everything: the disk after the process was killed.
func (m *Memory) CrashClone(random *rand.Rand) *Memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := crash{random: random, done: map[*node]*node{}}
	if random != nil {
		// Some crashes lose all or nothing; they find what a mixture hides.
		c.mode = random.IntN(4)
	}
	return &Memory{root: c.clone(m.root), locks: map[string]bool{}, now: m.now}
}

type crash struct {
	random *rand.Rand
	mode   int // 0, 1: mixture, 2: lose all, 3: keep all
	done   map[*node]*node
}

func (c *crash) keep() bool {
	switch {
	case c.random == nil || c.mode == 3:
		return true
	case c.mode == 2:
		return false
	}
	return c.random.IntN(2) == 0
}

func (c *crash) clone(n *node) *node {
	if done := c.done[n]; done != nil {
		return done
	}
	clone := &node{dir: n.dir, modTime: n.modTime}
	c.done[n] = clone
	if !n.dir {
		clone.durable = append([]byte(nil), n.durable...)
		for _, w := range n.writes {
			if w, ok := c.choose(w); ok {
				clone.durable = w.apply(clone.durable)
			}
		}
		clone.data = append([]byte(nil), clone.durable...)
		return clone
	}
	entries := make(map[string]*node, len(n.durableEntries))
	for name, child := range n.durableEntries {
		entries[name] = child
	}
	for _, change := range n.changes {
		if c.keep() {
			change.apply(entries)
		}
	}
	clone.entries, clone.durableEntries = map[string]*node{}, map[string]*node{}
	names := make([]string, 0, len(entries))
	for name := range entries {
		names = append(names, name)
	}
	sort.Strings(names) // so that the same seed gives the same disk
	for _, name := range names {
		child := c.clone(entries[name])
		clone.entries[name], clone.durableEntries[name] = child, child
	}
	return clone
}

const sector = 512

// choose is what is left of a write that was not synced.
func (c *crash) choose(w write) (write, bool) {
	if w.data == nil || c.random == nil || c.mode >= 2 {
		return w, c.keep()
	}
	switch c.random.IntN(5) {
	case 0:
		return w, false
	case 1: // torn
		return write{w.position, w.data[:c.random.IntN(len(w.data)+1)]}, true
	case 2: // the length without the data
		return write{w.position, make([]byte, len(w.data))}, true
	case 3: // some sectors
		data := append([]byte(nil), w.data...)
		for at := int64(0); at < int64(len(data)); {
			next := min((w.position+at)/sector*sector+sector-w.position, int64(len(data)))
			if c.random.IntN(2) == 0 {
				clear(data[at:next])
			}
			at = next
		}
		return write{w.position, data}, true
	}
	return w, true
}
