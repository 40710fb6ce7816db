package cli

import (
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// ipQuota is the one quota that addresses have.
const ipQuota = "connection_creation_rate"

func isQuota(key string) bool {
	return slices.Contains([]string{"producer_byte_rate", "consumer_byte_rate", "request_percentage", "controller_mutation_rate"}, key)
}

func isSCRAM(key string) bool { return key == "SCRAM-SHA-256" || key == "SCRAM-SHA-512" }

// filtered returns the keys for which a test holds.
func filtered(keys []string, test func(string) bool) []string {
	var kept []string
	for _, key := range keys {
		if test(key) {
			kept = append(kept, key)
		}
	}
	return kept
}

func (t *configsTool) runAlter() error {
	added, err := t.added()
	if err != nil {
		return err
	}
	deleted := t.deleted()
	switch kind, name := t.types[0], t.names[0]; kind {
	case entityTopics, entityClientMetrics, entityBrokers, entityGroups:
		if _, err := strconv.ParseInt(name, 10, 32); kind == entityBrokers && name != "" && err != nil {
			return illegalArgument("The entity name for brokers must be a valid integer broker id, found: " + name)
		}
		err = t.alterResource(resourceType(kind), name, added, deleted)
	case entityLoggers:
		err = t.alterLoggers(name, added, deleted)
	case entityUsers, entityClients:
		err = t.alterClients(added, deleted)
	case entityIPs:
		unknown := filtered(append(slices.Sorted(maps.Keys(added)), deleted...), func(key string) bool { return key != ipQuota })
		if unknown != nil {
			return illegalArgument("Only connection quota configs can be added for 'ips' using --bootstrap-server. Unexpected config names: " + strings.Join(unknown, ","))
		}
		err = t.alterQuotas(added, deleted)
	}
	if err != nil {
		return err
	}
	if t.names[0] != "" {
		t.printf("Completed updating config for %s %s.\n", t.types[0][:len(t.types[0])-1], t.names[0])
	} else {
		t.printf("Completed updating default config for %s in the cluster.\n", t.types[0])
	}
	return nil
}

func resourceType(kind string) kmsg.ConfigResourceType {
	switch kind {
	case entityTopics:
		return kmsg.ConfigResourceTypeTopic
	case entityBrokers:
		return kmsg.ConfigResourceTypeBroker
	case entityLoggers:
		return kmsg.ConfigResourceTypeBrokerLogger
	case entityClientMetrics:
		return kmsg.ConfigResourceTypeClientMetrics
	case entityGroups:
		return kmsg.ConfigResourceTypeGroupConfig
	}
	panic("BUG: no resource of configurations: " + kind)
}

func (t *configsTool) alterResource(kind kmsg.ConfigResourceType, name string, added properties, deleted []string) error {
	request := kmsg.NewPtrIncrementalAlterConfigsRequest()
	resource := kmsg.NewIncrementalAlterConfigsRequestResource()
	resource.ResourceType, resource.ResourceName = kind, name
	for _, key := range deleted {
		one := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
		one.Name, one.Op, one.Value = key, kmsg.IncrementalAlterConfigOpDelete, kmsg.StringPtr("")
		resource.Configs = append(resource.Configs, one)
	}
	for _, key := range slices.Sorted(maps.Keys(added)) {
		one := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
		one.Name, one.Op, one.Value = key, kmsg.IncrementalAlterConfigOpSet, kmsg.StringPtr(added[key])
		resource.Configs = append(resource.Configs, one)
	}
	request.Resources = append(request.Resources, resource)
	response, err := t.client.send("incrementalAlterConfigs", request)
	if err != nil {
		return execution(err)
	}
	for _, result := range response.(*kmsg.IncrementalAlterConfigsResponse).Resources {
		if err := answered(result.ErrorCode, result.ErrorMessage); err != nil {
			return execution(err)
		}
	}
	return nil
}

func (t *configsTool) alterLoggers(name string, added properties, deleted []string) error {
	entries, err := t.client.configs(kmsg.ConfigResourceTypeBrokerLogger, name, false)
	if err != nil {
		return execution(err)
	}
	unknown := filtered(append(slices.Clone(deleted), slices.Sorted(maps.Keys(added))...), func(key string) bool {
		return !slices.ContainsFunc(entries, func(e kmsg.DescribeConfigsResponseResourceConfig) bool { return e.Name == key })
	})
	if unknown != nil {
		return &exception{"org.apache.kafka.common.errors.InvalidConfigurationException", "Invalid broker logger(s): " + strings.Join(unknown, ",")}
	}
	return t.alterResource(kmsg.ConfigResourceTypeBrokerLogger, name, added, deleted)
}

// alterClients alters the quotas of users and clients, or the SCRAM credentials of a user.
func (t *configsTool) alterClients(added properties, deleted []string) error {
	keys := slices.Sorted(maps.Keys(added))
	known := isQuota
	words := "Only quota configs can be %s for 'clients' using --bootstrap-server. Unexpected config names: %s(%s)"
	if t.types[0] == entityUsers && len(t.types) == 1 {
		known = func(key string) bool { return isQuota(key) || isSCRAM(key) }
		words = "Only quota and SCRAM credential configs can be %s for 'users' using --bootstrap-server. Unexpected config names: %s(%s)"
	}
	unknown := func(key string) bool { return !known(key) }
	if wrong := filtered(keys, unknown); wrong != nil {
		return illegalArgument(fmt.Sprintf(words, "added", "Set", strings.Join(wrong, ", ")))
	}
	if wrong := filtered(deleted, unknown); wrong != nil {
		return illegalArgument(fmt.Sprintf(words, "deleted", "ArrayBuffer", strings.Join(wrong, ", ")))
	}
	quotas := slices.ContainsFunc(keys, isQuota) || slices.ContainsFunc(deleted, isQuota)
	if slices.ContainsFunc(keys, isSCRAM) || slices.ContainsFunc(deleted, isSCRAM) {
		if slices.Contains(t.names, "") {
			return illegalArgument("The use of --entity-default or --user-defaults is not allowed with User SCRAM Credentials using --bootstrap-server.")
		}
		if quotas {
			return illegalArgument("Cannot alter both quota and SCRAM credential configs simultaneously for 'users' using --bootstrap-server.")
		}
		return t.alterSCRAM(added, deleted)
	}
	return t.alterQuotas(added, deleted)
}

// credential splits "iterations=N,password=P".
func credential(mechanism, text string) (int, string, error) {
	found := regexp.MustCompile(`^(?:iterations=(-?[0-9]*),)?password=(.*)$`).FindStringSubmatch(text)
	if found == nil {
		return 0, "", illegalArgument(fmt.Sprintf("Invalid credential property %s=%s", strings.ReplaceAll(mechanism, "-", "_"), text))
	}
	iterations := 4096
	if found[1] != "" && found[1] != "-1" {
		var err error
		if iterations, err = strconv.Atoi(found[1]); err != nil {
			return 0, "", &exception{"java.lang.NumberFormatException", fmt.Sprintf("For input string: %q", found[1])}
		}
	}
	if iterations < 4096 {
		return 0, "", illegalArgument(fmt.Sprintf("Iterations %d is less than the minimum 4096 required for %s", iterations, mechanism))
	}
	return iterations, found[2], nil
}

func (t *configsTool) alterSCRAM(added properties, deleted []string) error {
	request := kmsg.NewPtrAlterUserSCRAMCredentialsRequest()
	number := map[string]int8{"SCRAM-SHA-256": 1, "SCRAM-SHA-512": 2}
	for _, mechanism := range deleted {
		one := kmsg.NewAlterUserSCRAMCredentialsRequestDeletion()
		one.Name, one.Mechanism = t.names[0], number[mechanism]
		request.Deletions = append(request.Deletions, one)
	}
	for _, mechanism := range slices.Sorted(maps.Keys(added)) {
		iterations, password, err := credential(mechanism, added[mechanism])
		if err != nil {
			return err
		}
		one := kmsg.NewAlterUserSCRAMCredentialsRequestUpsertion()
		one.Name, one.Mechanism, one.Iterations, one.Salt = t.names[0], number[mechanism], int32(iterations), []byte(rand.Text())
		if mechanism == "SCRAM-SHA-256" {
			one.SaltedPassword, err = pbkdf2.Key(sha256.New, password, one.Salt, iterations, sha256.Size)
		} else {
			one.SaltedPassword, err = pbkdf2.Key(sha512.New, password, one.Salt, iterations, sha512.Size)
		}
		if err != nil {
			return err
		}
		request.Upsertions = append(request.Upsertions, one)
	}
	response, err := t.client.send("alterUserScramCredentials", request)
	if err != nil {
		return execution(err)
	}
	for _, result := range response.(*kmsg.AlterUserSCRAMCredentialsResponse).Results {
		if err := answered(result.ErrorCode, result.ErrorMessage); err != nil {
			return execution(err)
		}
	}
	return nil
}

// quotaEntity is how the protocol calls a type of entity that has quotas.
func quotaEntity(kind string) string {
	return map[string]string{entityUsers: "user", entityClients: "client-id", entityIPs: "ip"}[kind]
}

func (t *configsTool) alterQuotas(added properties, deleted []string) error {
	old, err := t.quotas()
	if err != nil {
		return err
	}
	invalid := filtered(deleted, func(key string) bool {
		return len(old) == 0 || !slices.ContainsFunc(old[0].Values, func(v kmsg.DescribeClientQuotasResponseEntryValue) bool { return v.Key == key })
	})
	if invalid != nil {
		return &exception{"org.apache.kafka.common.errors.InvalidConfigurationException", "Invalid config(s): " + strings.Join(invalid, ",")}
	}
	entry := kmsg.NewAlterClientQuotasRequestEntry()
	for i, kind := range t.types {
		entity := kmsg.NewAlterClientQuotasRequestEntryEntity()
		entity.Type = quotaEntity(kind)
		if t.names[i] != "" {
			entity.Name = kmsg.StringPtr(t.names[i])
		}
		entry.Entity = append(entry.Entity, entity)
	}
	for _, key := range slices.Sorted(maps.Keys(added)) {
		op := kmsg.NewAlterClientQuotasRequestEntryOp()
		op.Key = key
		if op.Value, err = strconv.ParseFloat(added[key], 64); err != nil {
			return illegalArgument(fmt.Sprintf("Cannot parse quota configuration value for %s: %s", key, added[key]))
		}
		entry.Ops = append(entry.Ops, op)
	}
	for _, key := range deleted {
		op := kmsg.NewAlterClientQuotasRequestEntryOp()
		op.Key, op.Remove = key, true
		entry.Ops = append(entry.Ops, op)
	}
	request := kmsg.NewPtrAlterClientQuotasRequest()
	request.Entries = append(request.Entries, entry)
	response, err := t.client.send("alterClientQuotas", request)
	if err != nil {
		return execution(err)
	}
	for _, result := range response.(*kmsg.AlterClientQuotasResponse).Entries {
		if err := answered(result.ErrorCode, result.ErrorMessage); err != nil {
			return execution(err)
		}
	}
	return nil
}

// quotas returns the quotas of the entities that are meant.
func (t *configsTool) quotas() ([]kmsg.DescribeClientQuotasResponseEntry, error) {
	if len(t.names) > len(t.types) {
		return nil, illegalArgument("More entity names specified than entity types")
	}
	request := kmsg.NewPtrDescribeClientQuotasRequest()
	request.Strict = true
	for i, kind := range t.types {
		component := kmsg.NewDescribeClientQuotasRequestComponent()
		component.EntityType, component.MatchType = quotaEntity(kind), kmsg.QuotasMatchTypeAny
		if i < len(t.names) && t.names[i] == "" {
			component.MatchType = kmsg.QuotasMatchTypeDefault
		} else if i < len(t.names) {
			component.MatchType, component.Match = kmsg.QuotasMatchTypeExact, kmsg.StringPtr(t.names[i])
		}
		request.Components = append(request.Components, component)
	}
	answer, err := t.client.send("describeClientQuotas", request)
	if err != nil {
		return nil, execution(err)
	}
	response := answer.(*kmsg.DescribeClientQuotasResponse)
	if err := answered(response.ErrorCode, response.ErrorMessage); err != nil {
		return nil, execution(err)
	}
	return response.Entries, nil
}

// javaDouble is a number as Java prints it.
func javaDouble(value float64) string { return javaDecimal(value, 64) }

// javaDecimal is a float (32 bits) or a double (64) as Java prints it.
func javaDecimal(value float64, bits int) string {
	switch {
	case math.IsNaN(value):
		return "NaN"
	case math.IsInf(value, 1):
		return "Infinity"
	case math.IsInf(value, -1):
		return "-Infinity"
	}
	size := math.Abs(value)
	if size == 0 || size >= 1e-3 && size < 1e7 {
		text := strconv.FormatFloat(value, 'f', -1, bits)
		if !strings.Contains(text, ".") {
			text += ".0"
		}
		return text
	}
	mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(value, 'E', -1, bits), "E")
	if !strings.Contains(mantissa, ".") {
		mantissa += ".0"
	}
	number, _ := strconv.Atoi(exponent)
	return mantissa + "E" + strconv.Itoa(number)
}
