package coordinator

import "ottla/protocol/record"

// replayOld replays the message of magic 0 or 1 in front, which a log that is old
// enough begins with, and moves the offset behind it. It returns the bytes behind the
// message. Such messages have no producer and are never of a transaction.
func (s *shard[M]) replayOld(bytes []byte, p *progress) (rest []byte, err error) {
	message, rest, err := record.NextLegacy(bytes)
	if err != nil || message.Offset() < p.offset {
		return rest, err
	}
	for r, err := range message.Records(s.runtime.options.Limits) {
		if err != nil {
			p.skipped++
			break
		}
		if r.Offset < p.offset {
			continue
		}
		p.records++
		_, ok := s.machine.Replay(Replayed{
			Record: Record{Key: r.Key, Value: r.Value}, Offset: r.Offset,
			ProducerID: record.NoProducerID, ProducerEpoch: record.NoProducerEpoch, Timestamp: r.Timestamp,
		})
		if !ok {
			p.skipped++
		}
	}
	p.offset = message.Offset() + 1
	return rest, nil
}
