package cli

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// security returns the options for security.protocol, ssl.* and sasl.*.
func (p properties) security() ([]kgo.Opt, error) {
	var options []kgo.Opt
	protocol := strings.ToUpper(strings.TrimSpace(p["security.protocol"]))
	switch protocol {
	case "", "PLAINTEXT", "SASL_PLAINTEXT":
	case "SSL", "SASL_SSL":
		settings, err := p.tls()
		if err != nil {
			return nil, err
		}
		options = append(options, kgo.DialTLSConfig(settings))
	}
	if strings.HasPrefix(protocol, "SASL_") {
		mechanism, err := p.sasl()
		if err != nil {
			return nil, err
		}
		options = append(options, mechanism)
	}
	return options, nil
}

func invalidProperty(key, value, why string) error {
	return &exception{"org.apache.kafka.common.config.ConfigException", fmt.Sprintf("Invalid value %s for configuration %s: %s", value, key, why)}
}

// tls returns the settings of ssl.*: stores are PEM, inline or in a file.
func (p properties) tls() (*tls.Config, error) {
	settings := &tls.Config{MinVersion: tls.VersionTLS12}
	trusted, err := p.store("truststore", "ssl.truststore.certificates")
	if err != nil {
		return nil, err
	}
	if trusted != nil {
		settings.RootCAs = x509.NewCertPool()
		if !settings.RootCAs.AppendCertsFromPEM(trusted) {
			return nil, errors.New("the truststore holds no certificate")
		}
	}
	chain, err := p.store("keystore", "ssl.keystore.certificate.chain")
	if err != nil {
		return nil, err
	}
	if chain != nil {
		key := chain
		if inline := p["ssl.keystore.key"]; inline != "" {
			key = []byte(inline)
		}
		pair, err := tls.X509KeyPair(chain, key)
		if err != nil {
			return nil, fmt.Errorf("the keystore: %w", err)
		}
		settings.Certificates = []tls.Certificate{pair}
	}
	if name, set := p["ssl.endpoint.identification.algorithm"]; set && strings.TrimSpace(name) == "" {
		settings.InsecureSkipVerify = true
		settings.VerifyConnection = verifyChain(settings.RootCAs)
	}
	return settings, nil
}

// verifyChain verifies a server's certificate without its name.
func verifyChain(roots *x509.CertPool) func(tls.ConnectionState) error {
	return func(state tls.ConnectionState) error {
		between := x509.NewCertPool()
		for _, certificate := range state.PeerCertificates[1:] {
			between.AddCert(certificate)
		}
		_, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between})
		return err
	}
}

// store returns a PEM store: the inline property, or the file of its location.
func (p properties) store(name, inline string) ([]byte, error) {
	if text := p[inline]; text != "" {
		return []byte(text), nil
	}
	location := p["ssl."+name+".location"]
	if location == "" {
		return nil, nil
	}
	content, err := os.ReadFile(location)
	if err != nil {
		return nil, err
	}
	if block, _ := pem.Decode(content); block == nil {
		return nil, fmt.Errorf("%s: only PEM stores are read; openssl and keytool turn others into one (ssl.%s.type=PEM)", location, name)
	}
	return content, nil
}

// sasl returns the mechanism with the user and password of sasl.jaas.config.
func (p properties) sasl() (kgo.Opt, error) {
	user, password := jaasValue(p["sasl.jaas.config"], "username"), jaasValue(p["sasl.jaas.config"], "password")
	switch mechanism := strings.TrimSpace(p["sasl.mechanism"]); mechanism {
	case "PLAIN":
		return kgo.SASL(plain.Auth{User: user, Pass: password}.AsMechanism()), nil
	case "SCRAM-SHA-256":
		return kgo.SASL(scram.Auth{User: user, Pass: password}.AsSha256Mechanism()), nil
	case "SCRAM-SHA-512":
		return kgo.SASL(scram.Auth{User: user, Pass: password}.AsSha512Mechanism()), nil
	default:
		return nil, fmt.Errorf("sasl.mechanism %q: PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512 are known here", mechanism)
	}
}

// jaasValue returns the value of an option of a JAAS line, which stands in quotes.
func jaasValue(line, key string) string {
	expression := regexp.MustCompile(`\b` + key + `\s*=\s*("((?:[^"\\]|\\.)*)"|'([^']*)'|([^\s;"']+))`)
	found := expression.FindStringSubmatch(line)
	if found == nil {
		return ""
	}
	quoted := strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(found[2])
	return quoted + found[3] + found[4]
}
