package config

// clientMetricsRows is the table of what a subscription to clients' metrics may have.
func clientMetricsRows() []row {
	return []row{
		{"metrics", TypeList, "", "", "medium", "", NoEffect, "Telemetry metric name prefix list."},
		{"interval.ms", TypeInt, "300000", "", "medium", "", NoEffect, "Metrics push interval in milliseconds."},
		{"match", TypeList, "", "", "medium", "", NoEffect, "Client match criteria."},
	}
}
