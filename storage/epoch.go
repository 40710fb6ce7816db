package storage

import (
	"fmt"
	"slices"
	"sort"
	"time"
)

const leaderEpochFile = "leader-epoch-checkpoint"

// epochEntry says at which offset the records of a leader epoch begin.
type epochEntry struct {
	epoch int32
	start int64
}

// epochCache is the list of leader epochs, epochs and start offsets rising.
type epochCache []epochEntry

// assign gives the cache with an epoch added; entries that contradict it go. changed is false if nothing is new.
func (c epochCache) assign(epoch int32, start int64) (next epochCache, changed bool) {
	if n := len(c); n > 0 {
		if last := c[n-1]; last.epoch == epoch && start >= last.start {
			return c, false
		}
	}
	n := len(c)
	for n > 0 && (c[n-1].epoch >= epoch || c[n-1].start >= start) {
		n--
	}
	return append(slices.Clip(c[:n]), epochEntry{epoch, start}), true
}

// truncateEnd drops the epochs that begin at or beyond end.
func (c epochCache) truncateEnd(end int64) (next epochCache, changed bool) {
	n := len(c)
	for n > 0 && c[n-1].start >= end {
		n--
	}
	return c[:n], n != len(c)
}

// truncateStart drops the epochs that end at or before start; the one that contains it begins there now.
func (c epochCache) truncateStart(start int64) (next epochCache, changed bool) {
	n := 0
	for n < len(c) && c[n].start <= start {
		n++
	}
	if n == 0 || (n == 1 && c[0].start == start) {
		return c, false
	}
	next = slices.Clone(c[n-1:])
	next[0].start = start
	return next, true
}

// end is Kafka's endOffsetFor.
func (c epochCache) end(epoch int32, logEnd int64) EpochEnd {
	if epoch < 0 || len(c) == 0 {
		return EpochEnd{-1, -1}
	}
	if c[len(c)-1].epoch == epoch {
		return EpochEnd{epoch, logEnd}
	}
	higher := sort.Search(len(c), func(i int) bool { return c[i].epoch > epoch })
	switch higher {
	case len(c):
		return EpochEnd{-1, -1}
	case 0:
		return EpochEnd{epoch, c[0].start}
	}
	return EpochEnd{c[higher-1].epoch, c[higher].start}
}

// forOffset is the epoch of the record at offset.
func (c epochCache) forOffset(offset int64) (int32, bool) {
	n := sort.Search(len(c), func(i int) bool { return c[i].start > offset })
	if n == 0 {
		return 0, false
	}
	return c[n-1].epoch, true
}

func (c epochCache) encode() []byte {
	b := fmt.Appendf(nil, "0\n%d\n", len(c))
	for _, e := range c {
		b = fmt.Appendf(b, "%d %d\n", e.epoch, e.start)
	}
	return b
}

// parseEpochs reads a leader-epoch-checkpoint; entries that are not rising are resolved as when they are assigned one by one.
func parseEpochs(b []byte) (epochCache, error) {
	var cache epochCache
	err := parseCheckpoint(b, func(fields []string) error {
		if len(fields) != 2 {
			return fmt.Errorf("%d fields", len(fields))
		}
		epoch, err := parseInt32(fields[0])
		if err != nil {
			return err
		}
		start, err := parseInt64(fields[1])
		if err != nil {
			return err
		}
		if epoch < 0 || start < 0 {
			return fmt.Errorf("epoch %d begins at %d", epoch, start)
		}
		cache, _ = cache.assign(epoch, start)
		return nil
	})
	return cache, err
}

// storeEpochs writes the cache and puts it in force; on error the old one stays. Its name becomes durable with the next flush, which is
// before a recovery can pass over the records it tells of.
func (l *Log) storeEpochs(cache epochCache) error {
	if err := renameOver(l.engine.fs, l.path, leaderEpochFile, cache.encode()); err != nil {
		return fmt.Errorf("write leader epochs of %s: %w", l.tp, err)
	}
	l.namesDirty.Store(true)
	l.setEpochs(cache)
	l.epochsPending = false
	return nil
}

func (l *Log) setEpochs(cache epochCache) {
	l.state.Lock()
	l.epochs = cache
	l.state.Unlock()
}

// deferEpochs puts a cache in force that differs from the file only in epochs without records. A start drops those anyway, so the file is
// written with the first record, or by storeDeferredEpochs before: else every start would wait for an fsync of every log.
func (l *Log) deferEpochs(cache epochCache) {
	l.setEpochs(cache)
	l.epochsPending = true
}

// The delays leave the disk to what a creation must wait for, and a start, at which all logs that have records begin an epoch.
const (
	deferredEpochsDelay = 20 * time.Millisecond
	laterEpochsDelay    = 3 * time.Second
)

// storeDeferredEpochs writes, in the background, the file that deferEpochs left, so that a first record that comes later does not wait for
// an fsync.
func (l *Log) storeDeferredEpochs() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.epochsPending && l.usable() == nil {
		// The next append meets the directory's failure.
		_ = l.directory.failed(l.storeEpochs(l.epochs))
	}
}
