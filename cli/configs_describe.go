package cli

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// describedConfigs is what --describe shows of one entity, for JSON.
type describedConfigs struct {
	Type    string            `json:"type"`
	Name    string            `json:"name"`
	Default bool              `json:"default,omitempty"`
	Configs []describedConfig `json:"configs"`
}

type describedConfig struct {
	Name      string   `json:"name"`
	Value     *string  `json:"value"`
	Sensitive bool     `json:"sensitive,omitempty"`
	Source    string   `json:"source"`
	Synonyms  []string `json:"synonyms,omitempty"`
}

func (t *configsTool) runDescribe() error {
	switch t.types[0] {
	case entityUsers, entityClients:
		return t.describeClients()
	case entityIPs:
		return t.describeQuotas()
	}
	if len(t.names) > 0 && !t.set.Has(t.all) {
		there, err := t.exists(t.types[0], t.names[0])
		if err != nil {
			return err
		}
		if !there {
			t.printf("The %s '%s' doesn't exist and doesn't have dynamic config.\n", t.types[0][:len(t.types[0])-1], t.names[0])
			return nil
		}
	}
	names := t.names
	if len(names) == 0 {
		var err error
		if names, err = t.listed(t.types[0]); err != nil {
			return err
		}
	} else {
		names = names[:1]
	}
	var all []describedConfigs
	for _, name := range names {
		one, err := t.describeResource(t.types[0], name)
		if err != nil {
			return err
		}
		all = append(all, *one)
	}
	if t.json() {
		return t.printJSON(append([]describedConfigs{}, all...))
	}
	return nil
}

// exists tells whether an entity is there, or has configurations.
func (t *configsTool) exists(kind, name string) (bool, error) {
	if kind == entityTopics {
		if err := validTopic(name); err != nil {
			return false, err
		}
	}
	if (kind == entityBrokers || kind == entityLoggers) && name == "" {
		return true, nil
	}
	names, err := t.listed(kind)
	return slices.Contains(names, name), err
}

// validTopic wants a name that a topic can have.
func validTopic(name string) error {
	why := ""
	switch {
	case name == "":
		why = "the empty string is not allowed"
	case name == "." || name == "..":
		why = "'" + name + "' is not allowed"
	case len(name) > 249:
		why = "the length of '" + name + "' is longer than the max allowed length 249"
	case strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") != "":
		why = "'" + name + "' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"
	default:
		return nil
	}
	return &exception{"org.apache.kafka.common.errors.InvalidTopicException", "Topic name is invalid: " + why}
}

// listed returns the names of all entities of a type; "" is the default of brokers.
func (t *configsTool) listed(kind string) ([]string, error) {
	var names []string
	switch kind {
	case entityTopics:
		topics, err := t.client.topics()
		for _, topic := range topics {
			names = append(names, *topic.Topic)
		}
		if err != nil {
			return nil, execution(err)
		}
		inJavaOrder(names, 0, javaHash)
	case entityBrokers, entityLoggers:
		brokers, err := t.client.brokers()
		if err != nil {
			return nil, execution(err)
		}
		for _, id := range brokers {
			names = append(names, strconv.Itoa(int(id)))
		}
		names = append(names, "")
	case entityClientMetrics:
		return t.configured(kmsg.ConfigResourceTypeClientMetrics)
	case entityGroups:
		groups, err := t.client.groups(nil, nil)
		if err != nil {
			return nil, execution(err)
		}
		for _, group := range groups {
			names = append(names, group.Group)
		}
		configured, err := t.configured(kmsg.ConfigResourceTypeGroupConfig)
		if err != nil && !isAnswer(err, "UnsupportedVersionException") && !isAnswer(err, "ClusterAuthorizationException") {
			return nil, err
		}
		for _, name := range configured {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names, nil
}

// configured returns the names of what has configurations of a type.
func (t *configsTool) configured(kind kmsg.ConfigResourceType) ([]string, error) {
	request := kmsg.NewPtrListConfigResourcesRequest()
	request.ResourceTypes = []int8{int8(kind)}
	answer, err := t.client.send("listConfigResources", request)
	if err != nil {
		return nil, err
	}
	response := answer.(*kmsg.ListConfigResourcesResponse)
	var names []string
	for _, resource := range response.ConfigResources {
		names = append(names, resource.Name)
	}
	return names, answered(response.ErrorCode, nil)
}

// sourceName is how the stock tools call where a value comes from.
func sourceName(source kmsg.ConfigSource) string {
	switch source {
	case 6:
		return "DYNAMIC_BROKER_LOGGER_CONFIG"
	case 7:
		return "DYNAMIC_CLIENT_METRICS_CONFIG"
	case 8:
		return "DYNAMIC_GROUP_CONFIG"
	}
	return source.String()
}

// describeResource asks for the configurations of one entity and prints them, unless JSON is wanted.
func (t *configsTool) describeResource(kind, name string) (*describedConfigs, error) {
	all := t.set.Has(t.all)
	if !t.json() {
		switch {
		case name == "":
			t.printf("Default configs for %s in the cluster are:\n", kind)
		case all:
			t.printf("All configs for %s %s are:\n", kind[:len(kind)-1], name)
		default:
			t.printf("Dynamic configs for %s %s are:\n", kind[:len(kind)-1], name)
		}
	}
	wanted := map[string]kmsg.ConfigSource{entityTopics: 1, entityBrokers: 2, entityClientMetrics: 7, entityGroups: 8}[kind]
	if kind == entityBrokers && name == "" {
		wanted = 3
	}
	if kind == entityTopics && name != "" {
		if err := validTopic(name); err != nil {
			return nil, err
		}
	}
	entries, err := t.client.configs(resourceType(kind), name, true)
	if err != nil {
		return nil, execution(err)
	}
	slices.SortFunc(entries, func(a, b kmsg.DescribeConfigsResponseResourceConfig) int { return strings.Compare(a.Name, b.Name) })
	one := &describedConfigs{Type: kind, Name: name, Default: name == "", Configs: []describedConfig{}}
	for _, entry := range entries {
		if !all && wanted != 0 && entry.Source != wanted {
			continue
		}
		c := describedConfig{Name: entry.Name, Value: entry.Value, Sensitive: entry.IsSensitive, Source: sourceName(entry.Source)}
		for _, synonym := range entry.ConfigSynonyms {
			c.Synonyms = append(c.Synonyms, fmt.Sprintf("%s:%s=%s", sourceName(synonym.Source), synonym.Name, orNull(synonym.Value)))
		}
		one.Configs = append(one.Configs, c)
		if !t.json() {
			t.printf("  %s=%s sensitive=%t synonyms={%s}\n", t.bold(c.Name), orNull(c.Value), c.Sensitive, strings.Join(c.Synonyms, ", "))
		}
	}
	return one, nil
}

func orNull(text *string) string {
	if text == nil {
		return "null"
	}
	return *text
}

// describeQuotas prints the quotas of the entities that are meant.
func (t *configsTool) describeQuotas() error {
	entries, err := t.quotas()
	if err != nil {
		return err
	}
	if t.json() {
		return t.printJSON(append([]kmsg.DescribeClientQuotasResponseEntry{}, entries...))
	}
	for _, entry := range entries {
		var who, what []string
		for _, kind := range []struct{ entity, words string }{{"user", "user-principal"}, {"client-id", "client-id"}, {"ip", "ip"}} {
			for _, entity := range entry.Entity {
				switch {
				case entity.Type != kind.entity:
				case entity.Name == nil:
					who = append(who, "the default "+kind.words)
				default:
					who = append(who, kind.words+" '"+*entity.Name+"'")
				}
			}
		}
		values := slices.Clone(entry.Values)
		inJavaOrder(values, len(values), func(v kmsg.DescribeClientQuotasResponseEntryValue) int32 { return javaHash(v.Key) })
		for _, value := range values {
			what = append(what, value.Key+"="+javaDouble(value.Value))
		}
		t.printf("Quota configs for %s are %s\n", strings.Join(who, ", "), strings.Join(what, ", "))
	}
	return nil
}

// describeClients prints quotas, and the SCRAM credentials of users.
func (t *configsTool) describeClients() error {
	if err := t.describeQuotas(); err != nil {
		return err
	}
	if t.has(entityClients) || slices.Contains(t.names, "") || t.json() {
		return nil
	}
	request := kmsg.NewPtrDescribeUserSCRAMCredentialsRequest()
	for _, name := range t.names {
		user := kmsg.NewDescribeUserSCRAMCredentialsRequestUser()
		user.Name = name
		request.Users = append(request.Users, user)
	}
	answer, err := t.client.send("describeUserScramCredentials", request)
	if err != nil {
		return execution(err)
	}
	response := answer.(*kmsg.DescribeUserSCRAMCredentialsResponse)
	if err := answered(response.ErrorCode, response.ErrorMessage); err != nil {
		return execution(err)
	}
	for _, user := range response.Results {
		err := answered(user.ErrorCode, user.ErrorMessage)
		if isAnswer(err, "ResourceNotFoundException") {
			continue
		}
		if err != nil {
			t.printf("Error retrieving SCRAM credential configs for user-principal '%s': %s: %s\n", user.User, "ExecutionException", described(err))
			continue
		}
		var infos []string
		for _, info := range user.CredentialInfos {
			infos = append(infos, fmt.Sprintf("%s=iterations=%d", map[int8]string{1: "SCRAM-SHA-256", 2: "SCRAM-SHA-512"}[info.Mechanism], info.Iterations))
		}
		t.printf("SCRAM credential configs for user-principal '%s' are %s\n", user.User, strings.Join(infos, ", "))
	}
	return nil
}
