package controller

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/metadata"
)

// scriptResource is the resource of a word: broker:1, group:g, metrics:m, logger:1,
// or a topic's name.
func scriptResource(word string) (kmsg.ConfigResourceType, string) {
	kind, name, ok := strings.Cut(word, ":")
	kinds := map[string]kmsg.ConfigResourceType{
		"broker": kmsg.ConfigResourceTypeBroker, "group": kmsg.ConfigResourceTypeGroupConfig,
		"metrics": kmsg.ConfigResourceTypeClientMetrics, "logger": kmsg.ConfigResourceTypeBrokerLogger,
	}
	if known, isKind := kinds[kind]; ok && isKind {
		return known, name
	}
	return kmsg.ConfigResourceTypeTopic, word
}

// runAdmin runs the commands of a cluster's administrator:
//
//	elect [type=n] topic-partition …   or   elect [type=n] all
//	reassign [fixed=1] topic-partition=1+2 …   (no ids: take it back)
//	features [kind=n] [validate=1] name=level …
//	unregister id
//	place topic-partition=directory …
//	directories online=id+id [cordoned=id]
//	foreign id …   (brokers that somebody else registered)
func (s *script) runAdmin(ctx context.Context, command string, flags map[string]string, names []string) (string, error) {
	switch command {
	case "elect":
		return s.runElect(ctx, flags, names)
	case "reassign":
		return s.runReassign(ctx, flags)
	case "features":
		return s.runFeatures(ctx, flags)
	case "place":
		var placements []Placement
		for _, name := range slices.Sorted(maps.Keys(flags)) {
			topic, partition := scriptPartition(name)
			known, _ := s.controller.Image().Topic(topic)
			placements = append(placements, Placement{known.ID, partition, scriptIDs(flags[name])[0]})
		}
		return "", s.controller.AssignDirectories(ctx, placements)
	case "directories":
		return "", s.controller.SetDirectories(ctx, scriptIDs(flags["online"]), scriptIDs(flags["cordoned"]))
	case "foreign":
		return "", s.controller.do(ctx, func(m *machine) (records []metadata.Record) {
			for i, name := range names {
				record := metadata.NewRegisterBrokerRecord()
				record.BrokerID, record.BrokerEpoch, record.LogDirs = scriptNumber(name), m.last+1+int64(i), [][16]byte{{15: 99}}
				records = append(records, record)
			}
			return records
		})
	}
	request := kmsg.NewPtrUnregisterBrokerRequest()
	request.BrokerID = scriptNumber(names[0])
	response, err := s.controller.UnregisterBroker(ctx, request)
	return describeResults(response, err, func(r *kmsg.UnregisterBrokerResponse) []string {
		return []string{describeError(r.ErrorCode, r.ErrorMessage)}
	})
}

func (s *script) runElect(ctx context.Context, flags map[string]string, names []string) (string, error) {
	request := kmsg.NewPtrElectLeadersRequest()
	request.Version, request.ElectionType = 2, int8(scriptNumber(flags["type"]))
	for _, name := range names {
		if name != "all" {
			topic, partition := scriptPartition(name)
			request.Topics = append(request.Topics, kmsg.ElectLeadersRequestTopic{Topic: topic, Partitions: []int32{partition}})
		}
	}
	response, err := s.controller.ElectLeaders(ctx, request)
	return describeResults(response, err, func(r *kmsg.ElectLeadersResponse) []string {
		lines := []string{fmt.Sprint(r.ErrorCode)}
		for _, t := range r.Topics {
			for _, p := range t.Partitions {
				lines = append(lines, fmt.Sprintf("%s-%d: %s", t.Topic, p.Partition, describeError(p.ErrorCode, p.ErrorMessage)))
			}
		}
		return lines
	})
}

func (s *script) runReassign(ctx context.Context, flags map[string]string) (string, error) {
	request := kmsg.NewPtrAlterPartitionAssignmentsRequest()
	request.Version, request.AllowReplicationFactorChange = 1, flags["fixed"] == ""
	for _, name := range slices.Sorted(maps.Keys(flags)) {
		if name == "fixed" {
			continue
		}
		topic, partition := scriptPartition(name)
		p := kmsg.NewAlterPartitionAssignmentsRequestTopicPartition()
		p.Partition = partition
		for _, id := range strings.FieldsFunc(flags[name], func(r rune) bool { return r == '+' }) {
			p.Replicas = append(p.Replicas, scriptNumber(id))
		}
		request.Topics = append(request.Topics, kmsg.AlterPartitionAssignmentsRequestTopic{
			Topic: topic, Partitions: []kmsg.AlterPartitionAssignmentsRequestTopicPartition{p},
		})
	}
	response, err := s.controller.AlterPartitionReassignments(ctx, request)
	return describeResults(response, err, func(r *kmsg.AlterPartitionAssignmentsResponse) (lines []string) {
		for _, t := range r.Topics {
			for _, p := range t.Partitions {
				lines = append(lines, fmt.Sprintf("%s-%d: %s", t.Topic, p.Partition, describeError(p.ErrorCode, p.ErrorMessage)))
			}
		}
		listed := ListPartitionReassignments(s.controller.Image(), kmsg.NewPtrListPartitionReassignmentsRequest())
		for _, t := range listed.Topics {
			for _, p := range t.Partitions {
				lines = append(lines, fmt.Sprintf("under way: %s-%d %v adding %v removing %v", t.Topic, p.Partition, p.Replicas, p.AddingReplicas, p.RemovingReplicas))
			}
		}
		return lines
	})
}

func (s *script) runFeatures(ctx context.Context, flags map[string]string) (string, error) {
	request := kmsg.NewPtrUpdateFeaturesRequest()
	request.Version, request.ValidateOnly = 1, flags["validate"] != ""
	kind := int8(1)
	if flags["kind"] != "" {
		kind = int8(scriptNumber(flags["kind"]))
	}
	for _, name := range slices.Sorted(maps.Keys(flags)) {
		if name == "kind" || name == "validate" {
			continue
		}
		update := kmsg.NewUpdateFeaturesRequestFeatureUpdate()
		update.Feature, update.MaxVersionLevel, update.UpgradeType = name, int16(scriptNumber(flags[name])), kind
		request.FeatureUpdates = append(request.FeatureUpdates, update)
	}
	response, err := s.controller.UpdateFeatures(ctx, request)
	return describeResults(response, err, func(r *kmsg.UpdateFeaturesResponse) []string {
		lines := []string{describeError(r.ErrorCode, r.ErrorMessage)}
		for _, f := range r.Results {
			lines = append(lines, f.Feature+": "+describeError(f.ErrorCode, f.ErrorMessage))
		}
		return lines
	})
}

func scriptPartition(word string) (string, int32) {
	at := strings.LastIndexByte(word, '-')
	return word[:at], scriptNumber(word[at+1:])
}

// scriptIDs are directory ids by their last byte.
func scriptIDs(text string) (ids [][16]byte) {
	for _, id := range strings.FieldsFunc(text, func(r rune) bool { return r == '+' }) {
		ids = append(ids, [16]byte{15: byte(scriptNumber(id))})
	}
	return ids
}

func scriptNumber(word string) int32 {
	n, _ := strconv.ParseInt(word, 10, 32)
	return int32(n)
}
