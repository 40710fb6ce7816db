package metadata

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kbin"

	"ottla/internal/persisted"
)

// QuotaEntity is one part of what a quota is for: a type (user, client-id, ip) and a name; nil is the default of the type.
type QuotaEntity struct {
	Type string
	Name *string
	tags []UnknownTag
}

// ClientQuota is what is set for one entity. It must not be changed.
type ClientQuota struct {
	Entity []QuotaEntity // sorted by type
	Values map[string]float64
	tags   map[string][]UnknownTag
}

// quotaEntity is the entity of a record, its parts sorted by type, and a key that is equal for equal entities.
func quotaEntity(r *ClientQuotaRecord) (entity []QuotaEntity, key string) {
	for _, e := range r.Entity {
		entity = append(entity, QuotaEntity{e.EntityType, e.EntityName, e.UnknownTags})
	}
	slices.SortFunc(entity, func(a, b QuotaEntity) int { return cmp.Compare(a.Type, b.Type) })
	var text []byte
	for _, e := range entity {
		text = kbin.AppendCompactNullableString(kbin.AppendCompactString(text, e.Type), e.Name)
	}
	return entity, string(text)
}

// with is the quota after a record.
func (q *ClientQuota) with(r *ClientQuotaRecord) *ClientQuota {
	next := &ClientQuota{Entity: q.Entity, Values: maps.Clone(q.Values), tags: maps.Clone(q.tags)}
	if next.Values == nil {
		next.Values = make(map[string]float64)
	}
	delete(next.tags, r.Key)
	if r.Remove {
		delete(next.Values, r.Key)
		return next
	}
	next.Values[r.Key] = r.Value
	if len(r.UnknownTags) > 0 {
		if next.tags == nil {
			next.tags = make(map[string][]UnknownTag)
		}
		next.tags[r.Key] = r.UnknownTags
	}
	return next
}

// records are what a snapshot has of the quota.
func (q *ClientQuota) records() []Record {
	var entity []ClientQuotaRecordEntityData
	for _, e := range q.Entity {
		entity = append(entity, ClientQuotaRecordEntityData{e.Type, e.Name, e.tags})
	}
	var records []Record
	for _, key := range slices.Sorted(maps.Keys(q.Values)) {
		records = append(records, &ClientQuotaRecord{Entity: entity, Key: key, Value: q.Values[key], UnknownTags: q.tags[key]})
	}
	return records
}

// packTags makes tags comparable; unpackTags reverses it.
func packTags(tags []UnknownTag) string {
	if len(tags) == 0 {
		return ""
	}
	return string(persisted.AppendTags(nil, nil, tags))
}

func unpackTags(packed string) []UnknownTag {
	if packed == "" {
		return nil
	}
	b := kbin.Reader{Src: []byte(strings.Clone(packed))}
	return persisted.ReadUnknownTags(&b)
}
