package protocol

import (
	"errors"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"
)

// fill sets every field of a request to something, tagged fields too.
func fill(random *rand.Rand, v reflect.Value, depth int) {
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(random.IntN(2) == 0)
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(int64(int8(random.Uint32())))
	case reflect.Uint8, reflect.Uint16, reflect.Uint32:
		v.SetUint(uint64(random.IntN(200)))
	case reflect.Float64:
		v.SetFloat(random.Float64())
	case reflect.String:
		v.SetString("some text of some length, and then some more of it"[:random.IntN(50)])
	case reflect.Pointer:
		if random.IntN(3) == 0 {
			v.SetZero()
			return
		}
		v.Set(reflect.New(v.Type().Elem()))
		if d, ok := v.Interface().(interface{ Default() }); ok {
			d.Default()
		}
		fill(random, v.Elem(), depth)
	case reflect.Slice:
		n := random.IntN(4)
		if depth > 3 {
			n = 0
		}
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			fill(random, v.Index(i), depth+1)
		}
	case reflect.Array:
		for i := range v.Len() {
			fill(random, v.Index(i), depth)
		}
	case reflect.Struct:
		if v.CanAddr() {
			if tags, ok := v.Addr().Interface().(*kmsg.Tags); ok {
				if random.IntN(3) == 0 {
					tags.Set(uint32(100+random.IntN(300)), make([]byte, random.IntN(9)))
				}
				return
			}
			if d, ok := v.Addr().Interface().(interface{ Default() }); ok {
				d.Default()
			}
		}
		for i := range v.NumField() {
			if v.Type().Field(i).Name != "Version" && v.Field(i).CanSet() && random.IntN(5) > 0 {
				fill(random, v.Field(i), depth)
			}
		}
	}
}

// TestWalkEveryVersion walks through bodies that kmsg has written, filled at
// random: it must reach their ends, and no end that is cut off.
func TestWalkEveryVersion(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Uint64().Draw(t, "seed")
		random := rand.New(rand.NewPCG(seed, 1))
		for row := range APIs() {
			for version := max(row.Flexible, row.Min); row.Flexible >= 0 && version <= row.Max; version++ {
				request := kmsg.RequestForKey(row.Key)
				fill(random, reflect.ValueOf(request).Elem(), 0)
				request.SetVersion(version)
				body := request.AppendTo(nil)
				h := Header{API: &row, Version: version}
				if err := h.Walk(body); err != nil {
					t.Fatalf("%v: %+v\n%x", err, request, body)
				}
				if err := h.Walk(append(body, "behind"...)); err != nil {
					t.Fatalf("with bytes behind: %v", err)
				}
				if cut := body[:random.IntN(len(body))]; h.Walk(cut) == nil {
					t.Fatalf("%s version %d: %d of %d bytes pass", row.Name, version, len(cut), len(body))
				}
			}
		}
	})
}

// TestWalkCounts claims tagged fields and elements that are not there, in each
// place of a request where there are some. Reading them must take no time.
func TestWalkCounts(t *testing.T) {
	begun := time.Now()
	for row := range APIs() {
		for version := max(row.Flexible, row.Min); row.Flexible >= 0 && version <= row.Max; version++ {
			request := kmsg.RequestForKey(row.Key)
			request.SetVersion(version)
			body := request.AppendTo(nil)
			h := Header{API: &row, Version: version}
			for i := range body {
				claimed := append(append(body[:i:i], 0xff, 0xff, 0xff, 0xff, 0x0f), body[i+1:]...)
				if err := h.Walk(claimed); err == nil {
					h.Decode(claimed)
				} else if !errors.Is(err, ErrBody) {
					t.Fatal(err)
				}
			}
		}
	}
	if took := time.Since(begun); took > 30*time.Second {
		t.Errorf("it took %v", took)
	}
}

func BenchmarkWalk(b *testing.B) {
	fetch := kmsg.NewPtrFetchRequest()
	fetch.Version = 18
	topic := kmsg.NewFetchRequestTopic()
	for range 100 {
		topic.Partitions = append(topic.Partitions, kmsg.NewFetchRequestTopicPartition())
	}
	fetch.Topics = append(fetch.Topics, topic)
	row, _ := Lookup(1)
	h, body := Header{API: &row, Version: 18}, fetch.AppendTo(nil)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if err := h.Walk(body); err != nil {
			b.Fatal(err)
		}
	}
}
