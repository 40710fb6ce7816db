package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"time"
)

// stored is a row's result as it is kept between runs, so that a table can be put together from several of them.
type stored struct {
	Row      string
	Measured time.Time
	Machine  []Fact
	Versions []Fact
	Samples  map[Kind][]Sample
}

// save keeps a row's result below a directory.
func (s stored) save(directory string) error {
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return err
	}
	text, err := json.MarshalIndent(s, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(directory, s.Row+".json"), text, 0o644)
}

// load reads what was kept of the rows, in their order; rows that were never measured are left out.
func load(directory string, rows []Row) (results []Result, kept []stored, err error) {
	for _, row := range rows {
		text, err := os.ReadFile(filepath.Join(directory, row.Name+".json"))
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		var s stored
		if err := json.Unmarshal(text, &s); err != nil {
			return nil, nil, err
		}
		results, kept = append(results, Result{Row: row, Samples: s.Samples}), append(kept, s)
	}
	return results, kept, nil
}
