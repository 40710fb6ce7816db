package cli

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"ottla/cli/flags"
	"ottla/cli/recordjson"
	"ottla/protocol/record"
)

const (
	dumpHelp      = "This tool helps to parse a log file and dump its contents to the console, useful for debugging a seemingly corrupt log segment."
	stringDecoder = "org.apache.kafka.tools.api.StringDecoder"
)

// dumpTool is kafka-dump-log.
type dumpTool struct {
	*tool

	print, verify, sanity, files, maxMessage, maxBytes, deep, skipMetadata          *flags.Option
	valueDecoder, keyDecoder, offsets, transactions, clusterMetadata, remote, share *flags.Option

	parse   recordParser
	remarks []string // said at the end
}

// recordParser turns a record into what is printed for its key and its payload; nil is nothing.
type recordParser func(r *record.Record) (key, payload *string, err error)

// dumpLog prints the files of a partition.
func dumpLog(environment Environment, arguments []string) int {
	t := &dumpTool{tool: newTool(environment, arguments)}
	t.declare()
	return t.finish(t.run())
}

func (t *dumpTool) declare() {
	p := t.parser
	t.print = p.Flag("print-data-log", "print the records, too; done anyway with a decoder")
	t.verify = p.Flag("verify-index-only", "check an index, and print none of it")
	t.sanity = p.Flag("index-sanity-check", "check an index as a start of the server does, and print none of it")
	t.files = p.Value("files", flags.String, "file1, file2, ...", "REQUIRED: the files, separated by commas")
	t.maxMessage = p.Value("max-message-size", flags.Integer, "size", "the size of the largest message").WithDefault("5242880")
	t.maxBytes = p.Value("max-bytes", flags.Integer, "size", "how much of a log to read").WithDefault("2147483647")
	t.deep = p.Flag("deep-iteration", "print the records of each batch; done anyway with --print-data-log")
	t.valueDecoder = p.Maybe("value-decoder-class", "", "how values are printed").WithDefault(stringDecoder)
	t.keyDecoder = p.Maybe("key-decoder-class", "", "how keys are printed").WithDefault(stringDecoder)
	t.offsets = p.Flag("offsets-decoder", "the log is of __consumer_offsets")
	t.transactions = p.Flag("transaction-log-decoder", "the log is of __transaction_state")
	t.clusterMetadata = p.Flag("cluster-metadata-decoder", "the log is of the cluster's metadata")
	t.remote = p.Flag("remote-log-metadata-decoder", "the log is of remote log metadata")
	t.share = p.Flag("share-group-state-decoder", "the log is of __share_group_state")
	t.skipMetadata = p.Flag("skip-record-metadata", "print of the records only keys and payloads")
}

func (t *dumpTool) run() error {
	var err error
	if t.set, err = t.parser.Parse(t.arguments); err != nil {
		return err
	}
	if err := t.helpOrVersion(dumpHelp); err != nil {
		return err
	}
	if err := t.demand(t.files); err != nil {
		return err
	}
	files := strings.Split(strings.TrimRight(t.set.Text(t.files), ","), ",")
	if err := t.set.Err(); err != nil {
		return err
	}
	for _, file := range files {
		if err := t.dump(file); err != nil {
			return err
		}
	}
	for _, line := range t.remarks {
		t.complain(line)
	}
	return nil
}

// dump prints one file.
func (t *dumpTool) dump(file string) error {
	t.println("Dumping " + file)
	switch filepath.Ext(file) {
	case ".log", ".checkpoint":
		parse, err := t.newParser()
		if err != nil {
			return err
		}
		t.parse = parse
		return t.dumpSegment(file)
	case ".index":
		return t.dumpIndex(file)
	case ".timeindex":
		return t.dumpTimeIndex(file)
	case ".snapshot":
		return t.dumpSnapshot(file)
	case ".txnindex":
		return t.dumpTransactionIndex(file)
	}
	t.complain("Ignoring unknown file " + file)
	return nil
}

// printing tells whether records are printed.
func (t *dumpTool) printing() bool {
	return t.count(t.print, t.offsets, t.transactions, t.clusterMetadata, t.remote, t.valueDecoder, t.keyDecoder, t.share) > 0
}

func (t *dumpTool) newParser() (recordParser, error) {
	switch {
	case t.set.Has(t.offsets):
		return coordinatorParser(newCoordinatorDecoder("group")), nil
	case t.set.Has(t.transactions):
		return coordinatorParser(newCoordinatorDecoder("transaction")), nil
	case t.set.Has(t.clusterMetadata):
		return metadataParser(recordjson.Load("metadata")), nil
	case t.set.Has(t.remote), t.set.Has(t.share):
		return rawParser, nil
	}
	value, err := decoderOf(t.set.Text(t.valueDecoder))
	key, wrong := decoderOf(t.set.Text(t.keyDecoder))
	return func(r *record.Record) (*string, *string, error) {
		keyText, err := key(r.Key)
		valueText, wrong := value(r.Value)
		return keyText, valueText, cmpErrors(err, wrong)
	}, cmpErrors(err, wrong)
}

// rawParser prints the bytes of records that this program knows no schema of.
func rawParser(r *record.Record) (key, payload *string, err error) {
	text := fmt.Sprintf("%x", r.Value)
	return nil, &text, nil
}

// decoderOf returns what prints a key or a value, by the name of the stock tool's class.
func decoderOf(class string) (func([]byte) (*string, error), error) {
	number := javaString
	switch strings.TrimPrefix(class, "org.apache.kafka.tools.api.") {
	case "StringDecoder", "DefaultDecoder":
	case "IntegerDecoder":
		number = func(field []byte) string { return strconv.Itoa(int(int32(binary.BigEndian.Uint32(field)))) }
	case "LongDecoder":
		number = func(field []byte) string { return strconv.FormatInt(int64(binary.BigEndian.Uint64(field)), 10) }
	default:
		return nil, &exception{"java.lang.RuntimeException", "Failed to load decoder class"}
	}
	size := map[string]int{"IntegerDecoder": 4, "LongDecoder": 8}[strings.TrimPrefix(class, "org.apache.kafka.tools.api.")]
	return func(field []byte) (*string, error) {
		if field == nil {
			return nil, nil
		}
		if len(field) < size {
			return nil, &exception{"java.nio.BufferUnderflowException", ""}
		}
		text := number(field)
		return &text, nil
	}, nil
}

func coordinatorParser(decoder *coordinatorDecoder) recordParser {
	return func(r *record.Record) (*string, *string, error) {
		if r.Key == nil {
			return nil, nil, &exception{"java.lang.RuntimeException", fmt.Sprintf("Failed to decode message at offset %d using the specified decoder (message had a missing key)", r.Offset)}
		}
		decoded, err := decoder.decode(r.Key, r.Value)
		var unknown unknownRecord
		var key, payload string
		switch {
		case errors.As(err, &unknown):
			key = fmt.Sprintf("Unknown record type %d at offset %d, skipping.", int16(unknown), r.Offset)
			return &key, nil, nil
		case err != nil:
			key = fmt.Sprintf("Error at offset %d, skipping. %v", r.Offset, err)
			return &key, nil, nil
		}
		decoder.unfold(decoded)
		key, payload = fmt.Sprintf(`{"type":"%d","data":%s}`, decoded.kind, decoded.key), "<DELETE>"
		if decoded.value != "" {
			payload = fmt.Sprintf(`{"version":"%d","data":%s}`, decoded.version, decoded.value)
		}
		return &key, &payload, nil
	}
}

// metadataParser reads frame version, type and version of a metadata record, and its body.
func metadataParser(schemas *recordjson.Schemas) recordParser {
	return func(r *record.Record) (*string, *string, error) {
		rest := r.Value
		var numbers [3]uint64
		for i := range numbers {
			n, size := binary.Uvarint(rest)
			if size <= 0 {
				text := fmt.Sprintf("Error at %d, skipping. the record ends too early", r.Offset)
				return nil, &text, nil
			}
			numbers[i], rest = n, rest[size:]
		}
		text, err := schemas.Decode("record", int(numbers[1]), "", int16(numbers[2]), rest)
		if err != nil {
			text = fmt.Sprintf("Error at %d, skipping. %v", r.Offset, err)
		} else {
			text = fmt.Sprintf(`{"type":"%s","version":%d,"data":%s}`, upperSnake(schemas.Name("record", int(numbers[1]))), numbers[2], text)
		}
		return nil, &text, nil
	}
}

// upperSnake turns TopicRecord into TOPIC_RECORD.
func upperSnake(name string) string {
	var text strings.Builder
	for i, c := range name {
		if i > 0 && c >= 'A' && c <= 'Z' {
			text.WriteByte('_')
		}
		text.WriteRune(c)
	}
	return strings.ToUpper(text.String())
}

// dumpSegment prints a log segment or a snapshot of the metadata.
func (t *dumpTool) dumpSegment(path string) error {
	name := filepath.Base(path)
	limit := t.set.Number(t.maxBytes)
	if err := t.set.Err(); err != nil {
		return err
	}
	switch parts := strings.FieldsFunc(name, func(r rune) bool { return r == '-' || r == '.' }); {
	case strings.HasSuffix(name, ".log"):
		start, err := startOffset(path)
		if err != nil {
			return err
		}
		t.printf("Log starting offset: %d\n", start)
	case name == "bootstrap.checkpoint":
		t.println("KRaft bootstrap snapshot")
	case len(parts) == 3:
		offset, _ := strconv.ParseInt(parts[0], 10, 64)
		epoch, _ := strconv.ParseInt(parts[1], 10, 64)
		t.printf("Snapshot end offset: %d, epoch: %d\n", offset, epoch)
	}
	segment, err := openSegment(path)
	if err != nil {
		return err
	}
	defer segment.file.Close()
	size := min(segment.size, limit)
	position, last := int64(0), int64(-1)
	for {
		batch, err := segment.batch(position, size)
		if err != nil {
			return err
		}
		if batch.none() {
			break
		}
		if last, err = t.printEntry(path, batch, position, last); err != nil {
			return err
		}
		position += batch.size()
	}
	if trailing := size - position; trailing > 0 && limit == math.MaxInt32 {
		t.printf("Found %d invalid bytes at the end of %s\n", trailing, name)
	}
	return nil
}

// startOffset is the offset that a file's name begins with.
func startOffset(path string) (int64, error) {
	text, _, _ := strings.Cut(filepath.Base(path), ".")
	offset, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, &exception{"java.lang.NumberFormatException", fmt.Sprintf("For input string: %q", text)}
	}
	return offset, nil
}

// segment is a file of batches.
type segment struct {
	file   *os.File
	size   int64
	buffer []byte
}

func openSegment(path string) (*segment, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, &exception{"java.nio.file.NoSuchFileException", path}
	}
	info, err := file.Stat()
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return &segment{file: file, size: info.Size()}, nil
}

// batch returns the batch at a position, none where there is no whole one before the end. It is valid until the next call.
func (s *segment) batch(position, end int64) (entry, error) {
	const head = 12
	if position+head > end {
		return entry{}, nil
	}
	var header [head]byte
	if _, err := s.file.ReadAt(header[:], position); err != nil {
		return entry{}, err
	}
	length := int64(binary.BigEndian.Uint32(header[8:])) + head
	if length > math.MaxInt32 || length < 26 {
		return entry{}, &exception{"org.apache.kafka.common.errors.CorruptRecordException",
			fmt.Sprintf("Found record size %d smaller than minimum record overhead (14) in file %s.", int32(length-head), s.file.Name())}
	}
	if position+length > end {
		return entry{}, nil
	}
	if int64(cap(s.buffer)) < length {
		s.buffer = make([]byte, length)
	}
	s.buffer = s.buffer[:length]
	if _, err := s.file.ReadAt(s.buffer, position); err != nil && !errors.Is(err, io.EOF) {
		return entry{}, err
	}
	batch, err := parseEntry(s.buffer)
	if err != nil {
		return entry{}, fmt.Errorf("%s: the batch at position %d: %w", s.file.Name(), position, err)
	}
	return batch, nil
}

func (t *dumpTool) printBatch(b record.Batch, position int64) {
	horizon := "OptionalLong.empty"
	if ms, ok := b.DeleteHorizon(); ok {
		horizon = fmt.Sprintf("OptionalLong[%d]", ms)
	}
	t.printf("baseOffset: %d lastOffset: %d count: %d baseSequence: %d lastSequence: %d producerId: %d producerEpoch: %d partitionLeaderEpoch: %d isTransactional: %t isControl: %t deleteHorizonMs: %s",
		b.BaseOffset(), b.LastOffset(), b.RecordCount(), b.BaseSequence(), b.LastSequence(), b.ProducerID(), b.ProducerEpoch(), b.PartitionLeaderEpoch(), b.IsTransactional(), b.IsControl(), horizon)
	t.printf(" position: %d %s: %d size: %d magic: %d compresscodec: %s crc: %d isvalid: %t\n",
		position, stampName(b), b.MaxTimestamp(), len(b), b.Magic(), b.Codec().Name(), b.CRC(), b.CheckCRC())
}

func stampName(b record.Batch) string {
	if b.TimestampType() == record.CreateTime {
		return "CreateTime"
	}
	return "LogAppendTime"
}

// printRecords prints the records of a batch and returns the offset of the last.
func (t *dumpTool) printRecords(path string, b record.Batch, last int64) (int64, error) {
	for r, err := range b.Records(record.Limits{}) {
		if err != nil {
			return last, err
		}
		if err := t.printRecord(path, &r, last, !b.IsControl(), func() { t.printMetadata(b, &r) }); err != nil {
			return r.Offset, err
		}
		last = r.Offset
	}
	return last, nil
}

// printRecord prints a record behind the one at last: what metadata prints, unless it is not wanted, and the contents, if
// it has any and they are asked for.
func (t *dumpTool) printRecord(path string, r *record.Record, last int64, contents bool, metadata func()) error {
	if r.Offset != last+1 {
		t.gap(path, last, r.Offset)
	}
	if !t.set.Has(t.skipMetadata) {
		metadata()
	}
	if t.printing() && contents {
		if err := t.printContents(r); err != nil {
			return err
		}
	}
	t.println("")
	return nil
}

// printContents prints the key and the payload of a record.
func (t *dumpTool) printContents(r *record.Record) error {
	prefix := " "
	if t.set.Has(t.skipMetadata) {
		prefix = "| "
	}
	key, payload, err := t.parse(r)
	if err != nil {
		return err
	}
	if key != nil {
		t.printf("%skey: %s", prefix, *key)
		prefix = " "
	}
	if payload != nil {
		t.printf("%spayload: %s", prefix, *payload)
	}
	return nil
}

func (t *dumpTool) gap(path string, last, next int64) {
	path, _ = filepath.Abs(path)
	if head := "Non-consecutive offsets in " + path; !slices.Contains(t.remarks, head) {
		t.remarks = append(t.remarks, head)
	}
	t.remarks = append(t.remarks, fmt.Sprintf("  %d is followed by %d", last, next))
}

func (t *dumpTool) printMetadata(b record.Batch, r *record.Record) {
	sequence := int32(-1)
	if b.BaseSequence() != -1 {
		sequence = record.IncrementSequence(b.BaseSequence(), int32(r.Offset-b.BaseOffset()))
	}
	var keys []string
	for _, header := range r.Headers {
		keys = append(keys, header.Key)
	}
	t.printf("| offset: %d %s: %d keySize: %d valueSize: %d sequence: %d headerKeys: [%s]",
		r.Offset, stampName(b), r.Timestamp, sizeOf(r.Key), sizeOf(r.Value), sequence, strings.Join(keys, ","))
	if b.IsControl() {
		t.printControl(r)
	}
}

func (t *dumpTool) printControl(r *record.Record) {
	kind, err := record.DecodeControlKey(r.Key)
	if err != nil {
		t.printf(" controlType: UNKNOWN")
		return
	}
	body := func(label, name string) {
		if len(r.Value) < 2 {
			return
		}
		text, err := recordjson.Load("metadata").Decode("control", -1, name, int16(binary.BigEndian.Uint16(r.Value)), r.Value)
		if err != nil {
			text = err.Error()
		}
		t.printf(" %s %s", label, text)
	}
	switch int16(kind) {
	case 0, 1:
		marker, err := record.DecodeEndTxnMarker(r.Value)
		if err == nil {
			t.printf(" endTxnMarker: %s coordinatorEpoch: %d", []string{"ABORT", "COMMIT"}[kind], marker.CoordinatorEpoch)
		}
	case 2:
		body("LeaderChange:", "LeaderChangeMessage")
	case 3:
		body("SnapshotHeader", "SnapshotHeaderRecord")
	case 4:
		body("SnapshotFooter", "SnapshotFooterRecord")
	case 5:
		body("KRaftVersion", "KRaftVersionRecord")
	case 6:
		body("KRaftVoters", "VotersRecord")
	default:
		t.printf(" controlType: UNKNOWN(%d)", int16(kind))
	}
}
