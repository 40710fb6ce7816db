package controller

import (
	"errors"
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/config"
	"ottla/metadata"
)

// checkRecords refuses what no resource may have, record by record.
func (m *machine) checkRecords(records []metadata.Record) error {
	for _, record := range records {
		c := record.(*metadata.ConfigRecord)
		broker := c.ResourceType == metadata.ResourceBroker
		switch {
		case broker && c.Name == minISRKey && c.ResourceName != "" && m.elrEnabled():
			return failure(kerr.InvalidConfig, "Broker-level min.insync.replicas cannot be altered while ELR is enabled.")
		case broker && c.Name == minISRKey && c.Value == nil && m.elrEnabled():
			return failure(kerr.InvalidConfig, "Cluster-level min.insync.replicas cannot be removed while ELR is enabled.")
		case broker && c.Name == "cordoned.log.dirs" && m.image.MetadataVersion() < levelCordonedDirectories:
			return failure(kerr.InvalidConfig, "The cordoned.log.dirs configuration value cannot be set because it requires metadata.version >= "+
				metadata.VersionName(levelCordonedDirectories))
		case c.Value != nil && lengthInUTF16(*c.Value) > maxConfigLength:
			return failure(kerr.InvalidConfig, "The configuration value cannot be added because it exceeds the maximum value size of 32767 bytes.")
		}
	}
	return nil
}

// checkWanted tells whether a resource can have what it is to have.
func (m *machine) checkWanted(resource metadata.ConfigResource, wanted map[string]string) error {
	switch resource.Type {
	case metadata.ResourceTopic:
		return m.checkTopic(resource, wanted)
	case metadata.ResourceGroup:
		if resource.Name == "" {
			return failure(kerr.InvalidRequest, "Default group resources are not allowed.")
		}
		given := make(map[string]*string, len(wanted))
		for key, value := range wanted {
			given[key] = &value
		}
		return invalidConfig(m.Configs.ParseGroup(given))
	case metadata.ResourceClientMetrics:
		return checkClientMetrics(resource.Name, wanted)
	}
	if resource.Name != "" {
		if _, ok := m.image.Broker(m.NodeID); !ok {
			return failure(kerr.BrokerIDNotRegistered, "No broker with id "+resource.Name+" found.")
		}
	}
	return nil
}

func (m *machine) checkTopic(resource metadata.ConfigResource, wanted map[string]string) error {
	if resource.Name == "" {
		return failure(kerr.InvalidRequest, "Default topic resources are not allowed.")
	}
	if err := ValidateName(resource.Name); err != nil {
		return err
	}
	if err := m.checkTopicConfigs(m.image.Config(resource), wanted); err != nil {
		return err
	}
	if _, ok := m.image.Topic(resource.Name); !ok {
		return failure(kerr.UnknownTopicOrPartition, "The topic '"+resource.Name+"' does not exist.")
	}
	return nil
}

// invalidConfig is the answer to a configuration that cannot be.
func invalidConfig(err error) error {
	var invalid *config.InvalidError
	if errors.As(err, &invalid) {
		return failure(kerr.InvalidConfig, invalid.Message)
	}
	if err != nil {
		return failure(kerr.InvalidConfig, err.Error())
	}
	return nil
}

func (m *machine) checkBrokerName(name string) error {
	if name == "" {
		return nil
	}
	id, err := strconv.ParseInt(name, 10, 32)
	if err != nil {
		return failure(kerr.InvalidRequest, "Node id must be an integer, but it is: "+name)
	}
	if int32(id) != m.NodeID {
		return failure(kerr.InvalidRequest, "Unexpected broker id, expected "+decimal(m.NodeID)+", but received "+name)
	}
	return nil
}

// checkBrokerConfigs tells whether this broker, or every broker, could take up
// what it is to have while it runs.
func (m *machine) checkBrokerConfigs(asked *alteration) error {
	wanted := map[string]string{}
	if !asked.whole {
		for key, value := range m.image.Config(asked.resource) {
			wanted[key] = value
		}
	}
	for _, operation := range asked.operations {
		switch operation.op {
		case kmsg.IncrementalAlterConfigOpSet:
			wanted[operation.key] = *operation.value
			continue
		case kmsg.IncrementalAlterConfigOpDelete:
			delete(wanted, operation.key)
			continue
		case kmsg.IncrementalAlterConfigOpAppend, kmsg.IncrementalAlterConfigOpSubtract:
		default:
			return failure(kerr.InvalidRequest, "Unknown operations type "+strconv.Itoa(int(operation.op)))
		}
		definition, known := config.Brokers().Lookup(operation.key)
		if !known {
			return failure(kerr.InvalidConfig, "Unknown config name: "+operation.key)
		}
		if definition.Type != config.TypeList {
			return failure(kerr.InvalidConfig, "Config value "+strings.ToLower(operation.op.String())+" is not allowed for config key: "+operation.key)
		}
		wanted[operation.key] = changedList(operation, definition, wanted)
	}
	var invalid *config.InvalidError
	if err := m.Configs.CheckDynamic(m.dynamic(), wanted, asked.resource.Name != ""); errors.As(err, &invalid) {
		return failure(kerr.InvalidRequest, invalid.Message)
	} else if err != nil {
		return failure(kerr.InvalidRequest, err.Error())
	}
	return nil
}

// alterLoggers refuses changes of loggers, of which this server has none by the
// name of a class.
func (m *machine) alterLoggers(asked *alteration) error {
	name := asked.resource.Name
	id, err := strconv.ParseInt(name, 10, 32)
	if err != nil {
		return failure(kerr.InvalidRequest, "Node id must be an integer, but it is: "+name)
	}
	if int32(id) != m.NodeID {
		return failure(kerr.InvalidRequest, "Unexpected node id. Expected "+decimal(m.NodeID)+", but received "+strconv.FormatInt(id, 10))
	}
	for _, operation := range asked.operations {
		switch operation.op {
		case kmsg.IncrementalAlterConfigOpSet, kmsg.IncrementalAlterConfigOpDelete:
			return failure(kerr.InvalidConfig, "Logger "+operation.key+" does not exist!")
		case kmsg.IncrementalAlterConfigOpAppend, kmsg.IncrementalAlterConfigOpSubtract:
			return failure(kerr.InvalidRequest, operation.op.String()+" operation is not allowed for the BROKER_LOGGER resource")
		default:
			return plain(kerr.UnknownServerError)
		}
	}
	return nil
}

// checkClientMetrics tells whether a subscription to clients' metrics (KIP-714)
// can be what it is to be.
func checkClientMetrics(name string, wanted map[string]string) error {
	if name == "" {
		return failure(kerr.InvalidRequest, "Subscription name can't be empty")
	}
	for _, key := range sortedKeys(wanted) {
		if _, known := config.ClientMetrics().Lookup(key); !known {
			return failure(kerr.InvalidRequest, "Unknown client metrics configuration: "+key)
		}
	}
	values, err := config.ClientMetrics().Parse(wanted)
	if err != nil {
		return invalidConfig(err)
	}
	if interval, ok := values["interval.ms"].(int64); ok && (interval < 100 || interval > 3600000) {
		return failure(kerr.InvalidRequest, "Invalid value "+strconv.FormatInt(interval, 10)+
			" for interval.ms, interval must be between 100 and 3600000 (1 hour)")
	}
	patterns, _ := values["match"].([]string)
	for _, pattern := range patterns {
		if !matchesClients(pattern) {
			return failure(kerr.InvalidConfig, "Illegal client matching pattern: "+pattern)
		}
	}
	return nil
}

// matchesClients tells whether a pattern names something of a client and a
// regular expression. Expressions of a kind that Go does not know are taken to be
// right.
func matchesClients(pattern string) bool {
	parts := strings.Split(pattern, "=")
	for len(parts) > 0 && parts[len(parts)-1] == "" {
		parts = parts[:len(parts)-1]
	}
	if len(parts) != 2 {
		return false
	}
	known := []string{"client_instance_id", "client_id", "client_software_name", "client_software_version", "client_source_address", "client_source_port"}
	if !slices.Contains(known, strings.TrimSpace(parts[0])) {
		return false
	}
	_, err := regexp.Compile(strings.TrimSpace(parts[1]))
	var reason *syntax.Error
	return err == nil || errors.As(err, &reason) && reason.Code == syntax.ErrInvalidPerlOp
}
