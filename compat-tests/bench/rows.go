package main

import "slices"

// rows lists every row in the order of the table.
func rows() []Row {
	return slices.Concat(produceRows(), fetchRows(), latencyRows(), flushRows(), memoryRows(), scenarioRows())
}
