package api

import (
	"context"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestBadInputMetadata are the rows of hostile input that these handlers answer.
func TestBadInputMetadata(t *testing.T) {
	n := newNode(t, "auto.create.topics.enable=false")
	ctx := context.Background()
	if _, err := n.controller.CreateTopics(ctx, createRequest(false, newTopic("there", 2, 1)).(*kmsg.CreateTopicsRequest)); err != nil {
		t.Fatal(err)
	}
	software := func(name string) kmsg.Request {
		r := kmsg.NewPtrApiVersionsRequest()
		r.ClientSoftwareName, r.ClientSoftwareVersion = name, "1"
		return at(3, r)
	}
	long := strings.Repeat("x", 250)
	id := func(v int16, id [16]byte, name *string) kmsg.Request {
		r := metadataOf()()
		r.Topics = []kmsg.MetadataRequestTopic{{Topic: name, TopicID: id}}
		return at(v, r)
	}
	rows := []struct {
		row     int
		input   string
		request kmsg.Request
		want    []int16
	}{
		{14, "ApiVersions v3 with client name \"a b\"", software("a b"), []int16{42}},
		{14, "… empty", software(""), []int16{42}},
		{14, "… 200 spaces", software(strings.Repeat(" ", 200)), []int16{42}},
		{41, "Metadata v11 with null topic name", id(11, [16]byte{}, nil), []int16{42}},
		{41, "Metadata v11 with a topic id", id(11, [16]byte{1}, kmsg.StringPtr("there")), []int16{42}},
		{42, "Metadata for .., a/b, 250 chars, \"\"", at(12, metadataOf("..", "a/b", long, "")()), []int16{17, 17, 17, 17}},
		{43, "Metadata v12 unknown topic id", id(12, [16]byte{9}, nil), []int16{100}},
		{44, "DescribeTopicPartitions cursor not in list", describePartitions(9, cursorAt("x", 0), "there")(), []int16{42}},
		{44, "DescribeTopicPartitions partition < 0", describePartitions(9, cursorAt("there", -1), "there")(), []int16{42}},
		{50, "CreateTopics duplicate name", at(7, createRequest(false, newTopic("d", 1, 1), newTopic("d", 1, 1))), []int16{42}},
		{51, "CreateTopics partitions 0 / −2", at(7, createRequest(false, newTopic("a", 0, 1), newTopic("b", -2, 1))), []int16{37, 37}},
		{52, "replication factor 0, −3, > brokers", at(7, createRequest(false, newTopic("a", 1, 0), newTopic("b", 1, -3), newTopic("c", 1, 2))), []int16{38, 38, 38}},
		{53, "assignment and numPartitions≠−1 or rf≠−1", at(7, createRequest(false,
			assigned(newTopic("a", 1, -1), map[int32][]int32{0: {1}}, 0), assigned(newTopic("b", -1, 1), map[int32][]int32{0: {1}}, 0))), []int16{42, 42}},
		{53, "gaps/dups in assignment", at(7, createRequest(false,
			assigned(newTopic("a", -1, -1), map[int32][]int32{0: {1}, 2: {1}}, 0, 2), assigned(newTopic("b", -1, -1), map[int32][]int32{0: {1}}, 0, 0))), []int16{39, 39}},
		{54, "> 10 000 records in one op", at(7, createRequest(false, newTopic("a", 10001, 1))), []int16{44}},
		{54, "> 10 000 records, CreatePartitions", at(3, morePartitions(false, grow("there", 10003))()), []int16{44}},
		{55, "DeleteTopics with both name and id, or neither", at(6, deleteEntries(topicOrID{"there", "unknown"}, topicOrID{})(6, nil)), []int16{42, 42}},
		{58, "IncrementalAlterConfigs same resource twice", at(1, alter(false, change(kmsg.ConfigResourceTypeTopic, "there", setOp, "retention.ms", "1"),
			change(kmsg.ConfigResourceTypeTopic, "there", setOp, "retention.ms", "2"))()), []int16{42, 42}},
	}
	before, _ := n.quorum.Records()
	for _, row := range rows {
		response, err := n.ask(row.request)
		if err != nil {
			t.Errorf("row %d, %s: %v", row.row, row.input, err)
			continue
		}
		if got := errorsOf(response); !equalCodes(got, row.want) {
			t.Errorf("row %d, %s: %v, want %v", row.row, row.input, got, row.want)
		}
	}
	if after, _ := n.quorum.Records(); len(after) != len(before) {
		t.Errorf("bad input wrote %d records", len(after)-len(before))
	}
}

func at[R kmsg.Request](version int16, request R) kmsg.Request {
	request.SetVersion(version)
	return request
}

// errorsOf are the error codes of an answer, in its order.
func errorsOf(response kmsg.Response) (codes []int16) {
	switch r := response.(type) {
	case *kmsg.ApiVersionsResponse:
		codes = append(codes, r.ErrorCode)
	case *kmsg.MetadataResponse:
		for _, topic := range r.Topics {
			codes = append(codes, topic.ErrorCode)
		}
	case *kmsg.DescribeTopicPartitionsResponse:
		for _, topic := range r.Topics {
			codes = append(codes, topic.ErrorCode)
		}
	case *kmsg.CreateTopicsResponse:
		for _, topic := range r.Topics {
			codes = append(codes, topic.ErrorCode)
		}
	case *kmsg.CreatePartitionsResponse:
		for _, topic := range r.Topics {
			codes = append(codes, topic.ErrorCode)
		}
	case *kmsg.DeleteTopicsResponse:
		for _, topic := range r.Topics {
			codes = append(codes, topic.ErrorCode)
		}
	case *kmsg.IncrementalAlterConfigsResponse:
		for _, resource := range r.Resources {
			codes = append(codes, resource.ErrorCode)
		}
	}
	return codes
}

func equalCodes(got, want []int16) bool {
	if len(got) != len(want) {
		return false
	}
	for i := range got {
		if got[i] != want[i] {
			return false
		}
	}
	return true
}

// TestUnsupportedApiVersions is answered in version 0, with this API's versions.
func TestUnsupportedApiVersions(t *testing.T) {
	n := newNode(t)
	request := kmsg.NewPtrApiVersionsRequest()
	response, err := n.handle(&Request{Body: request, UnsupportedVersion: true, Listener: "PLAINTEXT"}, kmsg.NewPtrApiVersionsResponse())
	if err != nil {
		t.Fatal(err)
	}
	r := response.(*kmsg.ApiVersionsResponse)
	if r.Version != 0 || r.ErrorCode != kerr.UnsupportedVersion.Code || len(r.ApiKeys) != 1 || r.ApiKeys[0].ApiKey != 18 || r.ApiKeys[0].MaxVersion != 4 {
		t.Errorf("%+v", r)
	}
}

// TestDeletionDisabled refuses with what the version knows.
func TestDeletionDisabled(t *testing.T) {
	n := newNode(t, "delete.topic.enable=false")
	if _, err := n.controller.CreateTopics(context.Background(), createRequest(false, newTopic("there", 1, 1)).(*kmsg.CreateTopicsRequest)); err != nil {
		t.Fatal(err)
	}
	for v := int16(1); v <= 6; v++ {
		response, err := n.ask(at(v, deleteNames("there")(v, nil)))
		if err != nil {
			t.Fatal(err)
		}
		want := kerr.TopicDeletionDisabled.Code
		if v < 3 {
			want = kerr.InvalidRequest.Code
		}
		if got := errorsOf(response); !equalCodes(got, []int16{want}) {
			t.Errorf("v%d: %v, want %d", v, got, want)
		}
	}
	if _, ok := n.controller.Image().Topic("there"); !ok {
		t.Error("the topic is gone")
	}
}

// TestAutomaticCreation follows auto.create.topics.enable and the request.
func TestAutomaticCreation(t *testing.T) {
	for _, c := range []struct {
		name    string
		enabled string
		version int16
		allowed bool
		want    bool
	}{
		{"allowed", "true", 4, true, true}, {"forbidden by the client", "true", 4, false, false},
		{"an old client cannot forbid", "true", 3, false, true}, {"disabled", "false", 4, true, false},
		{"disabled for an old client", "false", 0, true, false},
	} {
		n := newNode(t, "auto.create.topics.enable="+c.enabled, "num.partitions=3")
		request := metadataOf("new")()
		request.AllowAutoTopicCreation = c.allowed
		response, err := n.ask(at(c.version, request))
		if err != nil {
			t.Fatal(err)
		}
		if got := errorsOf(response); !equalCodes(got, []int16{kerr.UnknownTopicOrPartition.Code}) {
			t.Errorf("%s: %v", c.name, got)
		}
		if _, err := n.controller.CreateTopics(context.Background(), kmsg.NewPtrCreateTopicsRequest()); err != nil {
			t.Fatal(err)
		}
		topic, ok := n.controller.Image().Topic("new")
		if ok != c.want || ok && len(topic.Partitions) != 3 {
			t.Errorf("%s: created %t", c.name, ok)
		}
	}
}

// TestFencedBroker is told to nobody, and its partitions have no leader.
func TestFencedBroker(t *testing.T) {
	n := newNode(t)
	ctx := context.Background()
	if _, err := n.controller.CreateTopics(ctx, createRequest(false, newTopic("there", 1, 1)).(*kmsg.CreateTopicsRequest)); err != nil {
		t.Fatal(err)
	}
	other := &Request{Body: at(12, metadataOf("there")()), Listener: "ELSEWHERE"}
	response, err := n.handle(other, at(12, kmsg.NewPtrMetadataRequest()).ResponseKind())
	if err != nil {
		t.Fatal(err)
	}
	p := response.(*kmsg.MetadataResponse).Topics[0].Partitions[0]
	if p.ErrorCode != kerr.ListenerNotFound.Code || p.Leader != -1 || len(p.OfflineReplicas) != 1 || len(response.(*kmsg.MetadataResponse).Brokers) != 0 {
		t.Errorf("another listener: %+v", p)
	}
	if err := n.controller.ControlledShutdown(ctx); err != nil {
		t.Fatal(err)
	}
	response, err = n.ask(at(12, metadataOf("there")()))
	if err != nil {
		t.Fatal(err)
	}
	m := response.(*kmsg.MetadataResponse)
	p = m.Topics[0].Partitions[0]
	if p.ErrorCode != kerr.LeaderNotAvailable.Code || p.Leader != -1 || len(m.Brokers) != 0 || m.ControllerID != -1 {
		t.Errorf("fenced: %+v", m)
	}
	describe := kmsg.NewPtrDescribeClusterRequest()
	describe.IncludeFencedBrokers = true
	response, err = n.ask(at(2, describe))
	if err != nil {
		t.Fatal(err)
	}
	if c := response.(*kmsg.DescribeClusterResponse); len(c.Brokers) != 1 || !c.Brokers[0].IsFenced || c.ControllerID != -1 {
		t.Errorf("fenced: %+v", c)
	}
	if create, err := n.ask(at(7, createRequest(false, newTopic("late", 1, 1)))); err != nil || errorsOf(create)[0] != kerr.InvalidReplicationFactor.Code {
		t.Errorf("%+v %v", create, err)
	}
}
