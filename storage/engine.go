package storage

import (
	"errors"
	"hash/crc32"
	"io"
	"io/fs"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"ottla/storage/vfs"
)

// engine is what the logs of one Manager share.
type engine struct {
	fs                   vfs.FS
	now                  func() time.Time
	emit                 func(Event)
	jitter               func(max int64) int64
	producerExpirationMs atomic.Int64
	files                fileCache
	buffers              sync.Pool // *[]byte of scanBufferSize
	crc                  *crc32.Table
	flushInterval        time.Duration
	syncs                func() // Options.Syncs, the first time
	// background runs fn on a worker after a delay; nil where there is no scheduler.
	background func(delay time.Duration, fn func())
}

// later runs fn after a delay, or at once where there is no scheduler.
func (e *engine) later(delay time.Duration, fn func()) {
	if e.background == nil {
		fn()
		return
	}
	e.background(delay, fn)
}

const scanBufferSize = 16 << 10

func newEngine(options *Options) *engine {
	e := &engine{fs: options.FS, now: options.Now, emit: options.Events}
	if e.fs == nil {
		e.fs = vfs.OS{}
	}
	if e.now == nil {
		e.now = time.Now
	}
	if e.emit == nil {
		e.emit = func(Event) {}
	}
	e.syncs = func() {}
	if options.Syncs != nil {
		e.syncs = sync.OnceFunc(options.Syncs)
	}
	e.flushInterval = options.FlushInterval
	e.setProducerExpiration(options.ProducerIDExpiration)
	e.jitter = func(max int64) int64 { return rand.Int64N(max) }
	e.files.max = options.MaxOpenFiles
	if e.files.max <= 0 {
		e.files.max = 1024
	}
	e.files.fs = e.fs
	e.buffers.New = func() any { b := make([]byte, scanBufferSize); return &b }
	e.crc = crc32.MakeTable(crc32.Castagnoli)
	return e
}

// setProducerExpiration changes how long idle producers are known; not above 0: a day.
func (e *engine) setProducerExpiration(idle time.Duration) {
	if idle.Milliseconds() <= 0 {
		idle = 24 * time.Hour
	}
	e.producerExpirationMs.Store(idle.Milliseconds())
}

func (e *engine) nowMs() int64 { return e.now().UnixMilli() }

// directory is a log directory and whether it failed. A failure is for good: what the page cache holds after a failed write or fsync
// cannot be known.
type directory struct {
	path   string
	engine *engine
	err    atomic.Pointer[error]
	full   atomic.Bool
	// Logs that were made (or found after a stop that was not clean) are numbered; the names of those up to synced are durable.
	born   atomic.Int64
	synced atomic.Int64
}

// syncNames makes the names in the directory durable, up to the log with that number at least. One fsync serves all logs made before it.
func (d *directory) syncNames(number int64) error {
	if number <= d.synced.Load() {
		return nil
	}
	born := d.born.Load()
	if err := syncDir(d.engine.fs, d.path); err != nil {
		return err
	}
	for {
		old := d.synced.Load()
		if old >= born || d.synced.CompareAndSwap(old, born) {
			return nil
		}
	}
}

// failure is nil while the directory is in use.
func (d *directory) failure() error {
	if err := d.err.Load(); err != nil {
		return *err
	}
	return nil
}

// failed classifies the error of a call that changes the disk: no space leaves the directory in use, all else takes it offline.
func (d *directory) failed(err error) error {
	if err == nil {
		return nil
	}
	if isNoSpace(err) && !errors.As(err, new(failedSync)) {
		if !d.full.Swap(true) {
			d.engine.emit(Event{Kind: EventNoSpace, Directory: d.path, Err: err})
		}
		return joined{ErrNoSpace, err}
	}
	for _, known := range []error{ErrDirectoryOffline, ErrClosed, ErrNoSpace, ErrCorruptLog} {
		if errors.Is(err, known) {
			return err
		}
	}
	var offline error = joined{ErrDirectoryOffline, err}
	if d.err.CompareAndSwap(nil, &offline) {
		d.engine.emit(Event{Kind: EventDirectoryOffline, Directory: d.path, Err: err})
	}
	return d.failure()
}

// succeeded notes that a write fitted again.
func (d *directory) succeeded() {
	if d.full.Load() && d.full.Swap(false) {
		d.engine.emit(Event{Kind: EventSpaceReturned, Directory: d.path})
	}
}

func isNoSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// joined is a sentinel and its cause, in one line.
type joined struct{ sentinel, cause error }

func (j joined) Error() string   { return j.sentinel.Error() + ": " + j.cause.Error() }
func (j joined) Unwrap() []error { return []error{j.sentinel, j.cause} }

// fileCache bounds the number of open files. A handle opens its file when it is first used and may lose it whenever nobody has it
// pinned, also with bytes that are not synced: they stay in the page cache, and a write-back that fails meanwhile is told to the fsync of
// the next one who opens the file.
type fileCache struct {
	fs   vfs.FS
	max  int
	mu   sync.Mutex
	open []*handle
	hand int
}

// handle is a file that is open when needed. pins counts its users; closedPins means that it is not open.
type handle struct {
	path  string
	pins  atomic.Int32
	used  atomic.Bool
	dead  atomic.Bool
	file  vfs.File // valid while pins > closedPins
	evict func()   // told, under the cache's lock, that the file was closed for being idle
}

const closedPins = -1

func newHandle(path string) *handle {
	h := &handle{path: path}
	h.pins.Store(closedPins)
	return h
}

// acquire pins the handle's open file.
func (c *fileCache) acquire(h *handle) (vfs.File, error) {
	for {
		n := h.pins.Load()
		if n == closedPins {
			return c.acquireClosed(h)
		}
		if h.pins.CompareAndSwap(n, n+1) {
			if !h.used.Load() {
				h.used.Store(true)
			}
			return h.file, nil
		}
	}
}

func (c *fileCache) acquireClosed(h *handle) (vfs.File, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := h.pins.Load(); n != closedPins {
		h.pins.Add(1) // only this lock's holder takes it to closedPins, from 0
		return h.file, nil
	}
	if h.dead.Load() {
		return nil, ErrClosed
	}
	f, err := c.fs.Open(h.path)
	if err != nil {
		return nil, err
	}
	c.add(h, f)
	return f, nil
}

// adopt gives a handle the file that was just created; it is not pinned.
func (c *fileCache) adopt(h *handle, f vfs.File) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.add(h, f)
	h.pins.Add(-1)
}

func (c *fileCache) add(h *handle, f vfs.File) {
	if len(c.open) >= c.max {
		c.sweep()
	}
	h.file = f
	h.used.Store(true)
	h.pins.Store(1)
	c.open = append(c.open, h)
}

// sweep closes files that were not used since the hand passed them last, until one in eight places is free or it went around twice.
func (c *fileCache) sweep() {
	target := c.max - c.max/8 - 1
	for steps := 2 * len(c.open); steps > 0 && len(c.open) > target; steps-- {
		if c.hand >= len(c.open) {
			c.hand = 0
		}
		h := c.open[c.hand]
		if h.used.Swap(false) || !h.pins.CompareAndSwap(0, closedPins) {
			c.hand++
			continue
		}
		c.remove(c.hand)
		h.file.Close()
		h.file = nil
		if h.evict != nil {
			h.evict()
		}
	}
}

func (c *fileCache) remove(i int) {
	last := len(c.open) - 1
	c.open[i] = c.open[last]
	c.open[last] = nil
	c.open = c.open[:last]
}

func (c *fileCache) release(h *handle) {
	if h.pins.Add(-1) == 0 && h.dead.Load() {
		c.closeDead(h)
	}
}

// forget closes the handle's file for good once the last pin is gone.
func (c *fileCache) forget(h *handle) {
	h.dead.Store(true)
	c.closeDead(h)
}

func (c *fileCache) closeDead(h *handle) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !h.pins.CompareAndSwap(0, closedPins) {
		return
	}
	for i, o := range c.open {
		if o == h {
			c.remove(i)
			break
		}
	}
	h.file.Close()
	h.file = nil
}

// readFull reads len(b) bytes at position; io.ErrUnexpectedEOF if the file ends before.
func readFull(f io.ReaderAt, b []byte, position int64) error {
	n, err := f.ReadAt(b, position)
	if n == len(b) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// readFile reads a whole small file.
func readFile(fsys vfs.FS, name string) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	b := make([]byte, size)
	if err := readFull(f, b, 0); err != nil {
		return nil, err
	}
	return b, nil
}

// replaceFile writes name.tmp, syncs it, renames it to name and syncs the directory, so that after a crash name is the old or the new
// content, whole.
func replaceFile(fsys vfs.FS, dir, name string, content []byte) error {
	if err := renameOver(fsys, dir, name, content); err != nil {
		return err
	}
	return syncDir(fsys, dir)
}

// renameOver is replaceFile without the last step: until the directory is synced, a crash may leave the old content.
func renameOver(fsys vfs.FS, dir, name string, content []byte) error {
	path, temporary := dir+"/"+name, dir+"/"+name+".tmp"
	if err := writeFile(fsys, temporary, content, true); err != nil {
		fsys.Remove(temporary)
		return err
	}
	return fsys.Rename(temporary, path)
}

func writeFile(fsys vfs.FS, name string, content []byte, sync bool) error {
	f, err := fsys.Create(name)
	if err != nil {
		return err
	}
	if len(content) > 0 {
		_, err = f.WriteAt(content, 0)
	}
	if err == nil && sync {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}

// syncFile opens a file to sync it; one that is gone needs none.
func syncFile(fsys vfs.FS, name string) error {
	f, err := fsys.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	err = syncError(f.Sync())
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}

// failedSync is an fsync that failed. Whatever the reason, the bytes may be lost while the next fsync succeeds: none is tried.
type failedSync struct{ cause error }

func (e failedSync) Error() string { return "sync: " + e.cause.Error() }
func (e failedSync) Unwrap() error { return e.cause }

func syncError(err error) error {
	if err == nil {
		return nil
	}
	return failedSync{err}
}

func syncDir(fsys vfs.FS, dir string) error { return syncError(fsys.SyncDir(dir)) }

// removeFile deletes a file that may be gone already.
func removeFile(fsys vfs.FS, name string) error {
	if err := fsys.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func isNotExist(err error) bool { return errors.Is(err, fs.ErrNotExist) }
