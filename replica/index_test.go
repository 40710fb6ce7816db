package replica

import (
	"strconv"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

func TestIndexAgainstMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var x index[int, int]
		model := map[int]*int{}
		key := rapid.IntRange(0, 12)
		t.Repeat(map[string]func(*rapid.T){
			"set": func(t *rapid.T) {
				k, v := key.Draw(t, "key"), new(int)
				x.set(k, v)
				model[k] = v
			},
			"remove": func(t *rapid.T) {
				k := key.Draw(t, "key")
				x.remove(k)
				delete(model, k)
			},
			"get": func(t *rapid.T) {
				k := key.Draw(t, "key")
				if x.get(k) != model[k] {
					t.Fatalf("key %d: %p, want %p", k, x.get(k), model[k])
				}
			},
			"": func(t *rapid.T) {
				for k := range 12 {
					if living := x.living(); load(living[k]) != model[k] {
						t.Fatalf("key %d is not %p", k, model[k])
					}
				}
			},
		})
	})
}

func TestIndexUnderConcurrentReads(t *testing.T) {
	var x index[string, int]
	var group sync.WaitGroup
	const keys = 2000
	for range 3 {
		group.Go(func() {
			for i := 0; i < keys; {
				if value := x.get(strconv.Itoa(i)); value != nil {
					if *value != i {
						t.Errorf("key %d has %d", i, *value)
					}
					i++
				}
			}
		})
	}
	for i := range keys {
		value := i
		x.set(strconv.Itoa(i), &value)
		x.remove("none" + strconv.Itoa(i))
	}
	group.Wait()
}

func TestIndexReadsAllocateNothing(t *testing.T) {
	var x index[string, int]
	for i := range 100 {
		x.set(strconv.Itoa(i), new(int))
	}
	for range 200 {
		x.get("50")
	}
	if allocations := testing.AllocsPerRun(100, func() { x.get("50") }); allocations != 0 {
		t.Errorf("%v allocations", allocations)
	}
}
