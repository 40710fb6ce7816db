package controller

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/config"
	"ottla/internal/quorumtest"
	"ottla/metadata"
)

var rewrite = flag.Bool("rewrite", false, "write what the scripts give into testdata")

// fewConfigs knows enough of topics' configurations for tests of the machine.
type fewConfigs struct{}

func (fewConfigs) ParseTopic(_ map[string]string, topic map[string]*string) error {
	for _, key := range slices.Sorted(maps.Keys(topic)) {
		switch key {
		case "cleanup.policy", "unclean.leader.election.enable", "compression.type", "leader.replication.throttled.replicas":
		case "retention.ms", "min.insync.replicas", "segment.bytes":
			if _, err := strconv.ParseInt(*topic[key], 10, 64); err != nil {
				return &config.InvalidError{Message: "Invalid value " + *topic[key] + " for configuration " + key + ": Not a number"}
			}
		default:
			return &config.InvalidError{Message: "Unknown topic config name: " + key}
		}
	}
	return nil
}

func (fewConfigs) ParseGroup(group map[string]*string) error {
	for _, key := range slices.Sorted(maps.Keys(group)) {
		if key != "consumer.session.timeout.ms" {
			return &config.InvalidError{Message: "Unknown group config name: " + key}
		}
	}
	return nil
}

func (fewConfigs) CheckDynamic(_ config.Dynamic, wanted map[string]string, perBroker bool) error {
	if _, ok := wanted["node.id"]; ok {
		return &config.InvalidError{Message: "Cannot update these configs dynamically: [node.id]"}
	}
	if _, ok := wanted["cordoned.log.dirs"]; ok && !perBroker {
		return &config.InvalidError{Message: "broker id must be specified"}
	}
	return nil
}

func (fewConfigs) DescribeTopic(dynamic config.Dynamic, topic map[string]string, keys []string) []config.Entry {
	var entries []config.Entry
	for _, known := range []struct {
		key, value string
		kind       config.Type
	}{
		{"cleanup.policy", "delete", config.TypeList}, {"compression.type", "producer", config.TypeString},
		{"leader.replication.throttled.replicas", "", config.TypeList}, {"min.insync.replicas", "1", config.TypeInt},
		{"retention.ms", "604800000", config.TypeLong}, {"segment.bytes", "1073741824", config.TypeInt},
		{"unclean.leader.election.enable", "false", config.TypeBoolean},
	} {
		entry := config.Entry{Name: known.key, Value: &known.value, Source: config.SourceDefault, Type: known.kind}
		if value, ok := topic[known.key]; ok {
			entry.Value, entry.Source = &value, config.SourceTopic
		}
		if len(keys) == 0 || slices.Contains(keys, known.key) {
			entries = append(entries, entry)
		}
	}
	return entries
}

func (fewConfigs) TopicConfig(dynamic config.Dynamic, topic map[string]string) config.Topic {
	settings := config.Topic{MinInsyncReplicas: 1, UncleanLeaderElection: topic["unclean.leader.election.enable"] == "true"}
	if value, ok := topic["min.insync.replicas"]; ok {
		n, _ := strconv.Atoi(value)
		settings.MinInsyncReplicas = int32(n)
	}
	return settings
}

// testOptions are those of a broker with the id 1; ids of topics count up.
func testOptions(quorum Quorum) Options {
	next := byte(100)
	return Options{
		Quorum: quorum, NodeID: 1, Configs: fewConfigs{}, NumPartitions: 1, ReplicationFactor: 1, DeleteTopics: true, MinInSyncReplicas: 1,
		NewTopicID: func() [16]byte { next++; return [16]byte{0: 1, 15: next} },
		Internal: map[string]InternalTopic{GroupMetadataTopic: {Partitions: 2, ReplicationFactor: 3,
			Configs: map[string]string{"cleanup.policy": "compact", "segment.bytes": "104857600", "compression.type": "producer"}}},
	}
}

func testRegistration(incarnation byte, previous int64) Registration {
	return Registration{
		IncarnationID:       [16]byte{0: 2, 15: incarnation},
		Endpoints:           []metadata.Endpoint{{Name: "PLAINTEXT", Host: "host", Port: 9092}},
		ControllerEndpoints: []metadata.Endpoint{{Name: "CONTROLLER", Host: "host", Port: 9093}},
		Directories:         [][16]byte{{15: 77}},
		PreviousEpoch:       previous,
	}
}

// script runs the commands of one file against a controller.
type script struct {
	t           *testing.T
	quorum      *quorumtest.Quorum
	controller  *Controller
	incarnation byte
	epoch       int64
	printed     int // records printed before
}

// TestScripts runs testdata/*.txt: blocks of a command, "----", and what it
// emits and answers.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) { runScript(t, file) })
	}
}

func runScript(t *testing.T, file string) {
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s := &script{t: t, quorum: quorumtest.Fresh("cluster"), epoch: -1}
	s.controller = New(testOptions(s.quorum))
	defer func() { s.controller.Close() }()
	var out strings.Builder
	for _, block := range strings.Split(strings.TrimSpace(string(raw)), "\n\n") {
		var comments, commands []string
		for _, line := range strings.Split(block, "\n") {
			if line == "----" {
				break
			}
			if strings.HasPrefix(line, "#") {
				comments = append(comments, line)
			} else {
				commands = append(commands, line)
			}
		}
		for _, line := range append(comments, commands...) {
			out.WriteString(line + "\n")
		}
		if len(commands) > 0 {
			out.WriteString("----\n")
		}
		for _, command := range commands {
			out.WriteString(s.run(strings.Fields(command)))
		}
		out.WriteString("\n")
	}
	got := strings.TrimRight(out.String(), "\n") + "\n"
	if *rewrite {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	compareLines(t, string(raw), got)
}

func compareLines(t *testing.T, want, got string) {
	t.Helper()
	if want == got {
		return
	}
	wantLines, gotLines := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(wantLines), len(gotLines)) {
		if wantLines[i] != gotLines[i] {
			t.Fatalf("line %d:\nwant %s\ngot  %s", i+1, wantLines[i], gotLines[i])
		}
	}
	t.Fatalf("want %d lines, got %d", len(wantLines), len(gotLines))
}

// run runs one command and tells what it appended and answered.
func (s *script) run(words []string) string {
	ctx := context.Background()
	var answer string
	var err error
	switch words[0] {
	case "register":
		s.incarnation++
		previous := int64(-1)
		if len(words) > 1 && words[1] == "clean" {
			previous = s.epoch
		}
		registration := testRegistration(s.incarnation, previous)
		if flags, _ := parseWords(words); flags["dirs"] != "" {
			registration.Directories = scriptIDs(flags["dirs"])
		}
		s.epoch, err = s.controller.RegisterBroker(ctx, registration)
		answer = fmt.Sprintf("epoch %d\n", s.epoch)
	case "unfence":
		err = s.controller.Unfence(ctx)
	case "shutdown":
		err = s.controller.ControlledShutdown(ctx)
	case "restart":
		s.restart()
	case "ids":
		first, length, failed := s.controller.AllocateProducerIDs(ctx)
		answer, err = fmt.Sprintf("%d of %d\n", length, first), failed
	case "state":
		answer = describeState(s.controller.Image())
	default:
		answer, err = s.runRequest(ctx, words)
	}
	if err != nil {
		answer = "error: " + err.Error() + "\n"
	}
	records, _ := s.quorum.Records()
	var out strings.Builder
	for _, record := range records[s.printed:] {
		out.WriteString(describeRecord(record) + "\n")
	}
	s.printed = len(records)
	return out.String() + answer
}

// restart ends the controller and begins another on what the log holds.
func (s *script) restart() {
	s.controller.Close()
	image, err := s.quorum.Replayed()
	if err != nil {
		s.t.Fatal(err)
	}
	if before := describeState(s.controller.Image()); before != describeState(image) {
		s.t.Fatalf("replayed:\n%s\nhad:\n%s", describeState(image), before)
	}
	s.quorum, s.printed = quorumtest.New(image), 0
	options := testOptions(s.quorum)
	ids := options.NewTopicID
	options.NewTopicID = func() [16]byte { id := ids(); id[14] = s.incarnation; return id }
	s.controller = New(options)
}

func (s *script) runRequest(ctx context.Context, words []string) (string, error) {
	flags, names := parseWords(words[1:])
	switch words[0] {
	case "create":
		request := kmsg.NewPtrCreateTopicsRequest()
		request.Version, request.ValidateOnly = 7, flags["validate"] != ""
		for _, name := range names {
			request.Topics = append(request.Topics, scriptTopic(name, flags))
		}
		response, err := s.controller.CreateTopics(ctx, request)
		return describeResults(response, err, func(r *kmsg.CreateTopicsResponse) (lines []string) {
			for _, t := range r.Topics {
				lines = append(lines, fmt.Sprintf("%s: %s", t.Topic, describeError(t.ErrorCode, t.ErrorMessage)))
			}
			return lines
		})
	case "automatic":
		s.controller.CreateAutomatically(names)
		return "", s.controller.do(ctx, func(*machine) []metadata.Record { return nil })
	case "grow":
		request := kmsg.NewPtrCreatePartitionsRequest()
		count, _ := strconv.Atoi(flags["to"])
		for _, name := range names {
			request.Topics = append(request.Topics, kmsg.CreatePartitionsRequestTopic{Topic: name, Count: int32(count)})
		}
		response, err := s.controller.CreatePartitions(ctx, request)
		return describeResults(response, err, func(r *kmsg.CreatePartitionsResponse) (lines []string) {
			for _, t := range r.Topics {
				lines = append(lines, fmt.Sprintf("%s: %s", t.Topic, describeError(t.ErrorCode, t.ErrorMessage)))
			}
			return lines
		})
	case "delete":
		request := kmsg.NewPtrDeleteTopicsRequest()
		request.TopicNames = names
		response, err := s.controller.DeleteTopics(ctx, request)
		return describeResults(response, err, func(r *kmsg.DeleteTopicsResponse) (lines []string) {
			for _, t := range r.Topics {
				lines = append(lines, fmt.Sprintf("%s: %s", *t.Topic, describeError(t.ErrorCode, t.ErrorMessage)))
			}
			return lines
		})
	case "replace":
		request := kmsg.NewPtrAlterConfigsRequest()
		resource := kmsg.NewAlterConfigsRequestResource()
		resource.ResourceType, resource.ResourceName = scriptResource(names[0])
		for _, key := range slices.Sorted(maps.Keys(flags)) {
			c := kmsg.NewAlterConfigsRequestResourceConfig()
			c.Name, c.Value = key, new(flags[key])
			resource.Configs = append(resource.Configs, c)
		}
		request.Resources = append(request.Resources, resource)
		response, err := s.controller.AlterConfigs(ctx, request)
		return describeResults(response, err, func(r *kmsg.AlterConfigsResponse) (lines []string) {
			for _, t := range r.Resources {
				lines = append(lines, fmt.Sprintf("%s: %s", t.ResourceName, describeError(t.ErrorCode, t.ErrorMessage)))
			}
			return lines
		})
	case "elect", "reassign", "features", "unregister", "place", "directories", "foreign":
		return s.runAdmin(ctx, words[0], flags, names)
	case "alter":
		response, err := s.controller.IncrementalAlterConfigs(ctx, scriptAlter(names[0], flags))
		return describeResults(response, err, func(r *kmsg.IncrementalAlterConfigsResponse) (lines []string) {
			for _, t := range r.Resources {
				lines = append(lines, fmt.Sprintf("%s: %s", t.ResourceName, describeError(t.ErrorCode, t.ErrorMessage)))
			}
			return lines
		})
	}
	return "", fmt.Errorf("unknown command %s", words[0])
}

// parseWords takes key=value words apart from the others.
func parseWords(words []string) (flags map[string]string, names []string) {
	flags = make(map[string]string)
	for _, word := range words {
		if key, value, ok := strings.Cut(word, "="); ok {
			flags[key] = value
		} else {
			names = append(names, word)
		}
	}
	return flags, names
}

func scriptTopic(name string, flags map[string]string) kmsg.CreateTopicsRequestTopic {
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = name, -1, -1
	if n, err := strconv.Atoi(flags["partitions"]); err == nil {
		topic.NumPartitions = int32(n)
	}
	if n, err := strconv.Atoi(flags["replicas"]); err == nil {
		topic.ReplicationFactor = int16(n)
	}
	for key, value := range flags {
		if strings.Contains(key, ".") {
			topic.Configs = append(topic.Configs, kmsg.CreateTopicsRequestTopicConfig{Name: key, Value: &value})
		}
	}
	return topic
}

func scriptAlter(topic string, flags map[string]string) *kmsg.IncrementalAlterConfigsRequest {
	request := kmsg.NewPtrIncrementalAlterConfigsRequest()
	resource := kmsg.NewIncrementalAlterConfigsRequestResource()
	resource.ResourceType, resource.ResourceName = scriptResource(topic)
	for _, key := range sortedKeys(flags) {
		value := flags[key]
		operation := kmsg.IncrementalAlterConfigsRequestResourceConfig{Name: key, Value: &value}
		switch {
		case value == "":
			operation.Op, operation.Value = kmsg.IncrementalAlterConfigOpDelete, nil
		case value[0] == '+':
			operation.Op, value = kmsg.IncrementalAlterConfigOpAppend, value[1:]
		case value[0] == '-':
			operation.Op, value = kmsg.IncrementalAlterConfigOpSubtract, value[1:]
		}
		resource.Configs = append(resource.Configs, operation)
	}
	request.Resources = append(request.Resources, resource)
	return request
}

func describeResults[R any](response *R, err error, lines func(*R) []string) (string, error) {
	if err != nil {
		return "", err
	}
	return strings.Join(lines(response), "\n") + "\n", nil
}

func describeError(code int16, message *string) string {
	if message == nil {
		return fmt.Sprint(code)
	}
	return fmt.Sprintf("%d %s", code, *message)
}

// describeRecord prints a record's fields that are not at their defaults.
func describeRecord(record metadata.Record) string {
	v := reflect.ValueOf(record).Elem()
	words := []string{v.Type().Name()}
	for i := range v.NumField() {
		name, field := v.Type().Field(i).Name, v.Field(i)
		text := describeValue(field)
		change := v.Type().Name() == "PartitionChangeRecord" && (name == "Leader" && text == "-2" || name == "LeaderRecoveryState" && text == "-1")
		if text == "" || change || name == "Features" || name == "UnknownTags" {
			continue
		}
		words = append(words, name+"="+text)
	}
	return strings.Join(words, " ")
}

func describeValue(field reflect.Value) string {
	switch field.Kind() {
	case reflect.Array: // an id: the last bytes tell which
		id := field.Interface().([16]byte)
		return fmt.Sprintf("#%d.%d", id[14], id[15])
	case reflect.Slice:
		if field.IsNil() {
			return ""
		}
		var parts []string
		for i := range field.Len() {
			parts = append(parts, describeValue(field.Index(i)))
		}
		return "[" + strings.Join(parts, " ") + "]"
	case reflect.Pointer:
		if field.IsNil() {
			return ""
		}
		return fmt.Sprintf("%q", field.Elem().Interface())
	case reflect.Struct:
		var parts []string
		for i := range field.NumField() {
			if field.Type().Field(i).Name != "UnknownTags" {
				parts = append(parts, fmt.Sprint(field.Field(i).Interface()))
			}
		}
		return strings.Join(parts, ":")
	case reflect.Bool:
		if !field.Bool() {
			return ""
		}
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return fmt.Sprint(field.Int())
	}
	return fmt.Sprint(field.Interface())
}

// describeState prints what an image says of brokers, topics and configurations.
func describeState(image *metadata.Image) string {
	var out strings.Builder
	for broker := range image.Brokers() {
		fmt.Fprintf(&out, "broker %d epoch=%d fenced=%t shutdown=%t\n", broker.ID, broker.Epoch, broker.Fenced, broker.InControlledShutdown)
	}
	for topic := range image.Topics() {
		fmt.Fprintf(&out, "topic %s #%d.%d %v\n", topic.Name, topic.ID[14], topic.ID[15], image.Config(topicResource(topic.Name)))
		for i, p := range topic.Partitions {
			fmt.Fprintf(&out, "  %d leader=%d epoch=%d/%d replicas=%v isr=%v elr=%v last=%v recovery=%d\n", i, p.Leader, p.LeaderEpoch,
				p.PartitionEpoch, p.Replicas, p.ISR, p.ELR, p.LastKnownELR, p.LeaderRecoveryState)
		}
	}
	fmt.Fprintf(&out, "next producer id %d\n", image.NextProducerID())
	return out.String()
}
