// Package persisted is what the generated codecs of persisted records share: their fields' encodings, in both of Kafka's forms (with
// lengths of fixed size, or flexible, with compact ones and tagged fields). Lengths of null are refused where null is, and nothing is
// allocated for elements that are claimed but not there.
package persisted

import (
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kbin"
)

// Record is what every generated record with a number can do.
type Record interface {
	APIKey() int16
	MaxVersion() int16
	AppendTo(dst []byte, version int16) []byte
	ReadFrom(src []byte, version int16) error
}

// UnknownTag is a tagged field that the schema does not name.
type UnknownTag struct {
	Tag   uint32
	Value []byte
}

// UnknownVersionError tells that a record has a version that is not known.
type UnknownVersionError struct {
	Name       string
	Version    int16
	MaxVersion int16
}

// Error names the record and its version.
func (e *UnknownVersionError) Error() string {
	return fmt.Sprintf("%s of version %d: at most %d is known", e.Name, e.Version, e.MaxVersion)
}

// CheckVersion panics where the type has no such version: to write one is a bug.
func CheckVersion(name string, version, max int16) {
	if version < 0 || version > max {
		panic(fmt.Sprintf("BUG: %s has no version %d", name, version))
	}
}

// Finish tells what is wrong with a body that was read: it ended too early, or (exact) has bytes behind it.
func Finish(b *kbin.Reader, name string, exact bool) error {
	if err := b.Complete(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if exact && len(b.Src) > 0 {
		return fmt.Errorf("%s: %d bytes of garbage after it", name, len(b.Src))
	}
	return nil
}

// AppendLength appends the length of an array or of bytes, or null.
func AppendLength(dst []byte, n int, null, flexible bool) []byte {
	switch {
	case null && flexible:
		return kbin.AppendUvarint(dst, 0)
	case null:
		return kbin.AppendInt32(dst, -1)
	case flexible:
		return kbin.AppendUvarint(dst, uint32(n)+1)
	}
	return kbin.AppendInt32(dst, int32(n))
}

// ReadLength reads the length of an array or of bytes; ok is false for null and for what is not one.
func ReadLength(b *kbin.Reader, nullable, flexible bool) (n int, ok bool) {
	if flexible {
		n = int(b.Uvarint()) - 1
	} else {
		n = int(b.Int32())
	}
	if !b.Ok() || n < 0 && nullable {
		return 0, false
	}
	if n < 0 || n > len(b.Src) {
		b.Span(-1) // marks the reader as bad
		return 0, false
	}
	return n, true
}

// AppendString appends a string.
func AppendString(dst []byte, s string, flexible bool) []byte {
	if flexible {
		return kbin.AppendCompactString(dst, s)
	}
	return kbin.AppendString(dst, s)
}

// ReadString reads a string.
func ReadString(b *kbin.Reader, flexible bool) string {
	if flexible {
		return b.CompactString()
	}
	return b.String()
}

// AppendNullableString appends a string; nil is null.
func AppendNullableString(dst []byte, s *string, flexible bool) []byte {
	if flexible {
		return kbin.AppendCompactNullableString(dst, s)
	}
	return kbin.AppendNullableString(dst, s)
}

// ReadNullableString reads a string; nil is null.
func ReadNullableString(b *kbin.Reader, flexible bool) *string {
	if flexible {
		return b.CompactNullableString()
	}
	return b.NullableString()
}

// AppendBytes appends bytes, or null.
func AppendBytes(dst, value []byte, null, flexible bool) []byte {
	return append(AppendLength(dst, len(value), null, flexible), value...)
}

// ReadBytes reads bytes into memory of their own; nil for null.
func ReadBytes(b *kbin.Reader, nullable, flexible bool) []byte {
	n, ok := ReadLength(b, nullable, flexible)
	if !ok {
		return nil
	}
	return append([]byte{}, b.Span(n)...)
}

// AppendTags appends tagged fields in the order of their tags; those of known come in it.
func AppendTags(dst []byte, known, unknown []UnknownTag) []byte {
	if len(unknown) > 0 {
		known = append(known, unknown...)
		slices.SortStableFunc(known, func(a, b UnknownTag) int { return int(int64(a.Tag) - int64(b.Tag)) })
	}
	dst = kbin.AppendUvarint(dst, uint32(len(known)))
	for _, tag := range known {
		dst = kbin.AppendUvarint(dst, tag.Tag)
		dst = kbin.AppendUvarint(dst, uint32(len(tag.Value)))
		dst = append(dst, tag.Value...)
	}
	return dst
}

// TagReader walks over tagged fields: after each Next that is true the field is read from Field, all of it, or kept as it is by Keep.
type TagReader struct {
	Tag     uint32
	Field   kbin.Reader
	Unknown []UnknownTag // what was kept

	left uint32
	open bool
}

// ReadTags begins to read tagged fields.
func ReadTags(b *kbin.Reader) TagReader { return TagReader{left: b.Uvarint()} }

// Next goes to the next field of b; false at the end, and where one could not be read, which marks b as bad.
func (t *TagReader) Next(b *kbin.Reader) bool {
	if t.open && (!t.Field.Ok() || len(t.Field.Src) > 0) {
		b.Span(-1)
		return false
	}
	if t.left == 0 {
		return false
	}
	t.left--
	t.Tag = b.Uvarint()
	t.Field = kbin.Reader{Src: b.Span(int(b.Uvarint()))}
	t.open = b.Ok()
	return t.open
}

// Keep keeps a field that is not known.
func (t *TagReader) Keep() {
	t.Unknown = append(t.Unknown, UnknownTag{t.Tag, append([]byte{}, t.Field.Src...)})
	t.open = false
}

// ReadUnknownTags reads tagged fields of which none is known.
func ReadUnknownTags(b *kbin.Reader) []UnknownTag {
	t := ReadTags(b)
	for t.Next(b) {
		t.Keep()
	}
	return t.Unknown
}
