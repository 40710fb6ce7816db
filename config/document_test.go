package config

import (
	"os"
	"testing"
)

func TestDocumentIsGenerated(t *testing.T) {
	page, err := os.ReadFile("../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	if string(page) != Document() {
		t.Error("docs/configuration.md is not what the table says: run go generate ./config")
	}
}
