package config

import (
	"slices"
	"strings"
	"testing"
)

func TestListeners(t *testing.T) {
	plain := func(name, host string, port int, advertised string, told int) Listener {
		return Listener{Name: name, Host: host, Port: port, Protocol: "PLAINTEXT", Advertised: true, AdvertisedHost: advertised, AdvertisedPort: told}
	}
	controller := func(host string, port int, advertised string, told int) Listener {
		l := plain("CONTROLLER", host, port, advertised, told)
		l.Controller = true
		return l
	}
	hidden := plain("INTERNAL", "", 2, "", 0)
	hidden.Advertised = false
	for _, test := range []struct {
		text string
		want []Listener
	}{
		{"listeners=PLAINTEXT://:1", []Listener{plain("PLAINTEXT", "", 1, "machine.example", 1)}},
		{"listeners=plaintext://127.0.0.1:0", []Listener{plain("PLAINTEXT", "127.0.0.1", 0, "127.0.0.1", 0)}},
		{"listeners=PLAINTEXT://[::1]:5", []Listener{plain("PLAINTEXT", "::1", 5, "::1", 5)}},
		{"listeners=PLAINTEXT://[fe80::1%eth0]:5", []Listener{plain("PLAINTEXT", "fe80::1%eth0", 5, "fe80::1%eth0", 5)}},
		{"listeners=PLAINTEXT://:1\nadvertised.listeners=PLAINTEXT://out.example:7", []Listener{plain("PLAINTEXT", "", 1, "out.example", 7)}},
		{"listeners=PLAINTEXT://0.0.0.0:1\nadvertised.listeners=PLAINTEXT://out.example:7", []Listener{plain("PLAINTEXT", "0.0.0.0", 1, "out.example", 7)}},
		{"listeners=PLAINTEXT://:0,CONTROLLER://:0", []Listener{plain("PLAINTEXT", "", 0, "machine.example", 0), controller("", 0, "machine.example", 0)}},
		{"listeners=PLAINTEXT://h:1,CONTROLLER://:2\ncontroller.quorum.voters=1@c.example:9", []Listener{plain("PLAINTEXT", "h", 1, "h", 1), controller("", 2, "c.example", 9)}},
		{"listeners=PLAINTEXT://h:1,CONTROLLER://0.0.0.0:2", []Listener{plain("PLAINTEXT", "h", 1, "h", 1), controller("0.0.0.0", 2, "machine.example", 2)}},
		{"listeners=PLAINTEXT://h:1,CONTROLLER://x:2\nadvertised.listeners=PLAINTEXT://h:1,CONTROLLER://y:3", []Listener{plain("PLAINTEXT", "h", 1, "h", 1), controller("x", 2, "y", 3)}},
		{"listeners=EXTERNAL://:1,INTERNAL://:2\nlistener.security.protocol.map=EXTERNAL:PLAINTEXT, INTERNAL : plaintext,SSL:SSL\ninter.broker.listener.name=EXTERNAL\nadvertised.listeners=EXTERNAL://a:1",
			[]Listener{plain("EXTERNAL", "", 1, "a", 1), hidden}},
		{"listeners=PLAINTEXT://127.0.0.1:1,B://[::1]:1\nlistener.security.protocol.map=PLAINTEXT:PLAINTEXT,B:PLAINTEXT", []Listener{plain("PLAINTEXT", "127.0.0.1", 1, "127.0.0.1", 1), plain("B", "::1", 1, "::1", 1)}},
		{"listeners=PLAINTEXT://:1,C2://:2\ncontroller.listener.names=C2", []Listener{plain("PLAINTEXT", "", 1, "machine.example", 1), func() Listener { l := controller("", 2, "machine.example", 2); l.Name = "C2"; return l }()}},
	} {
		c, _, err := load(t, test.text)
		if err != nil {
			t.Errorf("%q: %v", test.text, err)
		} else if !slices.Equal(c.Listeners, test.want) {
			t.Errorf("%q:\n got %+v\nwant %+v", test.text, c.Listeners, test.want)
		}
	}
}

func TestListenerErrors(t *testing.T) {
	const creating = "Error creating broker listeners from '["
	for text, want := range map[string]string{
		"listeners=PLAINTEXT:9092":                                               creating + "PLAINTEXT:9092]': Unable to parse PLAINTEXT:9092 to a broker endpoint",
		"listeners=PLAINTEXT://ho st:1":                                          "Unable to parse PLAINTEXT://ho st:1 to a broker endpoint",
		"listeners=PLAINTEXT://:1:2x":                                            "Unable to parse",
		"listeners=PLAINTEXT://:65536":                                           "port out of range:65536",
		"listeners=PLAINTEXT://:-1":                                              "port out of range:-1",
		"listeners=FOO://:1":                                                     "No security protocol defined for listener FOO",
		"listeners=PLAINTEXT://:1,x":                                             "Unable to parse x to a broker endpoint",
		"listeners=PLAINTEXT://:1,PLAINTEXT://:2":                                "Each listener must have a different name",
		"listeners=PLAINTEXT://:1,CONTROLLER://:1":                               "Each listener must have a different port, listeners: [PLAINTEXT://:1, CONTROLLER://:1]",
		"listeners=PLAINTEXT://1.2.3.4:1,CONTROLLER://1.2.3.5:1":                 "If you have two listeners on the same port then one needs to be IPv4 and the other IPv6",
		"listeners=SSL://:1":                                                     "has the security protocol SSL, which is not supported yet; starting without it would leave the listener unprotected",
		"listeners=SASL_PLAINTEXT://:1":                                          "has the security protocol SASL_PLAINTEXT",
		"listeners=A://:1\nlistener.security.protocol.map=A:SASL_SSL":            "listener A has the security protocol SASL_SSL",
		"listener.security.protocol.map=A:TLS":                                   "Invalid security protocol `TLS` defined in listener.security.protocol.map",
		"listener.security.protocol.map=A":                                       "Error parsing configuration property 'listener.security.protocol.map': begin 0, end -1, length 1",
		"listeners=PLAINTEXT://0.0.0.0:1":                                        "advertised.listeners cannot use the nonroutable meta-address 0.0.0.0. Use a routable IP address.",
		"advertised.listeners=PLAINTEXT://0.0.0.0:1":                             "line 1: advertised.listeners=PLAINTEXT://0.0.0.0:1: advertised.listeners cannot use the nonroutable",
		"advertised.listeners=PLAINTEXT://a:1,SSL://b:2":                         "advertised.listeners listener names must be equal to or a subset of the ones defined in listeners. Found SSL.",
		"listeners=CONTROLLER://:1":                                              "There must be at least one broker advertised listener.",
		"controller.listener.names=OTHER":                                        "controller.listener.names must only contain values appearing in the 'listeners' configuration",
		"inter.broker.listener.name=INTERNAL":                                    "Listener with name INTERNAL defined in inter.broker.listener.name not found in listener.security.protocol.map.",
		"inter.broker.listener.name=SSL":                                         "inter.broker.listener.name must be a listener name defined in advertised.listeners. The valid options based on currently configured listeners are PLAINTEXT",
		"inter.broker.listener.name=A\nsecurity.inter.broker.protocol=PLAINTEXT": "Only one of inter.broker.listener.name and security.inter.broker.protocol should be set.",
		"listeners=A://:1\nlistener.security.protocol.map=A:PLAINTEXT":           "inter.broker.listener.name must be a listener name defined in advertised.listeners",
		"security.inter.broker.protocol=SSL":                                     "inter.broker.listener.name must be a listener name",
	} {
		_, _, err := load(t, text)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestValues(t *testing.T) {
	for _, test := range []struct {
		kind Type
		raw  string
		want string // "" is an error
	}{
		{TypeInt, "08", "8"}, {TypeInt, "+5", "5"}, {TypeInt, "-0", "0"}, {TypeInt, "٣", "3"}, {TypeInt, " 1 ", "1"}, {TypeInt, "1_0", ""}, {TypeInt, "--1", ""},
		{TypeInt, "1.0", ""}, {TypeShort, "32768", ""}, {TypeLong, "9223372036854775807", "9223372036854775807"}, {TypeLong, "9223372036854775808", ""}, {TypeLong, "𝟏", ""},
		{TypeDouble, "1e3", "1000.0"}, {TypeDouble, "0.5d", "0.5"}, {TypeDouble, "1e7", "1.0E7"}, {TypeDouble, "0.0001", "1.0E-4"}, {TypeDouble, "NaN", "NaN"},
		{TypeDouble, "-Infinity", "-Infinity"}, {TypeDouble, "1e999", "Infinity"}, {TypeDouble, "inf", ""}, {TypeDouble, "0x1p3", "8.0"}, {TypeDouble, "0x10", ""}, {TypeDouble, "1_0", ""},
		{TypeDouble, "0x1.8p1f", "3.0"}, {TypeDouble, "-0", "-0.0"}, {TypeDouble, "1.7976931348623157E308", "1.7976931348623157E308"}, {TypeDouble, "", ""},
		{TypeBoolean, "TRUE", "true"}, {TypeBoolean, " False\t", "false"}, {TypeBoolean, "1", ""}, {TypeBoolean, "yes", ""},
		{TypeList, "a , b,\tc", "a,b,c"}, {TypeList, "a,,c", "a,,c"}, {TypeList, "  ", "<empty>"}, {TypeList, ",", ","}, {TypeString, "  a b ", "a b"}, {TypePassword, " s ", "s"},
	} {
		got, err := parseType(test.kind, test.raw)
		if (err != nil) != (test.want == "") {
			t.Errorf("%s %q: %v, %v; want %q", test.kind, test.raw, got, err, test.want)
			continue
		}
		if err != nil {
			continue
		}
		text := formatValue(got)
		if list, ok := got.([]string); ok && len(list) == 0 {
			text = "<empty>"
		}
		if text != test.want {
			t.Errorf("%s %q: %q, want %q", test.kind, test.raw, text, test.want)
		}
	}
}

func TestGuardKeepsKeysApart(t *testing.T) {
	keys := []string{"a", "A", "^a", "^41;", "\u00c4", "\u00e4", "K", "k", "\u212a", "\u0130", "i", "a\x00\x00b"}
	seen := map[string]string{}
	for _, key := range keys {
		guarded := guard(key)
		if strings.ToLower(guarded) != guarded {
			t.Errorf("%q is guarded as %q, which lower-casing changes", key, guarded)
		}
		if other, ok := seen[guarded]; ok {
			t.Errorf("%q and %q are both %q", key, other, guarded)
		}
		seen[guarded] = key
	}
}

func TestEdits(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"abc", "abc", 0}, {"abc", "abd", 1}, {"partitons", "partitions", 1}, {"ab", "ba", 1}, {"", "abc", 3}, {"kitten", "sitting", 3}} {
		if got := edits(test.a, test.b); got != test.want {
			t.Errorf("%q to %q: %d edits, want %d", test.a, test.b, got, test.want)
		}
	}
}
