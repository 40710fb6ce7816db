package powercut

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
)

// place is a partition.
type place struct {
	topic     string
	partition int32
}

func (p place) String() string { return fmt.Sprintf("%s-%d", p.topic, p.partition) }

// recordID names a record: its writer and its number among what that one wrote. The value follows from it.
type recordID uint64

func newID(writer uint16, number uint64) recordID { return recordID(uint64(writer)<<48 | number) }

func (id recordID) writer() uint16 { return uint16(id >> 48) }

func (id recordID) String() string { return fmt.Sprintf("%d/%d", id.writer(), uint64(id)&(1<<48-1)) }

// value is the record's value: the id, and bytes that only this record has.
func (id recordID) value() []byte {
	random := rand.New(rand.NewPCG(uint64(id), 0))
	size := 8 + random.IntN(500)
	if random.IntN(40) == 0 {
		size += random.IntN(9000)
	}
	b := binary.BigEndian.AppendUint64(make([]byte, 0, size+8), uint64(id))
	for len(b) < size {
		b = binary.BigEndian.AppendUint64(b, random.Uint64())
	}
	return b
}

// parseValue finds the record that a value is of; ok is false if it is that of none.
func parseValue(value []byte) (id recordID, ok bool) {
	if len(value) < 8 {
		return 0, false
	}
	id = recordID(binary.BigEndian.Uint64(value))
	return id, bytes.Equal(value, id.value())
}

// partition is what was done to one.
type partition struct {
	sent map[recordID]bool
	// told is what clients were told is there: records that were acknowledged, or read by others.
	told map[int64]recordID
	// found is the end of what the last look found. It came from the disk, so it must stay.
	found int64
	// deletedTo is the highest start offset that was asked for.
	deletedTo int64
}

// topic is what was done to one. A change was asked for before it was acknowledged.
type topic struct {
	id                  [16]byte
	partitions          int
	created             bool
	deleting, deleted   bool
	setting, settingAck int64
}

// counter is a number that only rises.
type counter struct{ asked, acknowledged int64 }

type outcome int

const (
	unknown outcome = iota
	committed
	aborted
)

// transaction is the records of one and how it ended, as far as its client was told.
type transaction struct {
	records map[place][]recordID
	outcome outcome
}

// ledger is all that clients were told. All methods may be called by any goroutine.
type ledger struct {
	mutex        sync.Mutex
	partitions   map[place]*partition
	topics       map[string]*topic
	groups       map[string]*counter
	transactions []*transaction
	problems     []string
	records      int // acknowledged
	names, ids   int // given out
}

func newLedger() *ledger {
	return &ledger{partitions: map[place]*partition{}, topics: map[string]*topic{}, groups: map[string]*counter{}}
}

// writer gives a number that no other writer has.
func (l *ledger) writer() uint16 {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.ids++
	return uint16(l.ids)
}

func (l *ledger) at(p place) *partition {
	found := l.partitions[p]
	if found == nil {
		found = &partition{sent: map[recordID]bool{}, told: map[int64]recordID{}}
		l.partitions[p] = found
	}
	return found
}

// sending notes that a record is about to be sent.
func (l *ledger) sending(p place, id recordID) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.at(p).sent[id] = true
}

// acknowledged notes that a record was acknowledged.
func (l *ledger) acknowledged(p place, offset int64, id recordID) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.records++
	l.tell(p, offset, id)
}

// seen notes that a record was read by a client.
func (l *ledger) seen(p place, offset int64, value []byte) {
	id, ok := parseValue(value)
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if !ok || !l.at(p).sent[id] {
		l.problems = append(l.problems, fmt.Sprintf("%s: a client read a record at offset %d that nobody sent", p, offset))
		return
	}
	l.tell(p, offset, id)
}

func (l *ledger) tell(p place, offset int64, id recordID) {
	known := l.at(p)
	if other, ok := known.told[offset]; ok && other != id {
		l.problems = append(l.problems, fmt.Sprintf("%s: offset %d is told to be of record %s and of record %s", p, offset, other, id))
	}
	known.told[offset] = id
}

// problem notes what must not happen while the power is on.
func (l *ledger) problem(format string, arguments ...any) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.problems = append(l.problems, fmt.Sprintf(format, arguments...))
}

// change lets a function look at the ledger and write in it.
func (l *ledger) change(f func()) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	f()
}

// promises is what the ledger holds of partitions at the moment of a cut.
func (l *ledger) promises() map[place]partition {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	promised := map[place]partition{}
	for p, known := range l.partitions {
		promised[p] = partition{told: maps.Clone(known.told), found: known.found, deletedTo: known.deletedTo}
	}
	return promised
}

// content is what lies in a partition.
type content struct {
	start, end int64
	records    map[int64]recordID
	controls   map[int64]bool
	// strange are offsets whose record is that of nobody.
	strange []int64
}

// checkPartition holds what lies in a partition against what was promised of it: everything if strict, else what lies
// below the recovery point and what was found earlier. It returns what is wrong.
func (l *ledger) checkPartition(p place, promised partition, lies content, strict bool, recoveryPoint, startAtLeast int64) []string {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	var wrong []string
	say := func(format string, arguments ...any) {
		wrong = append(wrong, p.String()+": "+fmt.Sprintf(format, arguments...))
	}
	must := func(offset int64) bool { return strict || offset < promised.found || offset < recoveryPoint }
	known := l.at(p)
	if lies.start > known.deletedTo {
		say("the log starts at offset %d, records were deleted up to %d", lies.start, known.deletedTo)
	}
	if lies.start < startAtLeast {
		say("the log starts at offset %d, its checkpoint said %d", lies.start, startAtLeast)
	}
	if lies.end < recoveryPoint {
		say("the log ends at offset %d, it was flushed up to %d", lies.end, recoveryPoint)
	}
	for _, offset := range slices.Sorted(maps.Keys(promised.told)) {
		if offset < known.deletedTo && offset < lies.start || !must(offset) {
			continue
		}
		if id, ok := lies.records[offset]; !ok {
			say("record %s at offset %d is lost; the log is [%d, %d)", promised.told[offset], offset, lies.start, lies.end)
		} else if id != promised.told[offset] {
			say("record %s was acknowledged at offset %d, which is record %s", promised.told[offset], offset, id)
		}
	}
	for _, offset := range lies.strange {
		say("offset %d holds what nobody wrote", offset)
	}
	newest := map[uint16]recordID{}
	for offset := lies.start; offset < lies.end; offset++ {
		id, ok := lies.records[offset]
		switch {
		case !ok && !lies.controls[offset] && !slices.Contains(lies.strange, offset):
			say("there is nothing at offset %d of [%d, %d)", offset, lies.start, lies.end)
		case ok && !known.sent[id]:
			say("record %s at offset %d was never sent here", id, offset)
		case ok && newest[id.writer()] >= id:
			say("record %s at offset %d follows record %s", id, offset, newest[id.writer()])
		case ok:
			newest[id.writer()] = id
		}
	}
	return wrong
}

// found puts what lies in a partition in the place of what was promised of it, so that a loss is told once. What was
// acknowledged since stays.
func (l *ledger) foundAt(p place, promised partition, lies content) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	known := l.at(p)
	for offset := range promised.told {
		delete(known.told, offset)
	}
	for offset, id := range lies.records {
		known.told[offset] = id
	}
	known.found = lies.end
}
