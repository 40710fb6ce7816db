package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// request decodes a frame, header and all.
func request(t *testing.T, frame []byte, into kmsg.Request) (correlation uint32) {
	t.Helper()
	if int(binary.BigEndian.Uint32(frame)) != len(frame)-4 {
		t.Fatalf("a frame of %d bytes says %d", len(frame), binary.BigEndian.Uint32(frame))
	}
	if key, version := binary.BigEndian.Uint16(frame[4:]), binary.BigEndian.Uint16(frame[6:]); int16(key) != into.Key() || int16(version) != into.GetVersion() {
		t.Fatalf("API %d version %d", key, version)
	}
	body := frame[14+binary.BigEndian.Uint16(frame[12:]):]
	if body[0] != 0 {
		t.Fatal("the header has tags")
	}
	if err := into.ReadFrom(body[1:]); err != nil {
		t.Fatal(err)
	}
	return binary.BigEndian.Uint32(frame[8:])
}

// answer encodes what conn.read returns for a flexible response.
func answer(correlation uint32, response kmsg.Response) []byte {
	return response.AppendTo(append(binary.BigEndian.AppendUint32(nil, correlation), 0))
}

// TestRecordBatch reads what recordBatch renders with a foreign decoder.
func TestRecordBatch(t *testing.T) {
	for _, compression := range []codec{plain, gzip, snappy, lz4, zstd} {
		t.Run(string(compression), func(t *testing.T) {
			b, err := recordBatch(5, 1000, compression, 77)
			if err != nil {
				t.Fatal(err)
			}
			var batch kmsg.RecordBatch
			if err := batch.ReadFrom(b); err != nil {
				t.Fatal(err)
			}
			if batch.NumRecords != 5 || batch.LastOffsetDelta != 4 || batch.Magic != 2 || batch.ProducerID != -1 || batch.FirstTimestamp != 77 || batch.MaxTimestamp != 77 {
				t.Errorf("%+v", batch)
			}
			if crc32.Checksum(b[21:], crc32.MakeTable(crc32.Castagnoli)) != uint32(batch.CRC) {
				t.Error("the CRC is wrong")
			}
			records, err := kgo.DefaultDecompressor().Decompress(batch.Records, kgo.CompressionCodecType(batch.Attributes&7))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(records, plainRecords(5, 1000)) {
				t.Error("decompression returns something else")
			}
			if compression != plain && (len(batch.Records) > len(records)/2 || batch.Attributes == 0) {
				t.Errorf("%d bytes of %d, attributes %d", len(batch.Records), len(records), batch.Attributes)
			}
			for i := range 5 {
				length, size := binary.Varint(records)
				var record kmsg.Record
				if err := record.ReadFrom(records[:size+int(length)]); err != nil {
					t.Fatal(err)
				}
				if len(record.Value) != 1000 || record.Key != nil || int(record.OffsetDelta) != i {
					t.Fatalf("%+v", record)
				}
				records = records[size+int(length):]
			}
			if len(records) != 0 {
				t.Errorf("%d bytes too many", len(records))
			}
		})
	}
}

func TestProduceFrame(t *testing.T) {
	frame := produceFrame("topic", 3, []byte("batch"))
	number(frame, 12345)
	var produce kmsg.ProduceRequest
	produce.Version = produceVersion
	if correlation := request(t, frame, &produce); correlation != 12345 {
		t.Errorf("correlation id %d", correlation)
	}
	if p := produce.Topics[0].Partitions[0]; produce.Acks != -1 || produce.Topics[0].Topic != "topic" || p.Partition != 3 || string(p.Records) != "batch" {
		t.Errorf("%+v", produce)
	}
}

// TestCheckProduced takes answers as kmsg writes them.
func TestCheckProduced(t *testing.T) {
	produced := func(code int16) []byte {
		response := kmsg.NewPtrProduceResponse()
		response.Version = produceVersion
		topic := kmsg.NewProduceResponseTopic()
		topic.Topic = "some topic"
		partition := kmsg.NewProduceResponseTopicPartition()
		partition.Partition, partition.ErrorCode, partition.BaseOffset = 7, code, 99
		topic.Partitions = append(topic.Partitions, partition)
		response.Topics = append(response.Topics, topic)
		return answer(5, response)
	}
	if err := checkProduced(produced(0), "some topic", 5); err != nil {
		t.Error(err)
	}
	if err := checkProduced(produced(kerr.MessageTooLarge.Code), "some topic", 5); !errors.Is(err, kerr.MessageTooLarge) {
		t.Error(err)
	}
	if err := checkProduced(produced(0), "some topic", 6); err == nil {
		t.Error("the answer to another request passes")
	}
	if err := checkProduced(produced(0)[:12], "some topic", 5); err == nil {
		t.Error("a short answer passes")
	}
}

func TestFetchFrame(t *testing.T) {
	f := newFetchFrame("topic", []int32{4, 9}, 250)
	f.seek(1, 1<<40)
	number(f.bytes, 6)
	var fetch kmsg.FetchRequest
	fetch.Version = fetchVersion
	if correlation := request(t, f.bytes, &fetch); correlation != 6 || fetch.MaxWaitMillis != 250 || fetch.ReplicaID != -1 {
		t.Errorf("correlation id %d, %+v", correlation, fetch)
	}
	partitions := fetch.Topics[0].Partitions
	if len(partitions) != 2 || partitions[0].Partition != 4 || partitions[0].FetchOffset != 0 || partitions[1].Partition != 9 || partitions[1].FetchOffset != 1<<40 {
		t.Errorf("%+v", partitions)
	}
}

// TestAdvance walks answers as kmsg writes them: with batches before the offset, cut-off batches, aborted transactions,
// tags, errors.
func TestAdvance(t *testing.T) {
	batch := func(base int64, n int) []byte {
		b, err := recordBatch(n, 50, plain, 1)
		if err != nil {
			t.Fatal(err)
		}
		binary.BigEndian.PutUint64(b, uint64(base))
		return b
	}
	response := kmsg.NewPtrFetchResponse()
	response.Version = fetchVersion
	topic := kmsg.NewFetchResponseTopic()
	topic.Topic = "topic"
	add := func(index int32, code int16, batches ...[]byte) *kmsg.FetchResponseTopicPartition {
		partition := kmsg.NewFetchResponseTopicPartition()
		partition.Partition, partition.ErrorCode, partition.RecordBatches = index, code, bytes.Join(batches, nil)
		topic.Partitions = append(topic.Partitions, partition)
		return &topic.Partitions[len(topic.Partitions)-1]
	}
	add(4, 0, batch(5, 5), batch(10, 3), batch(13, 4), batch(17, 9)[:70])
	tagged := add(9, 0)
	tagged.AbortedTransactions = append(tagged.AbortedTransactions, kmsg.FetchResponseTopicPartitionAbortedTransaction{ProducerID: 4, FirstOffset: 2})
	tagged.CurrentLeader.LeaderID, tagged.CurrentLeader.LeaderEpoch = 3, 8
	add(11, kerr.OffsetOutOfRange.Code)
	response.Topics = append(response.Topics, topic)

	f := newFetchFrame("topic", []int32{9, 4, 11}, 0)
	f.seek(1, 10)
	size, records, err := f.advance(answer(1, response))
	if err != nil {
		t.Fatal(err)
	}
	if want := len(batch(10, 3)) + len(batch(13, 4)); int(size) != want || records != 7 {
		t.Errorf("%d bytes and %d records, not %d and 7", size, records, want)
	}
	if f.offsets[0] != 0 || f.offsets[1] != 17 || len(f.lost) != 1 || f.lost[0] != 2 {
		t.Errorf("offsets %v, lost %v", f.offsets, f.lost)
	}
	whole := answer(1, response)
	for cut := range whole {
		if _, _, err := newFetchFrame("topic", []int32{9, 4, 11}, 0).advance(whole[:cut]); err == nil {
			t.Fatalf("the first %d of %d bytes pass", cut, len(whole))
		}
	}
	if _, _, err := newFetchFrame("topic", []int32{9}, 0).advance(whole); err == nil {
		t.Error("an answer for a partition that was not asked for passes")
	}
	response.Topics[0].Partitions[0].ErrorCode = kerr.NotLeaderForPartition.Code
	if _, _, err := f.advance(answer(1, response)); !errors.Is(err, kerr.NotLeaderForPartition) {
		t.Error(err)
	}
	response.ErrorCode = kerr.InvalidFetchSessionEpoch.Code
	if _, _, err := f.advance(answer(1, response)); !errors.Is(err, kerr.InvalidFetchSessionEpoch) {
		t.Error(err)
	}
}
