package swap

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"ottla/compat-tests/harness"
)

// room is a seat with two log directories.
type room struct {
	*harness.Seat
	t             *testing.T
	first, second string
	written       int // records in each partition of "spread"
}

const (
	spread = 6  // partitions of the topic of that name
	moved  = 15 // records in "moved" for each in a partition of "spread": its move must not end by itself
)

func newRoom(t *testing.T) *room {
	t.Helper()
	folder := t.TempDir()
	r := &room{t: t, first: filepath.Join(folder, "first"), second: filepath.Join(folder, "second")}
	r.Seat = harness.NewSeat(t, harness.SeatOptions{Version: "4.3.1", Properties: append(properties(), "replica.fetch.max.bytes=10000", "log.dirs="+r.first+","+r.second)})
	return r
}

// fill writes a record into every partition.
func (r *room) fill(server *harness.Broker) {
	r.t.Helper()
	c := client(r.t, server)
	r.written++
	var records []*kgo.Record
	for n := range moved {
		records = append(records, &kgo.Record{Topic: "moved", Value: noise(uint64(r.written*moved+n), 50000)})
	}
	for partition := range int32(spread) {
		records = append(records, &kgo.Record{Topic: "spread", Partition: partition, Value: fmt.Append(nil, r.written)})
	}
	for _, one := range records {
		write(r.t, timeout(r.t), c, one)
	}
}

// verify reads all partitions, but those that are away.
func (r *room) verify(server *harness.Broker, away map[string]bool) {
	r.t.Helper()
	awaitServed(r.t, server, away)
	if len(away) > 0 {
		return
	}
	for topic, partitions := range map[string]int{"spread": spread, "moved": 1} {
		counts, want := map[int32]int{}, r.written
		if topic == "moved" {
			want *= moved
		}
		for _, one := range harness.Read(r.t, server, topic) {
			counts[one.Partition]++
		}
		for partition := range int32(partitions) {
			if counts[partition] != want {
				r.t.Errorf("%s: %s-%d has %d records of %d", server.Name, topic, partition, counts[partition], want)
			}
		}
	}
}

// awaitServed waits until every partition has a leader, but those that are away, which must have none.
func awaitServed(t *testing.T, server *harness.Broker, away map[string]bool) {
	t.Helper()
	admin := kadm.NewClient(client(t, server))
	harness.WaitUntil(t, time.Minute, "leaders", func(ctx context.Context) bool {
		topics, err := admin.ListTopicsWithInternal(ctx)
		if err != nil {
			return false
		}
		right := true
		topics.EachPartition(func(p kadm.PartitionDetail) {
			right = right && (p.Leader >= 0) == !away[fmt.Sprintf("%s-%d", p.Topic, p.Partition)]
		})
		return right
	})
}

// found are the names in a directory that are like a pattern.
func found(t *testing.T, directory, pattern string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(directory, pattern))
	check(t, err)
	for i := range names {
		names[i] = filepath.Base(names[i])
	}
	return names
}

// copyFolder copies a partition's folder.
func copyFolder(t *testing.T, from, to string) {
	t.Helper()
	check(t, os.CopyFS(to, os.DirFS(from)))
}

// stop stops a server and looks at its log.
func (r *room) stop(server *harness.Broker, turn int) {
	r.t.Helper()
	server.Stop()
	checkLog(r.t, r.Seat, server, turn, false)
}

// TestLogDirectories: two log directories, a move between them under way, leftovers of deletions, folders set aside and
// folders that nobody knows. Each is treated by Ottla as by Apache Kafka, which ends the move when it has the
// directories again.
func TestLogDirectories(t *testing.T) {
	r := newRoom(t)
	r.Kafka.Start()
	admin := kadm.NewClient(client(t, r.Kafka))
	for topic, partitions := range map[string]int32{"spread": spread, "moved": 1, "lost": 1} {
		_, err := admin.CreateTopic(timeout(t), partitions, 1, nil, topic)
		check(t, err)
	}
	for range 3 {
		r.fill(r.Kafka)
	}
	from, to := r.beginMove(admin)
	home := r.first
	if len(found(t, r.first, "lost-0")) == 0 {
		home = r.second
	}
	kept := filepath.Join(t.TempDir(), "kept")
	copyFolder(t, filepath.Join(home, "lost-0"), kept)
	deleted, err := admin.DeleteTopics(timeout(t), "lost")
	check(t, err)
	check(t, deleted.Error())
	harness.WaitUntil(t, time.Minute, "the topic's folder to go", func(context.Context) bool {
		return len(found(t, r.first, "lost-0*"))+len(found(t, r.second, "lost-0*")) == 0
	})
	r.stop(r.Kafka, 0)

	const id = "0123456789abcdef0123456789abcdef"
	copyFolder(t, kept, filepath.Join(r.second, "lost-0"))
	copyFolder(t, kept, filepath.Join(r.first, "old-0."+id+"-stray"))
	copyFolder(t, kept, filepath.Join(r.first, "gone-0."+id+"-delete"))
	report := harness.Command{}.Run(t, harness.Build(t), "adopt", "--dry-run", r.File)
	for _, piece := range []string{"1 to be deleted", "1 set aside as stray", "a move of 1 partitions", "set aside as -stray the folder of lost-0", "delete 1 folders of deleted partitions in " + r.first,
		"leave to Apache Kafka, in " + to + ", the unfinished move of moved-0"} {
		if report.Code != 0 || !strings.Contains(report.Stdout, piece) {
			t.Errorf("the dry run: exit status %d, no %q in\n%s", report.Code, piece, report.Output())
		}
	}
	future := found(t, to, "moved-0.*-future")
	subject, turn := r.Ottla, 1
	if os.Getenv("OTTLA_CONTROL") != "" {
		subject = r.Kafka
	}
	subject.Start()
	r.verify(subject, nil)
	r.fill(subject)
	_, err = kadm.NewClient(client(t, subject)).CreateTopic(timeout(t), 4, 1, nil, "more")
	check(t, err)
	harness.WaitUntil(t, time.Minute, "the folder to be deleted", func(context.Context) bool { return len(found(t, r.first, "*-delete")) == 0 })
	r.stop(subject, turn)
	if again := found(t, to, "moved-0.*-future"); subject == r.Ottla && (len(again) != 1 || again[0] != future[0]) {
		t.Errorf("the move's folder was %v, is %v", future, again)
	}
	if more := [2]int{len(found(t, r.first, "more-*")), len(found(t, r.second, "more-*"))}; more[0]+more[1] != 4 || more[0] == 0 || more[1] == 0 {
		t.Errorf("the new topic's partitions are spread as %v", more)
	}
	if names := found(t, r.second, "lost-0*"); len(names) != 1 || !strings.HasSuffix(names[0], "-stray") {
		t.Errorf("the folder that nobody knows: %v", names)
	}
	if names := found(t, r.first, "old-0*"); len(names) != 1 || names[0] != "old-0."+id+"-stray" {
		t.Errorf("the folder that was set aside: %v", names)
	}
	r.endMove(from, to)
	r.withoutOne(subject)
}

// beginMove begins to move a partition to the other directory, so slowly that it does not come to an end.
func (r *room) beginMove(admin *kadm.Client) (from, to string) {
	r.t.Helper()
	from, to = r.first, r.second
	if len(found(r.t, r.first, "moved-0")) == 0 {
		from, to = to, from
	}
	r.throttle(admin, "1")
	var move kadm.AlterReplicaLogDirsReq
	move.Add(to, kadm.TopicsSet{"moved": {0: {}}})
	answers, err := admin.AlterAllReplicaLogDirs(timeout(r.t), move)
	check(r.t, err)
	answers.Each(func(a kadm.AlterReplicaLogDirsResponse) { check(r.t, a.Err) })
	harness.WaitUntil(r.t, time.Minute, "the move to begin", func(context.Context) bool { return len(found(r.t, to, "moved-0.*-future")) == 1 })
	return from, to
}

func (r *room) throttle(admin *kadm.Client, bytes string) {
	r.t.Helper()
	answers, err := admin.AlterBrokerConfigs(timeout(r.t), []kadm.AlterConfig{{Name: "replica.alter.log.dirs.io.max.bytes.per.second", Value: &bytes}}, 1)
	check(r.t, err)
	check(r.t, answers[0].Err)
}

// endMove gives the directories back to Apache Kafka, which goes on with the move, and all records are there.
func (r *room) endMove(from, to string) {
	r.t.Helper()
	r.Kafka.Start()
	awaitServed(r.t, r.Kafka, nil)
	r.throttle(kadm.NewClient(client(r.t, r.Kafka)), "100000000")
	harness.WaitUntil(r.t, time.Minute, "the move to end", func(context.Context) bool {
		return len(found(r.t, to, "moved-0")) == 1 && len(found(r.t, from, "moved-0")) == 0
	})
	r.verify(r.Kafka, nil)
	r.fill(r.Kafka)
	r.stop(r.Kafka, 2)
}

// withoutOne starts servers without one of the directories: in log.dirs and not there, the start is refused; not in
// log.dirs, Ottla serves the rest, and the partitions that are away have no leader and are not made anew. (Apache Kafka
// makes them anew, empty, and finds two of each when the directory is back.)
func (r *room) withoutOne(subject *harness.Broker) {
	r.t.Helper()
	text, err := os.ReadFile(r.File)
	check(r.t, err)
	if subject == r.Ottla {
		both := "log.dirs=" + r.first + "," + r.second + "\n"
		check(r.t, os.WriteFile(r.File, []byte(strings.ReplaceAll(string(text), both, "log.dirs="+r.first+"\n")), 0o644))
		r.withoutSecond()
		check(r.t, os.WriteFile(r.File, text, 0o644))
	}
	check(r.t, os.Rename(r.second, r.second+"-unmounted"))
	for _, server := range []*harness.Broker{subject, r.Kafka} {
		untouched(r.t, r.first, func() {
			if err := server.TryStart(); err == nil {
				r.t.Errorf("%s starts without a directory", server.Name)
				server.Stop()
			}
		})
		if log := harness.Tail(server.LogFile, 60); !strings.Contains(log, r.second) {
			r.t.Errorf("%s does not name the directory:\n%s", server.Name, log)
		}
		check(r.t, os.Remove(server.LogFile))
	}
	check(r.t, os.Rename(r.second+"-unmounted", r.second))
	for turn, server := range []*harness.Broker{subject, r.Kafka} {
		server.Start()
		r.verify(server, nil)
		r.fill(server)
		r.stop(server, 4+turn)
	}
}

// withoutSecond is a turn of Ottla's with the first directory alone. Each partition that is away is told of.
func (r *room) withoutSecond() {
	r.t.Helper()
	away := map[string]bool{}
	for _, name := range found(r.t, r.second, "*-[0-9]") {
		away[name] = true
	}
	r.Ottla.Start()
	r.verify(r.Ottla, away)
	r.Ottla.Stop()
	log, err := os.ReadFile(r.Ottla.LogFile)
	check(r.t, err)
	for name := range away {
		if !strings.Contains(string(log), "open the log of "+name+": ") {
			r.t.Errorf("Ottla does not tell that %s is away:\n%s", name, log)
		}
		if len(found(r.t, r.first, name)) > 0 {
			r.t.Errorf("%s was made anew", name)
		}
	}
	check(r.t, os.Remove(r.Ottla.LogFile))
}
