package quorum

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"ottla/storage/vfs"
)

const (
	topicName     = "__cluster_metadata"
	logDirectory  = topicName + "-0"
	bootstrapName = "bootstrap.checkpoint"

	snapshotSuffix = ".checkpoint"
	partialSuffix  = snapshotSuffix + ".part"
	deletedSuffix  = snapshotSuffix + ".deleted"
	offsetDigits   = 20
	epochDigits    = 10
)

// snapshotID names a snapshot: the offset where the log goes on behind it, and the epoch of the record before that.
type snapshotID struct {
	end   int64
	epoch int32
}

func (id snapshotID) name() string {
	return fmt.Sprintf("%020d-%010d%s", id.end, id.epoch, snapshotSuffix)
}

func (id snapshotID) compare(other snapshotID) int {
	switch {
	case id.epoch != other.epoch:
		return int(int64(id.epoch) - int64(other.epoch))
	case id.end < other.end:
		return -1
	case id.end > other.end:
		return 1
	}
	return 0
}

// parseSnapshotName reads the name of a whole snapshot.
func parseSnapshotName(name string) (id snapshotID, ok bool) {
	digits, found := strings.CutSuffix(name, snapshotSuffix)
	if !found || len(digits) != offsetDigits+1+epochDigits || digits[offsetDigits] != '-' {
		return id, false
	}
	end, err1 := parseDigits(digits[:offsetDigits])
	epoch, err2 := parseDigits(digits[offsetDigits+1:])
	if err1 != nil || err2 != nil || epoch > 1<<31-1 {
		return id, false
	}
	return snapshotID{end, int32(epoch)}, true
}

func parseDigits(s string) (int64, error) {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, strconv.ErrSyntax
		}
	}
	return strconv.ParseInt(s, 10, 64)
}

// contents is what lies in the directory of the metadata log.
type contents struct {
	segments  []int64 // base offsets, ascending
	snapshots []snapshotID
	leftover  []string // partial and deleted snapshots and temporary files, of no more use
}

// listDirectory sorts the names in the directory of the metadata log. A name that is not understood is an error.
func listDirectory(fsys vfs.FS, dir string) (contents, error) {
	entries, err := fsys.ReadDir(dir)
	if err != nil {
		return contents{}, fmt.Errorf("list %s: %w", dir, err)
	}
	var c contents
	for _, e := range entries {
		if !c.add(e) {
			return contents{}, fmt.Errorf("%s is not known in the directory of the metadata log", path.Join(dir, e.Name))
		}
	}
	slices.Sort(c.segments)
	slices.SortFunc(c.snapshots, snapshotID.compare)
	return c, nil
}

// add notes one name; false if it is not known.
func (c *contents) add(e vfs.Entry) bool {
	if e.Dir {
		return false
	}
	if id, ok := parseSnapshotName(e.Name); ok {
		c.snapshots = append(c.snapshots, id)
		return true
	}
	switch e.Name {
	case stateName, "leader-epoch-checkpoint", "partition.metadata":
		return true
	}
	if strings.HasSuffix(e.Name, partialSuffix) || strings.HasSuffix(e.Name, deletedSuffix) || e.Name == stateName+".tmp" {
		c.leftover = append(c.leftover, e.Name)
		return true
	}
	name := strings.TrimSuffix(strings.TrimSuffix(e.Name, ".deleted"), ".tmp")
	if name == "leader-epoch-checkpoint" || name == "partition.metadata" {
		return true
	}
	digits, extension, _ := strings.Cut(name, ".")
	base, err := parseDigits(digits)
	if err != nil || len(digits) != offsetDigits {
		return false
	}
	switch extension {
	case "log":
		if name == e.Name {
			c.segments = append(c.segments, base)
		}
		return true
	case "index", "timeindex", "txnindex", "snapshot":
		return true
	}
	return false
}
