package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// provider gives the value of ${alias:path:key}; ok is false where there is none, which leaves the text as it is.
type provider interface {
	get(path, key string) (value string, ok bool, err error)
}

// resolveProviders replaces the variables of Kafka's config providers in all values but the providers' own keys. A provider
// counts once config.providers names it. Its class is Kafka's name of one of the three that are built in; without a class
// the aliases env, file, dir and directory say themselves which one is meant.
func resolveProviders(settings map[string]setting, environment []string) ([]Warning, error) {
	providers := map[string]provider{}
	for _, alias := range splitList(trim(settings["config.providers"].raw)) {
		p, err := newProvider(alias, settings, environment)
		if err != nil {
			return nil, err
		}
		if p != nil {
			providers[alias] = p
		}
	}
	variable := regexp.MustCompile(`\$\{([^}]*?):(?:([^}]*?):)?([^}]*?)\}`)
	var warnings []Warning
	for _, key := range inOrder(settings) {
		s := settings[key]
		if strings.HasPrefix(key, "config.providers") || !strings.Contains(s.raw, "${") {
			continue
		}
		var failed error
		s.raw = variable.ReplaceAllStringFunc(s.raw, func(text string) string {
			part := variable.FindStringSubmatch(text)
			p := providers[part[1]]
			if p == nil {
				warnings = append(warnings, Warning{Key: key, Line: s.line, Message: fmt.Sprintf(
					"%s: %s is taken as it stands: config.providers does not name %s", key, printable(text), printable(part[1]))})
				return text
			}
			value, ok, err := p.get(part[2], part[3])
			if err != nil && failed == nil {
				failed = fmt.Errorf("%s: %w", printable(text), err)
			}
			if !ok {
				return text
			}
			return value
		})
		if failed != nil {
			return nil, &Error{Key: key, Value: s.raw, setting: s, Message: failed.Error()}
		}
		settings[key] = s
	}
	return warnings, nil
}

func newProvider(alias string, settings map[string]setting, environment []string) (provider, error) {
	prefix := "config.providers." + alias + "."
	class, given := settings[prefix+"class"]
	name := trim(class.raw)
	if !given {
		name = map[string]string{"env": "EnvVarConfigProvider", "file": "FileConfigProvider",
			"dir": "DirectoryConfigProvider", "directory": "DirectoryConfigProvider"}[alias]
	}
	paths := allowedPaths(settings[prefix+"param.allowed.paths"].raw)
	switch strings.TrimPrefix(name, "org.apache.kafka.common.config.provider.") {
	case "EnvVarConfigProvider":
		pattern := settings[prefix+"param.allowlist.pattern"]
		if pattern.raw == "" {
			pattern.raw = ".*"
		}
		allowed, err := regexp.Compile("^(?:" + pattern.raw + ")$")
		if err != nil {
			return nil, &Error{Key: prefix + "param.allowlist.pattern", Value: pattern.raw, setting: pattern, Message: err.Error(), Allowed: "a regular expression"}
		}
		return environmentProvider{environment, allowed}, nil
	case "FileConfigProvider":
		return fileProvider{paths}, nil
	case "DirectoryConfigProvider":
		return directoryProvider{paths}, nil
	case "":
		return nil, nil
	}
	return nil, &Error{Key: prefix + "class", Value: class.raw, setting: class,
		Message: "Invalid config:" + name + " configuration: no class is ever loaded",
		Allowed: "org.apache.kafka.common.config.provider.EnvVarConfigProvider, .FileConfigProvider or .DirectoryConfigProvider"}
}

type environmentProvider struct {
	environment []string
	allowed     *regexp.Regexp
}

func (p environmentProvider) get(path, key string) (string, bool, error) {
	if path != "" {
		return "", false, errors.New("Path is not supported for EnvVarConfigProvider, invalid value '" + path + "'") //nolint:revive,staticcheck // Kafka's words
	}
	if !p.allowed.MatchString(key) {
		return "", false, nil
	}
	for i := len(p.environment) - 1; i >= 0; i-- {
		if name, value, _ := strings.Cut(p.environment[i], "="); name == key {
			return value, true, nil
		}
	}
	return "", false, nil
}

// allowedPaths is nil where every path is allowed.
type paths []string

func allowedPaths(list string) paths {
	var allowed paths
	for _, path := range splitList(trim(list)) {
		if path != "" {
			allowed = append(allowed, filepath.Clean(path))
		}
	}
	return allowed
}

func (allowed paths) permit(path string) bool {
	if allowed == nil {
		return true
	}
	path = filepath.Clean(path)
	for _, parent := range allowed {
		if path == parent || strings.HasPrefix(path, strings.TrimSuffix(parent, "/")+"/") {
			return true
		}
	}
	return false
}

type fileProvider struct{ allowed paths }

func (p fileProvider) get(path, key string) (string, bool, error) {
	if path == "" || !p.allowed.permit(path) {
		return "", false, nil
	}
	document, err := os.ReadFile(path)
	if err != nil {
		return "", false, fmt.Errorf("could not read properties: %w", err)
	}
	properties, err := ParseProperties(document)
	if err != nil {
		return "", false, fmt.Errorf("%s %w", path, err)
	}
	value, ok := "", false
	for _, property := range properties {
		if property.Key == key {
			value, ok = property.Value, true
		}
	}
	return value, ok, nil
}

type directoryProvider struct{ allowed paths }

func (p directoryProvider) get(path, key string) (string, bool, error) {
	if path == "" || key == "" || strings.ContainsRune(key, filepath.Separator) || !p.allowed.permit(path) {
		return "", false, nil
	}
	info, err := os.Stat(filepath.Join(path, key))
	if err != nil || !info.Mode().IsRegular() {
		return "", false, nil
	}
	content, err := os.ReadFile(filepath.Join(path, key))
	if err != nil {
		return "", false, fmt.Errorf("could not read file: %w", err)
	}
	return string(content), true, nil
}
