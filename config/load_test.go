package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// load reads a file with this text.
func load(t testing.TB, text string, overrides ...string) (*Config, []Warning, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "server.properties")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return Load(Options{File: file, Overrides: overrides, Hostname: "machine.example"})
}

func mustLoad(t testing.TB, text string, overrides ...string) (*Config, []Warning) {
	t.Helper()
	c, warnings, err := load(t, text, overrides...)
	if err != nil {
		t.Fatal(err)
	}
	return c, warnings
}

func TestStockFiles(t *testing.T) {
	for name, want := range map[string]struct {
		node     int32
		dir      string
		voters   int
		servers  int
		names    string
		warnings []string
	}{
		"kafka-4.3.properties":           {1, "/tmp/kraft-combined-logs", 0, 1, "PLAINTEXT CONTROLLER", nil},
		"kafka-3.3-kraft.properties":     {1, "/tmp/kraft-combined-logs", 1, 0, "PLAINTEXT CONTROLLER", []string{"lowered to 1"}},
		"kafka-3.9-kraft.properties":     {1, "/tmp/kraft-combined-logs", 1, 0, "PLAINTEXT CONTROLLER", []string{"lowered to 1"}},
		"kafka-3.9-zookeeper.properties": {0, "/tmp/kafka-logs", 0, 0, "PLAINTEXT", []string{"line 15: zookeeper.connect: ZooKeeper is not used and none is needed", "lowered to 1"}},
		"zookeeper-era.properties": {1, "/tmp/kafka-logs", 0, 0, "PLAINTEXT", []string{
			"line 4: offsets.topic.num.partitons: is unknown and ignored; did you mean offsets.topic.num.partitions?",
			"line 7: zookeeper.connect: ZooKeeper is not used and none is needed", "lowered to 1"}},
	} {
		t.Run(name, func(t *testing.T) {
			c, warnings, err := Load(Options{File: "testdata/" + name, Hostname: "machine.example"})
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, l := range c.Listeners {
				names = append(names, l.Name)
			}
			if c.NodeID != want.node || c.LogDirs[0] != want.dir || len(c.Quorum.Voters) != want.voters ||
				len(c.Quorum.BootstrapServers) != want.servers || strings.Join(names, " ") != want.names {
				t.Errorf("node %d, directories %v, quorum %+v, listeners %v", c.NodeID, c.LogDirs, c.Quorum, names)
			}
			if len(warnings) != len(want.warnings) {
				t.Fatalf("warnings %v, want %v", warnings, want.warnings)
			}
			for i, w := range warnings {
				if !strings.Contains(w.String(), want.warnings[i]) {
					t.Errorf("warning %q, want %q", w, want.warnings[i])
				}
			}
			if c.Offsets.TopicReplicationFactor != 1 || c.Txn.TopicReplicationFactor != 1 || c.Txn.TopicMinISR != 1 || c.Broker.ShareTopicMinISR != 1 || c.Broker.ShareTopicReplication != 1 {
				t.Errorf("internal topics ask for more than one broker: %+v %+v", c.Offsets, c.Txn)
			}
		})
	}
}

func TestDefaults(t *testing.T) {
	c, warnings, err := Load(Options{Hostname: "machine.example"})
	if err != nil {
		t.Fatal(err)
	}
	if len(warnings) != 1 {
		t.Errorf("warnings: %v", warnings)
	}
	want := Listener{Name: "PLAINTEXT", Port: 9092, Protocol: "PLAINTEXT", Advertised: true, AdvertisedHost: "machine.example", AdvertisedPort: 9092}
	if c.NodeID != 1 || len(c.Listeners) != 1 || c.Listeners[0] != want || c.LogDirs[0] != "/tmp/kafka-logs" || c.MetadataLogDir != "/tmp/kafka-logs" {
		t.Errorf("%+v", c)
	}
	if c.Socket.ConnectionsMaxIdle != 10*time.Minute || c.Log.FlushSchedulerInterval != 1<<63-1 || c.Offsets.Retention != 7*24*time.Hour {
		t.Errorf("%+v %+v %+v", c.Socket, c.Log, c.Offsets)
	}
	if c.InterBrokerListenerName != "PLAINTEXT" {
		t.Errorf("between brokers: %s", c.InterBrokerListenerName)
	}
}

func TestLayers(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(file, []byte("num.partitions=2\nlog.retention.hours=1\nLog.Retention.Hours=99\nlog=x\nlog.segment.bytes=2000000\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	environment := []string{"KAFKA_NUM_PARTITIONS=3", "KAFKA_LOG_RETENTION_HOURS=5", "KAFKA_HEAP_OPTS=-Xmx1g", "KAFKA_NONE_SUCH=1", "CLUSTER_ID=abc",
		"KAFKA_LISTENER_NAME_PLAINTEXT_MAX_CONNECTIONS=2147483647"}
	for _, c := range []struct {
		name       string
		options    Options
		partitions int32
		hours      string
		cluster    string
	}{
		{"file", Options{File: file, Environment: environment}, 2, "1", ""},
		{"environment", Options{File: file, Environment: environment, UseEnvironment: true}, 3, "5", "abc"},
		{"no file", Options{Environment: environment}, 3, "5", "abc"},
		{"override", Options{File: file, Environment: environment, UseEnvironment: true, Overrides: []string{"num.partitions=4", "num.partitions=5"}}, 5, "5", "abc"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, _, err := Load(c.options)
			if err != nil {
				t.Fatal(err)
			}
			hours, _ := got.Get("log.retention.hours")
			if got.Topics.NumPartitions != c.partitions || hours != c.hours || got.InitialClusterID != c.cluster {
				t.Errorf("%d partitions, %s hours, cluster %q", got.Topics.NumPartitions, hours, got.InitialClusterID)
			}
			if c.options.File != "" {
				if bytes, _ := got.Get("log.segment.bytes"); bytes != "2000000" {
					t.Errorf("a key named log hides log.segment.bytes: %s", bytes)
				}
			}
		})
	}
}

func TestEnvironmentRule(t *testing.T) {
	got := environmentSettings([]string{
		"KAFKA_NODE_ID=7", "KAFKA_ADVERTISED_LISTENERS=PLAINTEXT://a=b", "KAFKA_LISTENER_NAME_SASL__SSL_SSL_KEYSTORE_LOCATION=/k",
		"KAFKA_LISTENER_NAME_PLAINTEXT_SCRAM___SHA___256_SASL_JAAS_CONFIG=j", "KAFKA_VERSION=4", "kafka_node_id=8", "NODE_ID=9", "KAFKA_=", "KAFKA",
		"KAFKA_CONFIG_PROVIDERS_ENV_CLASS=x", "KAFKA_JMX_OPTS=", "KAFKA_SUPER_USERS=User:a", "KAFKA_LEADER_REPLICATION_THROTTLED_RATE=1",
	})
	want := map[string]string{
		"node.id": "7", "advertised.listeners": "PLAINTEXT://a=b", "listener.name.sasl_ssl.ssl.keystore.location": "/k",
		"listener.name.plaintext.scram-sha-256.sasl.jaas.config": "j", "config.providers.env.class": "x", "super.users": "User:a",
	}
	if len(got) != len(want) {
		t.Errorf("got %v", got)
	}
	for key, value := range want {
		if got[key].raw != value {
			t.Errorf("%s is %q, want %q", key, got[key].raw, value)
		}
	}
}

func TestKeysAreCaseExact(t *testing.T) {
	for range 50 {
		c, warnings := mustLoad(t, "Log.Retention.Hours=5\nlog.retention.hours=7\nLOG.RETENTION.HOURS=6\n")
		if hours, _ := c.Get("log.retention.hours"); hours != "7" {
			t.Fatalf("%s hours", hours)
		}
		if len(warnings) != 3 || !strings.Contains(warnings[0].String(), "line 1: Log.Retention.Hours: is unknown and ignored; did you mean log.retention.hours?") {
			t.Fatalf("%v", warnings)
		}
	}
}

func TestLoadErrors(t *testing.T) {
	for text, want := range map[string]string{
		"\nlog.retention.hours=08x":                                       "line 2: log.retention.hours=08x: Invalid value 08x for configuration log.retention.hours: Not a number of type INT (allowed: a whole number from -2147483648 to 2147483647)",
		"num.partitions=1e3":                                              "line 1: num.partitions=1e3: Invalid value 1e3 for configuration num.partitions: Not a number of type INT (allowed: a whole number of at least 1)",
		"num.partitions=":                                                 "num.partitions=: Invalid value  for configuration num.partitions: Not a number of type INT",
		"num.partitions=0":                                                "Invalid value 0 for configuration num.partitions: Value must be at least 1",
		"num.partitions=0x10":                                             "Not a number of type INT",
		"num.partitions=1_000":                                            "Not a number of type INT",
		"num.partitions=10L":                                              "Not a number of type INT",
		"num.partitions=2147483648":                                       "Not a number of type INT",
		"offsets.topic.replication.factor=40000":                          "Invalid value 40000 for configuration offsets.topic.replication.factor: Not a number of type SHORT (allowed: a whole number of at least 1)",
		"auto.create.topics.enable=yes":                                   "Invalid value yes for configuration auto.create.topics.enable: Expected value to be either true or false (allowed: true or false)",
		"compression.type=brotli":                                         "Invalid value brotli for configuration compression.type: String must be one of: uncompressed, zstd, lz4, snappy, gzip, producer",
		"compression.gzip.level=0":                                        "Value must be between 1 and 9 or equal to -1 (allowed: -1, or a whole number from 1 to 9)",
		"log.cleanup.policy=delete,,compact":                              "Configuration 'log.cleanup.policy' values must not be empty.",
		"log.cleanup.policy=shred":                                        "Invalid value shred for configuration log.cleanup.policy: String must be one of: compact, delete",
		"log.cleaner.min.cleanable.ratio=1.5":                             "Value must be no more than 1",
		"log.cleaner.min.cleanable.ratio=half":                            "Not a number of type DOUBLE",
		"listeners=":                                                      "Configuration 'listeners' must not be empty. Valid values include: any non-empty value",
		"a=1\nlog.dirs=\\u12":                                             "line 2: Malformed \\uxxxx encoding.",
		"node.id=-1":                                                      "Invalid value -1 for configuration node.id: Value must be at least 0",
		"broker.id=2\nnode.id=1":                                          "line 2: node.id=1: You must set `node.id` to the same value as `broker.id`.",
		"process.roles=broker":                                            "process.roles=broker: a node that is only one of both is not supported yet (allowed: broker,controller)",
		"process.roles=broker,zookeeper":                                  "Invalid value zookeeper for configuration process.roles: String must be one of: broker, controller",
		"controller.quorum.voters=1@a:1,2@b:2":                            "several controllers are not supported yet",
		"controller.quorum.bootstrap.servers=a:1,b:2":                     "several controllers are not supported yet",
		"controller.quorum.voters=3@a:1":                                  "the node id 1 must be included in the set of voters controller.quorum.voters=Set(3)",
		"controller.quorum.voters=a:1":                                    "Invalid configuration value for controller.quorum.voters. Each entry should be in the form `{id}@{host}:{port}`.",
		"controller.quorum.voters=x@a:1":                                  "Failed to parse voter ID as an integer from x",
		"controller.quorum.bootstrap.servers=a":                           "Failed to parse host name from a for the configuration controller.quorum.bootstrap.servers.",
		"authorizer.class.name=org.x.StandardAuthorizer":                  "authorizer.class.name=org.x.StandardAuthorizer: is not supported yet; starting without it would weaken security (allowed: its default, nothing)",
		"super.users=User:admin":                                          "super.users=User:admin: authorization is not supported yet",
		"sasl.enabled.mechanisms=PLAIN":                                   "would weaken security (allowed: its default, GSSAPI)",
		"sasl.jaas.config=user secret":                                    "sasl.jaas.config=[hidden]: is not supported yet",
		"ssl.keystore.location=/k":                                        "ssl.keystore.location=/k: is not supported yet",
		"ssl.client.auth=required":                                        "would weaken security (allowed: its default, none)",
		"ssl.endpoint.identification.algorithm=":                          "allowed: its default, https",
		"listener.name.external.ssl.client.auth=required":                 "listener.name.external.ssl.client.auth=required: is not supported yet",
		"listener.name.x.plain.sasl.jaas.config=p":                        "listener.name.x.plain.sasl.jaas.config=[hidden]: is not supported yet",
		"principal.builder.class=com.x.Builder":                           "would weaken security",
		"remote.log.storage.system.enable=true":                           "would weaken durability",
		"log.roll.ms=0":                                                   "log.roll.ms must be greater than or equal to 1",
		"log.roll.jitter.ms=-1":                                           "log.roll.jitter.ms must be greater than or equal to 0",
		"log.retention.ms=0":                                              "log.retention.ms must be unlimited (-1) or, greater than or equal to 1",
		"replica.fetch.wait.max.ms=40000":                                 "replica.socket.timeout.ms should always be at least replica.fetch.wait.max.ms",
		"queued.max.request.bytes=5":                                      "queued.max.request.bytes must be larger or equal to socket.request.max.bytes",
		"connections.max.idle.ms=50":                                      "connection.failed.authentication.delay.ms=100 should always be less than connections.max.idle.ms=50",
		"group.coordinator.rebalance.protocols=consumer":                  "Disabling the 'classic' protocol is not supported.",
		"group.consumer.session.timeout.ms=1000":                          "group.consumer.session.timeout.ms must be greater than or equal to group.consumer.min.session.timeout.ms",
		"group.consumer.heartbeat.interval.ms=99999":                      "group.consumer.heartbeat.interval.ms must be less than or equal to group.consumer.max.heartbeat.interval.ms",
		"max.connections.per.ip=0":                                        "max.connections.per.ip can be set to zero only if max.connections.per.ip.overrides property is set.",
		"max.connections.per.ip.overrides=host:x":                         `For input string: "x"`,
		"max.connections.per.ip.overrides=ho st:1":                        "max.connections.per.ip.overrides contains invalid addresses : ho st",
		"config.providers=v\nconfig.providers.v.class=com.vault.Provider": "no class is ever loaded",
	} {
		_, _, err := load(t, text)
		if err == nil {
			t.Errorf("%q: no error, want %q", text, want)
			continue
		}
		if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %q, want %q", text, err, want)
		}
	}
}

func TestErrorOfTheFirstLine(t *testing.T) {
	_, _, err := load(t, "num.partitions=8\nnum.network.threads=x\nbackground.threads=y\n", "num.io.threads=z")
	var e *Error
	if !errors.As(err, &e) || e.Key != "num.network.threads" || e.Line() != 2 {
		t.Errorf("%v", err)
	}
	_, _, err = load(t, "num.partitions=8\n", "num.io.threads=z")
	if err == nil || !strings.HasPrefix(err.Error(), "--override: num.io.threads=z: ") {
		t.Errorf("%v", err)
	}
	if _, _, err = load(t, "", "num.io.threads"); err == nil || !strings.Contains(err.Error(), "allowed: key=value") {
		t.Errorf("%v", err)
	}
	if _, _, err = Load(Options{File: filepath.Join(t.TempDir(), "none")}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
	_, _, err = Load(Options{Environment: []string{"KAFKA_NUM_PARTITIONS=many"}})
	if err == nil || !strings.HasPrefix(err.Error(), "environment KAFKA_NUM_PARTITIONS: num.partitions=many: ") {
		t.Errorf("%v", err)
	}
}

func TestWarnings(t *testing.T) {
	for text, want := range map[string]string{
		"inter.broker.protocol.version=3.6":                "line 1: inter.broker.protocol.version: was removed in Kafka 4.0; it is ignored",
		"advertised.listner=x":                             "did you mean advertised.listeners?",
		"some.thing.of.mine=1":                             "some.thing.of.mine: is unknown and ignored",
		"confluent.license=":                               "belongs to a plugin for the Java Virtual Machine",
		"num.io.threads=16":                                "num.io.threads: has no effect yet: 16 is accepted, and the server behaves as it does with 8",
		"metric.reporters=com.x.Reporter":                  "no Java class is ever loaded, com.x.Reporter neither",
		"create.topic.policy.class.name=com.x.Policy":      "no Java class is ever loaded",
		"log.cleanup.policy=compact":                       "compaction is not supported yet",
		"listener.name.plaintext.max.connections=5":        "settings of one listener are not supported yet",
		"leader.replication.throttled.rate=5":              "it is set with kafka-configs.sh",
		"zookeeper.connect=a\nzookeeper.set.acl=true":      "line 1: zookeeper.connect: ZooKeeper is not used",
		"allow.everyone.if.no.acl.found=true":              "authorization is not supported yet",
		"broker.rack=${env:RACK}":                          "line 1: broker.rack: ${env:RACK} is taken as it stands: config.providers does not name env",
		"sasl.enabled.mechanisms=GSSAPI\nnum.partitons=3":  "line 2: num.partitons: is unknown and ignored; did you mean num.partitions?",
		"delegation.token.secret.key=hush\nnode.id=1":      "has no effect yet: [hidden] is accepted and ignored",
		"log.message.format.version=2.8\nnum.io.threads=8": "was removed in Kafka 4.0",
	} {
		_, warnings := mustLoad(t, text+"\noffsets.topic.replication.factor=1\ntransaction.state.log.replication.factor=1\ntransaction.state.log.min.isr=1\nshare.coordinator.state.topic.replication.factor=1\nshare.coordinator.state.topic.min.isr=1")
		if len(warnings) != 1 || !strings.Contains(warnings[0].String(), want) {
			t.Errorf("%q: %v, want %q", text, warnings, want)
		}
	}
}

func TestProviders(t *testing.T) {
	dir := t.TempDir()
	secrets := filepath.Join(dir, "s.properties")
	for file, text := range map[string]string{secrets: "rack=from file\n", filepath.Join(dir, "rack"): "from directory"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const class = ".class=org.apache.kafka.common.config.provider."
	for text, want := range map[string]string{
		"config.providers=env\nconfig.providers.env" + class + "EnvVarConfigProvider\nbroker.rack=a-${env:RACK}-b":                                                         "a-r1-b",
		"config.providers=x\nconfig.providers.x" + class + "FileConfigProvider\nbroker.rack=${x:" + secrets + ":rack}":                                                     "from file",
		"config.providers=dir\nconfig.providers.dir" + class + "DirectoryConfigProvider\nbroker.rack=${dir:" + dir + ":rack}":                                              "from directory",
		"config.providers=env,file\nbroker.rack=${env:RACK} ${file:" + secrets + ":rack} ${env:NONE}":                                                                      "r1 from file ${env:NONE}",
		"config.providers=env\nconfig.providers.env.param.allowlist.pattern=KAFKA_.*\nbroker.rack=${env:RACK}":                                                             "${env:RACK}",
		"config.providers=file\nconfig.providers.file.param.allowed.paths=/nowhere\nbroker.rack=${file:" + secrets + ":rack}":                                              "${file:" + secrets + ":rack}",
		"config.providers=file\nconfig.providers.file.param.allowed.paths=/x," + dir + "\nbroker.rack=${file:" + dir + "/../" + filepath.Base(dir) + "/s.properties:rack}": "from file",
	} {
		file := filepath.Join(t.TempDir(), "f")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, _, err := Load(Options{File: file, Environment: []string{"RACK=r1"}})
		if err != nil {
			t.Errorf("%q: %v", text, err)
		} else if c.Rack != want {
			t.Errorf("%q: %q, want %q", text, c.Rack, want)
		}
	}
	if _, _, err := load(t, "config.providers=file\nbroker.rack=${file:/none/such:rack}"); err == nil || !strings.Contains(err.Error(), "line 2: broker.rack=") {
		t.Errorf("%v", err)
	}
}

func splitLines(text string) []string { return strings.Split(text, "\n") }

func joinLines(lines []string) string { return strings.Join(lines, "\n") }

func TestPlace(t *testing.T) {
	c, _ := mustLoad(t, "\nnum.partitions=3\nmy.own=x\nbroker.id=4", "log.retention.hours=5")
	for key, want := range map[string]struct {
		value  string
		source Source
		line   int
	}{
		"num.partitions": {"3", SourceStaticBroker, 2}, "my.own": {"x", SourceStaticBroker, 3}, "node.id": {"4", SourceStaticBroker, 4},
		"log.retention.hours": {"5", SourceStaticBroker, 0}, "num.io.threads": {"8", SourceDefault, 0}, "log.retention.ms": {"", SourceUnknown, 0},
		"none.such": {"", SourceUnknown, 0},
	} {
		value, ok := c.Get(key)
		source, line := c.Place(key)
		if value != want.value || source != want.source || line != want.line || ok != (source != SourceUnknown) {
			t.Errorf("%s is %q of source %d, line %d; want %+v", key, value, source, line, want)
		}
	}
}

// FuzzLoad looks for a file that brings the server down otherwise than with one line.
func FuzzLoad(f *testing.F) {
	for _, name := range []string{"kafka-4.3.properties", "kafka-3.9-zookeeper.properties", "zookeeper-era.properties", "describe.properties"} {
		document, err := os.ReadFile("testdata/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(document)
	}
	for _, text := range []string{
		"listeners=A://[::1]:1,B://1.2.3.4:1\nlistener.security.protocol.map=A:PLAINTEXT,B:PLAINTEXT\ninter.broker.listener.name=A",
		"max.connections.per.ip.overrides=a:1,b:2,\nmax.connections.per.ip=0", "config.providers=env\nbroker.rack=${env:A}${env:b:c}",
		"listener.name.x.y.sasl.jaas.config=1\nlistener.name.=2", "controller.quorum.voters=1@a:1@", "log.retention.ms=9223372036854775807\nlog.retention.minutes=-1",
		"log.cleaner.io.buffer.load.factor=NaN\nlog.cleaner.threads=1", "share.coordinator.state.topic.min.isr=32767",
	} {
		f.Add([]byte(text))
	}
	file := filepath.Join(f.TempDir(), "server.properties")
	f.Fuzz(func(t *testing.T, document []byte) {
		if strings.Contains(string(document), "${") && strings.Contains(string(document), "/") {
			return // it would read the machine's files
		}
		if err := os.WriteFile(file, document, 0o600); err != nil {
			t.Fatal(err)
		}
		c, warnings, err := Load(Options{File: file, Hostname: "machine.example"})
		for _, w := range warnings {
			if strings.ContainsAny(w.String(), "\r\n") {
				t.Fatalf("%q: a warning of several lines: %q", document, w)
			}
		}
		if err != nil {
			if strings.ContainsAny(err.Error(), "\r\n") {
				t.Fatalf("%q: an error of several lines: %q", document, err)
			}
			return
		}
		if len(c.Listeners) == 0 || len(c.LogDirs) != 1 || c.NodeID < 0 {
			t.Fatalf("%q: %+v", document, c)
		}
		c.TopicConfig(Dynamic{}, nil)
		if entries := c.DescribeBroker(Dynamic{}, nil); len(entries) < 340 {
			t.Fatalf("%q: %d entries", document, len(entries))
		}
	})
}
