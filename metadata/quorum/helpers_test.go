package quorum

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ottla/metadata"
)

func cut(s string) (key, value string, ok bool) { return strings.Cut(s, "=") }

func copyTree(t testing.TB, from string) string {
	t.Helper()
	to := t.TempDir()
	err := filepath.WalkDir(from, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, _ := filepath.Rel(from, name)
		target := filepath.Join(to, relative)
		if d.IsDir() {
			return os.MkdirAll(target, 0o755)
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		return os.WriteFile(target, data, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
	return to
}

func remove(t testing.TB, name string) {
	t.Helper()
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
}

// imageBytes is an image as the bytes of its snapshot, equal for equal images.
func imageBytes(t testing.TB, image *metadata.Image) []byte {
	t.Helper()
	values, _, err := encodeRecords(image.Records(image.MetadataVersion()), image.MetadataVersion())
	if err != nil {
		t.Fatal(err)
	}
	var all []byte
	for _, value := range values {
		all = append(all, value...)
	}
	return all
}
