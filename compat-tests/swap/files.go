package swap

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"ottla/compat-tests/harness"
	"ottla/coordinator/transaction"
	"ottla/internal/uuid"
	"ottla/metadata"
	"ottla/protocol/record"
	"ottla/storage"
	"ottla/storage/vfs"
)

// reader tells what lies in a server's directory, with what one run cannot share with another replaced by its name:
// the time of day, ids that a server draws, its ports, and checksums over these.
type reader struct {
	t        *testing.T
	broker   *harness.Broker
	from, to int64 // the times of day that the server ran in, in milliseconds
	names    map[[16]byte]string
	cluster  string
}

func newReader(t *testing.T, broker *harness.Broker, from time.Time) *reader {
	t.Helper()
	properties, err := storage.ReadMetaProperties(vfs.OS{}, broker.Data)
	check(t, err)
	r := &reader{t: t, broker: broker, from: from.UnixMilli(), to: time.Now().UnixMilli(), cluster: properties.ClusterID,
		names: map[[16]byte]string{{}: "no id", properties.DirectoryID: "the directory"}}
	segments, err := filepath.Glob(filepath.Join(broker.Data, "__cluster_metadata-0", "*.log"))
	check(t, err)
	for _, segment := range segments {
		content, err := os.ReadFile(segment)
		check(t, err)
		r.nameTopics(content)
	}
	return r
}

// nameTopics notes the ids of all topics that the metadata log tells of.
func (r *reader) nameTopics(content []byte) {
	r.t.Helper()
	for len(content) > 0 {
		b, rest, err := record.Next(content)
		check(r.t, err)
		content = rest
		for one, err := range b.Records(record.Limits{}) {
			check(r.t, err)
			if decoded, _, err := metadata.DecodeRecord(one.Value); err == nil && !b.IsControl() {
				if topic, ok := decoded.(*metadata.TopicRecord); ok {
					r.names[topic.TopicID] = "topic " + topic.Name
				}
			}
		}
	}
}

// mask replaces what belongs to one run alone, wherever it lies. A time of day has its high bytes in common with no
// other number that is written.
func (r *reader) mask(content []byte) (masked []byte, changed bool) {
	masked = bytes.Clone(content)
	for i := 0; i+8 <= len(masked); i++ {
		if at := int64(binary.BigEndian.Uint64(masked[i:])); at >= r.from && at <= r.to+600000 {
			copy(masked[i:], "<a time>")
			changed = true
		}
	}
	for id, name := range r.names {
		if id != [16]byte{} && bytes.Contains(masked, id[:]) {
			masked, changed = bytes.ReplaceAll(masked, id[:], []byte("<"+name+">")), true
		}
	}
	return masked, changed
}

var uuids = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)

// quote is the text of some bytes that may hold ids of members.
func (r *reader) quote(content []byte) string {
	if content == nil {
		return "null"
	}
	masked, _ := r.mask(content)
	return uuids.ReplaceAllString(fmt.Sprintf("%q", masked), "<an id>")
}

// read tells of every file below the directory: some lines for each.
func (r *reader) read() map[string][]string {
	r.t.Helper()
	files := map[string][]string{}
	check(r.t, filepath.Walk(r.broker.Data, func(name string, info os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(r.broker.Data, name)
		if err != nil || info.IsDir() {
			return err
		}
		content, err := os.ReadFile(name)
		if err == nil {
			files[relative] = r.lines(relative, content)
		}
		return err
	}))
	return files
}

// lines tells of one file.
func (r *reader) lines(name string, content []byte) []string {
	r.t.Helper()
	folder, base := filepath.Split(name)
	switch extension := filepath.Ext(base); {
	case extension == ".log" && strings.HasPrefix(folder, "__cluster_metadata"), extension == ".checkpoint":
		return r.metadata(content)
	case extension == ".log":
		return r.batches(folder, content)
	case extension == ".snapshot" && len(content) > 6:
		masked, changed := r.mask(content)
		if changed {
			copy(masked[2:6], "CRC ")
		}
		return []string{fmt.Sprintf("%q", masked)}
	case strings.HasPrefix(folder, "__cluster_metadata") && (extension == ".index" || extension == ".timeindex"):
		return nil // of batches, whose sizes are up to the moment
	case base == "quorum-state" || base == ".kafka_cleanshutdown" || base == "partition.metadata":
		return []string{r.text(content)}
	case base == "meta.properties":
		return r.properties(content)
	case strings.HasSuffix(base, "-checkpoint"):
		all := strings.Split(string(content), "\n")
		slices.Sort(all)
		return all
	default:
		masked, _ := r.mask(content)
		return []string{fmt.Sprintf("%d bytes: %q", len(content), masked)}
	}
}

// batches tells of a segment: a line for each batch, and one for each record of an internal topic or that is a marker.
func (r *reader) batches(folder string, content []byte) []string {
	r.t.Helper()
	records := strings.HasPrefix(folder, "__")
	var lines []string
	for len(content) > 0 {
		b, rest, err := record.Next(content)
		if err != nil {
			return append(lines, fmt.Sprintf("%d bytes that are no batch: %v", len(content), err))
		}
		content = rest
		if !b.CheckCRC() {
			lines = append(lines, "the next batch has a wrong checksum")
		}
		// What a client has written has nothing of the server's but in its header.
		masked, own := []byte(b), []byte(b)
		if !records && !b.IsControl() {
			own = own[:record.BatchOverhead]
		}
		if head, changed := r.mask(own); changed {
			masked = append(head, masked[len(head):]...)
			copy(masked[17:21], "CRC ")
		}
		header := fmt.Sprintf("header %q", masked[:record.BatchOverhead])
		line := fmt.Sprintf("offsets %d to %d, epoch %d, attributes %#x, producer %d epoch %d from sequence %d, %d records, %s",
			b.BaseOffset(), b.LastOffset(), b.PartitionLeaderEpoch(), int16(b.Attributes()), b.ProducerID(), b.ProducerEpoch(), b.BaseSequence(), b.RecordCount(), header)
		if !records {
			line += fmt.Sprintf(", %d bytes with the hash %x", len(b), sha256.Sum256(masked))
		}
		lines = append(lines, line)
		if records || b.IsControl() {
			lines = append(lines, r.records(folder, b)...)
		}
	}
	return lines
}

// records tells of the records of a batch. Those that delete what a group or a transaction had come in no certain order:
// Apache Kafka's is that of its hash.
func (r *reader) records(folder string, b record.Batch) []string {
	r.t.Helper()
	var lines, deletions []string
	for one, err := range b.Records(record.Limits{}) {
		if err != nil {
			return append(lines, err.Error())
		}
		if one.Value == nil {
			deletions = append(deletions, fmt.Sprintf("  %+d ms: %s is deleted", one.Timestamp-b.BaseTimestamp(), r.quote(one.Key)))
			continue
		}
		if strings.HasPrefix(folder, "__transaction_state") {
			one.Value = r.sorted(one.Value)
		}
		lines = append(lines, fmt.Sprintf("  %d, %+d ms: %s = %s", one.Offset, one.Timestamp-b.BaseTimestamp(), r.quote(one.Key), r.quote(one.Value)))
	}
	slices.Sort(deletions)
	return append(lines, deletions...)
}

// sorted brings the partitions of a transaction, which are a set, into order: Apache Kafka writes them as its hash has them.
func (r *reader) sorted(value []byte) []byte {
	r.t.Helper()
	version, state := int16(binary.BigEndian.Uint16(value)), transaction.NewTransactionLogValue()
	check(r.t, state.ReadFrom(value[2:], version))
	for _, topic := range state.TransactionPartitions {
		slices.Sort(topic.PartitionIDs)
	}
	slices.SortFunc(state.TransactionPartitions, func(a, b transaction.TransactionLogValuePartitionsSchema) int {
		return strings.Compare(a.Topic, b.Topic)
	})
	return state.AppendTo(binary.BigEndian.AppendUint16(nil, uint16(version)), version)
}

// metadata tells of the records of the metadata log or a snapshot, one by one: how they share batches is up to the
// moment. Offsets are told where they mean something, as in a broker's epoch.
func (r *reader) metadata(content []byte) []string {
	r.t.Helper()
	var lines []string
	for len(content) > 0 {
		b, rest, err := record.Next(content)
		if err != nil {
			return append(lines, fmt.Sprintf("%d bytes that are no batch: %v", len(content), err))
		}
		content = rest
		for one, err := range b.Records(record.Limits{}) {
			if err != nil {
				return append(lines, err.Error())
			}
			if b.IsControl() {
				lines = append(lines, fmt.Sprintf("%d control %s = %s", one.Offset, r.quote(one.Key), r.control(one.Value)))
				continue
			}
			decoded, version, err := metadata.DecodeRecord(one.Value)
			if err != nil {
				lines = append(lines, err.Error())
				continue
			}
			lines = append(lines, fmt.Sprintf("epoch %d %T version %d %s", b.PartitionLeaderEpoch(), decoded, version, r.value(reflect.ValueOf(decoded))))
		}
	}
	return sortRuns(lines)
}

// unordered are the records of which several in a row come in no certain order: the configurations of a new topic are a
// set, the partitions that a stop takes the leader from come in the order of their topics' ids, which are drawn, and
// whether a broker tells of its cordoned directories before it is unfenced, or with it, is up to when its first
// heartbeat falls.
var unordered = []*regexp.Regexp{
	regexp.MustCompile(`\*metadata\.ConfigRecord `),
	regexp.MustCompile(`\*metadata\.PartitionChangeRecord `),
	regexp.MustCompile(`\*metadata\.BrokerRegistrationChangeRecord .* InControlledShutdown: 0, `),
}

// sortRuns sorts what comes in no certain order.
func sortRuns(lines []string) []string {
	for _, kind := range unordered {
		for first := 0; first < len(lines); first++ {
			end := first
			for end < len(lines) && kind.MatchString(lines[end]) {
				end++
			}
			if end > first {
				slices.Sort(lines[first:end])
				first = end
			}
		}
	}
	return lines
}

// control masks ports besides.
func (r *reader) control(value []byte) string {
	for _, host := range []string{"localhost", "127.0.0.1"} {
		port := binary.BigEndian.AppendUint16([]byte(host), uint16(r.broker.ControllerPort))
		value = bytes.ReplaceAll(value, port, []byte(host+"<a port>"))
	}
	return r.quote(value)
}

// value is the text of a metadata record's value.
func (r *reader) value(v reflect.Value) string {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return "null"
		}
		return r.value(v.Elem())
	case reflect.Struct:
		var all []string
		for i := range v.NumField() {
			text, name := r.value(v.Field(i)), v.Type().Field(i).Name
			if name == "Port" {
				text = "a port"
			}
			all = append(all, name+": "+text)
		}
		return "{" + strings.Join(all, ", ") + "}"
	case reflect.Slice:
		var all []string
		for i := range v.Len() {
			all = append(all, r.value(v.Index(i)))
		}
		if v.Type().Elem().Kind() == reflect.Struct {
			slices.Sort(all) // features come in the order of a hash that each process salts
		}
		return "[" + strings.Join(all, " ") + "]"
	case reflect.Array:
		var id [16]byte
		if reflect.Copy(reflect.ValueOf(id[:]), v) == len(id) && r.names[id] != "" {
			return r.names[id]
		}
		return "an id"
	case reflect.Int64:
		if at := v.Int(); at >= r.from && at <= r.to+600000 {
			return "a time"
		}
	}
	return fmt.Sprintf("%v", v.Interface())
}

// text is that of a file that is text, with the ids in it named.
func (r *reader) text(content []byte) string {
	text := string(content)
	for id, name := range r.names {
		if id != [16]byte{} {
			text = strings.ReplaceAll(text, uuid.String(id), "<"+name+">")
		}
	}
	return strings.ReplaceAll(text, r.cluster, "<the cluster>")
}

func (r *reader) properties(content []byte) []string {
	var lines []string
	for line := range strings.SplitSeq(r.text(content), "\n") {
		if strings.HasPrefix(line, "#") && len(line) > 1 {
			line = "# a date"
		}
		lines = append(lines, line)
	}
	slices.Sort(lines)
	return lines
}
