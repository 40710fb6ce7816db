package oldbatches

import (
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"ottla/compat-tests/harness"
)

const version = "4.3.1"

// written is what Writer.java made: the segments in a folder and what Apache Kafka's classes read of them.
type written struct {
	directory string
	records   []string           // "record <offset> <timestamp> <key> <value>", in hexadecimal
	types     []string           // of their timestamps
	last      []int64            // the last offset of each record's batch
	messages  map[[2]byte][]byte // a message by its magic and its codec
	end       int64
	java      string // the class path of Writer
	text      string // what Writer said
}

// write has Apache Kafka's classes write the segments.
func write(t testing.TB) written {
	t.Helper()
	jars := harness.Jars(t, "kafka-"+version, harness.Tools(version)...)
	w := written{directory: t.TempDir(), java: harness.Compile(t, jars, "Writer.java")}
	result := harness.Command{}.Run(t, "java", harness.Java(w.java, "Writer", w.directory)...)
	if result.Code != 0 {
		t.Fatalf("Writer: %s", result.Output())
	}
	w.text = result.Stdout
	w.parse(t, result.Stdout)
	return w
}

func (w *written) parse(t testing.TB, text string) {
	t.Helper()
	kind, last := "", int64(0)
	w.messages = map[[2]byte][]byte{}
	for _, line := range strings.Split(text, "\n") {
		words := strings.Fields(line)
		switch {
		case len(words) == 10 && words[0] == "header":
			kind = words[6]
			last, _ = strconv.ParseInt(words[3], 10, 64)
		case len(words) == 2 && words[0] == "batch":
			raw, err := hex.DecodeString(words[1])
			check(t, err)
			w.messages[[2]byte{raw[16], raw[17] & 7}] = raw
		case len(words) >= 5 && words[0] == "record":
			w.records = append(w.records, strings.Join(words[:5], " "))
			w.types = append(w.types, kind)
			w.last = append(w.last, last)
		case len(words) == 2 && words[0] == "end":
			w.end, _ = strconv.ParseInt(words[1], 10, 64)
		}
	}
	if len(w.records) < 100 || w.end <= 0 {
		t.Fatalf("%d records up to %d in\n%s", len(w.records), w.end, text)
	}
}

// message is one of those with that magic and codec.
func (w *written) message(magic, codec byte) []byte { return w.messages[[2]byte{magic, codec}] }

// place puts the segments in the place of all that a topic's partition has, with what belongs to them in the directory's
// checkpoints. Nothing may run on the directory. modified is the time of the files.
func (w *written) place(t testing.TB, data, topic string, modified time.Time) {
	t.Helper()
	partition := filepath.Join(data, topic+"-0")
	removeFiles(t, partition, "*.log", "*index", "*.snapshot", "leader-epoch-checkpoint")
	files, err := os.ReadDir(w.directory)
	check(t, err)
	for _, file := range files {
		content, err := os.ReadFile(filepath.Join(w.directory, file.Name()))
		check(t, err)
		target := filepath.Join(partition, file.Name())
		check(t, os.WriteFile(target, content, 0o644))
		check(t, os.Chtimes(target, modified, modified))
	}
	// Leader epochs begin with the first record batch, as they do in a directory that was upgraded.
	first := int64(-1)
	for i, kind := range w.types {
		if words := strings.Fields(w.records[i]); kind == "CreateTime" && strings.HasPrefix(words[2], "16") {
			first, _ = strconv.ParseInt(words[1], 10, 64)
			break
		}
	}
	check(t, os.WriteFile(filepath.Join(partition, "leader-epoch-checkpoint"), fmt.Appendf(nil, "0\n1\n0 %d\n", first), 0o644))
	setCheckpoint(t, data, "recovery-point-offset-checkpoint", topic, w.end)
	setCheckpoint(t, data, "replication-offset-checkpoint", topic, w.end)
	setCheckpoint(t, data, "log-start-offset-checkpoint", topic, -1)
}

// tear leaves of a topic's partition the segment that begins at base, without its last bytes, as a crash does before
// anything was flushed.
func (w *written) tear(t testing.TB, data, topic string, base int64, bytes int64) {
	t.Helper()
	partition := filepath.Join(data, topic+"-0")
	removeFiles(t, partition, "*.log", "*index", "*.snapshot", "leader-epoch-checkpoint")
	name := fmt.Sprintf("%020d.log", base)
	content, err := os.ReadFile(filepath.Join(w.directory, name))
	check(t, err)
	check(t, os.WriteFile(filepath.Join(partition, name), content[:int64(len(content))-bytes], 0o644))
	for _, file := range []string{"recovery-point-offset-checkpoint", "replication-offset-checkpoint", "log-start-offset-checkpoint"} {
		setCheckpoint(t, data, file, topic, -1)
	}
}

func removeFiles(t testing.TB, directory string, patterns ...string) {
	t.Helper()
	for _, pattern := range patterns {
		files, err := filepath.Glob(filepath.Join(directory, pattern))
		check(t, err)
		for _, file := range files {
			check(t, os.Remove(file))
		}
	}
}

// setCheckpoint sets the offset of a topic's partition 0 in one of a directory's checkpoints; −1 takes it out.
func setCheckpoint(t testing.TB, data, name, topic string, offset int64) {
	t.Helper()
	path := filepath.Join(data, name)
	content, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	var kept []string
	for i, line := range strings.Split(strings.TrimSpace(string(content)), "\n") {
		if i >= 2 && !strings.HasPrefix(line, topic+" 0 ") { // behind the version and the count
			kept = append(kept, line)
		}
	}
	if offset >= 0 {
		kept = append(kept, fmt.Sprintf("%s 0 %d", topic, offset))
	}
	text := fmt.Sprintf("0\n%d\n", len(kept))
	for _, line := range kept {
		text += line + "\n"
	}
	check(t, os.WriteFile(path, []byte(text), 0o644))
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
