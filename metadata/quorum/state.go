package quorum

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"ottla/internal/uuid"
	"ottla/storage/vfs"
)

const stateName = "quorum-state"

// electionState is the content of quorum-state. Version 0 belongs to kraft.version 0 and names the voters, version 1 to kraft.version 1.
type electionState struct {
	version        int16
	clusterID      string // version 0; Kafka leaves it empty
	leaderID       int32  // −1: none
	leaderEpoch    int32
	votedID        int32    // −1: none
	votedDirectory [16]byte // version 1
	appliedOffset  int64    // version 0; Kafka leaves it 0
	voters         []int32  // version 0; nil: null
}

// encode prints the state as Kafka's Jackson does: one line without spaces and without a line feed.
func (s electionState) encode() []byte {
	var b strings.Builder
	if s.version == 0 {
		fmt.Fprintf(&b, `{"clusterId":%s,"leaderId":%d,"leaderEpoch":%d,"votedId":%d,"appliedOffset":%d,"currentVoters":`,
			quoted(s.clusterID), s.leaderID, s.leaderEpoch, s.votedID, s.appliedOffset)
		if s.voters == nil {
			b.WriteString("null")
		} else {
			b.WriteByte('[')
			for i, id := range s.voters {
				if i > 0 {
					b.WriteByte(',')
				}
				b.WriteString(`{"voterId":` + strconv.Itoa(int(id)) + `}`)
			}
			b.WriteByte(']')
		}
	} else {
		fmt.Fprintf(&b, `{"leaderId":%d,"leaderEpoch":%d,"votedId":%d,"votedDirectoryId":%s`,
			s.leaderID, s.leaderEpoch, s.votedID, quoted(uuid.String(s.votedDirectory)))
	}
	fmt.Fprintf(&b, `,"data_version":%d}`, s.version)
	return []byte(b.String())
}

func quoted(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic("BUG: a string has no JSON: " + err.Error())
	}
	return string(b)
}

// decodeState reads quorum-state. Only its first line counts, as in Kafka.
func decodeState(data []byte) (electionState, error) {
	line, _, _ := strings.Cut(string(data), "\n")
	var raw struct {
		ClusterID      *string `json:"clusterId"`
		LeaderID       *int32  `json:"leaderId"`
		LeaderEpoch    *int32  `json:"leaderEpoch"`
		VotedID        *int32  `json:"votedId"`
		VotedDirectory *string `json:"votedDirectoryId"`
		AppliedOffset  *int64  `json:"appliedOffset"`
		Voters         []struct {
			VoterID *int32 `json:"voterId"`
		} `json:"currentVoters"`
		Version *int16 `json:"data_version"`
	}
	if err := json.Unmarshal([]byte(line), &raw); err != nil {
		return electionState{}, err
	}
	if raw.Version == nil {
		return electionState{}, errors.New("no data_version")
	}
	if *raw.Version < 0 || *raw.Version > 1 {
		return electionState{}, fmt.Errorf("data_version %d: 0 and 1 are known", *raw.Version)
	}
	if raw.LeaderID == nil || raw.LeaderEpoch == nil || raw.VotedID == nil {
		return electionState{}, errors.New("leaderId, leaderEpoch or votedId is missing")
	}
	s := electionState{version: *raw.Version, leaderID: *raw.LeaderID, leaderEpoch: *raw.LeaderEpoch, votedID: *raw.VotedID}
	if s.leaderEpoch < 0 {
		return electionState{}, fmt.Errorf("leaderEpoch %d", s.leaderEpoch)
	}
	if s.version == 1 {
		if raw.VotedDirectory == nil {
			return electionState{}, errors.New("votedDirectoryId is missing")
		}
		id, err := uuid.Parse(*raw.VotedDirectory)
		s.votedDirectory = id
		return s, err
	}
	if raw.ClusterID != nil {
		s.clusterID = *raw.ClusterID
	}
	if raw.AppliedOffset != nil {
		s.appliedOffset = *raw.AppliedOffset
	}
	for _, v := range raw.Voters {
		if v.VoterID == nil {
			return electionState{}, errors.New("a voter without voterId")
		}
		s.voters = append(s.voters, *v.VoterID)
	}
	return s, nil
}

// readState reads quorum-state of the metadata log's directory; ok is false if there is none.
func readState(fsys vfs.FS, dir string) (s electionState, ok bool, err error) {
	name := path.Join(dir, stateName)
	data, err := readFile(fsys, name, 1<<20)
	if errors.Is(err, fs.ErrNotExist) {
		return s, false, nil
	}
	if err == nil {
		s, err = decodeState(data)
	}
	if err != nil {
		return s, false, fmt.Errorf("read %s: %w", name, err)
	}
	return s, true, nil
}

// writeState replaces quorum-state durably.
func writeState(fsys vfs.FS, dir string, s electionState) error {
	return replaceFile(fsys, dir, stateName, s.encode())
}

// readFile reads a whole file of at most limit bytes.
func readFile(fsys vfs.FS, name string, limit int64) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	if size > limit {
		return nil, fmt.Errorf("%d bytes: at most %d are read", size, limit)
	}
	data := make([]byte, size)
	if size == 0 {
		return data, nil
	}
	if _, err := f.ReadAt(data, 0); err != nil {
		return nil, err
	}
	return data, nil
}

// replaceFile writes name+".tmp", syncs it, renames it and syncs the directory.
func replaceFile(fsys vfs.FS, dir, name string, data []byte) error {
	temporary := path.Join(dir, name+".tmp")
	if err := writeFile(fsys, temporary, data); err != nil {
		return fmt.Errorf("write %s: %w", temporary, err)
	}
	if err := fsys.Rename(temporary, path.Join(dir, name)); err != nil {
		return fmt.Errorf("rename %s: %w", temporary, err)
	}
	if err := fsys.SyncDir(dir); err != nil {
		return fmt.Errorf("sync %s: %w", dir, err)
	}
	return nil
}

func writeFile(fsys vfs.FS, name string, data []byte) error {
	f, err := fsys.Create(name)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(data, 0)
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}
