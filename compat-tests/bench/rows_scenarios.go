package main

// scenarioRows are the rows about many partitions, connections, groups and starts.
func scenarioRows() []Row {
	return nil
}
