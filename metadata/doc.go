// Package metadata knows the records of the cluster metadata log, folds them into an immutable Image, and turns an Image back into the
// records of a snapshot.
//
// The record types are generated into records_gen.go from internal/recordgen/schema. Every kind that Kafka 4.3 writes is decoded, kept and
// written back, also those that nothing here acts upon; a kind or version that is not known is an error (UnknownRecordError), never skipped.
//
// An Image never changes and may be read by any number of goroutines without a lock. A Delta belongs to one goroutine. Applying a Delta
// costs what changed, not what is there: the maps inside an Image are persistent trees that share what is equal. The package has no state,
// no lock and no goroutine.
package metadata

// Record is a decoded record of the metadata log: a pointer to one of the generated structs (TopicRecord, PartitionRecord, …). Tagged
// fields that its schema does not name are kept in the struct and written back.
type Record interface {
	// APIKey is the number of the record's type.
	APIKey() int16
	// MaxVersion is the highest version that is known of the type; the lowest is 0.
	MaxVersion() int16
	// AppendTo appends the body at a version. A field that the version lacks is left out.
	AppendTo(dst []byte, version int16) []byte
	// ReadFrom reads a body that is exactly src. The record keeps no reference to src.
	ReadFrom(src []byte, version int16) error
}
