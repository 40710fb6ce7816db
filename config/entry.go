package config

import (
	"cmp"
	"maps"
	"slices"
	"unicode/utf16"
)

// Source says where a value comes from, with the numbers of DescribeConfigs' config_source.
type Source int8

// The sources, in Kafka's numbers.
const (
	SourceUnknown              Source = 0
	SourceTopic                Source = 1
	SourceDynamicBroker        Source = 2
	SourceDynamicDefaultBroker Source = 3
	SourceStaticBroker         Source = 4
	SourceDefault              Source = 5
	SourceDynamicBrokerLogger  Source = 6
	SourceClientMetrics        Source = 7
	SourceGroup                Source = 8
)

// Entry is one line of a DescribeConfigs answer.
type Entry struct {
	Name string
	// Value is nil for null: a sensitive key, or one without a value.
	Value     *string
	Source    Source
	Sensitive bool
	ReadOnly  bool
	Type      Type
	// Documentation is "" for a key that no table knows, which is null in the answer.
	Documentation string
	// Synonyms are in the order of precedence; the first is where Value comes from.
	Synonyms []Synonym
}

// Synonym is one of the places where a value could come from, and its value there.
type Synonym struct {
	Name   string
	Value  *string
	Source Source
}

// Dynamic holds the dynamic configuration that the metadata keeps, laid over the file's in DescribeConfigs and in TopicConfig.
// Both maps may be nil.
type Dynamic struct {
	Broker  map[string]string // of this broker
	Default map[string]string // of all brokers
}

// DescribeBroker returns the entries that DescribeConfigs answers for this broker, in the order of Kafka's own answer.
// A nil or empty keys asks for all; unknown keys are left out, as Kafka does. What was set and is in no table is told
// without its value: it could be a secret.
func (c *Config) DescribeBroker(dynamic Dynamic, keys []string) []Entry {
	var others []string
	for key := range c.source.settings {
		others = append(others, key)
	}
	for _, layer := range []map[string]string{dynamic.Broker, dynamic.Default} {
		for key := range layer {
			others = append(others, key)
		}
	}
	slices.Sort(others)
	others = slices.DeleteFunc(slices.Compact(others), func(key string) bool {
		d, ok := Brokers().Lookup(key)
		return ok && !d.Internal && d.Mode != DynamicOnly
	})
	ordered := append(javaOrder(others, len(c.source.settings)), tableOrder(Brokers())...)
	return selected(ordered, keys, func(key string) Entry { return c.brokerEntry(dynamic, key, true) })
}

// DescribeBrokerDefaults returns the entries for the resource of all brokers (empty name): what is set there, nothing else.
func (c *Config) DescribeBrokerDefaults(dynamic Dynamic, keys []string) []Entry {
	ordered := slices.Sorted(maps.Keys(dynamic.Default))
	return selected(ordered, keys, func(key string) Entry { return c.brokerEntry(dynamic, key, false) })
}

// DescribeTopic returns the entries that DescribeConfigs answers for a topic with these configurations of its own.
func (c *Config) DescribeTopic(dynamic Dynamic, topic map[string]string, keys []string) []Entry {
	return c.describeScope(Topics(), SourceTopic, dynamic, topic, keys)
}

// DescribeGroup returns the entries that DescribeConfigs answers for a group with these configurations of its own.
func (c *Config) DescribeGroup(dynamic Dynamic, group map[string]string, keys []string) []Entry {
	return c.describeScope(Groups(), SourceGroup, dynamic, group, keys)
}

func selected(ordered, keys []string, entry func(string) Entry) []Entry {
	entries := make([]Entry, 0, len(ordered))
	for _, key := range ordered {
		if len(keys) == 0 || slices.Contains(keys, key) {
			entries = append(entries, entry(key))
		}
	}
	return entries
}

func (c *Config) brokerEntry(dynamic Dynamic, key string, all bool) Entry {
	e := Entry{Name: key, Sensitive: true, ReadOnly: true, Source: SourceDefault}
	d, known := Brokers().Lookup(key)
	if known {
		e.Documentation = d.Doc
	} else if base, ok := Brokers().Lookup(baseKey(key)); ok {
		d = base
	}
	if d != nil {
		e.Type, e.Sensitive = d.Type, d.Sensitive()
	}
	e.ReadOnly = !known || d.Mode == ReadOnly
	e.Synonyms = c.brokerSynonyms(dynamic, key, brokerSynonyms(key), e.Sensitive)
	if !all {
		e.Synonyms = slices.DeleteFunc(e.Synonyms, func(s Synonym) bool { return s.Source != SourceDynamicDefaultBroker })
	}
	if len(e.Synonyms) > 0 {
		e.Source = e.Synonyms[0].Source
	}
	if e.Sensitive {
		return e
	}
	switch value := any(nil); {
	case !all:
		raw := dynamic.Default[key]
		e.Value = &raw
	case known:
		if value = c.dynamicValue(dynamic, key); value != nil {
			text := formatValue(value)
			e.Value = &text
		}
	case len(e.Synonyms) > 0:
		e.Value = e.Synonyms[0].Value
	}
	return e
}

// brokerSynonyms lists where the value of a key comes from: the dynamic layers, the file, the defaults, in each the synonyms
// by precedence, beginning with the place of the key itself.
func (c *Config) brokerSynonyms(dynamic Dynamic, name string, synonyms []string, sensitive bool) []Synonym {
	var list []Synonym
	add := func(source Source, lookup func(string) (string, bool)) {
		for _, synonym := range synonyms {
			value, ok := lookup(synonym)
			if !ok {
				continue
			}
			s := Synonym{Name: synonym, Source: source}
			if !sensitive {
				s.Value = &value
			}
			list = append(list, s)
		}
	}
	add(SourceDynamicBroker, func(key string) (string, bool) { v, ok := dynamic.Broker[key]; return v, ok })
	add(SourceDynamicDefaultBroker, func(key string) (string, bool) { v, ok := dynamic.Default[key]; return v, ok })
	add(SourceStaticBroker, func(key string) (string, bool) { s, ok := c.source.settings[key]; return s.raw, ok })
	add(SourceDefault, func(key string) (string, bool) {
		d, ok := Brokers().Lookup(key)
		if !ok || d.Default == nil || d.Mode == DynamicOnly {
			return "", false
		}
		_, set := c.source.settings[key]
		return *d.Default, !d.Required || !set // Kafka has no default for what it requires
	})
	at := slices.IndexFunc(list, func(s Synonym) bool { return s.Name == name })
	if at < 0 {
		return nil
	}
	return list[at:]
}

func (c *Config) describeScope(table *Table, own Source, dynamic Dynamic, given map[string]string, keys []string) []Entry {
	return selected(tableOrder(table), keys, func(key string) Entry {
		d, _ := table.Lookup(key)
		e := Entry{Name: key, Source: SourceDefault, Sensitive: d.Sensitive(), Type: d.Type, Documentation: d.Doc}
		var value any
		raw, set := given[key]
		if set {
			var err error
			if value, err = d.parse(raw); err != nil {
				set = false
			}
		}
		if !set {
			value = c.scopedDefault(dynamic, d)
		}
		if value != nil && !e.Sensitive {
			text := formatValue(value)
			e.Value = &text
		}
		if set {
			e.Synonyms = append(e.Synonyms, Synonym{Name: key, Value: e.Value, Source: own})
		}
		switch {
		case len(d.Synonyms) > 0:
			first := d.Synonyms[0]
			e.Synonyms = append(e.Synonyms, c.brokerSynonyms(dynamic, first, brokerSynonyms(first), e.Sensitive)...)
		case own == SourceGroup && d.Default != nil:
			e.Synonyms = append(e.Synonyms, Synonym{Name: key, Value: d.Default, Source: SourceDefault})
		}
		if len(e.Synonyms) > 0 {
			e.Source = e.Synonyms[0].Source
		}
		return e
	})
}

// tableOrder is the order in which Kafka tells a table's keys that are not internal.
func tableOrder(table *Table) []string {
	var all, told []string
	for _, d := range table.All() {
		if d.Mode == DynamicOnly {
			continue
		}
		all = append(all, d.Key)
		if !d.Internal {
			told = append(told, d.Key)
		}
	}
	position := map[string]int{}
	for i, key := range javaOrder(all, len(all)) {
		position[key] = i
	}
	slices.SortFunc(told, func(a, b string) int { return cmp.Compare(position[a], position[b]) })
	return javaOrder(told, len(told))
}

// javaOrder is the order in which a java.util.HashMap gives back keys that were put in this order, when it holds size of them.
func javaOrder(keys []string, size int) []string {
	buckets := uint32(16)
	for size*4 > int(buckets)*3 {
		buckets *= 2
	}
	bucket := func(key string) uint32 {
		var hash uint32
		for _, unit := range utf16.Encode([]rune(key)) {
			hash = hash*31 + uint32(unit)
		}
		return (hash ^ hash>>16) & (buckets - 1)
	}
	ordered := slices.Clone(keys)
	slices.SortStableFunc(ordered, func(a, b string) int { return cmp.Compare(bucket(a), bucket(b)) })
	return ordered
}
