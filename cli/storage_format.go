package cli

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"ottla/config"
	"ottla/internal/uuid"
	"ottla/metadata"
	"ottla/metadata/quorum"
	"ottla/storage"
	"ottla/storage/vfs"
)

// formatPlan is what to make of the log directories of one node.
type formatPlan struct {
	settings  *config.Config
	clusterID string
	version   int16
	records   []metadata.Record
	// directoryID is that of the metadata directory where the list of controllers says it; else zero.
	directoryID uuid.UUID
}

func (t *tool) storageFormat(parsed parsedArguments) error {
	settings, err := t.loadSettings(parsed.text("--config"))
	if err != nil {
		return err
	}
	plan := &formatPlan{settings: settings, clusterID: parsed.text("--cluster-id")}
	if parsed.has("--release-version") {
		if _, _, err := release(parsed); err != nil {
			return err
		}
	}
	features, err := parseFeatures(parsed["--feature"])
	if err != nil {
		return err
	}
	if err := plan.controllers(parsed); err != nil {
		return err
	}
	if err := plan.features(parsed, features); err != nil {
		return err
	}
	for _, word := range parsed["--add-scram"] {
		record, err := scramRecord(word)
		if err != nil {
			return err
		}
		plan.records = append(plan.records, record)
	}
	return t.writeDirectories(plan, parsed.has("--ignore-formatted"))
}

func parseFeatures(words []string) (map[string]int16, error) {
	features := map[string]int16{}
	for _, word := range words {
		name, text, ok := strings.Cut(word, "=")
		if !ok {
			return nil, &exception{"java.lang.RuntimeException", "Can't parse feature=level string " + word + ": equals sign not found."}
		}
		level, err := strconv.ParseInt(strings.TrimSpace(text), 10, 16)
		if err != nil {
			return nil, &exception{"java.lang.RuntimeException", "Can't parse feature=level string " + word + ": unable to parse " + strings.TrimSpace(text) + " as a short."}
		}
		features[strings.TrimSpace(name)] = int16(level)
	}
	return features, nil
}

// controllers looks at what is said of the quorum.
func (p *formatPlan) controllers(parsed parsedArguments) error {
	static, list := len(p.settings.Quorum.Voters) > 0, parsed.text("--initial-controllers")
	switch {
	case static && (list != "" || parsed.has("--standalone")):
		return errors.New("You cannot specify controller.quorum.voters and format the node with --initial-controllers or --standalone. " + //nolint:staticcheck // the stock tool's words
			"If you want to use dynamic quorum, please remove controller.quorum.voters and specify controller.quorum.bootstrap.servers instead.")
	case parsed.has("--no-initial-controllers") && !static:
		return errors.New("--no-initial-controllers makes a controller that joins others, and this server is its own quorum: use --standalone")
	case !static && list == "" && !parsed.has("--standalone"):
		return errors.New("Because controller.quorum.voters is not set on this controller, you must specify one of the following: " + //nolint:staticcheck // the stock tool's words
			"--standalone, --initial-controllers, or --no-initial-controllers.")
	}
	if list == "" {
		return nil
	}
	voters := strings.Split(list, ",")
	id, address, ok := strings.Cut(voters[0], "@")
	last := strings.LastIndexByte(address, ':')
	if !ok || last < 0 {
		return illegalArgument("Expected node id and address, id@host:port:directory.id, but found: " + voters[0])
	}
	_, _, err := net.SplitHostPort(address[:last])
	directory, wrong := uuid.Parse(address[last+1:])
	if err := cmpErrors(err, wrong); err != nil {
		return illegalArgument(fmt.Sprintf("--initial-controllers %s: %v", voters[0], err))
	}
	if len(voters) > 1 || id != strconv.Itoa(int(p.settings.NodeID)) {
		return fmt.Errorf("--initial-controllers names others than node %d: this server is its own quorum", p.settings.NodeID)
	}
	p.directoryID = directory
	return nil
}

// features makes the records of the features' levels.
func (p *formatPlan) features(parsed parsedArguments, wanted map[string]int16) error {
	level, _, err := release(parsed)
	if err != nil {
		return err
	}
	if asked, ok := wanted[metadata.FeatureMetadataVersion]; ok {
		if parsed.has("--release-version") {
			return errors.New("Use --release-version instead of --feature metadata.version=X to avoid ambiguity.") //nolint:staticcheck // the stock tool's words
		}
		if level = asked; metadata.VersionName(level) == "" {
			return illegalArgument(fmt.Sprintf("No MetadataVersion with feature level %d. Valid feature levels are from %d to %d.", level, metadata.MinVersion, metadata.MaxVersion))
		}
	}
	rules := featureRules()
	slices.SortFunc(rules, func(a, b featureRule) int { return strings.Compare(a.name, b.name) })
	var known []string
	levels := map[string]int16{}
	for _, rule := range rules {
		known = append(known, rule.name)
		levels[rule.name] = rule.levelAt(level)
	}
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		i := slices.IndexFunc(rules, func(f featureRule) bool { return f.name == name })
		switch asked := wanted[name]; {
		case name == metadata.FeatureMetadataVersion:
		case i < 0:
			return errors.New("Unsupported feature: " + name + ". Supported features are: " + strings.Join(known, ", ")) //nolint:staticcheck // the stock tool's words
		case name == metadata.FeatureKRaftVersion:
			if err := p.kraftVersion(asked); err != nil {
				return err
			}
		case asked < 0 || asked > rules[i].last:
			return illegalArgument(fmt.Sprintf("No feature:%s with feature level %d", name, asked))
		case asked > 0 && level < rules[i].needs:
			return illegalArgument(fmt.Sprintf("%s could not be set to %d because it depends on metadata.version level %d", name, asked, rules[i].needs))
		default:
			levels[name] = asked
		}
	}
	p.version = level
	p.records = append(p.records, &metadata.FeatureLevelRecord{Name: metadata.FeatureMetadataVersion, FeatureLevel: level})
	for _, rule := range rules {
		if rule.name != metadata.FeatureKRaftVersion && levels[rule.name] > 0 {
			p.records = append(p.records, &metadata.FeatureLevelRecord{Name: rule.name, FeatureLevel: levels[rule.name]})
		}
	}
	return nil
}

func (p *formatPlan) kraftVersion(asked int16) error {
	switch static := len(p.settings.Quorum.Voters) > 0; {
	case asked == 0 && !static:
		return errors.New("Cannot set kraft.version to 0 if controller.quorum.voters is empty and one of the flags --standalone, --initial-controllers, or --no-initial-controllers is used. " + //nolint:staticcheck // the stock tool's words
			"For dynamic controllers support, try removing the --feature flag for kraft.version.")
	case asked != 0 && static:
		return fmt.Errorf("Cannot set kraft.version to %d unless controller.quorum.voters is empty and one of the flags --standalone, --initial-controllers, or --no-initial-controllers is used. "+ //nolint:staticcheck // the stock tool's words
			"For dynamic controllers support, try using one of --standalone, --initial-controllers, or --no-initial-controllers and removing controller.quorum.voters.", asked)
	case asked < 0 || asked > 1:
		return illegalArgument(fmt.Sprintf("No feature:kraft.version with feature level %d", asked))
	}
	return nil
}

// scramRecord makes the record of SCRAM-SHA-256=[name=alice,iterations=8192,salt="base64",saltedpassword="base64"], or of one with a password.
func scramRecord(word string) (metadata.Record, error) {
	mechanism, list, ok := strings.Cut(word, "=")
	if !ok {
		return nil, errors.New("Failed to find equals sign in SCRAM argument '" + word + "'") //nolint:staticcheck // the stock tool's words
	}
	newHash, number := func() hash.Hash { return sha256.New() }, int8(1)
	switch mechanism {
	case "SCRAM-SHA-256":
	case "SCRAM-SHA-512":
		newHash, number = func() hash.Hash { return sha512.New() }, 2
	default:
		return nil, errors.New("The add-scram mechanism " + mechanism + " is not supported.") //nolint:staticcheck // the stock tool's words
	}
	if !strings.HasPrefix(list, "[") || !strings.HasSuffix(list, "]") {
		return nil, errors.New("Expected configuration list to be surrounded by brackets: " + list) //nolint:staticcheck // the stock tool's words
	}
	values := properties{}
	for _, pair := range strings.Split(list[1:len(list)-1], ",") {
		key, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
		values[key] = strings.Trim(value, `"`)
	}
	iterations := 4096
	if text, ok := values["iterations"]; ok {
		var err error
		if iterations, err = strconv.Atoi(text); err != nil || iterations < 4096 {
			return nil, fmt.Errorf("the iterations of %s are a number from 4096 on, not %s", word, text)
		}
	}
	salt, salted, err := scramSecrets(values, iterations, newHash)
	if err == nil && values["name"] == "" {
		err = errors.New("You must supply 'name' to add-scram") //nolint:staticcheck // the stock tool's words
	}
	if err != nil {
		return nil, err
	}
	mac := func(text string) []byte {
		m := hmac.New(newHash, salted)
		m.Write([]byte(text))
		return m.Sum(nil)
	}
	stored := newHash()
	stored.Write(mac("Client Key"))
	return &metadata.UserScramCredentialRecord{Name: values["name"], Mechanism: number, Salt: salt, StoredKey: stored.Sum(nil),
		ServerKey: mac("Server Key"), Iterations: int32(iterations)}, nil
}

// scramSecrets returns the salt and the salted password.
func scramSecrets(values properties, iterations int, newHash func() hash.Hash) (salt, salted []byte, err error) {
	salt = []byte(rand.Text())
	if text, ok := values["salt"]; ok {
		if salt, err = base64.StdEncoding.DecodeString(text); err != nil {
			return nil, nil, fmt.Errorf("the salt is not base64: %w", err)
		}
	}
	text, has := values["saltedpassword"]
	password, plain := values["password"]
	switch {
	case has == plain:
		return nil, nil, errors.New("You must supply one of 'password' or 'saltedpassword' to add-scram") //nolint:staticcheck // the stock tool's words
	case plain:
		salted, err = pbkdf2.Key(newHash, password, salt, iterations, newHash().Size())
	default:
		salted, err = base64.StdEncoding.DecodeString(text)
	}
	return salt, salted, err
}

// writeDirectories makes the directories that are not made yet.
func (t *tool) writeDirectories(plan *formatPlan, ignoreFormatted bool) error {
	var empty []string
	directories := storageDirectories(plan.settings)
	for _, dir := range directories {
		if _, err := os.Stat(filepath.Join(dir, "meta.properties")); err != nil {
			empty = append(empty, dir)
			continue
		}
		properties, err := storage.ReadMetaProperties(vfs.OS{}, dir)
		file := filepath.Join(dir, "meta.properties")
		switch {
		case err != nil:
			return err
		case properties.ClusterID != plan.clusterID:
			return &exception{"java.lang.RuntimeException", fmt.Sprintf("Invalid cluster.id in: %s. Expected %s, but read %s", file, plan.clusterID, properties.ClusterID)}
		case properties.NodeID != plan.settings.NodeID:
			return &exception{"java.lang.RuntimeException", fmt.Sprintf("Stored node id %d doesn't match previous node id %d in %s", properties.NodeID, plan.settings.NodeID, file)}
		case !ignoreFormatted:
			return fmt.Errorf("Log directory %s is already formatted. Use --ignore-formatted to ignore this directory and format the others.", dir) //nolint:staticcheck // the stock tool's words
		}
	}
	if empty == nil {
		t.println("All of the log directories are already formatted.")
		return nil
	}
	t.println("Bootstrap metadata: " + plan.describe())
	// The directory of the metadata comes last: with its meta.properties the node is formatted.
	slices.SortStableFunc(empty, func(a, b string) int {
		return boolInt(a == plan.settings.MetadataLogDir) - boolInt(b == plan.settings.MetadataLogDir)
	})
	for _, dir := range empty {
		if err := t.formatDirectory(plan, dir); err != nil {
			return err
		}
	}
	return nil
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (t *tool) formatDirectory(plan *formatPlan, dir string) error {
	kind, id := "data directory", uuid.New()
	holdsMetadata := dir == plan.settings.MetadataLogDir
	static := len(plan.settings.Quorum.Voters) > 0
	switch {
	case holdsMetadata && static:
		kind = "metadata directory"
	case holdsMetadata:
		kind = "dynamic metadata voter directory"
	}
	if holdsMetadata && plan.directoryID != (uuid.UUID{}) {
		id = plan.directoryID
	}
	t.printf("Formatting %s %s with metadata.version %s.\n", kind, dir, metadata.VersionName(plan.version))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("Unable to create storage directory %s: %w", dir, err) //nolint:staticcheck // the stock tool's words
	}
	lock, err := storage.LockDirectory(vfs.OS{}, dir)
	if err != nil {
		return fmt.Errorf("log directory %s: %w", dir, err)
	}
	defer lock.Close()
	if holdsMetadata {
		options := quorum.FormatOptions{NodeID: plan.settings.NodeID, ClusterID: plan.clusterID, DirectoryID: id, StaticVoters: static, Records: plan.records}
		for _, l := range plan.settings.Listeners {
			if l.Controller {
				options.Endpoints = append(options.Endpoints, quorum.Endpoint{Name: l.Name, Host: l.AdvertisedHost, Port: uint16(l.AdvertisedPort)})
			}
		}
		if err := quorum.Format(vfs.OS{}, dir, options); err != nil {
			return err
		}
	}
	return storage.WriteMetaProperties(vfs.OS{}, dir, storage.MetaProperties{Version: 1, NodeID: plan.settings.NodeID, ClusterID: plan.clusterID, DirectoryID: id})
}

// describe prints the records as the stock tool does.
func (p *formatPlan) describe() string {
	var words []string
	numbers := func(field []byte) string {
		text := make([]string, len(field))
		for i, b := range field {
			text[i] = strconv.Itoa(int(int8(b)))
		}
		return "[" + strings.Join(text, ", ") + "]"
	}
	for _, record := range p.records {
		var text string
		switch r := record.(type) {
		case *metadata.FeatureLevelRecord:
			text = fmt.Sprintf("FeatureLevelRecord(name='%s', featureLevel=%d)", r.Name, r.FeatureLevel)
		case *metadata.UserScramCredentialRecord:
			text = fmt.Sprintf("UserScramCredentialRecord(name='%s', mechanism=%d, salt=%s, storedKey=%s, serverKey=%s, iterations=%d)",
				r.Name, r.Mechanism, numbers(r.Salt), numbers(r.StoredKey), numbers(r.ServerKey), r.Iterations)
		}
		words = append(words, "ApiMessageAndVersion("+text+" at version 0)")
	}
	return fmt.Sprintf("BootstrapMetadata(records=[%s], metadataVersionLevel=%d, source=format command)", strings.Join(words, ", "), p.version)
}
