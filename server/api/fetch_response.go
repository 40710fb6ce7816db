package api

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/storage"
)

// fetchResponse is a Fetch answer that is written by hand, because its records
// are regions of files. It equals what kmsg writes for the same answer, byte for
// byte, which a test holds it to.
type fetchResponse struct {
	round     *fetchRound
	version   int16
	sessionID int32
	failure   *kerr.Error
	brokers   []kmsg.FetchResponseBroker

	// head is everything but the records; each mark is where a region comes.
	head    []byte
	marks   []int
	regions []fetchRegion
	parts   []Part
}

// maxPooledHead is the size of head up to which its memory is kept.
const maxPooledHead = 64 << 10

// fetchRegion is a storage.Region as the connection sends it.
type fetchRegion struct{ storage.Region }

// Descriptor is where sendfile finds the region.
func (r *fetchRegion) Descriptor() (fd uintptr, position int64, ok bool) {
	file := r.File()
	if file == nil {
		return 0, 0, false
	}
	fd, ok = file.Fd()
	return fd, r.Position(), ok
}

// ReadAll appends the region to dst.
func (r *fetchRegion) ReadAll(dst []byte) ([]byte, error) {
	start := len(dst)
	dst = slices.Grow(dst, r.Len())[:start+r.Len()]
	if err := r.Region.ReadAll(dst[start:]); err != nil {
		return dst[:start], err
	}
	return dst, nil
}

// Key is Fetch's.
func (r *fetchResponse) Key() int16 { return kmsg.Fetch.Int16() }

// GetVersion is the request's version.
func (r *fetchResponse) GetVersion() int16 { return r.version }

// IsFlexible tells whether the version has tagged fields.
func (r *fetchResponse) IsFlexible() bool { return r.version >= 12 }

// Parts are the pieces in order.
func (r *fetchResponse) Parts() []Part { return r.parts }

// Release lets go of the regions and gives the memory back.
func (r *fetchResponse) Release() { r.round.finish() }

// AppendTo appends the whole body, reading the regions. A region that cannot be
// read panics: an answer cannot be left half written.
func (r *fetchResponse) AppendTo(dst []byte) []byte {
	for i := range r.parts {
		dst = append(dst, r.parts[i].Bytes...)
		if region := r.parts[i].Region; region != nil {
			var err error
			if dst, err = region.ReadAll(dst); err != nil {
				panic(err)
			}
		}
	}
	return dst
}

func (r *fetchResponse) begin(round *fetchRound) {
	r.round, r.version = round, round.body.Version
}

func (r *fetchResponse) releaseRegions() {
	for i := range r.regions {
		r.regions[i].Release()
	}
}

func (r *fetchResponse) reset() {
	clear(r.regions)
	clear(r.parts)
	r.sessionID, r.failure, r.brokers = 0, nil, nil
	r.head, r.marks, r.regions, r.parts = r.head[:0], r.marks[:0], r.regions[:0], r.parts[:0]
	if cap(r.head) > maxPooledHead {
		r.head, r.marks, r.regions, r.parts = nil, nil, nil, nil
	}
}

// encode writes the answer: the included partitions in their order, neighbours
// of one topic together.
func (r *fetchResponse) encode(f *fetchRound) {
	dst := r.head[:0]
	dst = kbin.AppendInt32(dst, 0) // throttle
	if r.version >= 7 {
		code := int16(0)
		if r.failure != nil {
			code = r.failure.Code
		}
		dst = kbin.AppendInt16(dst, code)
		dst = kbin.AppendInt32(dst, r.sessionID)
	}
	var list fetchList
	if r.failure == nil {
		list = *f.order
	}
	topics, regions := countIncluded(&list)
	r.regions = slices.Grow(r.regions[:0], regions)
	dst = r.appendArray(dst, topics)
	for p := nextIncluded(list.first); p != nil; {
		after, partitions := sameTopic(p)
		dst = r.appendTopic(dst, p, partitions)
		for ; p != after; p = nextIncluded(p.next) {
			dst = r.appendPartition(dst, f, p)
		}
		if r.IsFlexible() {
			dst = append(dst, 0)
		}
	}
	if r.IsFlexible() {
		dst = r.appendBrokers(dst)
	}
	r.head = dst
	r.cut()
}

// cut makes the parts: the head, cut at the marks, with the regions between.
func (r *fetchResponse) cut() {
	start := 0
	for i, mark := range r.marks {
		r.parts = append(r.parts, Part{Bytes: r.head[start:mark], Region: &r.regions[i]})
		start = mark
	}
	r.parts = append(r.parts, Part{Bytes: r.head[start:]})
}

func nextIncluded(p *fetchPartition) *fetchPartition {
	for p != nil && !p.included {
		p = p.next
	}
	return p
}

// sameTopic finds the first included partition of another topic and counts
// those before it.
func sameTopic(first *fetchPartition) (after *fetchPartition, partitions int) {
	for after = first; after != nil && after.key.topic == first.key.topic; after = nextIncluded(after.next) {
		partitions++
	}
	return after, partitions
}

func countIncluded(list *fetchList) (topics, regions int) {
	var previous *fetchPartition
	for p := nextIncluded(list.first); p != nil; p = nextIncluded(p.next) {
		if previous == nil || previous.key.topic != p.key.topic {
			topics++
		}
		if p.result.Region.Len() > 0 {
			regions++
		}
		previous = p
	}
	return topics, regions
}

func (r *fetchResponse) appendArray(dst []byte, length int) []byte {
	if r.IsFlexible() {
		return kbin.AppendCompactArrayLen(dst, length)
	}
	return kbin.AppendArrayLen(dst, length)
}

func (r *fetchResponse) appendTopic(dst []byte, p *fetchPartition, partitions int) []byte {
	switch {
	case r.version >= 13:
		dst = append(dst, p.key.topic.id[:]...)
	case r.IsFlexible():
		dst = kbin.AppendCompactString(dst, p.key.topic.name)
	default:
		dst = kbin.AppendString(dst, p.key.topic.name)
	}
	return r.appendArray(dst, partitions)
}

func (r *fetchResponse) appendPartition(dst []byte, f *fetchRound, p *fetchPartition) []byte {
	code := int16(0)
	if p.failure != nil {
		code = p.failure.Code
		if r.version <= 5 && code == kerr.KafkaStorageError.Code {
			// Older clients do not know the code, and would not retry.
			code = kerr.NotLeaderForPartition.Code
		}
	}
	dst = kbin.AppendInt32(dst, p.key.partition)
	dst = kbin.AppendInt16(dst, code)
	dst = kbin.AppendInt64(dst, p.result.HighWatermark)
	dst = kbin.AppendInt64(dst, p.result.LastStableOffset)
	if r.version >= 5 {
		dst = kbin.AppendInt64(dst, p.result.LogStartOffset)
	}
	dst = r.appendAborted(dst, p.result.Aborted)
	if r.version >= 11 {
		dst = kbin.AppendInt32(dst, -1) // preferred read replica
	}
	length := p.result.Region.Len()
	if r.IsFlexible() {
		dst = kbin.AppendUvarint(dst, uint32(length)+1)
	} else {
		dst = kbin.AppendInt32(dst, int32(length))
	}
	if length > 0 {
		r.marks = append(r.marks, len(dst))
		r.regions = append(r.regions, fetchRegion{p.result.Region})
	}
	if r.IsFlexible() {
		dst = r.appendPartitionTags(dst, f, p)
	}
	return dst
}

func (r *fetchResponse) appendAborted(dst []byte, aborted []storage.AbortedTransaction) []byte {
	if r.IsFlexible() {
		dst = kbin.AppendCompactNullableArrayLen(dst, len(aborted), aborted == nil)
	} else {
		dst = kbin.AppendNullableArrayLen(dst, len(aborted), aborted == nil)
	}
	for i := range aborted {
		dst = kbin.AppendInt64(dst, aborted[i].ProducerID)
		dst = kbin.AppendInt64(dst, aborted[i].FirstOffset)
		if r.IsFlexible() {
			dst = append(dst, 0)
		}
	}
	return dst
}

// appendPartitionTags writes where the logs part (tag 0) and who leads (tag 1).
func (r *fetchResponse) appendPartitionTags(dst []byte, f *fetchRound, p *fetchPartition) []byte {
	handle := p.handle
	if handle == nil {
		handle = p.refused
	}
	leads := r.version >= 16 && handle != nil && (p.failure == kerr.NotLeaderForPartition || p.failure == kerr.FencedLeaderEpoch)
	leader, epoch := int32(-1), int32(-1)
	if leads {
		leader, epoch = handle.Leader()
		if p.refused == nil {
			r.addBroker(f, leader)
		}
		leads = leader != -1 || epoch != -1
	}
	tags := byte(0)
	if p.result.Diverging {
		tags++
	}
	if leads {
		tags++
	}
	dst = append(dst, tags)
	if p.result.Diverging {
		dst = append(dst, 0, 13)
		dst = kbin.AppendInt32(dst, p.result.DivergingEnd.Epoch)
		dst = kbin.AppendInt64(dst, p.result.DivergingEnd.EndOffset)
		dst = append(dst, 0)
	}
	if leads {
		dst = append(dst, 1, 9)
		dst = kbin.AppendInt32(dst, leader)
		dst = kbin.AppendInt32(dst, epoch)
		dst = append(dst, 0)
	}
	return dst
}

func (r *fetchResponse) addBroker(f *fetchRound, leader int32) {
	for i := range r.brokers {
		if r.brokers[i].NodeID == leader {
			return
		}
	}
	if endpoint, ok := f.handler.leaderEndpoint(f.request.Listener, leader); ok {
		broker := kmsg.NewFetchResponseBroker()
		broker.NodeID, broker.Host, broker.Port, broker.Rack = leader, endpoint.Host, endpoint.Port, endpoint.Rack
		r.brokers = append(r.brokers, broker)
	}
}

// appendBrokers writes where the leaders are reached (tag 0).
func (r *fetchResponse) appendBrokers(dst []byte) []byte {
	if len(r.brokers) == 0 {
		return append(dst, 0)
	}
	body := kbin.AppendCompactArrayLen(nil, len(r.brokers))
	for i := range r.brokers {
		broker := &r.brokers[i]
		body = kbin.AppendInt32(body, broker.NodeID)
		body = kbin.AppendCompactString(body, broker.Host)
		body = kbin.AppendInt32(body, broker.Port)
		body = kbin.AppendCompactNullableString(body, broker.Rack)
		body = append(body, 0)
	}
	dst = append(dst, 1, 0)
	dst = kbin.AppendUvarint(dst, uint32(len(body)))
	return append(dst, body...)
}
