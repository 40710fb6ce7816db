//go:build !linux && !darwin

package vfs

import "golang.org/x/sys/unix"

// setLock takes a lock that belongs to the process: within it, nothing keeps two files from the same lock.
const setLock = unix.F_SETLK
