// Package differential sends the same requests to Ottla and to Apache Kafka and compares the answers field by field.
//
// What two runs of one broker would answer differently (ids, ports, times, what a broker makes up) is given a name
// before the comparison; every other difference fails unless accepted.txt names it with its reason. See README.md.
package differential
