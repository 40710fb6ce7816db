// Command bench is the project's load tool and benchmark: it runs Ottla, Apache Kafka and the floor (the least that a
// broker must cost) in turns on the same work, prints a table with the goals and writes docs/benchmarks.md.
//
//	go run ./compat-tests/bench -rows produce -rounds 1 -subjects ottla,floor
//
// The load is raw: frames are built once and patched in place, answers are read by hand, so that most of the CPU of a
// small machine is left to the subject. What the generator itself spends is measured and shown.
package main

import "fmt"

func main() {
	for _, row := range rows() {
		fmt.Println(row.Name, row.Title)
	}
}
