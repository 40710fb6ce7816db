// Package uuid makes, prints and reads the 16-byte ids that Kafka gives to topics, directories and clusters.
//
// An id is a plain [16]byte everywhere in the project; its text is the 22 characters of unpadded base64url
// that Kafka writes in files and prints in tools. The package has no state.
package uuid

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
)

// UUID is an id as it stands on the wire and on disk.
type UUID = [16]byte

// Reserved ids that New never returns. MetadataTopic is the id of __cluster_metadata, LostDirectory and
// MigratingDirectory stand in a partition's directory list for a directory that is gone or not yet known.
var reserved = [...]UUID{
	{},      // zero: no id, an unassigned directory
	{15: 1}, // the metadata topic; a lost directory
	{15: 2}, // a migrating directory
}

// MetadataTopic is the fixed id of the __cluster_metadata topic.
var MetadataTopic = UUID{15: 1}

// New returns a random version 4 id. It is never one of Kafka's reserved ids and its text never starts with
// a dash, so that a tool can take it as a command-line value.
func New() UUID {
	for {
		var id UUID
		_, _ = rand.Read(id[:]) // never fails: the runtime ends the process instead
		id[6] = id[6]&0x0f | 0x40
		id[8] = id[8]&0x3f | 0x80
		if String(id)[0] == '-' || isReserved(id) {
			continue
		}
		return id
	}
}

// isReserved tells whether id is one of the ids that Kafka keeps for itself.
func isReserved(id UUID) bool {
	for _, other := range reserved {
		if id == other {
			return true
		}
	}
	return false
}

// String returns the 22 characters of unpadded base64url that Kafka prints for id.
func String(id UUID) string {
	return base64.RawURLEncoding.EncodeToString(id[:])
}

// Parse reads what String prints. Padding is accepted, as Java's decoder accepts it.
func Parse(text string) (UUID, error) {
	var id UUID
	encoding := base64.RawURLEncoding
	if len(text) == 24 {
		encoding = base64.URLEncoding
	}
	raw, err := encoding.DecodeString(text)
	if err != nil || len(raw) != len(id) {
		return id, fmt.Errorf("%q is not an id of 22 base64url characters", text)
	}
	copy(id[:], raw)
	return id, nil
}
