package config

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const (
	anyAddress    = "0.0.0.0"
	nonRoutable   = "advertised.listeners cannot use the nonroutable meta-address 0.0.0.0. Use a routable IP address."
	listenerForm  = "a list separated by commas of {name}://{host}:{port}"
	protocolNames = "PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL"
)

// endpoint is one entry of listeners or advertised.listeners.
type endpoint struct {
	name, protocol, host string
	port                 int
}

// readListeners fills Listeners, ControllerListenerNames and InterBrokerListenerName.
func (c *Config) readListeners(host string) error {
	for _, name := range c.list("controller.listener.names") {
		c.ControllerListenerNames = append(c.ControllerListenerNames, strings.ToUpper(name))
	}
	protocols, err := c.protocols()
	if err != nil {
		return err
	}
	opened, err := c.endpoints("listeners", protocols)
	if err != nil {
		return err
	}
	if err := c.checkOpened(opened); err != nil {
		return err
	}
	advertised := map[string]endpoint{}
	given := c.list("advertised.listeners") != nil
	if given {
		list, err := c.endpoints("advertised.listeners", protocols)
		if err != nil {
			return err
		}
		for _, e := range list {
			advertised[e.name] = e
		}
	}
	for _, e := range opened {
		l := Listener{Name: e.name, Host: e.host, Port: e.port, Protocol: e.protocol, Controller: slices.Contains(c.ControllerListenerNames, e.name)}
		told, ok := advertised[e.name]
		switch {
		case ok:
		case l.Controller:
			told = c.advertisedController(e)
		case given:
			told = endpoint{name: e.name}
		default:
			told = e
		}
		l.Advertised = ok || l.Controller || !given
		if l.Advertised && told.host == anyAddress {
			if ok {
				return c.fail("advertised.listeners", nonRoutable, listenerForm)
			}
			return c.fail("listeners", nonRoutable, "a routable address in listeners, or advertised.listeners beside it")
		}
		if l.Advertised {
			l.AdvertisedHost, l.AdvertisedPort = told.host, told.port
			if l.AdvertisedHost == "" {
				l.AdvertisedHost = hostname(host)
			}
		}
		c.Listeners = append(c.Listeners, l)
	}
	return c.checkListeners(advertised, protocols)
}

// advertisedController is what a controller listener without an advertised address tells: its own address, or that of
// this node among the static voters.
func (c *Config) advertisedController(e endpoint) endpoint {
	if e.host != "" && e.host != anyAddress {
		return e
	}
	if e.name == c.ControllerListenerNames[0] {
		voters, _ := parseVoters(c.list("controller.quorum.voters"))
		for _, v := range voters {
			if v.ID == c.int32("node.id") {
				return endpoint{name: e.name, protocol: e.protocol, host: v.Host, port: v.Port}
			}
		}
	}
	return endpoint{name: e.name, protocol: e.protocol, port: e.port}
}

// protocols maps listeners' names to security protocols. Without a map in the file, controllers' listeners are PLAINTEXT,
// unless one is named after another protocol.
func (c *Config) protocols() (map[string]string, error) {
	const key = "listener.security.protocol.map"
	text, _ := c.Get(key)
	protocols := map[string]string{}
	pairs, err := parsePairs(key, text)
	if err != nil {
		return nil, c.fail(key, err.Error(), "{name}:{protocol},…, protocol one of "+protocolNames)
	}
	for _, p := range pairs {
		protocol := strings.ToUpper(p[1])
		if !slices.Contains(strings.Split(protocolNames, ", "), protocol) {
			return nil, c.fail(key, fmt.Sprintf("Invalid security protocol `%s` defined in %s", p[1], key), protocolNames)
		}
		protocols[strings.ToUpper(p[0])] = protocol
	}
	if _, given := c.source.settings[key]; given {
		return protocols, nil
	}
	names := slices.Clone(c.ControllerListenerNames)
	for _, entry := range c.list("listeners") {
		name, _, _ := strings.Cut(entry, ":")
		names = append(names, strings.ToUpper(name))
	}
	if !slices.ContainsFunc(names, func(name string) bool { return name == "SSL" || strings.HasPrefix(name, "SASL_") }) {
		for _, name := range c.ControllerListenerNames {
			protocols[name] = "PLAINTEXT"
		}
	}
	return protocols, nil
}

// parsePairs splits a:1,b:c:2 at its commas and each part's last colon. What is empty at the end does not count.
func parsePairs(key, text string) ([][2]string, error) {
	list := splitList(strings.TrimRight(trim(text), ", \t"))
	pairs := make([][2]string, 0, len(list))
	for _, pair := range list {
		colon := strings.LastIndex(pair, ":")
		if colon < 0 {
			return nil, &InvalidError{Message: fmt.Sprintf("Error parsing configuration property '%s': begin 0, end -1, length %d", key, len(pair))}
		}
		pairs = append(pairs, [2]string{trim(pair[:colon]), trim(pair[colon+1:])})
	}
	return pairs, nil
}

func (c *Config) endpoints(key string, protocols map[string]string) ([]endpoint, error) {
	list := c.list(key)
	fail := func(message string) error {
		return c.fail(key, "Error creating broker listeners from '["+strings.Join(list, ", ")+"]': "+message, listenerForm)
	}
	form := regexp.MustCompile(`^(.*)://\[?([0-9a-zA-Z\-%._:]*)\]?:(-?[0-9]+)$`)
	var endpoints []endpoint
	for _, entry := range list {
		part := form.FindStringSubmatch(entry)
		if part == nil {
			return nil, fail("Unable to parse " + entry + " to a broker endpoint")
		}
		port, err := strconv.Atoi(part[3])
		if err != nil || port < 0 || port > 65535 {
			return nil, fail("port out of range:" + part[3])
		}
		e := endpoint{name: strings.ToUpper(part[1]), host: part[2], port: port}
		if e.protocol = protocols[e.name]; e.protocol == "" {
			return nil, fail("No security protocol defined for listener " + e.name)
		}
		if slices.ContainsFunc(endpoints, func(other endpoint) bool { return other.name == e.name }) {
			return nil, fail("Each listener must have a different name, listeners: [" + strings.Join(list, ", ") + "]")
		}
		endpoints = append(endpoints, e)
	}
	if key == "listeners" {
		if message := samePorts(endpoints, list); message != "" {
			return nil, fail(message)
		}
	}
	return endpoints, nil
}

// samePorts says what is wrong with listeners on one port: only an IPv4 address beside an IPv6 address may share it.
// Port 0 is any number of ports.
func samePorts(endpoints []endpoint, list []string) string {
	listeners := "listeners: [" + strings.Join(list, ", ") + "]"
	for _, e := range endpoints {
		var v4, v6, other int
		for _, same := range endpoints {
			if same.port != e.port || e.port == 0 {
				continue
			}
			switch address, err := netip.ParseAddr(same.host); {
			case err != nil:
				other++
			case address.Is4():
				v4++
			default:
				v6++
			}
		}
		port := ", port: " + strconv.Itoa(e.port)
		switch {
		case other > 1:
			return "Each listener must have a different port, " + listeners
		case v4+v6 > 2 || v4+v6 == 1 && other == 1:
			return "Each listener must have a different port unless exactly one listener has an IPv4 address and the other IPv6 address, " + listeners + port
		case v4 > 1 || v6 > 1 || v4+v6 == 2 && other > 0:
			return "If you have two listeners on the same port then one needs to be IPv4 and the other IPv6, " + listeners + port
		}
	}
	return ""
}

// checkOpened refuses what would be opened without the protection that its protocol promises.
func (c *Config) checkOpened(opened []endpoint) error {
	for _, e := range opened {
		if e.protocol != "PLAINTEXT" {
			return c.fail("listeners", "listener "+e.name+" has the security protocol "+e.protocol+
				", which is not supported yet; starting without it would leave the listener unprotected", "listeners whose protocol is PLAINTEXT")
		}
	}
	return nil
}

// checkListeners holds the names of the keys about listeners against each other.
func (c *Config) checkListeners(advertised map[string]endpoint, protocols map[string]string) error {
	var names, told []string
	for _, l := range c.Listeners {
		names = append(names, l.Name)
		if l.Advertised && !l.Controller {
			told = append(told, l.Name)
		}
	}
	if _, given := c.source.settings["controller.listener.names"]; given {
		for _, name := range c.ControllerListenerNames {
			if !slices.Contains(names, name) {
				return c.fail("controller.listener.names", "controller.listener.names must only contain values appearing in the 'listeners' configuration when running the KRaft controller role", strings.Join(names, ","))
			}
		}
	}
	for name := range advertised {
		if !slices.Contains(names, name) && !slices.Contains(c.ControllerListenerNames, name) {
			return c.fail("advertised.listeners", "advertised.listeners listener names must be equal to or a subset of the ones defined in listeners. Found "+
				name+". The valid options based on the current configuration are "+strings.Join(names, ","), listenerForm)
		}
	}
	if len(told) == 0 {
		return c.fail("listeners", "There must be at least one broker advertised listener. Perhaps all listeners appear in controller.listener.names?", "")
	}
	return c.interBroker(told, protocols)
}

func (c *Config) interBroker(told []string, protocols map[string]string) error {
	key := "inter.broker.listener.name"
	name, given := c.Get(key)
	if given {
		if _, both := c.source.settings["security.inter.broker.protocol"]; both {
			return c.fail(key, "Only one of inter.broker.listener.name and security.inter.broker.protocol should be set.", "")
		}
		if protocols[strings.ToUpper(name)] == "" {
			return c.fail(key, "Listener with name "+strings.ToUpper(name)+" defined in inter.broker.listener.name not found in listener.security.protocol.map.", "")
		}
	} else {
		key = "security.inter.broker.protocol"
		name, _ = c.Get(key)
	}
	c.InterBrokerListenerName = strings.ToUpper(name)
	if !slices.Contains(told, c.InterBrokerListenerName) {
		return c.fail(key, "inter.broker.listener.name must be a listener name defined in advertised.listeners. "+
			"The valid options based on currently configured listeners are "+strings.Join(told, ","), strings.Join(told, ","))
	}
	return nil
}
