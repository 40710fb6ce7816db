package vfs

import "golang.org/x/sys/unix"

// setLock takes a lock that belongs to the open file.
const setLock = unix.F_OFD_SETLK
