// Package vfs is the only door to the disk. Everything that storage does to files goes through an FS, so that a test can hold the
// disk in memory, crash it after any call, make any call fail, and see the exact order of calls.
//
// Implementations: OS is the real file system; Memory keeps files in memory and knows which bytes and which directory entries were
// synced (CrashClone gives the disk as it may look after a power cut); Fault wraps an FS and fails chosen calls; Trace wraps an FS and
// records each mutating call.
//
// All of them may be used by any number of goroutines at once. None starts a goroutine.
package vfs

import (
	"errors"
	"io"
	"io/fs"
)

// ErrLocked is returned by FS.Lock when another process (or another FS.Lock of this one) holds the lock.
var ErrLocked = errors.New("lock is held by another process")

// File is an open file. Positions are absolute: there is no cursor.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer

	// Sync returns when everything written to the file so far is on disk. After an error nothing may be assumed about the bytes
	// written since the last success, and Sync must not be tried again on this file.
	Sync() error
	// Truncate sets the length of the file; growing leaves a hole that reads as zeroes.
	Truncate(size int64) error
	// Size is the length of the file now.
	Size() (int64, error)
	// Fd gives the descriptor for sendfile; ok is false where there is none (memory). It stays valid until Close.
	Fd() (fd uintptr, ok bool)
}

// Entry is one name in a directory.
type Entry struct {
	Name string
	Dir  bool
}

// Info is what Stat tells.
type Info struct {
	Size    int64
	Dir     bool
	ModTime int64 // milliseconds since the epoch
}

// FS is a file system. Errors wrap fs.ErrNotExist and fs.ErrExist where they apply, and the syscall's errno otherwise.
type FS interface {
	// Open opens an existing file for reading and writing.
	Open(name string) (File, error)
	// Create opens a file for reading and writing; what was there is cut to nothing.
	Create(name string) (File, error)
	// ReadDir lists a directory, sorted by name, without a stat of each entry.
	ReadDir(name string) ([]Entry, error)
	// Rename replaces newName atomically. It is durable once SyncDir of the parent (of both parents) returned.
	Rename(oldName, newName string) error
	// Remove deletes a file or an empty directory.
	Remove(name string) error
	// RemoveAll deletes name and all below it; a missing name is no error.
	RemoveAll(name string) error
	// Mkdir makes one directory; its parent must be there.
	Mkdir(name string) error
	// Stat describes name.
	Stat(name string) (Info, error)
	// SyncDir makes the entries of the directory durable.
	SyncDir(name string) error
	// Lock creates name if needed and takes an exclusive lock on it that ends with the process or with Close of what is returned.
	// It returns ErrLocked at once when another holds it.
	Lock(name string) (io.Closer, error)
}

// Exists tells whether name is there.
func Exists(fsys FS, name string) (bool, error) {
	_, err := fsys.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
