package server

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"strconv"
	"strings"
	"time"

	"ottla/config"
	"ottla/metadata"
	"ottla/server/api"
)

// bindSystemPorts makes the network and binds the listeners whose port the
// system chooses, as the metadata is going to name it. The others wait until
// the node can answer: who finds the port open may speak.
func (s *Server) bindSystemPorts(context.Context) error {
	socket := s.settings.Socket
	s.network = newNetwork(networkOptions{
		Log:             s.log,
		MaxRequestBytes: int(socket.RequestMaxBytes),
		SendBuffer:      int(socket.SendBufferBytes),
		ReceiveBuffer:   int(socket.ReceiveBufferBytes),
		MaxIdle:         socket.ConnectionsMaxIdle,
		MaxConnections:  int(socket.MaxConnections),
		MaxPerAddress:   int(socket.MaxConnectionsPerIP),
		PerAddress:      addressLimits(socket.MaxConnectionsPerIPFor),
		RateSamples:     int(s.settings.Quota.WindowNum),
		RateWindow:      s.settings.Quota.WindowSize,
		InterBroker:     s.settings.InterBrokerListenerName,
	})
	s.onClose("sockets", func(ctx context.Context) error { s.network.drain(ctx); return nil })
	for _, l := range s.settings.Listeners {
		if l.Port == 0 {
			if err := s.bind(l); err != nil {
				return err
			}
		}
	}
	return nil
}

// addressLimits resolves the host names of max.connections.per.ip.overrides,
// which stay as they are where nobody knows them.
func addressLimits(byHost map[string]int) map[string]int {
	limits := make(map[string]int, len(byHost))
	for host, limit := range byHost {
		addresses, err := net.LookupHost(host)
		if err != nil {
			addresses = []string{host}
		}
		for _, address := range addresses {
			if ip := net.ParseIP(address); ip != nil {
				address = addressText(ip)
			}
			limits[address] = limit
		}
	}
	return limits
}

// bind opens a listener, unless that is done.
func (s *Server) bind(l config.Listener) error {
	if s.network.find(l.Name) != nil {
		return nil
	}
	_, err := s.network.bind(l.Name, net.JoinHostPort(l.Host, strconv.Itoa(l.Port)), kindOf(l))
	return err
}

// find is the listener of a name, nil if it is not open.
func (n *network) find(name string) *listener {
	n.lock.Lock()
	defer n.lock.Unlock()
	for _, l := range n.listeners {
		if l.name == name {
			return l
		}
	}
	return nil
}

// boundPorts are the ports that the system has chosen, by listener.
func (n *network) boundPorts() map[string]int {
	n.lock.Lock()
	defer n.lock.Unlock()
	ports := make(map[string]int, len(n.listeners))
	for _, l := range n.listeners {
		ports[l.name] = l.socket.Addr().(*net.TCPAddr).Port
	}
	return ports
}

// endpoints are what is registered: the addresses of the broker, and those of
// the controller.
func (s *Server) endpoints() (brokers, controllers []metadata.Endpoint) {
	ports := s.network.boundPorts()
	for _, l := range s.settings.Listeners {
		endpoint := metadata.Endpoint{Name: l.Name, Host: l.AdvertisedHost, Port: uint16(advertisedPort(l, ports)), SecurityProtocol: securityProtocol(l.Protocol)}
		switch {
		case l.Controller:
			controllers = append(controllers, endpoint)
		case l.Advertised:
			brokers = append(brokers, endpoint)
		}
	}
	return brokers, controllers
}

func advertisedPort(l config.Listener, bound map[string]int) int {
	if l.AdvertisedPort == 0 {
		return bound[l.Name]
	}
	return l.AdvertisedPort
}

// securityProtocol is Kafka's number of a listener's protocol.
func securityProtocol(name string) int16 {
	switch name {
	case "SSL":
		return 1
	case "SASL_PLAINTEXT":
		return 2
	case "SASL_SSL":
		return 3
	}
	return 0
}

// leaderEndpoint tells where a client that came in by a listener reaches a
// broker.
func (s *Server) leaderEndpoint(listener string, node int32) (api.Endpoint, bool) {
	broker, ok := s.controller.Image().Broker(node)
	if !ok || broker.Fenced {
		return api.Endpoint{}, false
	}
	for i := range broker.Endpoints {
		if e := &broker.Endpoints[i]; e.Name == listener {
			return api.Endpoint{Host: e.Host, Port: int32(e.Port), Rack: broker.Rack}, true
		}
	}
	return api.Endpoint{}, false
}

// banner tells whoever started the server what it is and where, and, in the
// words of Apache Kafka that scripts wait for, that it serves.
func (s *Server) banner() {
	node := s.settings.NodeID
	var addresses, dialed []string
	ports := s.network.boundPorts()
	for _, l := range s.settings.Listeners {
		if !l.Controller && l.Advertised {
			address := net.JoinHostPort(l.AdvertisedHost, strconv.Itoa(advertisedPort(l, ports)))
			addresses, dialed = append(addresses, l.Name+"://"+address), append(dialed, address)
		}
	}
	s.log.Info().Msg(fmt.Sprintf("Ottla %s (%s %s/%s), node %d of cluster %s", s.options.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH, node, s.home.clusterID))
	s.log.Info().Msg("data in " + strings.Join(s.settings.LogDirs, ", "))
	s.log.Info().Msg("clients dial " + strings.Join(addresses, ", "))
	if len(dialed) > 0 {
		s.log.Info().Msg("write: bin/kafka-console-producer.sh --bootstrap-server " + dialed[0] + " --topic first")
		s.log.Info().Msg("read:  bin/kafka-console-consumer.sh --bootstrap-server " + dialed[0] + " --topic first --from-beginning")
	}
	s.log.Info().Msg(fmt.Sprintf("%d partitions loaded, ready after %d ms", len(s.storage.Logs()), time.Since(s.options.Begun).Milliseconds()))
	s.log.Info().Msg(fmt.Sprintf("[BrokerLifecycleManager id=%d] Transitioning from RECOVERY to RUNNING", node))
	s.log.Info().Msg(fmt.Sprintf("[KafkaRaftServer nodeId=%d] Kafka Server started", node))
}
