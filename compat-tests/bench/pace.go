package main

import (
	"time"

	"golang.org/x/sys/unix"
)

// sleepUntil sleeps as exactly as the system can: the runtime's own timers may wake a millisecond late on an idle machine.
func sleepUntil(due time.Time) {
	for left := time.Until(due); left > 0; left = time.Until(due) {
		pause := unix.NsecToTimespec(int64(left))
		if err := unix.Nanosleep(&pause, nil); err != nil && err != unix.EINTR {
			time.Sleep(left)
		}
	}
}
