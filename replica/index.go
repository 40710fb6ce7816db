package replica

import (
	"sync"
	"sync/atomic"
)

// index is a map that is read without a lock and without an allocation, for
// keys that are looked up with every request and change rarely.
//
// Reads go to a map that no one changes; what changes is the slot that a key
// leads to. New keys gather in a second map, which replaces the first once as
// many reads had to take the lock as it has keys: so n single insertions and
// removals cost O(n) together, not O(n²).
type index[K comparable, V any] struct {
	clean atomic.Pointer[indexSnapshot[K, V]]

	lock sync.Mutex
	// dirty is nil while clean has every key, else it has every living one.
	dirty  map[K]*atomic.Pointer[V]
	misses int
}

type indexSnapshot[K comparable, V any] struct {
	slots map[K]*atomic.Pointer[V]
	// amended tells that dirty may have keys that slots lacks.
	amended bool
}

// get returns the value of the key, nil if there is none.
func (x *index[K, V]) get(key K) *V {
	snapshot := x.clean.Load()
	if snapshot == nil {
		return nil
	}
	if slot := snapshot.slots[key]; slot != nil {
		if value := slot.Load(); value != nil {
			return value
		}
	}
	if !snapshot.amended {
		return nil
	}
	x.lock.Lock()
	defer x.lock.Unlock()
	if x.dirty == nil {
		return load(x.clean.Load().slots[key])
	}
	value := load(x.dirty[key])
	x.misses++
	if x.misses >= len(x.dirty) {
		x.clean.Store(&indexSnapshot[K, V]{slots: x.dirty})
		x.dirty, x.misses = nil, 0
	}
	return value
}

// set adds or replaces the value of the key.
func (x *index[K, V]) set(key K, value *V) {
	x.lock.Lock()
	defer x.lock.Unlock()
	if slot := x.living()[key]; slot != nil {
		slot.Store(value)
		return
	}
	if x.dirty == nil {
		x.split()
	}
	slot := new(atomic.Pointer[V])
	slot.Store(value)
	x.dirty[key] = slot
}

// remove takes the key out.
func (x *index[K, V]) remove(key K) {
	x.lock.Lock()
	defer x.lock.Unlock()
	if slot := x.living()[key]; slot != nil {
		slot.Store(nil)
	}
	if x.dirty != nil {
		delete(x.dirty, key)
	}
}

// living is the map that has every living key. The lock is held.
func (x *index[K, V]) living() map[K]*atomic.Pointer[V] {
	if x.dirty != nil {
		return x.dirty
	}
	if snapshot := x.clean.Load(); snapshot != nil {
		return snapshot.slots
	}
	return nil
}

// split begins a dirty map with the living keys. The lock is held.
func (x *index[K, V]) split() {
	slots := x.living()
	x.dirty = make(map[K]*atomic.Pointer[V], len(slots)+1)
	for key, slot := range slots {
		if slot.Load() != nil {
			x.dirty[key] = slot
		}
	}
	x.clean.Store(&indexSnapshot[K, V]{slots: slots, amended: true})
}

func load[V any](slot *atomic.Pointer[V]) *V {
	if slot == nil {
		return nil
	}
	return slot.Load()
}
