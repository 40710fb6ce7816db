package swap

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/compat-tests/harness"
)

// TestNewerGroups: what share groups and groups of the newer protocol left is kept over Ottla's turn, which serves
// neither: their members go on where they were.
func TestNewerGroups(t *testing.T) {
	seat := harness.NewSeat(t, harness.SeatOptions{Version: "4.3.1", Properties: append(properties(), "share.coordinator.state.topic.num.partitions=1")})
	subject := seat.Ottla
	if os.Getenv("OTTLA_CONTROL") != "" {
		subject = seat.Kafka
	}
	seat.Kafka.Start()
	_, err := kadm.NewClient(client(t, seat.Kafka)).CreateTopic(timeout(t), 1, 1, nil, "tasks")
	check(t, err)
	setGroup(t, seat.Kafka, "sharers", "share.auto.offset.reset", "earliest")
	writeTasks(t, seat.Kafka, 0, 20)
	share, modern := consumeTasks(t, seat, 20)
	if share != 20 || modern != 20 {
		t.Fatalf("the share group has got %d tasks of 20, the other %d", share, modern)
	}
	// The last acknowledgement comes when the consumer ends; what it leads to is written by and by.
	harness.WaitUntil(t, time.Minute, "the share group to be empty", func(ctx context.Context) bool {
		groups, err := kadm.NewClient(client(t, seat.Kafka)).ListGroups(ctx, "Empty")
		return err == nil && len(groups) == 2
	})
	seat.Kafka.Stop()
	checkLog(t, seat, seat.Kafka, 0, false)

	subject.Start()
	writeTasks(t, subject, 20, 5)
	offsets, err := kadm.NewClient(client(t, subject)).FetchOffsets(timeout(t), "modern")
	check(t, err)
	if at, _ := offsets.Lookup("tasks", 0); at.At != 20 {
		t.Errorf("%s: the group has come to %d", subject.Name, at.At)
	}
	subject.Stop()
	checkLog(t, seat, subject, 1, false)
	d := dumper{t, seat, 1, map[string]bool{}}
	d.dump("*-[0-9]*/*.log", nil, "--deep-iteration")
	d.dump("__share_group_state-[0-9]/*.log", []string{"snapshotEpoch"}, "--share-group-state-decoder")
	d.dump("__consumer_offsets-[0-9]/*.log", []string{"modern", "sharers"}, "--offsets-decoder")

	seat.Kafka.Start()
	if share, modern := consumeTasks(t, seat, 5); share != 5 || modern != 5 {
		t.Errorf("the share group has got %d of the 5 new tasks, the other %d", share, modern)
	}
	seat.Kafka.Stop()
	checkLog(t, seat, seat.Kafka, 2, false)
}

func writeTasks(t *testing.T, server *harness.Broker, first, n int) {
	t.Helper()
	c := client(t, server)
	for i := first; i < first+n; i++ {
		write(t, timeout(t), c, &kgo.Record{Topic: "tasks", Value: fmt.Appendf(nil, "task %d", i)})
	}
}

// consumeTasks reads with a member of each group at once until there is nothing more, and counts.
func consumeTasks(t *testing.T, seat *harness.Seat, want int) (share, modern int) {
	t.Helper()
	var both sync.WaitGroup
	read := func(count *int, class string, arguments ...string) {
		arguments = append(arguments, "--bootstrap-server", seat.Kafka.Address, "--topic", "tasks", "--timeout-ms", "8000")
		result := harness.StockTool(t, seat.Version, "org.apache.kafka.tools.consumer."+class, harness.Command{}, arguments...)
		if *count = strings.Count(result.Stdout, "task "); *count != want {
			t.Logf("%s printed\n%s", class, result.Output())
		}
	}
	both.Go(func() { read(&share, "ConsoleShareConsumer", "--group", "sharers") })
	both.Go(func() {
		read(&modern, "ConsoleConsumer", "--group", "modern", "--from-beginning", "--consumer-property", "group.protocol=consumer")
	})
	both.Wait()
	return share, modern
}

// setGroup sets a configuration of a group.
func setGroup(t *testing.T, server *harness.Broker, group, key, value string) {
	t.Helper()
	request := kmsg.NewPtrIncrementalAlterConfigsRequest()
	resource, config := kmsg.NewIncrementalAlterConfigsRequestResource(), kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
	resource.ResourceType, resource.ResourceName = kmsg.ConfigResourceTypeGroupConfig, group
	config.Name, config.Value = key, &value
	resource.Configs = append(resource.Configs, config)
	request.Resources = append(request.Resources, resource)
	response, err := request.RequestWith(timeout(t), client(t, server))
	check(t, err)
	check(t, kerr.ErrorForCode(response.Resources[0].ErrorCode))
}
