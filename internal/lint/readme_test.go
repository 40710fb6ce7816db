package lint

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// shape is what two translations of one page must share: the levels of the headings, the code blocks whole, and where the links lead.
type shape struct {
	headings, blocks, links []string
}

var link = regexp.MustCompile(`\]\(([^)]+)\)`)

func shapeOf(t *testing.T, path string) (s shape, first string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines, block := strings.Split(string(text), "\n"), []string(nil)
	for i, line := range lines {
		switch {
		case strings.HasPrefix(line, "```"):
			if block != nil {
				s.blocks = append(s.blocks, strings.Join(block, "\n"))
				block = nil
				continue
			}
			block = []string{line}
		case block != nil:
			block = append(block, line)
		case strings.HasPrefix(line, "#"):
			level, _, _ := strings.Cut(line, " ")
			s.headings = append(s.headings, level)
		}
		if i > 0 {
			for _, found := range link.FindAllStringSubmatch(line, -1) {
				s.links = append(s.links, found[1])
			}
		}
	}
	return s, lines[0]
}

// TestReadmesAgree holds README.ko.md against README.md.
func TestReadmesAgree(t *testing.T) {
	english, firstEnglish := shapeOf(t, "../../README.md")
	korean, firstKorean := shapeOf(t, "../../README.ko.md")
	if !strings.Contains(firstEnglish, "(README.ko.md)") || !strings.Contains(firstKorean, "(README.md)") {
		t.Errorf("the first lines do not link to the other language: %q, %q", firstEnglish, firstKorean)
	}
	if !slices.Equal(english.headings, korean.headings) {
		t.Errorf("headings: %q and %q", english.headings, korean.headings)
	}
	if !slices.Equal(english.blocks, korean.blocks) {
		t.Errorf("code blocks differ:\n%q\n%q", english.blocks, korean.blocks)
	}
	if !slices.Equal(english.links, korean.links) {
		t.Errorf("links: %q and %q", english.links, korean.links)
	}
	for _, path := range english.links {
		if strings.Contains(path, "://") {
			continue
		}
		if _, err := os.Stat("../../" + path); err != nil {
			t.Errorf("a link leads nowhere: %v", err)
		}
	}
}
