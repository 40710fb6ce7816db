package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/rand/v2"

	"github.com/twmb/franz-go/pkg/kgo"
)

// codec names a compression as compression.type does.
type codec string

const (
	plain  codec = "none"
	gzip   codec = "gzip"
	snappy codec = "snappy"
	lz4    codec = "lz4"
	zstd   codec = "zstd"
)

// batchHeader is the length of a record batch before its records.
const batchHeader = 61

// recordBatch renders a record batch of magic 2 that holds n records with values of size bytes and no keys. The values
// read like lines of a log: they shrink to about a third. The same arguments make the same bytes, except for time, which is
// that of all records in ms.
func recordBatch(n, size int, compression codec, time int64) ([]byte, error) {
	records := plainRecords(n, size)
	attributes := byte(0)
	if compression != plain {
		var err error
		if records, attributes, err = compress(records, compression); err != nil {
			return nil, err
		}
	}
	b := make([]byte, batchHeader, batchHeader+len(records))
	big := binary.BigEndian
	big.PutUint32(b[8:], uint32(len(b)-12+len(records)))
	big.PutUint32(b[12:], 0xffffffff) // no leader epoch
	b[16], b[22] = 2, attributes
	big.PutUint32(b[23:], uint32(n-1))
	big.PutUint64(b[27:], uint64(time))
	big.PutUint64(b[35:], uint64(time))
	big.PutUint64(b[43:], ^uint64(0)) // no producer id, epoch and sequence
	big.PutUint16(b[51:], 0xffff)
	big.PutUint32(b[53:], 0xffffffff)
	big.PutUint32(b[57:], uint32(n))
	b = append(b, records...)
	big.PutUint32(b[17:], crc32.Checksum(b[21:], crc32.MakeTable(crc32.Castagnoli)))
	return b, nil
}

// plainRecords renders the records of a batch.
func plainRecords(n, size int) (records []byte) {
	values := rand.New(rand.NewPCG(1, 2))
	for i := range n {
		var r []byte
		r = append(r, 0, 0) // attributes, timestamp delta
		r = binary.AppendVarint(r, int64(i))
		r = binary.AppendVarint(r, -1) // no key
		r = binary.AppendVarint(r, int64(size))
		r = append(r, value(values, size)...)
		r = append(r, 0) // no headers
		records = binary.AppendVarint(records, int64(len(r)))
		records = append(records, r...)
	}
	return records
}

// value is a text of size bytes.
func value(random *rand.Rand, size int) []byte {
	words := []string{"order", "payment", "accepted", "customer", "warehouse", "pending", "shipped", "returned"}
	text := make([]byte, 0, size+64)
	for len(text) < size {
		text = fmt.Appendf(text, `{"event":"%s","id":%d,"state":"%s","amount":%.2f}`,
			words[random.IntN(len(words))], random.Uint32(), words[random.IntN(len(words))], random.Float64()*1000)
	}
	return text[:size]
}

// compress returns the records as a foreign client compresses them, and the attributes that say how.
func compress(records []byte, compression codec) ([]byte, byte, error) {
	codecs := map[codec]kgo.CompressionCodec{
		gzip: kgo.GzipCompression(), snappy: kgo.SnappyCompression(), lz4: kgo.Lz4Compression(), zstd: kgo.ZstdCompression(),
	}
	chosen, known := codecs[compression]
	if !known {
		return nil, 0, fmt.Errorf("no codec %q", compression)
	}
	compressor, err := kgo.DefaultCompressor(chosen)
	if err != nil {
		return nil, 0, err
	}
	out, attributes := compressor.Compress(new(bytes.Buffer), records)
	return bytes.Clone(out), byte(attributes), nil
}
