package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/config"
)

// properties are a client's, as in a client.properties file.
type properties map[string]string

// loadProperties reads a properties file.
func loadProperties(path string) (properties, error) {
	document, err := os.ReadFile(path)
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil, &exception{"java.nio.file.NoSuchFileException", path}
		}
		return nil, err
	}
	list, err := config.ParseProperties(document)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	p := properties{}
	for _, property := range list {
		p[property.Key] = property.Value
	}
	return p, nil
}

// add puts "key=value" words into the properties; a word without a value has an empty one.
func (p properties) add(words []string) {
	for _, word := range words {
		key, value, _ := strings.Cut(word, "=")
		p[key] = value
	}
}

// milliseconds returns a property as a duration, or the other where it is not set or not a number.
func (p properties) milliseconds(key string, other time.Duration) time.Duration {
	number, err := strconv.ParseInt(strings.TrimSpace(p[key]), 10, 64)
	if err != nil || number < 0 {
		return other
	}
	return time.Duration(min(number, int64(365*24*time.Hour/time.Millisecond))) * time.Millisecond
}

// client talks to a cluster for one tool. It is closed by its owner.
type client struct {
	*kgo.Client
	// timeout bounds a call, with all its retries.
	timeout time.Duration
	// direct: only the bootstrap servers are asked. It is for controllers, which tell no client about each other as brokers do.
	direct bool
}

// validate looks at values that have to be one of some.
func (p properties) validate() error {
	for _, rule := range []struct {
		key, note, list string
		fold            bool
	}{
		{"security.protocol", " (case insensitive)", "SASL_SSL, PLAINTEXT, SSL, SASL_PLAINTEXT", true},
		{"acks", "", "all, -1, 0, 1", false},
		{"compression.type", "", "none, gzip, snappy, lz4, zstd", false},
		{"isolation.level", "", "read_committed, read_uncommitted", false},
		{"group.protocol", " (case insensitive)", "CLASSIC, CONSUMER", true},
	} {
		value, set := p[rule.key]
		known := slices.ContainsFunc(strings.Split(rule.list, ", "), func(one string) bool {
			return one == value || rule.fold && strings.EqualFold(one, value)
		})
		if set && !known {
			return invalidProperty(rule.key, value, "String must be one of"+rule.note+": "+rule.list)
		}
	}
	return nil
}

// seeds checks the bootstrap servers and returns them.
func (p properties) seeds() ([]string, error) {
	var hosts []string
	for _, word := range strings.Split(p["bootstrap.servers"], ",") {
		word = strings.TrimSpace(word)
		if word == "" {
			continue
		}
		_, port, err := net.SplitHostPort(word)
		number, bad := strconv.ParseUint(port, 10, 16)
		if err != nil || bad != nil || number == 0 {
			return nil, &exception{"org.apache.kafka.common.config.ConfigException", "Invalid url in bootstrap.servers: " + word}
		}
		hosts = append(hosts, word)
	}
	if hosts == nil {
		return nil, &exception{"org.apache.kafka.common.config.ConfigException", "No resolvable bootstrap urls given in bootstrap.servers"}
	}
	resolvable := false
	for _, host := range hosts {
		name, _, _ := net.SplitHostPort(host)
		if net.ParseIP(name) != nil || name == "localhost" {
			resolvable = true
			continue
		}
		if _, err := net.LookupHost(name); err == nil {
			resolvable = true
		}
	}
	if !resolvable {
		return nil, &exception{"org.apache.kafka.common.config.ConfigException", "No resolvable bootstrap urls given in bootstrap.servers"}
	}
	return hosts, nil
}

// connect returns a client with the properties. Nothing is sent before the
// first request. What names the kind of client in the message of a failure.
func (t *tool) connect(what string, p properties, more ...kgo.Opt) (*client, error) {
	failed := func(cause error) error {
		t.logLine("ERROR", "ottla", described(cause))
		return &exception{"org.apache.kafka.common.KafkaException", what}
	}
	if err := p.validate(); err != nil {
		return nil, err
	}
	hosts, err := p.seeds()
	if err != nil {
		return nil, failed(err)
	}
	timeout := p.milliseconds("default.api.timeout.ms", time.Minute)
	options := []kgo.Opt{
		kgo.SeedBrokers(hosts...),
		kgo.ClientID(p["client.id"]),
		kgo.SoftwareNameAndVersion("ottla", Version),
		kgo.DisableClientMetrics(),
		kgo.RetryTimeout(timeout),
		kgo.RequestTimeoutOverhead(p.milliseconds("request.timeout.ms", 30*time.Second)),
		kgo.DialTimeout(min(timeout, p.milliseconds("socket.connection.setup.timeout.ms", 10*time.Second))),
		kgo.MetadataMaxAge(max(time.Second, p.milliseconds("metadata.max.age.ms", 5*time.Minute))),
		kgo.MetadataMinAge(100 * time.Millisecond),
		kgo.WithHooks(&connectionLog{tool: t}),
	}
	security, err := p.security()
	if err != nil {
		return nil, failed(err)
	}
	inner, err := kgo.NewClient(append(append(options, security...), more...)...)
	if err != nil {
		return nil, failed(err)
	}
	return &client{Client: inner, timeout: timeout}, nil
}

// admin is connect with the bootstrap servers, a file of properties or "", and a client id for those without one.
func (t *tool) admin(bootstrap, file, clientID string) (*client, error) {
	p := properties{}
	if file != "" {
		var err error
		if p, err = loadProperties(file); err != nil {
			return nil, err
		}
	}
	p["bootstrap.servers"] = bootstrap
	if p["client.id"] == "" {
		p["client.id"] = clientID
	}
	return t.connect("Failed to create new KafkaAdminClient", p)
}

// connectionLog says which connections could not be made, at most once a second.
type connectionLog struct {
	tool *tool
	mu   sync.Mutex
	last time.Time
}

// OnBrokerConnect is called by the client for each attempt.
func (l *connectionLog) OnBrokerConnect(broker kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	if err == nil || errors.Is(err, context.Canceled) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if time.Since(l.last) < time.Second {
		return
	}
	l.last = time.Now()
	fmt.Fprintf(l.tool.environment.Stderr, "[%s] WARN Connection to node (%s:%d) could not be established: %v (ottla)\n",
		l.last.Format("2006-01-02 15:04:05,000"), broker.Host, broker.Port, err)
}

// context bounds one call.
func (c *client) context() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), c.timeout)
}

// send sends a request and waits for its answer, trying anew while no broker can
// be reached. call names it in the exception of a timeout.
func (c *client) send(call string, request kmsg.Request) (kmsg.Response, error) {
	ctx, cancel := c.context()
	defer cancel()
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		response, err := c.once(ctx, request)
		if err == nil {
			return response, nil
		}
		var answer *kerr.Error
		switch {
		case errors.As(err, &answer) && !kerr.IsRetriable(answer):
			return nil, kgoError(err)
		case ctx.Err() != nil:
			return nil, c.late(call)
		case !unreachable(err) && answer == nil:
			return nil, unsupported(kgoError(err), request)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, c.late(call)
		}
	}
}

// once sends a request to the broker it is for, or, where only bootstrap servers are asked, to the first that answers.
func (c *client) once(ctx context.Context, request kmsg.Request) (response kmsg.Response, err error) {
	if !c.direct {
		return c.Request(ctx, request)
	}
	for _, seed := range c.SeedBrokers() {
		if response, err = seed.Request(ctx, request); err == nil {
			return response, nil
		}
	}
	return nil, err
}

func (c *client) late(call string) error {
	return &exception{"org.apache.kafka.common.errors.TimeoutException", "Timed out waiting for a node assignment. Call: " + call}
}

// kgoError is an error of the client as an exception.
func kgoError(err error) error {
	var answer *kerr.Error
	if errors.As(err, &answer) {
		return answered(answer.Code, nil)
	}
	if strings.Contains(err.Error(), "broker is too old") {
		return &exception{"org.apache.kafka.common.errors.UnsupportedVersionException", err.Error()}
	}
	return &exception{"org.apache.kafka.common.KafkaException", err.Error()}
}

// unsupported names the API that a cluster does not know.
func unsupported(err error, request kmsg.Request) error {
	if isAnswer(err, "UnsupportedVersionException") {
		return &exception{"org.apache.kafka.common.errors.UnsupportedVersionException", "The node does not support " + upperSnake(kmsg.NameForKey(request.Key()))}
	}
	return err
}

// unreachable tells errors of connections from others.
func unreachable(err error) bool {
	var operation *net.OpError
	var address *net.DNSError
	var first *kgo.ErrFirstReadEOF
	return errors.As(err, &operation) || errors.As(err, &address) || errors.As(err, &first) || kgo.IsRetryableBrokerErr(err)
}

// passing tells errors of a consumer that may go by themselves.
func passing(err error) bool {
	var answer *kerr.Error
	if errors.As(err, &answer) {
		return kerr.IsRetriable(answer)
	}
	return unreachable(err)
}
