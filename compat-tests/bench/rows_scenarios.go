package main

import "slices"

// scenarioRows are the rows about many partitions, connections, groups, transactions and starts.
func scenarioRows() []Row {
	return slices.Concat(partitionRows(), connectionRows(), groupRows(), transactionRows(), startRows())
}
