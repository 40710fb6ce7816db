package protocol

import (
	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// appendProduced appends the body of a Produce answer as kmsg does, byte for
// byte, where it tells no more of a partition than its code and its offsets: so
// are nearly all. Of others it appends nothing, and ok is false. kmsg finds out
// by reflection whether a leader is named, which costs more than all the rest.
func appendProduced(dst []byte, response *kmsg.ProduceResponse) (out []byte, ok bool) {
	if !plain(response) {
		return dst, false
	}
	version, flexible := response.Version, response.IsFlexible()
	dst = appendLength(dst, len(response.Topics), flexible)
	for i := range response.Topics {
		topic := &response.Topics[i]
		switch {
		case version >= 13:
			dst = append(dst, topic.TopicID[:]...)
		case flexible:
			dst = kbin.AppendCompactString(dst, topic.Topic)
		default:
			dst = kbin.AppendString(dst, topic.Topic)
		}
		dst = appendLength(dst, len(topic.Partitions), flexible)
		for j := range topic.Partitions {
			dst = appendProducedPartition(dst, version, flexible, &topic.Partitions[j])
		}
		if flexible {
			dst = append(dst, 0)
		}
	}
	if version >= 1 {
		dst = kbin.AppendInt32(dst, response.ThrottleMillis)
	}
	if flexible {
		dst = append(dst, 0)
	}
	return dst, true
}

func appendProducedPartition(dst []byte, version int16, flexible bool, p *kmsg.ProduceResponseTopicPartition) []byte {
	dst = kbin.AppendInt32(dst, p.Partition)
	dst = kbin.AppendInt16(dst, p.ErrorCode)
	dst = kbin.AppendInt64(dst, p.BaseOffset)
	if version >= 2 {
		dst = kbin.AppendInt64(dst, p.LogAppendTime)
	}
	if version >= 5 {
		dst = kbin.AppendInt64(dst, p.LogStartOffset)
	}
	if version >= 8 {
		dst = appendLength(dst, 0, flexible) // the errors of single records
		if flexible {
			return append(dst, 0, 0) // no message, no tagged field
		}
		dst = kbin.AppendNullableString(dst, nil)
	}
	return dst
}

// plain tells whether an answer is one that appendProduced appends.
func plain(response *kmsg.ProduceResponse) bool {
	if len(response.Brokers) > 0 || response.UnknownTags.Len() > 0 {
		return false
	}
	for i := range response.Topics {
		topic := &response.Topics[i]
		if topic.UnknownTags.Len() > 0 {
			return false
		}
		for j := range topic.Partitions {
			p := &topic.Partitions[j]
			leader := &p.CurrentLeader
			if len(p.ErrorRecords) > 0 || p.ErrorMessage != nil || p.UnknownTags.Len() > 0 ||
				leader.LeaderID != -1 || leader.LeaderEpoch != -1 || leader.UnknownTags.Len() > 0 {
				return false
			}
		}
	}
	return true
}

func appendLength(dst []byte, length int, flexible bool) []byte {
	if flexible {
		return kbin.AppendCompactArrayLen(dst, length)
	}
	return kbin.AppendArrayLen(dst, length)
}
