package metadata

import (
	"errors"
	"fmt"
	"reflect"

	"github.com/twmb/franz-go/pkg/kbin"
)

// frameVersion is the only version of the frame around a record.
const frameVersion = 1

// UnknownRecordError is a record that is not known: its frame version, its type or its version.
type UnknownRecordError struct {
	FrameVersion uint32
	APIKey       uint32
	Version      uint32
	Name         string // of the type, where it is known
	MaxVersion   int16
}

// Error names the record.
func (e *UnknownRecordError) Error() string {
	switch {
	case e.FrameVersion != frameVersion:
		return fmt.Sprintf("metadata record with frame version %d: only %d is known", e.FrameVersion, frameVersion)
	case e.Name == "":
		return fmt.Sprintf("metadata record of unknown type %d, version %d", e.APIKey, e.Version)
	default:
		return fmt.Sprintf("metadata record %s of version %d: at most %d is known", e.Name, e.Version, e.MaxVersion)
	}
}

// EncodeRecord appends the value of a record of the metadata log: frame version, type, version and body. A version that the type does not
// have panics: see RecordVersion.
func EncodeRecord(dst []byte, record Record, version int16) []byte {
	dst = kbin.AppendUvarint(dst, frameVersion)
	dst = kbin.AppendUvarint(dst, uint32(record.APIKey()))
	dst = kbin.AppendUvarint(dst, uint32(version))
	return record.AppendTo(dst, version)
}

// DecodeRecord reads the value of a record of the metadata log, all of it. An unknown type or version is an *UnknownRecordError. The record
// keeps no reference to the value.
func DecodeRecord(value []byte) (record Record, version int16, err error) {
	b := kbin.Reader{Src: value}
	frame := b.Uvarint()
	if b.Ok() && frame != frameVersion {
		return nil, 0, &UnknownRecordError{FrameVersion: frame}
	}
	key, wireVersion := b.Uvarint(), b.Uvarint()
	if !b.Ok() {
		return nil, 0, errors.New("metadata record without its frame")
	}
	if key < 1<<15 {
		record = newRecord(int16(key))
	}
	if record == nil {
		return nil, 0, &UnknownRecordError{FrameVersion: frame, APIKey: key, Version: wireVersion}
	}
	if wireVersion > uint32(record.MaxVersion()) {
		return nil, 0, &UnknownRecordError{frame, key, wireVersion, recordName(record), record.MaxVersion()}
	}
	if err := record.ReadFrom(b.Src, int16(wireVersion)); err != nil {
		return nil, 0, err
	}
	return record, int16(wireVersion), nil
}

// recordName is the name of a record's type.
func recordName(record Record) string { return reflect.TypeOf(record).Elem().Name() }
