package config

import (
	"fmt"
	"slices"
	"strings"
)

//go:generate go run ./generate

// Document writes the page of the documentation about every key.
func Document() string {
	var b strings.Builder
	b.WriteString(`# Configuration

The settings of a server stand in a file in the format of Apache Kafka's ` + "`server.properties`" + `. The file is given to
` + "`bin/kafka-server-start.sh`" + ` or ` + "`ottla start`" + `; it is read as UTF-8, or as ISO-8859-1 (which Apache Kafka takes always) where
it is not valid UTF-8. Later ones win: the defaults below, the file, ` + "`KAFKA_*`" + ` variables of the environment (with ` + "`--env`" + `, or
when no file is given: ` + "`KAFKA_NUM_PARTITIONS`" + ` is ` + "`num.partitions`" + `, two underscores are one, three are a hyphen),
` + "`--override key=value`" + `. A value may hold ` + "`${env:NAME}`, `${file:/path:key}` or `${dir:/path:name}`" + ` once ` + "`config.providers`" + ` names the
provider.

The keys are those of Apache Kafka 4.3. A value that is not allowed stops the start with a line that says where it stands and
what is allowed; an unknown key gives a warning with the nearest one that is known. What is done with a key:

- **honoured**: it does what it does in Apache Kafka.
- **no effect**: it is accepted and told by ` + "`kafka-configs.sh`" + `, and has no effect yet; another value than the default gives a warning.
- **refused**: another value than the default stops the start, because going on without it would weaken security or durability.

The server is a whole cluster of one node: ` + "`process.roles`" + ` is ` + "`broker,controller`" + `, there is at most
one voter, and listeners are ` + "`PLAINTEXT`" + `. Replication factors and least in-sync replicas of internal topics are lowered to 1.
` + "`broker.id`" + ` serves as ` + "`node.id`" + `; keys of ZooKeeper are ignored. ` + "`super.users`" + ` is refused as the keys of an authorizer are.

## Brokers

`)
	documentTable(&b, Brokers(), true)
	b.WriteString("\n## Topics\n\nSet with `--config` of `kafka-topics.sh` or with `kafka-configs.sh`. Without a value of its own a topic has the broker's.\n\n")
	documentTable(&b, Topics(), false)
	b.WriteString("\n## Groups\n\nSet with `kafka-configs.sh --entity-type groups`. Without a value of its own a group has the broker's.\n\n")
	documentTable(&b, Groups(), false)
	return b.String()
}

func documentTable(b *strings.Builder, table *Table, brokers bool) {
	definitions := slices.Clone(table.All())
	slices.SortFunc(definitions, func(x, y Definition) int { return strings.Compare(x.Key, y.Key) })
	column, line := "broker's key", "---"
	if brokers {
		column = "change"
	}
	fmt.Fprintf(b, "| key | type | default | allowed | %s | here | what it is |\n|%s\n", column, strings.Repeat(line+"|", 7))
	for _, d := range definitions {
		if d.Internal {
			continue
		}
		standard := "none"
		if d.Default != nil {
			standard = code(*d.Default)
		}
		place := string(d.Mode)
		if !brokers {
			place = strings.Join(d.Synonyms, ", ")
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s | %s | %s | %s |\n", d.Key, strings.ToLower(d.Type.String()), standard, cell(d.Valid), place, d.Effect, cell(d.Doc))
	}
}

func code(value string) string {
	if value == "" {
		return "empty"
	}
	return "`" + strings.ReplaceAll(value, "|", `\|`) + "`"
}

func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;", "*", `\*`).Replace(text)
}
