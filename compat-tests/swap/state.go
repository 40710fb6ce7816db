// Package swap lets Apache Kafka and Ottla take turns on one server.properties and one log directory. Each server finds
// what the other left to the last record, goes on with it, and leaves it for the other. OTTLA_CONTROL puts Apache Kafka
// in Ottla's place, which shows what of a result is the suite's own doing.
package swap

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/compat-tests/harness"
)

// state is what can be seen of a server by its clients: a line for each fact. A topic that is compacted may lose
// records while a server runs or stops; it is kept apart.
type state struct {
	facts     map[string]string
	compacted []string
}

// timeout bounds what a test waits for.
func timeout(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func client(t *testing.T, broker *harness.Broker, options ...kgo.Opt) *kgo.Client {
	t.Helper()
	c, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(broker.Address), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MetadataMinAge(100 * time.Millisecond),
	}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseAllowingRebalance)
	return c
}

// observe reads all that clients can read.
func observe(t *testing.T, broker *harness.Broker, with security) state {
	t.Helper()
	ctx, s := timeout(t), state{facts: map[string]string{}}
	c := client(t, broker)
	admin := kadm.NewClient(c)
	topics, err := admin.ListTopicsWithInternal(ctx)
	check(t, err)
	for name, topic := range topics {
		check(t, topic.Err)
		// The zero id: Apache Kafka 3.3 does not tell one to every client.
		s.facts["topic "+name] = fmt.Sprintf("id %v, %d partitions", topic.ID, len(topic.Partitions))
		for _, p := range topic.Partitions {
			check(t, p.Err)
			if p.Leader != 1 || !slices.Equal(p.Replicas, []int32{1}) || !slices.Equal(p.ISR, []int32{1}) {
				t.Errorf("%s: %s-%d is led by %d, with replicas %v and %v in sync", broker.Name, name, p.Partition, p.Leader, p.Replicas, p.ISR)
			}
		}
	}
	s.configs(t, ctx, admin, topics.Names())
	s.groups(t, ctx, admin)
	s.features(t, ctx, c)
	s.records(t, ctx, broker, admin)
	s.security(t, ctx, admin, with)
	return s
}

// configs notes what was set.
func (s state) configs(t *testing.T, ctx context.Context, admin *kadm.Client, topics []string) {
	t.Helper()
	note := func(what string, described kadm.ResourceConfigs, err error) {
		check(t, err)
		for _, resource := range described {
			check(t, resource.Err)
			for _, config := range resource.Configs {
				switch config.Source {
				case kmsg.ConfigSourceDynamicTopicConfig, kmsg.ConfigSourceDynamicDefaultBrokerConfig, kmsg.ConfigSourceDynamicBrokerConfig:
					s.facts[fmt.Sprintf("config of %s %q: %s", what, resource.Name, config.Key)] = config.MaybeValue()
				}
			}
		}
	}
	// Apache Kafka 3.3 listens a moment before its metadata has the broker itself.
	harness.WaitUntil(t, time.Minute, "the broker in its own metadata", func(ctx context.Context) bool {
		brokers, err := admin.ListBrokers(ctx)
		return err == nil && len(brokers) == 1
	})
	ofTopics, err := admin.DescribeTopicConfigs(ctx, topics...)
	note("topic", ofTopics, err)
	ofBroker, err := admin.DescribeBrokerConfigs(ctx, 1)
	note("broker", ofBroker, err)
	ofAll, err := admin.DescribeBrokerConfigs(ctx)
	note("broker", ofAll, err)
}

// groups notes the groups and what they have committed.
func (s state) groups(t *testing.T, ctx context.Context, admin *kadm.Client) {
	t.Helper()
	groups, err := admin.ListGroups(ctx)
	check(t, err)
	for _, group := range groups.Sorted() {
		s.facts["group "+group.Group] = group.ProtocolType
		offsets, err := admin.FetchOffsets(ctx, group.Group)
		check(t, err)
		offsets.Each(func(o kadm.OffsetResponse) {
			check(t, o.Err)
			s.facts[fmt.Sprintf("offset of %s for %s-%d", group.Group, o.Topic, o.Partition)] = fmt.Sprintf("%d, epoch %d, %q", o.At, o.LeaderEpoch, o.Metadata)
		})
	}
}

// features notes the levels that are finalized.
func (s state) features(t *testing.T, ctx context.Context, c *kgo.Client) {
	t.Helper()
	request := kmsg.NewPtrApiVersionsRequest()
	request.ClientSoftwareName, request.ClientSoftwareVersion = "swap", "1"
	response, err := request.RequestWith(ctx, c)
	check(t, err)
	for _, feature := range response.FinalizedFeatures {
		s.facts["feature "+feature.Name] = fmt.Sprint(feature.MaxVersionLevel)
	}
	if len(response.FinalizedFeatures) == 0 {
		t.Error("no feature is finalized")
	}
}

// security is what a server acts upon of what keeps clients in bounds; groups tells of the newer kinds of groups, whose
// levels Ottla keeps and does not announce.
type security struct{ quotas, users, groups bool }

// hides tells whether a fact is one that the server does not tell.
func (s security) hides(fact string) bool {
	switch fact {
	case "feature group.version", "feature share.version", "feature streams.version":
		return !s.groups
	}
	return strings.HasPrefix(fact, "quota ") && !s.quotas || strings.HasPrefix(fact, "user ") && !s.users
}

// security notes client quotas and SCRAM users.
func (s state) security(t *testing.T, ctx context.Context, admin *kadm.Client, with security) {
	t.Helper()
	if !with.quotas {
		return
	}
	quotas, err := admin.DescribeClientQuotas(ctx, false, nil)
	check(t, err)
	for _, quota := range quotas {
		s.facts["quota "+quota.Entity.String()] = fmt.Sprint(quota.Values)
	}
	if !with.users {
		return
	}
	users, err := admin.DescribeUserSCRAMs(ctx)
	check(t, err)
	for name, user := range users {
		check(t, user.Err)
		s.facts["user "+name] = fmt.Sprint(user.CredInfos)
	}
}

// records notes every record of every topic but the internal ones, as each kind of reader sees it.
func (s *state) records(t *testing.T, ctx context.Context, broker *harness.Broker, admin *kadm.Client) {
	t.Helper()
	starts, err := admin.ListStartOffsets(ctx)
	check(t, err)
	ends, err := admin.ListEndOffsets(ctx)
	check(t, err)
	stable, err := admin.ListCommittedOffsets(ctx)
	check(t, err)
	starts.Each(func(o kadm.ListedOffset) {
		check(t, o.Err)
		end, _ := ends.Lookup(o.Topic, o.Partition)
		last, _ := stable.Lookup(o.Topic, o.Partition)
		s.facts[fmt.Sprintf("offsets of %s-%d", o.Topic, o.Partition)] = fmt.Sprintf("from %d to %d, stable to %d", o.Offset, end.Offset, last.Offset)
	})
	for isolation, until := range map[string]kadm.ListedOffsets{"all": ends, "committed": stable} {
		for partition, lines := range read(t, ctx, broker, isolation == "committed", starts, until) {
			if strings.HasPrefix(partition, compacted+"-") {
				if isolation == "all" {
					for _, line := range lines {
						// Attribute 6: a cleaning has noted when the batch's tombstones may go.
						s.compacted = append(s.compacted, strings.Replace(line, "attributes {64}", "attributes {0}", 1))
					}
				}
				continue
			}
			for _, line := range lines {
				offset, rest, _ := strings.Cut(line, " ")
				s.facts[fmt.Sprintf("%s record %s@%s", isolation, partition, offset)] = rest
			}
		}
	}
}

// read reads every partition from its start to an end: a line for each record, its offset first.
func read(t *testing.T, ctx context.Context, broker *harness.Broker, committed bool, starts, ends kadm.ListedOffsets) map[string][]string {
	t.Helper()
	isolation := kgo.ReadUncommitted()
	if committed {
		isolation = kgo.ReadCommitted()
	}
	from, left := map[string]map[int32]kgo.Offset{}, map[string]int64{}
	starts.Each(func(o kadm.ListedOffset) {
		if end, _ := ends.Lookup(o.Topic, o.Partition); end.Offset > o.Offset && !strings.HasPrefix(o.Topic, "__") {
			if from[o.Topic] == nil {
				from[o.Topic] = map[int32]kgo.Offset{}
			}
			from[o.Topic][o.Partition] = kgo.NewOffset().At(o.Offset)
			left[fmt.Sprintf("%s-%d", o.Topic, o.Partition)] = end.Offset
		}
	})
	c := client(t, broker, kgo.ConsumePartitions(from), kgo.FetchIsolationLevel(isolation), kgo.KeepControlRecords(), kgo.FetchMaxWait(100*time.Millisecond))
	defer c.Close()
	lines := map[string][]string{}
	for len(left) > 0 {
		fetches := c.PollFetches(ctx)
		fetches.EachError(func(topic string, partition int32, err error) {
			t.Fatalf("%s: read %s-%d: %v; %v is not read", broker.Name, topic, partition, err, left)
		})
		fetches.EachRecord(func(r *kgo.Record) {
			partition := fmt.Sprintf("%s-%d", r.Topic, r.Partition)
			if r.Offset < left[partition] {
				lines[partition] = append(lines[partition], line(r))
			}
			if r.Offset >= left[partition]-1 {
				delete(left, partition)
			}
		})
	}
	return lines
}

func line(r *kgo.Record) string {
	value := fmt.Sprintf("%q", r.Value)
	if len(value) > 100 {
		value = fmt.Sprintf("%.100s… %d bytes", value, len(r.Value))
	}
	if r.Value == nil {
		value = "null"
	}
	key := fmt.Sprintf("%q", r.Key)
	if r.Key == nil {
		key = "null"
	}
	return fmt.Sprintf("%d %s=%s %q at %d, attributes %v, producer %d epoch %d", r.Offset, key, value, r.Headers, r.Timestamp.UnixMilli(),
		r.Attrs, r.ProducerID, r.ProducerEpoch)
}

// differences are the facts that two states do not share, at most a few of them.
func (s state) differences(other state, with security) []string {
	var all []string
	for fact, value := range s.facts {
		if with.hides(fact) {
			continue
		}
		if now, ok := other.facts[fact]; !ok {
			all = append(all, fmt.Sprintf("%s: %s is gone", fact, value))
		} else if now != value {
			all = append(all, fmt.Sprintf("%s: was %s, is %s", fact, value, now))
		}
	}
	for fact, value := range other.facts {
		if with.hides(fact) {
			continue
		}
		if _, ok := s.facts[fact]; !ok {
			all = append(all, fmt.Sprintf("%s: %s was not there", fact, value))
		}
	}
	slices.Sort(all)
	return append(all, compactedDifferences(s.compacted, other.compacted)...)
}

// compactedDifferences holds a compacted log against an earlier one: nothing is new in it, and the last record of each
// key is there unless it says that the key is gone.
func compactedDifferences(before, after []string) []string {
	last := func(lines []string) map[string]string {
		of := map[string]string{}
		for _, line := range lines {
			_, rest, _ := strings.Cut(line, " ")
			key, _, _ := strings.Cut(rest, "=")
			of[key] = line
		}
		return of
	}
	var all []string
	for _, line := range after {
		if !slices.Contains(before, line) {
			all = append(all, "the compacted log has got "+line)
		}
	}
	now := last(after)
	for key, line := range last(before) {
		tombstone := strings.Contains(line, "=null ") && now[key] == ""
		if now[key] != line && !tombstone {
			all = append(all, fmt.Sprintf("the last record of %s in the compacted log was %s, is %s", key, line, now[key]))
		}
	}
	return all
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
