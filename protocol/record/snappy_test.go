package record

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/klauspost/compress/s2"
)

// repeatsPlainly walks over the elements of a block as the format's description has them.
func repeatsPlainly(block []byte) bool {
	_, n := binary.Uvarint(block)
	if n <= 0 {
		return false
	}
	for b := block[n:]; len(b) > 0; {
		size := 0
		switch tag := b[0]; tag & 3 {
		case 0:
			length, extra := int(tag>>2), 0
			if length >= 60 {
				extra = length - 59
				if len(b) < 1+extra {
					return false
				}
				length = 0
				for i := extra; i > 0; i-- {
					length = length<<8 | int(b[i])
				}
			}
			size = 1 + extra + length + 1
		case 1:
			if tag>>5 == 0 && len(b) > 1 && b[1] == 0 {
				return true
			}
			size = 2
		case 2:
			size = 3
		case 3:
			size = 5
		}
		if size > len(b) {
			return false
		}
		b = b[size:]
	}
	return false
}

func TestRepeatsAgainstThePlainWalk(t *testing.T) {
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	found := 0
	for range 20000 {
		plain := make([]byte, random.IntN(300))
		for i := range plain {
			plain[i] = byte(random.IntN(1 + random.IntN(8)))
		}
		block := s2.EncodeSnappy(nil, plain)
		for range random.IntN(4) {
			at := random.IntN(len(block))
			block[at] = []byte{0, 1, 5, 0x1d, 0xf0, 0xfc, byte(random.IntN(256))}[random.IntN(7)]
		}
		block = block[:random.IntN(len(block)+1)]
		want := repeatsPlainly(block)
		if want {
			found++
		}
		if got := repeats(block); got != want {
			t.Fatalf("seed %d: block %x: repeats is %v, %v is right", seed, block, got, want)
		}
	}
	if found == 0 {
		t.Errorf("seed %d: no block had a copy from the offset 0", seed)
	}
}
