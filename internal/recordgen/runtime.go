package main

// runtime is what every generated file begins with. Lengths of null are refused where null is, and nothing is allocated for elements that
// are claimed but not there.
const runtime = `// persisted is what every generated record with a number can do.
type persisted interface {
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

// exact: bytes behind a body are an error.
const exact = EXACT

func checkVersion(name string, version, max int16) {
	if version < 0 || version > max {
		panic(fmt.Sprintf("BUG: %s has no version %d", name, version))
	}
}

func finish(b *kbin.Reader, name string) error {
	if err := b.Complete(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if exact && len(b.Src) > 0 {
		return fmt.Errorf("%s: %d bytes of garbage after it", name, len(b.Src))
	}
	return nil
}

func appendLength(dst []byte, n int, null, flexible bool) []byte {
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

// readLength reads the length of an array or of bytes; ok is false for null and for what is not one.
func readLength(b *kbin.Reader, nullable, flexible bool) (n int, ok bool) {
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

func appendString(dst []byte, s string, flexible bool) []byte {
	if flexible {
		return kbin.AppendCompactString(dst, s)
	}
	return kbin.AppendString(dst, s)
}

func readString(b *kbin.Reader, flexible bool) string {
	if flexible {
		return b.CompactString()
	}
	return b.String()
}

func appendNullableString(dst []byte, s *string, flexible bool) []byte {
	if flexible {
		return kbin.AppendCompactNullableString(dst, s)
	}
	return kbin.AppendNullableString(dst, s)
}

func readNullableString(b *kbin.Reader, flexible bool) *string {
	if flexible {
		return b.CompactNullableString()
	}
	return b.NullableString()
}

func appendBytes(dst, value []byte, null, flexible bool) []byte {
	return append(appendLength(dst, len(value), null, flexible), value...)
}

func readBytes(b *kbin.Reader, nullable, flexible bool) []byte {
	n, ok := readLength(b, nullable, flexible)
	if !ok {
		return nil
	}
	return append([]byte{}, b.Span(n)...)
}

func appendTags(dst []byte, known, unknown []UnknownTag) []byte {
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

// readTags reads tagged fields. Known, if not nil, reads one from its own bytes, all of them, or returns false.
func readTags(b *kbin.Reader, known func(tag uint32, b *kbin.Reader) bool) (unknown []UnknownTag) {
	for range b.Uvarint() {
		tag := b.Uvarint()
		value := b.Span(int(b.Uvarint()))
		if !b.Ok() {
			return nil
		}
		field := kbin.Reader{Src: value}
		if known != nil && known(tag, &field) {
			if !field.Ok() || len(field.Src) > 0 {
				b.Span(-1)
				return nil
			}
			continue
		}
		unknown = append(unknown, UnknownTag{tag, append([]byte{}, value...)})
	}
	return unknown
}

`
