package server

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/storage"
)

// set changes a configuration of all brokers, or ("1") of this one; "" takes it away.
func set(t *testing.T, client *kgo.Client, broker, key, value string) {
	t.Helper()
	request := kmsg.NewPtrIncrementalAlterConfigsRequest()
	resource := kmsg.NewIncrementalAlterConfigsRequestResource()
	resource.ResourceType, resource.ResourceName = kmsg.ConfigResourceTypeBroker, broker
	operation := kmsg.IncrementalAlterConfigsRequestResourceConfig{Name: key, Value: &value}
	if value == "" {
		operation.Op, operation.Value = kmsg.IncrementalAlterConfigOpDelete, nil
	}
	resource.Configs = append(resource.Configs, operation)
	request.Resources = append(request.Resources, resource)
	response, err := request.RequestWith(timeout(t), client)
	if err != nil {
		t.Fatal(err)
	}
	if r := response.Resources[0]; r.ErrorCode != 0 {
		t.Fatalf("%s=%s: %d %v", key, value, r.ErrorCode, *r.ErrorMessage)
	}
}

// TestDynamicConfigs changes what the broker has while it runs, and sees that it
// counts at once, for one broker before all, and after a restart.
func TestDynamicConfigs(t *testing.T) {
	directory := t.TempDir()
	s, _ := startBroker(t, directory)
	client := newClient(t, s, kgo.RecordRetries(0), kgo.ProducerBatchCompression(kgo.NoCompression()))
	for topic, configs := range map[string]map[string]*string{"plain": nil, "own": {"max.message.bytes": kadm.StringPtr("500000")}} {
		if _, err := kadm.NewClient(client).CreateTopic(timeout(t), 1, 1, configs, topic); err != nil {
			t.Fatal(err)
		}
	}
	size := func(topic string, bytes int) error {
		return client.ProduceSync(timeout(t), &kgo.Record{Topic: topic, Value: make([]byte, bytes)}).FirstErr()
	}
	if err := size("plain", 5000); err != nil {
		t.Fatal(err)
	}
	set(t, client, "", "message.max.bytes", "1000")
	if err := size("plain", 5000); !errors.Is(err, kerr.MessageTooLarge) {
		t.Errorf("above message.max.bytes of all brokers: %v", err)
	}
	if err := size("own", 5000); err != nil {
		t.Errorf("a topic with its own: %v", err)
	}
	set(t, client, "1", "message.max.bytes", "9000")
	if err := size("plain", 5000); err != nil {
		t.Errorf("below message.max.bytes of this broker: %v", err)
	}
	set(t, client, "", "log.retention.ms", "123456789")
	set(t, client, "", "log.segment.bytes", "2000000")
	if err := s.Stop(timeout(t)); err != nil {
		t.Fatal(err)
	}
	again, _ := startBroker(t, directory)
	log, ok := again.storage.Log(storage.TopicPartition{Topic: "plain"})
	if !ok || log.Config().RetentionMs != 123456789 || log.Config().SegmentBytes != 2000000 || log.Config().MaxMessageBytes != 9000 {
		t.Errorf("after a restart: %+v", log.Config())
	}
	if again.storage.Default().RetentionMs != 123456789 {
		t.Errorf("the default: %+v", again.storage.Default())
	}
	other := newClient(t, again)
	set(t, other, "1", "message.max.bytes", "")
	if log.Config().MaxMessageBytes != 1000 {
		t.Errorf("what all brokers have comes through: %+v", log.Config())
	}
}

// TestDynamicLimits lowers how many connections one address may have, and raises
// it again.
func TestDynamicLimits(t *testing.T) {
	s, _ := startBroker(t, t.TempDir())
	client := newClient(t, s)
	open := func() bool {
		conn, err := net.Dial("tcp", s.Addr("PLAINTEXT").String())
		if err != nil {
			return false
		}
		t.Cleanup(func() { conn.Close() })
		own, err := kgo.NewClient(kgo.SeedBrokers(s.Addr("PLAINTEXT").String()), kgo.RequestRetries(0), kgo.Dialer(
			func(context.Context, string, string) (net.Conn, error) { return conn, nil }))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(own.Close)
		_, err = kmsg.NewPtrApiVersionsRequest().RequestWith(timeout(t), own)
		return err == nil
	}
	if !open() {
		t.Fatal("no connection is served")
	}
	set(t, client, "", "max.connections.per.ip", "2")
	if open() {
		t.Error("a connection above max.connections.per.ip is served")
	}
	set(t, client, "", "max.connections.per.ip.overrides", "127.0.0.1:100")
	if !open() {
		t.Error("a connection below its override is not served")
	}
	set(t, client, "", "max.connection.creation.rate", "12345")
	for what, rate := range s.network.rates {
		rate.lock.Lock()
		if rate.limit != 12345 || rate.samples != 11 || rate.window != time.Second {
			t.Errorf("rate %d: %v a second over %d times %v", what, rate.limit, rate.samples, rate.window)
		}
		rate.lock.Unlock()
	}
}

// TestGate lets in as many as the limit says, and more as soon as it is raised or
// somebody leaves.
func TestGate(t *testing.T) {
	g, stopping := newGate(2), make(chan struct{})
	var inside atomic.Int32
	entered := make(chan bool)
	for range 5 {
		go func() {
			ok := g.enter(stopping)
			inside.Add(1)
			entered <- ok
		}()
	}
	<-entered
	<-entered
	select {
	case <-entered:
		t.Error("a third one is in")
	case <-time.After(50 * time.Millisecond): // what comes later would only fail less
	}
	g.setLimit(3)
	if !<-entered {
		t.Error("the raised limit lets nobody in")
	}
	g.leave()
	if !<-entered {
		t.Error("nobody takes the place of who left")
	}
	close(stopping)
	if <-entered {
		t.Error("the last one is in")
	}
}
