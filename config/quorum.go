package config

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// parseVoters reads controller.quorum.voters.
func parseVoters(list []string) ([]Voter, error) {
	const form = ". Each entry should be in the form `{id}@{host}:{port}`."
	var voters []Voter
	for _, entry := range list {
		part := strings.Split(strings.TrimRight(entry, "@"), "@")
		if len(part) != 2 {
			return nil, &InvalidError{Message: "Invalid configuration value for controller.quorum.voters" + form}
		}
		id, err := parseInteger(part[0], 32)
		if err != nil {
			return nil, &InvalidError{Message: "Failed to parse voter ID as an integer from " + part[0]}
		}
		host, port, ok := splitAddress(part[1])
		if !ok {
			return nil, &InvalidError{Message: "Failed to parse host name from entry " + entry + " for the configuration controller.quorum.voters" + form}
		}
		voters = append(voters, Voter{ID: int32(id.(int64)), Host: host, Port: port}) //nolint:gosec // parsed as 32 bits
	}
	return voters, nil
}

// parseBootstrapServers reads controller.quorum.bootstrap.servers.
func parseBootstrapServers(list []string) ([]Address, error) {
	var addresses []Address
	for _, entry := range list {
		host, port, ok := splitAddress(entry)
		if !ok {
			return nil, &InvalidError{Message: fmt.Sprintf("Failed to parse host name from %s for the configuration controller.quorum.bootstrap.servers. "+
				"Each entry should be in the form \"{host}:{port}\"", entry)}
		}
		addresses = append(addresses, Address{Host: host, Port: port})
	}
	return addresses, nil
}

// splitAddress takes host and port apart, an IPv6 address out of its brackets.
func splitAddress(text string) (host string, port int, ok bool) {
	part := regexp.MustCompile(`^(?:[0-9a-zA-Z\-%._]*://)?\[?([0-9a-zA-Z\-%._:]*)\]?:([0-9]+)$`).FindStringSubmatch(text)
	if part == nil {
		return "", 0, false
	}
	port, err := strconv.Atoi(part[2])
	return part[1], port, err == nil && port <= 65535
}

// readQuorum fills the voters and bootstrap servers. One node is the whole cluster: with neither key it is as with bootstrap
// servers, and more than one controller is refused, because starting alone would make a second cluster beside the first.
func (c *Config) readQuorum() error {
	voters, err := parseVoters(c.list("controller.quorum.voters"))
	if err != nil {
		return c.fail("controller.quorum.voters", err.Error(), "")
	}
	servers, err := parseBootstrapServers(c.list("controller.quorum.bootstrap.servers"))
	if err != nil {
		return c.fail("controller.quorum.bootstrap.servers", err.Error(), "")
	}
	const alone = "this server is a cluster of one node; several controllers are not supported yet"
	if len(voters) > 1 {
		return c.fail("controller.quorum.voters", alone, "one voter, this node: {id}@{host}:{port}")
	}
	if len(servers) > 1 {
		return c.fail("controller.quorum.bootstrap.servers", alone, "one {host}:{port}, this node's")
	}
	node := c.int32("node.id")
	if len(voters) == 1 && voters[0].ID != node {
		return c.fail("controller.quorum.voters", fmt.Sprintf("If process.roles contains the 'controller' role, the node id %d must be included "+
			"in the set of voters controller.quorum.voters=Set(%d)", node, voters[0].ID), fmt.Sprintf("%d@{host}:{port}", node))
	}
	c.Quorum.Voters, c.Quorum.BootstrapServers = voters, servers
	return nil
}
