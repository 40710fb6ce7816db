package cli

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"ottla/cli/flags"
)

const configsHelp = "This tool helps to manipulate and describe entity config for a topic, client, user, broker, ip, client-metrics or group"

// The types of entities.
const (
	entityTopics        = "topics"
	entityClients       = "clients"
	entityUsers         = "users"
	entityBrokers       = "brokers"
	entityIPs           = "ips"
	entityClientMetrics = "client-metrics"
	entityGroups        = "groups"
	entityLoggers       = "broker-loggers"
)

// entityFlag is an option that says an entity's type and its name, or that the default is meant.
type entityFlag struct {
	option *flags.Option
	kind   string
}

// configsTool is kafka-configs.
type configsTool struct {
	*tool
	client *client

	bootstrap, controller, commandConfig   *flags.Option
	alter, describe, all                   *flags.Option
	entityType, entityName, entityDefault  *flags.Option
	addConfig, addConfigFile, deleteConfig *flags.Option
	named, defaults                        []entityFlag

	types, names []string // of the entities; the name of a default is ""
}

// configs describes and alters the configurations of topics, brokers, users, clients, groups.
func configs(environment Environment, arguments []string) int {
	t := &configsTool{tool: newTool(environment, arguments)}
	t.declare()
	err := t.run()
	var usage *usageError
	var e *exception
	plain := err == nil || errors.Is(err, errVersion) || errors.As(err, &usage)
	if !plain {
		if _, ok := err.(*flags.Error); !ok && !(errors.As(err, &e) && saysEnough(e.class)) {
			t.complain("Error while executing config command with args '" + strings.Join(arguments, " ") + "'")
			err = errors.New(described(err))
		}
	}
	return t.finish(err)
}

// saysEnough tells the exceptions whose message the stock tool prints alone.
func saysEnough(class string) bool {
	switch class[strings.LastIndexByte(class, '.')+1:] {
	case "IllegalArgumentException", "InvalidConfigurationException", "InvalidTopicException", "UnsupportedVersionException":
		return true
	}
	return false
}

func (t *configsTool) declare() {
	p := t.parser
	t.bootstrap = p.Value("bootstrap-server", flags.String, "server to connect to", "the servers to connect to")
	t.controller = p.Value("bootstrap-controller", flags.String, "controller to connect to", "the controllers to connect to")
	t.commandConfig = p.Value("command-config", flags.String, "command config property file", "a file with properties of the client")
	t.alter = p.Flag("alter", "change configurations")
	t.describe = p.Flag("describe", "show configurations")
	t.all = p.Flag("all", "show also those that come from the file of a broker or by default")
	t.entityType = p.Value("entity-type", flags.String, "", "the type of the entity: topics, clients, users, brokers, broker-loggers, ips, client-metrics, groups")
	t.entityName = p.Value("entity-name", flags.String, "", "the name of the entity")
	t.entityDefault = p.Flag("entity-default", "the default of clients, users, brokers or ips")
	t.addConfig = p.Value("add-config", flags.String, "", "configurations to set: k1=v1,k2=[v1,v2]; brackets hold values with commas")
	t.addConfigFile = p.Value("add-config-file", flags.String, "", "a properties file with configurations to set")
	t.deleteConfig = p.Value("delete-config", flags.String, "", "configurations to remove: k1,k2")
	t.deleteConfig.Separator = ','
	for _, one := range []struct{ name, kind, help string }{
		{"topic", entityTopics, "the name of the topic"},
		{"client", entityClients, "the client id"},
		{"user", entityUsers, "the name of the user"},
		{"broker", entityBrokers, "the id of the broker"},
		{"broker-logger", entityLoggers, "the id of the broker whose loggers are meant"},
		{"ip", entityIPs, "the IP address"},
		{"client-metrics", entityClientMetrics, "the name of the subscription of client metrics"},
		{"group", entityGroups, "the id of the group"},
	} {
		t.named = append(t.named, entityFlag{p.Value(one.name, flags.String, "", one.help), one.kind})
	}
	for _, one := range []struct{ name, kind string }{
		{"client-defaults", entityClients}, {"user-defaults", entityUsers}, {"broker-defaults", entityBrokers}, {"ip-defaults", entityIPs},
	} {
		t.defaults = append(t.defaults, entityFlag{p.Flag(one.name, "the default of all "+one.kind), one.kind})
	}
	t.formats()
}

func (t *configsTool) run() error {
	var err error
	if t.set, err = t.parser.Parse(t.arguments); err != nil {
		return err
	}
	if err := t.helpOrVersion(configsHelp); err != nil {
		return err
	}
	t.entities()
	if err := t.check(); err != nil {
		return err
	}
	p := properties{}
	if t.set.Has(t.commandConfig) {
		if p, err = loadProperties(t.set.Text(t.commandConfig)); err != nil {
			return err
		}
	}
	p["bootstrap.servers"] = t.set.Text(t.bootstrap)
	if t.set.Has(t.controller) {
		p["bootstrap.servers"] = t.set.Text(t.controller)
	}
	if t.client, err = t.connect("Failed to create new KafkaAdminClient", p); err != nil {
		return err
	}
	defer t.client.Close()
	t.client.direct = t.set.Has(t.controller)
	if err := t.set.Err(); err != nil {
		return err
	}
	if t.set.Has(t.alter) {
		if len(t.types) != len(t.names) {
			return illegalArgument("An entity name must be specified for every entity type")
		}
		return t.runAlter()
	}
	return t.runDescribe()
}

// entities finds the types and names of the entities that are meant.
func (t *configsTool) entities() {
	t.types = slices.Clone(t.set.Strings(t.entityType))
	names := t.set.Strings(t.entityName)
	for _, option := range t.set.Specs {
		switch option {
		case t.entityName:
			t.names, names = append(t.names, names[0]), names[1:]
		case t.entityDefault:
			t.names = append(t.names, "")
		}
	}
	for _, flag := range t.named {
		if t.set.Has(flag.option) {
			t.types, t.names = append(t.types, flag.kind), append(t.names, t.set.Text(flag.option))
		}
	}
	for _, flag := range t.defaults {
		if t.set.Has(flag.option) {
			t.types, t.names = append(t.types, flag.kind), append(t.names, "")
		}
	}
}

// has tells whether one of the types is meant.
func (t *configsTool) has(types ...string) bool {
	return slices.ContainsFunc(t.types, func(kind string) bool { return slices.Contains(types, kind) })
}

// check looks for contradictions in the command line, in the order of the stock tool.
func (t *configsTool) check() error {
	if t.count(t.alter, t.describe) != 1 {
		return &usageError{"Command must include exactly one action: --describe, --alter"}
	}
	if err := t.exclude(t.describe, t.alter, t.addConfig, t.deleteConfig); err != nil {
		return err
	}
	var twice []string
	for i, kind := range t.types {
		if slices.Contains(t.types[:i], kind) {
			twice = append(twice, kind)
		}
	}
	if twice != nil {
		return illegalArgument("Duplicate entity type(s) specified: " + strings.Join(twice, ","))
	}
	if t.count(t.bootstrap, t.controller) == 0 {
		return illegalArgument("Either --bootstrap-server or --bootstrap-controller must be specified.")
	}
	known := []string{entityTopics, entityClients, entityUsers, entityBrokers, entityIPs, entityClientMetrics, entityGroups, entityLoggers}
	for _, kind := range t.types {
		if !slices.Contains(known, kind) {
			return illegalArgument(fmt.Sprintf("Invalid entity type %s, the entity type must be one of %s with a --bootstrap-server or --bootstrap-controller argument", kind, strings.Join(known, ", ")))
		}
	}
	if len(t.types) == 0 {
		return illegalArgument("At least one entity type must be specified")
	}
	if len(t.types) > 1 && !(len(t.types) == 2 && t.has(entityUsers) && t.has(entityClients)) {
		return illegalArgument("Only 'users' and 'clients' entity types may be specified together")
	}
	specific := slices.ContainsFunc(slices.Concat(t.named, t.defaults), func(f entityFlag) bool { return t.set.Has(f.option) })
	if t.count(t.entityName, t.entityType, t.entityDefault) > 0 && specific {
		return illegalArgument("--entity-{type,name,default} should not be used in conjunction with specific entity flags")
	}
	if t.count(t.bootstrap, t.controller) == 2 {
		return illegalArgument("Only one of --bootstrap-server or --bootstrap-controller can be specified")
	}
	if err := t.checkNames(); err != nil {
		return err
	}
	if t.set.Has(t.describe) {
		return t.checkDescribe()
	}
	return t.checkAlter()
}

func (t *configsTool) hasName() bool {
	return slices.ContainsFunc(t.names, func(name string) bool { return name != "" })
}

// checkNames looks at the names of brokers and addresses.
func (t *configsTool) checkNames() error {
	if t.hasName() && t.has(entityBrokers, entityLoggers) {
		for _, name := range t.names {
			if _, err := strconv.ParseInt(name, 10, 32); name != "" && err != nil {
				return illegalArgument(fmt.Sprintf("The entity name for %s must be a valid integer broker id, but it is: %s", t.types[0], name))
			}
		}
	}
	if t.hasName() && t.has(entityIPs) {
		for _, name := range t.names {
			if name == "" || net.ParseIP(name) != nil {
				continue
			}
			if _, err := net.LookupHost(name); err != nil {
				return illegalArgument(fmt.Sprintf("The entity name for %s must be a valid IP or resolvable host, but it is: %s", t.types[0], name))
			}
		}
	}
	return nil
}

func (t *configsTool) checkDescribe() error {
	if !t.has(entityUsers, entityClients, entityBrokers, entityIPs) && t.set.Has(t.entityDefault) {
		return illegalArgument("--entity-default must not be specified with --describe of " + strings.Join(t.types, ","))
	}
	if t.has(entityLoggers) && !t.hasName() {
		return illegalArgument("An entity name must be specified with --describe of " + strings.Join(t.types, ","))
	}
	return nil
}

func (t *configsTool) checkAlter() error {
	if t.has(entityUsers, entityClients, entityBrokers, entityIPs) {
		if len(t.names) == 0 {
			return illegalArgument("An entity-name or default entity must be specified with --alter of users, clients, brokers or ips")
		}
	} else if !t.hasName() {
		return illegalArgument("An entity name must be specified with --alter of " + strings.Join(t.types, ","))
	}
	if t.count(t.addConfig, t.addConfigFile) == 2 {
		return illegalArgument("Only one of --add-config or --add-config-file must be specified")
	}
	if t.count(t.addConfig, t.addConfigFile, t.deleteConfig) == 0 {
		return illegalArgument("At least one of --add-config, --add-config-file, or --delete-config must be specified with --alter")
	}
	return nil
}

// splitOutside splits at a separator that stands outside of brackets.
func splitOutside(text string, separator byte) []string {
	var parts []string
	start := 0
	for i := range len(text) {
		if text[i] != separator {
			continue
		}
		next := strings.IndexAny(text[i:], "[]")
		if next >= 0 && text[i+next] == ']' {
			continue
		}
		parts, start = append(parts, text[start:i]), i+1
	}
	return append(parts, text[start:])
}

// added returns the configurations to set.
func (t *configsTool) added() (properties, error) {
	added := properties{}
	if t.set.Has(t.addConfigFile) {
		var err error
		if added, err = loadProperties(t.set.Text(t.addConfigFile)); err != nil {
			return nil, err
		}
	}
	if t.set.Has(t.addConfig) {
		pieces := splitOutside(t.set.Text(t.addConfig), ',')
		for len(pieces) > 0 && pieces[len(pieces)-1] == "" {
			pieces = pieces[:len(pieces)-1]
		}
		for _, piece := range pieces {
			pair := splitOutside(piece, '=')
			if len(pair) != 2 {
				return nil, illegalArgument("requirement failed: Invalid entity config: all configs to be added must be in the format \"key=val\" or  \"key=[val1,val2]\" to group values which contain commas.")
			}
			added[strings.TrimSpace(pair[0])] = strings.TrimSpace(strings.NewReplacer("[", "", "]", "").Replace(pair[1]))
		}
	}
	for key := range added {
		for _, c := range key {
			if !strings.ContainsRune("$._-", c) && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
				return nil, illegalArgument("Invalid character found for config key: " + key)
			}
		}
	}
	return added, nil
}

// deleted returns the configurations to remove.
func (t *configsTool) deleted() []string {
	var keys []string
	for _, key := range t.set.Strings(t.deleteConfig) {
		keys = append(keys, strings.TrimSpace(key))
	}
	return keys
}
