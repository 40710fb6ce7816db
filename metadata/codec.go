package metadata

import "fmt"

// UnknownRecordError is a record that this version does not know: its frame version, type or version.
type UnknownRecordError struct {
	FrameVersion uint32
	APIKey       int64
	Version      int64
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

const frameVersion = 1

// EncodeRecord appends the value of a record of the metadata log: frame version, type, version and body.
func EncodeRecord(dst []byte, record Record, version int16) []byte { panic("BUG: not yet") }

// DecodeRecord reads the value of a record of the metadata log, all of it. An unknown type or version is an *UnknownRecordError. The record
// keeps no reference to the value.
func DecodeRecord(value []byte) (record Record, version int16, err error) { panic("BUG: not yet") }

// RecordVersion is the version at which a record is written at a level of metadata.version, never one above what that level allows. The
// error names a record that the level does not have.
func RecordVersion(record Record, level int16) (int16, error) { panic("BUG: not yet") }
