package differential

import (
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"sort"
	"strings"

	"ottla/internal/uuid"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func idText(id [16]byte) string { return uuid.String(id) }

// unordered names the lists whose order Apache Kafka draws from a hash table, by API and the name of the field.
var unordered = map[string]bool{
	"Metadata.Topics": true, "DescribeConfigs.Configs": true, "DescribeConfigs.Resources": true,
	"ListGroups.Groups": true, "Fetch.Topics": true, "Produce.Topics": true, "DescribeConfigs.ConfigSynonyms": false,
	"CreateTopics.Configs": true, "CreateTopics.Topics": true, "DeleteTopics.Topics": true, "CreatePartitions.Topics": true,
	"ListOffsets.Topics": true, "ListOffsets.Partitions": true, "OffsetFetch.Topics": true, "OffsetFetch.Partitions": true,
	"DescribeGroups.Members": true, "JoinGroup.Members": true, "IncrementalAlterConfigs.Resources": true,
	"OffsetForLeaderEpoch.Topics": true, "DeleteGroups.Groups": true, "Metadata.Partitions": false,
	"DeleteRecords.Topics": true, "DeleteRecords.Partitions": true, "Produce.Partitions": true, "Fetch.Partitions": true,
	"DescribeLogDirs.Topics": true, "ApiVersions.SupportedFeatures": true, "ApiVersions.FinalizedFeatures": true,
	"AlterConfigs.Resources": true, "OffsetDelete.Topics": true, "OffsetDelete.Partitions": true,
	"AddPartitionsToTxn.Topics": true, "AddPartitionsToTxn.Partitions": true, "DescribeTransactions.Topics": true, "DescribeTransactions.Partitions": true,
	"WriteTxnMarkers.Markers": true, "WriteTxnMarkers.Topics": true, "WriteTxnMarkers.Partitions": true,
	"ElectLeaders.Topics": true, "ListConfigResources.ConfigResources": true, "OffsetCommit.Topics": true, "OffsetCommit.Partitions": true,
}

// free names fields whose value is the broker's own: times, ports, what it made up.
var free = regexp.MustCompile(`(^|\.)(ThrottleMillis|Port|ClusterAuthorizedOperations|FinalizedFeaturesEpoch|LogAppendTime|` +
	`ControllerEpoch|TotalBytes|UsableBytes)$|^DescribeQuorum\..*\.(HighWatermark|LogEndOffset|LeaderEpoch|ReplicaDirectoryID|\w+Timestamp)$`)

// tree turns an answer into a plain tree of maps, lists, numbers and strings, in which what differs between two runs of
// one broker is replaced by a name.
func (s *side) tree(a answer) any {
	if a.closed {
		return "CLOSED"
	}
	if a.silent {
		return "NO ANSWER"
	}
	api := kmsg.NameForKey(a.response.Key())
	return s.value(api, "", reflect.ValueOf(a.response).Elem())
}

func (s *side) value(api, path string, v reflect.Value) any {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return s.value(api, path, v.Elem())
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[kmsg.Tags]() {
			return nil
		}
		return s.structure(api, path, v)
	case reflect.Array:
		if id, ok := v.Interface().([16]byte); ok {
			return s.id(id)
		}
	case reflect.Slice:
		return s.list(api, path, v)
	case reflect.String:
		return s.text(v.String())
	default:
	}
	return v.Interface()
}

func (s *side) structure(api, path string, v reflect.Value) any {
	fields := map[string]any{}
	for i := range v.NumField() {
		field := v.Type().Field(i)
		below := path + "." + field.Name
		if !field.IsExported() || field.Name == "Version" && path == "" || field.Name == "UnknownTags" {
			continue
		}
		if free.MatchString(api + below) {
			continue
		}
		fields[field.Name] = s.value(api, below, v.Field(i))
	}
	return fields
}

func (s *side) list(api, path string, v reflect.Value) any {
	if v.IsNil() {
		return nil
	}
	if bytes, ok := v.Interface().([]byte); ok {
		return fmt.Sprintf("%x", bytes)
	}
	list := make([]any, 0, v.Len())
	for i := range v.Len() {
		list = append(list, s.value(api, path, v.Index(i)))
	}
	if unordered[api+path[strings.LastIndexByte(path, '.'):]] {
		sort.SliceStable(list, func(i, j int) bool { return jsonText(list[i]) < jsonText(list[j]) })
	}
	return list
}

func (s *side) id(id [16]byte) string {
	if id == [16]byte{} {
		return "ID()"
	}
	if name, ok := s.names[id]; ok {
		return "ID(" + name + ")"
	}
	if id == madeUp {
		return "ID(made up)"
	}
	return "ID(new)"
}

func jsonText(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// difference is one place in which two answers differ.
type difference struct {
	path     string
	ours     any
	original any
}

func (d difference) String() string {
	return fmt.Sprintf("%s: Ottla %s, Apache Kafka %s", d.path, jsonText(d.ours), jsonText(d.original))
}

// compare lists the places in which two trees differ.
func compare(path string, ours, original any) []difference {
	switch o := original.(type) {
	case map[string]any:
		mine, ok := ours.(map[string]any)
		if !ok {
			break
		}
		names := make([]string, 0, len(o))
		for name := range o {
			names = append(names, name)
		}
		slices.Sort(names)
		var all []difference
		for _, name := range names {
			all = append(all, compare(path+"."+name, mine[name], o[name])...)
		}
		return all
	case []any:
		mine, ok := ours.([]any)
		if !ok || len(mine) != len(o) {
			break
		}
		var all []difference
		for i := range o {
			all = append(all, compare(fmt.Sprintf("%s[%d]", path, i), mine[i], o[i])...)
		}
		return all
	}
	if jsonText(ours) == jsonText(original) {
		return nil
	}
	return []difference{{path, ours, original}}
}
