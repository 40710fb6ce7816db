package api

// topicKey names a topic as a request does: by name or by id.
type topicKey struct {
	name string
	id   [16]byte
}

// places numbers distinct keys in the order of their first appearance. A few
// keys, as nearly all requests have, are compared one by one and allocate
// nothing more than their list.
type places[K comparable] struct {
	keys []K
	far  map[K]int
}

// fewPlaces is how many keys are compared one by one before a map is made.
const fewPlaces = 16

func newPlaces[K comparable](capacity int) places[K] {
	return places[K]{keys: make([]K, 0, capacity)}
}

// find returns the place of the key, which is new if found is false.
func (p *places[K]) find(key K) (at int, found bool) {
	if p.far == nil {
		for i := range p.keys {
			if p.keys[i] == key {
				return i, true
			}
		}
	} else if at, found = p.far[key]; found {
		return at, true
	}
	at = len(p.keys)
	p.keys = append(p.keys, key)
	switch {
	case p.far != nil:
		p.far[key] = at
	case len(p.keys) > fewPlaces:
		p.far = make(map[K]int, cap(p.keys))
		for i, known := range p.keys {
			p.far[known] = i
		}
	}
	return at, false
}

// internalTopic tells whether a topic is one that the cluster itself writes.
func internalTopic(name string) bool {
	switch name {
	case "__consumer_offsets", "__transaction_state", "__share_group_state":
		return true
	}
	return false
}
