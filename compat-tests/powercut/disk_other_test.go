//go:build !linux

package powercut

import (
	"math/rand/v2"
	"testing"
)

func contain() (status int, ok bool) { return 0, false }

type disk struct{}

func newDisk(t *testing.T, _ string, _ *rand.Rand) *disk {
	t.Skip("a power cut is a call of Linux's ext4")
	return nil
}

func (d *disk) on()                  {}
func (d *disk) off()                 {}
func (d *disk) cut() string          { return "" }
func (d *disk) writeBack(*rand.Rand) {}
