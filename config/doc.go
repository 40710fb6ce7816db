// Package config turns server.properties into typed values.
//
// One table holds every key that Apache Kafka 4.3 knows, for brokers, topics and groups: its type, default, valid values,
// how it may change while the server runs, and what this server does with it. Parsing, the checks of CreateTopics and
// IncrementalAlterConfigs, the answers of DescribeConfigs, server.properties.example and docs/configuration.md all read
// that table.
//
// Values come from, later ones winning: the defaults of the table, the file, the environment (only where asked for),
// the overrides of the command line. Keys are case-exact, and the file's grammar is that of java.util.Properties.
//
// A *Config never changes after Load, so it needs no lock; nothing here starts a goroutine. What changes at run time
// (dynamic configuration) is kept by the metadata and laid over it by the caller.
package config
