// Package schema holds the schemas of the records that Kafka persists, from which their codecs are written. The notation
// is described in internal/recordgen.
package schema

import "embed"

//go:embed *.txt
var files embed.FS

// Text returns the schemas of one package: group, metadata or transaction.
func Text(name string) string {
	text, err := files.ReadFile(name + ".txt")
	if err != nil {
		panic("BUG: no schema " + name)
	}
	return string(text)
}
