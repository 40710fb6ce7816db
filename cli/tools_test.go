package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ottla/metadata/quorum"
	"ottla/storage"
	"ottla/storage/vfs"
)

func TestSplitOutside(t *testing.T) {
	for text, want := range map[string]string{
		"a=1,b=2":                "a=1|b=2",
		"a=[1,2],b=[3],c":        "a=[1,2]|b=[3]|c",
		"a=[1,2]":                "a=[1,2]",
		"":                       "",
		"a=,b=":                  "a=|b=",
		"S=[password=x,y=z],k=v": "S=[password=x,y=z]|k=v",
	} {
		if got := strings.Join(splitOutside(text, ','), "|"); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestDurationsAndTimes(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"P1D": 24 * time.Hour, "PT1H30M": 90 * time.Minute, "P1DT2H": 26 * time.Hour, "PT0.5S": 500 * time.Millisecond, "-PT1M": -time.Minute, "PT-1M": -time.Minute,
	} {
		if got, err := parseDuration(text); err != nil || got != want {
			t.Errorf("%s: %v %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "P", "PT", "1D", "P1H", "tomorrow"} {
		if got, err := parseDuration(text); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
	for text, want := range map[string]int64{
		"1970-01-01T00:00:01.000": 1000, "1970-01-01T00:00:00.250Z": 250, "1970-01-01T01:00:00.000+01:00": 0, "1970-01-01T01:00:00.000+0100": 0, "1970-01-01T01:00:00.000+01": 0,
	} {
		if got, err := parseDatetime(text); err != nil || got != want {
			t.Errorf("%s: %v %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"yesterday", "1970-01-01", "1970-01-01T25:00:00.000", "1970-01-01T00:00"} {
		if got, err := parseDatetime(text); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
}

// TestStorageFormat formats a directory and looks at it as a start of the server does.
func TestStorageFormat(t *testing.T) {
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	file := filepath.Join(dir, "server.properties")
	text := "process.roles=broker,controller\nnode.id=3\nlisteners=PLAINTEXT://localhost:19092,CONTROLLER://localhost:19093\n" +
		"controller.listener.names=CONTROLLER\ncontroller.quorum.bootstrap.servers=localhost:19093\nlog.dirs=" + data + "\n"
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	const cluster = "4L6g3nShT-eMCtK--X86sw"
	status, stdout, stderr := run("storage", "format", "-c", file, "-t", cluster, "--standalone", "--release-version", "4.1")
	if status != exitDone || !strings.Contains(stdout, "Formatting dynamic metadata voter directory "+data+" with metadata.version 4.1-IV1.") {
		t.Fatalf("%d %s %s", status, stdout, stderr)
	}
	properties, err := storage.ReadMetaProperties(vfs.OS{}, data)
	if err != nil || properties.ClusterID != cluster || properties.NodeID != 3 || properties.DirectoryID == [16]byte{} {
		t.Errorf("%+v %v", properties, err)
	}
	inspection, err := quorum.Inspect(vfs.OS{}, data, 3, cluster)
	if err != nil || !inspection.Formatted || inspection.KRaftVersion != 1 {
		t.Fatalf("%+v %v", inspection, err)
	}
	if _, dump, stderr := run("dump-log", "--cluster-metadata-decoder", "--files", filepath.Join(data, "bootstrap.checkpoint")); !strings.Contains(dump, `{"type":"FEATURE_LEVEL_RECORD","version":0,"data":{"name":"metadata.version","featureLevel":27}}`) {
		t.Errorf("the bootstrap records: %s%s", dump, stderr)
	}
	if status, _, stderr := run("storage", "format", "-c", file, "-t", cluster, "-s"); status != exitFailed || !strings.Contains(stderr, "is already formatted") {
		t.Errorf("again: %d %s", status, stderr)
	}
	if status, stdout, _ := run("storage", "info", "-c", file); status != exitDone || !strings.Contains(stdout, "cluster.id="+cluster) {
		t.Errorf("info: %d %s", status, stdout)
	}
}
