package storage

import (
	"bytes"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"sort"
	"strings"
	"testing"

	"ottla/storage/vfs"
)

// filled is a log of several segments, stopped cleanly, and its records.
func filled(t testing.TB) (*vfs.Memory, []byte, int64) {
	t.Helper()
	m := vfs.NewMemory()
	if err := m.Mkdir("/d"); err != nil {
		t.Fatal(err)
	}
	l := reopenMemory(t, m, smallConfig(), LogOptions{Clean: true})
	for i := range 40 {
		b := numbered(i, 1+i%3)
		b.producerID, b.sequence = int64(1+i%2), int32(i/2)*10
		b.epoch = int16(i / 2) // each batch its own epoch, so that any sequence may begin
		b.sequence = 0
		mustAppend(t, l, b, OriginClient)
	}
	end := l.EndOffset()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return m, logBytes(files(t, m, "/d/t-0")), end
}

func damage(random *rand.Rand, b []byte) []byte {
	b = append([]byte(nil), b...)
	switch random.IntN(4) {
	case 0:
		return nil
	case 1:
		return b[:random.IntN(len(b)+1)]
	case 2:
		return append(b, bytes.Repeat([]byte{byte(random.IntN(256))}, 1+random.IntN(40))...)
	}
	for range 1 + random.IntN(3) {
		if len(b) > 0 {
			b[random.IntN(len(b))] ^= 1 << random.IntN(8)
		}
	}
	return b
}

// TestDamagedIndexesAreRebuilt: whatever is in an index file, reads give what a scan of the records gives.
func TestDamagedIndexesAreRebuilt(t *testing.T) {
	base, want, _ := filled(t)
	random := rand.New(rand.NewPCG(3, 3))
	all := files(t, base, "/d/t-0")
	for _, name := range slices.Sorted(maps.Keys(all)) {
		content := all[name]
		if !strings.HasSuffix(name, "index") {
			continue
		}
		for round := range 100 {
			m := base.CrashClone(nil)
			if round == 0 {
				if err := m.Remove("/d/t-0/" + name); err != nil {
					t.Fatal(err)
				}
			} else if err := writeFile(m, "/d/t-0/"+name, damage(random, content), true); err != nil {
				t.Fatal(err)
			}
			l := reopenMemory(t, m, smallConfig(), LogOptions{Clean: round%2 == 0, RecoveryPoint: 30})
			readEverything(t, l, want)
			mustAppend(t, l, testBatch{}, OriginClient)
		}
	}
}

// TestDamageBelowTheRecoveryPoint: flushed records are never cut away; the log does not load, and the file stays as it is.
func TestDamageBelowTheRecoveryPoint(t *testing.T) {
	base, _, end := filled(t)
	bases := logNames(files(t, base, "/d/t-0"))
	last := bases[len(bases)-1]
	content := files(t, base, "/d/t-0")[last]
	first, err := parseHeader(content)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		damage func([]byte) []byte
		point  int64
		bad    bool
	}{
		{"bit in the last batch, flushed", func(b []byte) []byte { b[len(b)-1] ^= 1; return b }, end, true},
		{"bit in the last batch, not flushed", func(b []byte) []byte { b[len(b)-1] ^= 1; return b }, first.baseOffset, false},
		{"bit in the first batch of the segment, flushed", func(b []byte) []byte { b[70] ^= 1; return b }, first.lastOffset + 1, true},
		{"torn, flushed", func(b []byte) []byte { return b[:len(b)-3] }, end, true},
		{"cut at a batch, flushed", func(b []byte) []byte { return b[:first.size] }, end, true},
		{"cut at a batch, flushed up to there", func(b []byte) []byte { return b[:first.size] }, first.lastOffset + 1, false},
		{"empty, flushed", func(b []byte) []byte { return nil }, end, true},
		{"zeroes behind the end", func(b []byte) []byte { return append(b, make([]byte, 100)...) }, end, false},
	} {
		m := base.CrashClone(nil)
		damaged := c.damage(append([]byte(nil), content...))
		if err := writeFile(m, "/d/t-0/"+last, damaged, true); err != nil {
			t.Fatal(err)
		}
		l, err := OpenLog(LogOptions{FS: m, Directory: "/d/t-0", TopicPartition: TopicPartition{"t", 0}, Config: smallConfig(), RecoveryPoint: c.point})
		if bad := errors.Is(err, ErrCorruptLog); bad != c.bad || (err != nil && !bad) {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if after := files(t, m, "/d/t-0")[last]; c.bad && !bytes.Equal(after, damaged) {
			t.Errorf("%s: the file was changed", c.name)
		}
		if !c.bad {
			if err := l.Close(); err != nil {
				t.Errorf("%s: close: %v", c.name, err)
			}
		}
	}
}

func logNames(all map[string][]byte) []string {
	var names []string
	for name := range all {
		if strings.HasSuffix(name, logSuffix) {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	return names
}

// TestInterruptedReplacementIsFinished: what a compaction left at any step becomes the log before or after it, as a start of Kafka does.
func TestInterruptedReplacementIsFinished(t *testing.T) {
	base, want, _ := filled(t)
	all := files(t, base, "/d/t-0")
	name := logNames(all)[1][:20]
	for _, c := range []struct {
		name   string
		change func(m *vfs.Memory)
	}{
		{"cleaned", func(m *vfs.Memory) {
			put(t, m, name+".log.cleaned", []byte("half a file"))
			put(t, m, name+".index.cleaned", nil)
		}},
		{"swapped, not begun to replace", func(m *vfs.Memory) {
			put(t, m, name+".log.swap", all[name+".log"])
			put(t, m, name+".index.swap", all[name+".index"])
			put(t, m, name+".timeindex.swap", all[name+".timeindex"])
		}},
		{"swapped, originals deleted", func(m *vfs.Memory) {
			for _, suffix := range []string{".log", ".index", ".timeindex"} {
				put(t, m, name+suffix+".swap", all[name+suffix])
				if err := m.Rename("/d/t-0/"+name+suffix, "/d/t-0/"+name+suffix+".deleted"); err != nil {
					t.Fatal(err)
				}
			}
		}},
		{"swap beside a cleaned file", func(m *vfs.Memory) {
			put(t, m, name+".log.swap", []byte("half a file"))
			put(t, m, name+".timeindex.cleaned", nil)
		}},
		{"orphan index", func(m *vfs.Memory) { put(t, m, "00000000000000009999.index", []byte("x")) }},
	} {
		for _, clean := range []bool{true, false} {
			m := base.CrashClone(nil)
			c.change(m)
			l := reopenMemory(t, m, smallConfig(), LogOptions{Clean: clean})
			readEverything(t, l, want)
			for file := range files(t, m, "/d/t-0") {
				for _, suffix := range []string{".cleaned", ".swap", ".deleted"} {
					if strings.HasSuffix(file, suffix) {
						t.Errorf("%s: %s is left", c.name, file)
					}
				}
				if strings.HasPrefix(file, "00000000000000009999") {
					t.Errorf("%s: %s is left", c.name, file)
				}
			}
		}
	}
}

func put(t *testing.T, m *vfs.Memory, name string, content []byte) {
	t.Helper()
	if err := writeFile(m, "/d/t-0/"+name, content, true); err != nil {
		t.Fatal(err)
	}
}
