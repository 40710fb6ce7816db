package vfs

// setLock takes a lock that belongs to the open file: F_OFD_SETLK of <sys/fcntl.h>, which golang.org/x/sys/unix lacks.
const setLock = 90
