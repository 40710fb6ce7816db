package flags

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// column is where descriptions start in the help, and width how long they may be.
const (
	column = 40
	width  = 80
)

// PrintHelp prints the options in the order of their names.
func (p *Parser) PrintHelp(out io.Writer) {
	options := slices.SortedFunc(slices.Values(p.options), func(a, b *Option) int {
		return strings.Compare(a.Names[0], b.Names[0])
	})
	header, line := "Option", "------"
	if slices.ContainsFunc(options, func(o *Option) bool { return o.required }) {
		header, line = "Option (* = required)", "---------------------"
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%-*s%s\n%-*s%s\n", column, header, "Description", column, line, "-----------")
	for _, option := range options {
		row(&text, option.signature(), option.description())
	}
	_, _ = io.WriteString(out, text.String())
}

// signature is how the option is written: "--topic <String: name>".
func (o *Option) signature() string {
	names := make([]string, 0, len(o.Names))
	for _, name := range o.Names {
		dashes := "--"
		if len(name) == 1 {
			dashes = "-"
		}
		names = append(names, dashes+name)
	}
	text := strings.Join(names, ", ")
	if o.required {
		text = "* " + text
	}
	argument := string(o.Type)
	if o.Label != "" {
		argument += ": " + o.Label
	}
	switch o.Kind {
	case Required:
		text += " <" + argument + ">"
	case Optional:
		text += " [" + argument + "]"
	}
	return text
}

func (o *Option) description() string {
	if o.HasDefault {
		return strings.TrimSpace(fmt.Sprintf("%s (default: %s)", o.Help, o.Default))
	}
	return o.Help
}

// row writes one option; the description is wrapped into its column.
func row(text *strings.Builder, signature, description string) {
	used := len(signature)
	text.WriteString(signature)
	if used > column-2 {
		text.WriteByte('\n')
		used = 0
	}
	fmt.Fprintf(text, "%*s", column-used, "")
	length := 0
	for _, word := range strings.Fields(description) {
		if length > 0 && length+1+len(word) > width {
			fmt.Fprintf(text, "\n%*s", column+2, "")
			length = 2
		} else if length > 0 {
			text.WriteByte(' ')
			length++
		}
		text.WriteString(word)
		length += len(word)
	}
	text.WriteByte('\n')
}
