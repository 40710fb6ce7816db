package coordinator

import (
	"fmt"
	"time"

	"ottla/protocol/record"
)

// load replays the whole log and then serves. It owns the shard's machine as run does.
func (s *shard[M]) load() {
	if s.predecessor != nil {
		<-s.predecessor
	}
	s.machine = s.runtime.options.New(s.partition, s)
	if !s.acquire() {
		s.unload()
		return
	}
	err := s.replayLog()
	<-s.runtime.slots
	if err == errStopped {
		s.unload()
		return
	}
	if err != nil {
		s.loadFailed(err)
		return
	}
	s.machine.Loaded()
	s.lock.Lock()
	if s.state == loading {
		s.state = active
	}
	s.lock.Unlock()
	s.run()
}

// acquire waits for the right to read; false: the shard is to end.
func (s *shard[M]) acquire() bool {
	select {
	case <-s.stopped:
		return false
	case s.runtime.slots <- struct{}{}:
		return true
	}
}

// loadFailed leaves the shard in place, so that requests are told to look
// elsewhere, until it is started again or stopped.
func (s *shard[M]) loadFailed(err error) {
	s.runtime.event(Event{Partition: s.partition, Kind: LoadFailed, Err: err})
	s.lock.Lock()
	if s.state == loading {
		s.state = failed
	}
	s.lock.Unlock()
	s.run()
}

var errStopped = fmt.Errorf("stopped while loading")

// progress is how far a load is.
type progress struct {
	offset, end      int64
	records, skipped int64
	began, told      time.Time
}

func (s *shard[M]) replayLog() error {
	now := s.runtime.options.Now()
	p := &progress{offset: s.log.StartOffset(), end: s.log.EndOffset(), began: now, told: now}
	s.tell(Loading, p)
	for p.offset < p.end {
		select {
		case <-s.stopped:
			return errStopped
		default:
		}
		from := p.offset
		bytes, err := s.log.Read(p.offset, s.runtime.options.LoadBytes)
		if err != nil {
			return fmt.Errorf("read partition %d at offset %d: %w", s.partition, from, err)
		}
		if err := s.replayBatches(bytes, p); err != nil {
			return err
		}
		if p.offset <= from {
			return fmt.Errorf("read partition %d: no batch at offset %d, below the end %d", s.partition, from, p.end)
		}
		if s.runtime.options.Now().Sub(p.told) >= progressInterval {
			p.told = s.runtime.options.Now()
			s.tell(Loading, p)
		}
	}
	s.next = max(p.end, p.offset)
	s.tell(Loaded, p)
	return nil
}

func (s *shard[M]) tell(kind EventKind, p *progress) {
	s.runtime.event(Event{
		Partition: s.partition, Kind: kind, Records: p.records, Skipped: p.skipped,
		Offset: p.offset, End: p.end, Duration: s.runtime.options.Now().Sub(p.began),
	})
}

// replayBatches replays whole batches and moves the offset behind them. A batch
// that cannot be unpacked is skipped and counted: the groups in the other
// batches must not be lost to it.
func (s *shard[M]) replayBatches(bytes []byte, p *progress) error {
	for len(bytes) > 0 {
		b, rest, err := record.Next(bytes)
		if err == record.ErrLegacy {
			if bytes, err = s.replayOld(bytes, p); err == nil {
				continue
			}
		}
		if err != nil {
			return fmt.Errorf("read partition %d at offset %d: %w", s.partition, p.offset, err)
		}
		bytes = rest
		if b.NextOffset() <= p.offset {
			continue
		}
		if err := s.replayBatch(b, p); err != nil {
			p.skipped++
		}
		p.offset = b.NextOffset()
	}
	return nil
}

func (s *shard[M]) replayBatch(b record.Batch, p *progress) error {
	for r, err := range b.Records(s.runtime.options.Limits) {
		if err != nil {
			return err
		}
		if r.Offset < p.offset {
			continue
		}
		p.records++
		if b.IsControl() {
			if !s.replayControl(b, r) {
				p.skipped++
			}
			continue
		}
		_, ok := s.machine.Replay(Replayed{
			Record: Record{Key: r.Key, Value: r.Value}, Offset: r.Offset,
			ProducerID: b.ProducerID(), ProducerEpoch: b.ProducerEpoch(), Timestamp: r.Timestamp,
		})
		if !ok {
			p.skipped++
		}
	}
	return nil
}

// replayControl ends a transaction; control records of other types are none of the machine's.
func (s *shard[M]) replayControl(b record.Batch, r record.Record) bool {
	kind, err := record.DecodeControlKey(r.Key)
	if err != nil {
		return false
	}
	switch kind {
	case record.ControlAbort, record.ControlCommit:
		s.machine.ReplayMarker(b.ProducerID(), b.ProducerEpoch(), kind == record.ControlCommit)
		return true
	}
	return false
}
