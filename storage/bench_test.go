package storage

import (
	"fmt"
	"testing"
	"time"

	"ottla/storage/vfs"
	"runtime/debug"
)

func benchLog(b testing.TB, config LogConfig) *Log {
	dir := b.TempDir()
	l, err := OpenLog(LogOptions{Directory: dir + "/t-0", TopicPartition: TopicPartition{"t", 0}, Config: config, Clean: true})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	return l
}

func sized(bytes int) []byte {
	t := testBatch{timestamps: make([]int64, max(1, bytes/100)), producerID: 0}
	for i := range t.timestamps {
		t.timestamps[i] = 1_700_000_000_000
	}
	t.value = string(make([]byte, 90))
	return t.bytes()
}

func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{100, 1000, 16000, 1 << 20} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			l := benchLog(b, DefaultLogConfig())
			batch := sized(size)
			b.SetBytes(int64(len(batch)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := l.Append(batch, AppendOptions{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAppendIdempotent(b *testing.B) {
	l := benchLog(b, DefaultLogConfig())
	t := numbered(1, 10)
	t.producerID = 7
	batch := t.bytes()
	b.ReportAllocs()
	sequence := uint32(0)
	for b.Loop() {
		batch[53], batch[54], batch[55], batch[56] = byte(sequence>>24), byte(sequence>>16), byte(sequence>>8), byte(sequence)
		sequence += 10
		if _, err := l.Append(batch, AppendOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendFlush(b *testing.B) {
	for _, writers := range []int{1, 16} {
		b.Run(fmt.Sprintf("%d writers", writers), func(b *testing.B) {
			config := DefaultLogConfig()
			config.FlushMessages = 1
			l := benchLog(b, config)
			b.SetParallelism(writers)
			b.ReportAllocs()
			b.RunParallel(func(p *testing.PB) {
				batch := sized(1000)
				for p.Next() {
					if _, err := l.Append(batch, AppendOptions{}); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}

func BenchmarkRead(b *testing.B) {
	l := benchLog(b, DefaultLogConfig())
	batch := sized(16000)
	for range 20000 {
		if _, err := l.Append(batch, AppendOptions{}); err != nil {
			b.Fatal(err)
		}
	}
	end := l.EndOffset()
	for name, offset := range map[string]func(i int64) int64{
		"tail":   func(i int64) int64 { return end - 160 },
		"spread": func(i int64) int64 { return i * 7919 % end },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var i int64
			for b.Loop() {
				i++
				r, err := l.Read(offset(i), 1<<20, true, end)
				if err != nil || r.Len() == 0 {
					b.Fatal(err)
				}
				r.Release()
			}
		})
	}
}

// BenchmarkOpen is the start after a clean stop, with a thousand partitions.
func BenchmarkOpen(b *testing.B) {
	const logs = 1000
	m := vfs.NewMemory()
	if err := m.Mkdir("/d"); err != nil {
		b.Fatal(err)
	}
	open := func() *Manager {
		manager, err := openCrash(m, DefaultLogConfig())
		if err != nil {
			b.Fatal(err)
		}
		return manager
	}
	config := DefaultLogConfig()
	config.SegmentIndexBytes = 4096
	manager := open()
	for i := range logs {
		if _, err := manager.Create(TopicPartition{"t", int32(i)}, [16]byte{1}, config); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		if err := manager.Close(b.Context()); err != nil {
			b.Fatal(err)
		}
		manager = open()
	}
	b.ReportMetric(float64(b.Elapsed())/float64(b.N)/logs/float64(time.Microsecond), "us/log")
}

// TestAppendAndReadAllocateNothing holds in steady state: per batch, per record and per call.
func TestAppendAndReadAllocateNothing(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // a collection empties the pools
	l := benchLog(t, DefaultLogConfig())
	b := numbered(1, 10)
	b.producerID = 7
	batch := b.bytes()
	sequence := uint32(0)
	append1 := func() {
		batch[55], batch[56] = byte(sequence>>8), byte(sequence)
		sequence += 10
		if _, err := l.Append(batch, AppendOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	append1()
	if n := testing.AllocsPerRun(1000, append1); n > 0 {
		t.Errorf("%v allocations an append", n)
	}
	end := l.EndOffset()
	offset := end - 10
	if n := testing.AllocsPerRun(1000, func() {
		r, err := l.Read(offset, 1<<20, true, end)
		if err != nil {
			t.Fatal(err)
		}
		r.Release()
	}); n > 0 {
		t.Errorf("%v allocations a read at the tail", n)
	}
}
