package metadata

import (
	"fmt"
	"slices"
	"strings"
)

// The names of the features.
const (
	FeatureMetadataVersion        = "metadata.version"
	FeatureKRaftVersion           = "kraft.version"
	FeatureEligibleLeaderReplicas = "eligible.leader.replicas.version"
	FeatureGroup                  = "group.version"
	FeatureShare                  = "share.version"
	FeatureStreams                = "streams.version"
	FeatureTransaction            = "transaction.version"
)

// The levels of metadata.version that are known, and those from which something is there.
const (
	MinVersion int16 = 7  // 3.3-IV3
	MaxVersion int16 = 30 // 4.3-IV0, the level of a fresh directory

	versionScram              int16 = 11 // 3.5-IV2
	versionTransactions       int16 = 13 // 3.6-IV1
	versionDelegationTokens   int16 = 14 // 3.6-IV2
	versionRegisterController int16 = 15 // 3.7-IV0
	versionDirectories        int16 = 17 // 3.7-IV2
	versionELR                int16 = 23 // 4.0-IV1
)

// versionNames are the names of the levels, from MinVersion.
const versionNames = "3.3-IV3 3.4-IV0 3.5-IV0 3.5-IV1 3.5-IV2 3.6-IV0 3.6-IV1 3.6-IV2 3.7-IV0 3.7-IV1 3.7-IV2 3.7-IV3 3.7-IV4 " +
	"3.8-IV0 3.9-IV0 4.0-IV0 4.0-IV1 4.0-IV2 4.0-IV3 4.1-IV0 4.1-IV1 4.2-IV0 4.2-IV1 4.3-IV0"

// VersionName is Kafka's name of a level of metadata.version, as 4.3-IV0 for 30; "" if the level is not known.
func VersionName(level int16) string {
	if level < MinVersion || level > MaxVersion {
		return ""
	}
	return strings.Fields(versionNames)[level-MinVersion]
}

// ParseVersion is the level of a name: 4.3-IV0, or a release, whose last level is meant: 4.3, 4.3.1.
func ParseVersion(name string) (level int16, err error) {
	parts := strings.Split(name, ".")
	if len(parts) > 2 {
		parts = parts[:2]
	}
	short := strings.Join(parts, ".")
	for i, full := range strings.Fields(versionNames) {
		if release, _, _ := strings.Cut(full, "-"); short == full || short == release {
			level = MinVersion + int16(i)
		}
	}
	if level == 0 {
		return 0, fmt.Errorf("Unknown metadata.version '%s'. Supported metadata.version are: %s",
			name, strings.ReplaceAll(versionNames, " ", ", "))
	}
	return level, nil
}

// TransactionsSupported tells whether a level allows transactions in the metadata log.
func TransactionsSupported(level int16) bool { return level >= versionTransactions }

// ControllersSupported tells whether a level has registrations of controllers.
func ControllersSupported(level int16) bool { return level >= versionRegisterController }

// Feature is a feature that can be finalized: the levels that are known, and its level in a fresh directory.
type Feature struct {
	Name            string
	Min, Max, Fresh int16
}

// Features lists every feature that can be finalized, sorted by name; kraft.version, which is not finalized by a record, is not among them.
func Features() []Feature {
	return []Feature{
		{FeatureEligibleLeaderReplicas, 0, 1, 1},
		{FeatureGroup, 0, 1, 1},
		{FeatureMetadataVersion, MinVersion, MaxVersion, MaxVersion},
		{FeatureShare, 0, 1, 1},
		{FeatureStreams, 0, 1, 1},
		{FeatureTransaction, 0, 2, 2},
	}
}

// newerLevel is the way out for a level that is not known.
const newerLevel = "; a newer server raised it: go on with that one, or lower the level there with kafka-features.sh"

// CheckFeatures tells which finalized level of an image is not known, or that metadata.version has none.
func CheckFeatures(image *Image) error {
	known := Features()
	for name, level := range image.Features() {
		at := slices.IndexFunc(known, func(f Feature) bool { return f.Name == name })
		if at < 0 {
			return fmt.Errorf("feature %s is finalized at level %d, but is not known"+newerLevel, name, level)
		}
		if f := known[at]; level < f.Min || level > f.Max {
			return fmt.Errorf("feature %s is finalized at level %d: %d to %d are known"+newerLevel, name, level, f.Min, f.Max)
		}
	}
	return nil
}

// RecordVersion is the version at which a record is written at a level of metadata.version, never one above what that level allows. The
// error names a record that the level does not have.
func RecordVersion(record Record, level int16) (int16, error) {
	from := func(since, version int16) (int16, error) {
		if level < since {
			return 0, fmt.Errorf("metadata.version %d has no %s: it needs %d (%s)", level, recordName(record), since, VersionName(since))
		}
		return version, nil
	}
	switch r := record.(type) {
	case *RegisterBrokerRecord:
		return pick(level, 1, since{8, 2}, since{versionDirectories, 3}, since{30, 4}), nil
	case *PartitionRecord, *PartitionChangeRecord:
		return pick(level, 0, since{versionDirectories, 1}, since{versionELR, 2}), nil
	case *BrokerRegistrationChangeRecord:
		return registrationChangeVersion(r, from)
	case *UserScramCredentialRecord, *RemoveUserScramCredentialRecord:
		return from(versionScram, 0)
	case *BeginTransactionRecord, *EndTransactionRecord, *AbortTransactionRecord:
		return from(versionTransactions, 0)
	case *DelegationTokenRecord, *RemoveDelegationTokenRecord:
		return from(versionDelegationTokens, 0)
	case *RegisterControllerRecord:
		return from(versionRegisterController, 0)
	case *ClearElrRecord:
		return from(versionELR, 0)
	}
	return 0, nil
}

// since is the version of a record from a level on.
type since struct{ level, version int16 }

func pick(level, version int16, steps ...since) int16 {
	for _, s := range steps {
		if level >= s.level {
			version = s.version
		}
	}
	return version
}

// registrationChangeVersion is the lowest version that has what the record says, as Kafka writes it.
func registrationChangeVersion(r *BrokerRegistrationChangeRecord, from func(since, version int16) (int16, error)) (int16, error) {
	switch {
	case r.CordonedLogDirs != nil:
		return from(30, 3)
	case len(r.LogDirs) > 0:
		return from(versionDirectories, 2)
	case r.InControlledShutdown != 0:
		return 1, nil
	}
	return 0, nil
}
