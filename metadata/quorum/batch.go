package quorum

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"ottla/metadata"
	"ottla/protocol/record"
	"ottla/storage/vfs"
)

// The types of control records.
const (
	controlLeaderChange   int16 = 2
	controlSnapshotHeader int16 = 3
	controlSnapshotFooter int16 = 4
	controlKRaftVersion   int16 = 5
	controlKRaftVoters    int16 = 6
)

// controlBody is the body of a control record.
type controlBody interface {
	AppendTo(dst []byte, version int16) []byte
}

// control is one control record: its type and its body.
type control struct {
	kind    int16
	version int16
	body    controlBody
}

// controlBatch is a batch of control records at an offset.
func controlBatch(offset int64, epoch int32, timestamp int64, records ...control) record.Batch {
	b := newBuilder(offset, epoch, true)
	for _, r := range records {
		key := binary.BigEndian.AppendUint16(nil, 0) // the version of the key
		key = binary.BigEndian.AppendUint16(key, uint16(r.kind))
		b.Append(timestamp, key, r.body.AppendTo(nil, r.version))
	}
	return b.Build()
}

// dataBatch is a batch of encoded metadata records at an offset.
func dataBatch(offset int64, epoch int32, timestamp int64, values [][]byte) record.Batch {
	b := newBuilder(offset, epoch, false)
	for _, value := range values {
		b.Append(timestamp, nil, value)
	}
	return b.Build()
}

func newBuilder(offset int64, epoch int32, isControl bool) *record.Builder {
	return record.NewBuilder(record.BuilderOptions{
		BaseOffset: offset, LeaderEpoch: epoch, ProducerID: -1, ProducerEpoch: -1, BaseSequence: -1, Control: isControl,
	})
}

const (
	// frameHeader is the base offset and the length of what follows.
	frameHeader = 12
	// smallestBatch is the header of a batch.
	smallestBatch = 61
	// readAhead is how much of a file is read at once.
	readAhead = 128 << 10
	// maxDecompressed bounds what one batch of the metadata log may decompress to. Kafka does not compress it at all.
	maxDecompressed = 64 << 20
)

// errTorn tells that a file ends before a batch does, or that the bytes are not a batch.
var errTorn = errors.New("not a whole record batch")

// batchReader reads the batches of a file one after the other. It holds no more of the file than one batch and what is read ahead.
type batchReader struct {
	file     vfs.File
	size     int64
	position int64  // of the next batch
	buffer   []byte // the bytes of the file from position on
}

func newBatchReader(file vfs.File) (*batchReader, error) {
	size, err := file.Size()
	if err != nil {
		return nil, err
	}
	return &batchReader{file: file, size: size}, nil
}

// next gives the next batch, whose checksum is right; it is valid until the next call. At the end of the file it returns io.EOF, where there
// is none an error that wraps errTorn. Position then is where the batches end.
func (r *batchReader) next() (record.Batch, error) {
	if r.position == r.size {
		return nil, io.EOF
	}
	if r.size-r.position < smallestBatch {
		return nil, fmt.Errorf("%w: %d bytes at position %d", errTorn, r.size-r.position, r.position)
	}
	if err := r.fill(frameHeader); err != nil {
		return nil, err
	}
	length := int64(int32(binary.BigEndian.Uint32(r.buffer[8:]))) + frameHeader
	if length < smallestBatch || length > r.size-r.position {
		return nil, fmt.Errorf("%w: length %d at position %d", errTorn, length-frameHeader, r.position)
	}
	if err := r.fill(int(length)); err != nil {
		return nil, err
	}
	batch, _, err := record.Next(r.buffer[:length])
	if err != nil {
		return nil, fmt.Errorf("%w: position %d: %v", errTorn, r.position, err)
	}
	if !batch.CheckCRC() {
		return nil, fmt.Errorf("%w: wrong checksum at position %d", errTorn, r.position)
	}
	r.buffer = r.buffer[length:]
	r.position += length
	return batch, nil
}

// fill makes the buffer at least n bytes long, which the file has.
func (r *batchReader) fill(n int) error {
	if len(r.buffer) >= n {
		return nil
	}
	want := int(min(int64(max(n, readAhead)), r.size-r.position))
	buffer := make([]byte, want)
	have := copy(buffer, r.buffer)
	if _, err := r.file.ReadAt(buffer[have:], r.position+int64(have)); err != nil {
		return err
	}
	r.buffer = buffer
	return nil
}

// forEach decodes a batch: control records are given as their type and body, the others as metadata records. The error names the offset.
func forEach(batch record.Batch, onControl func(offset int64, kind int16, body []byte) error,
	onRecord func(offset int64, r metadata.Record) error) error {
	for r, err := range batch.Records(record.Limits{MaxDecompressedBytes: maxDecompressed}) {
		if err != nil {
			return fmt.Errorf("batch at offset %d: %w", batch.BaseOffset(), err)
		}
		if batch.IsControl() {
			if len(r.Key) < 4 {
				return fmt.Errorf("offset %d: control record with a key of %d bytes", r.Offset, len(r.Key))
			}
			err = onControl(r.Offset, int16(binary.BigEndian.Uint16(r.Key[2:])), r.Value)
		} else {
			var decoded metadata.Record
			if decoded, _, err = metadata.DecodeRecord(r.Value); err == nil {
				err = onRecord(r.Offset, decoded)
			}
		}
		if err != nil {
			return fmt.Errorf("offset %d: %w", r.Offset, err)
		}
	}
	return nil
}
