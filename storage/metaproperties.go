package storage

import (
	"fmt"
	"sort"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"

	"ottla/internal/uuid"
	"ottla/storage/vfs"
)

const metaPropertiesFile = "meta.properties"

// MetaProperties is the content of meta.properties. Version 0 (of the ZooKeeper era) names the node broker.id and may lack the cluster
// id; version 1 has both. Keys that are not known are kept.
type MetaProperties struct {
	Version     int
	NodeID      int32 // −1 if absent
	ClusterID   string
	DirectoryID [16]byte // zero if absent
	Unknown     map[string]string
}

// ReadMetaProperties reads dir/meta.properties; the error wraps fs.ErrNotExist if there is none.
func ReadMetaProperties(fsys vfs.FS, dir string) (MetaProperties, error) {
	b, err := readFile(fsys, dir+"/"+metaPropertiesFile)
	if err != nil {
		return MetaProperties{}, fmt.Errorf("read %s of %s: %w", metaPropertiesFile, dir, err)
	}
	p, err := parseMetaProperties(b)
	if err != nil {
		return p, fmt.Errorf("read %s of %s: %w", metaPropertiesFile, dir, err)
	}
	return p, nil
}

func parseMetaProperties(b []byte) (MetaProperties, error) {
	p := MetaProperties{NodeID: -1}
	values := parseJavaProperties(latin1(b))
	take := func(key string) (string, bool) {
		v, ok := values[key]
		delete(values, key)
		return strings.TrimSpace(v), ok
	}
	if v, ok := take("version"); ok {
		n, err := strconv.Atoi(v)
		if err != nil || n < 0 || n > 1 {
			return p, fmt.Errorf("version %.40q is not known", v)
		}
		p.Version = n
	}
	nodeKey := "node.id"
	if p.Version == 0 {
		nodeKey = "broker.id"
	}
	node, hasNode := take(nodeKey)
	if hasNode {
		n, err := parseInt32(node)
		if err != nil || n < 0 {
			return p, fmt.Errorf("%s is %.40q", nodeKey, node)
		}
		p.NodeID = n
	}
	cluster, hasCluster := take("cluster.id")
	p.ClusterID = cluster
	if p.Version == 1 && (!hasNode || !hasCluster) {
		return p, fmt.Errorf("node.id and cluster.id must be there")
	}
	if v, ok := take("directory.id"); ok {
		id, err := uuid.Parse(v)
		if err != nil {
			return p, fmt.Errorf("directory.id is %.40q", v)
		}
		p.DirectoryID = id
	}
	if len(values) > 0 {
		p.Unknown = values
	}
	return p, nil
}

// WriteMetaProperties replaces dir/meta.properties atomically and durably.
func WriteMetaProperties(fsys vfs.FS, dir string, properties MetaProperties) error {
	values := map[string]string{"version": strconv.Itoa(properties.Version)}
	for key, value := range properties.Unknown {
		values[key] = value
	}
	if properties.NodeID >= 0 {
		key := "node.id"
		if properties.Version == 0 {
			key = "broker.id"
		}
		values[key] = strconv.Itoa(int(properties.NodeID))
	}
	if properties.ClusterID != "" {
		values["cluster.id"] = properties.ClusterID
	}
	if properties.DirectoryID != [16]byte{} {
		values["directory.id"] = uuid.String(properties.DirectoryID)
	}
	content := "#\n#" + time.Now().UTC().Format("Mon Jan 02 15:04:05 UTC 2006") + "\n" + encodeJavaProperties(values)
	if err := replaceFile(fsys, dir, metaPropertiesFile, []byte(content)); err != nil {
		return fmt.Errorf("write %s of %s: %w", metaPropertiesFile, dir, err)
	}
	return nil
}

// latin1 is the text that Java reads out of a file of properties: each byte is a character.
func latin1(b []byte) string {
	characters := make([]rune, len(b))
	for i, x := range b {
		characters[i] = rune(x)
	}
	return string(characters)
}

// parseJavaProperties reads the grammar of java.util.Properties: comments, continued lines, three separators and escapes.
func parseJavaProperties(text string) map[string]string {
	values := map[string]string{}
	lines := strings.Split(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text), "\n")
	for i := 0; i < len(lines); i++ {
		line := strings.TrimLeft(lines[i], " \t\f")
		if line == "" || line[0] == '#' || line[0] == '!' {
			continue
		}
		for continued(line) && i+1 < len(lines) {
			i++
			line = line[:len(line)-1] + strings.TrimLeft(lines[i], " \t\f")
		}
		key, value := splitProperty(line)
		values[unescapeProperty(key)] = unescapeProperty(value)
	}
	return values
}

func continued(line string) bool {
	n := len(line) - len(strings.TrimRight(line, `\`))
	return n%2 == 1
}

func splitProperty(line string) (key, value string) {
	end := len(line)
	for i := 0; i < len(line); i++ {
		if line[i] == '\\' {
			i++
			continue
		}
		if strings.IndexByte("=: \t\f", line[i]) >= 0 {
			end = i
			break
		}
	}
	value = strings.TrimLeft(line[end:], " \t\f")
	if value != "" && (value[0] == '=' || value[0] == ':') {
		value = strings.TrimLeft(value[1:], " \t\f")
	}
	return line[:end], value
}

func unescapeProperty(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var out []uint16
	var b strings.Builder
	flush := func() {
		b.WriteString(string(utf16.Decode(out)))
		out = out[:0]
	}
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			flush()
			if s[i] != '\\' {
				b.WriteByte(s[i])
			}
			continue
		}
		i++
		if s[i] == 'u' && i+4 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+5], 16, 16); err == nil {
				out = append(out, uint16(n))
				i += 4
				continue
			}
		}
		flush()
		if at := strings.IndexByte("tnrf", s[i]); at >= 0 {
			b.WriteByte("\t\n\r\f"[at])
		} else {
			b.WriteByte(s[i])
		}
	}
	flush()
	return b.String()
}

func encodeJavaProperties(values map[string]string) string {
	keys := make([]string, 0, len(values))
	for key := range values {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	var b strings.Builder
	for _, key := range keys {
		escapeProperty(&b, key, true)
		b.WriteByte('=')
		escapeProperty(&b, values[key], false)
		b.WriteByte('\n')
	}
	return b.String()
}

func escapeProperty(b *strings.Builder, s string, key bool) {
	for i, r := range s {
		switch {
		case r == ' ' && (key || i == 0), r == '\\', r == '=', r == ':', r == '#', r == '!':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\t' || r == '\n' || r == '\r' || r == '\f':
			b.WriteByte('\\')
			b.WriteByte("tnrf"[strings.IndexRune("\t\n\r\f", r)])
		case r < 0x20 || r > 0x7e:
			for _, unit := range utf16.Encode([]rune{r}) {
				fmt.Fprintf(b, "\\u%04X", unit)
			}
		default:
			b.WriteRune(r)
		}
	}
}
