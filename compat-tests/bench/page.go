package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// introduction opens the page.
const introduction = `# Benchmarks

This page is written by ` + "`make bench`" + `, which builds Ottla, fetches Apache Kafka from Maven Central and runs both, and the floor, on the
machine at hand. The floor is the least that a broker in Go must cost there: a program that reads a frame, checks the CRC, writes
the batch to a file and answers; and that sends a file with sendfile. It is no broker.

The three take turns on the same work, in rounds, and medians are compared, so that what else the machine does falls on all of them.
Apache Kafka runs with the flags of its own start script and does each row's work before it is measured, since a Java machine
compiles while it runs. Data is in memory (tmpfs) but for the rows that say disk, because a slow disk would drown every figure. CPU is
the server's own, user and system, from /proc; the load generator's is shown beside it. Figures of a row can be compared
with each other, less so with those of another machine or day.

` + "`make bench BENCH=\"produce fetch\"`" + ` runs some rows; ` + "`go run ./compat-tests/bench -h`" + ` tells the rest.
`

// page renders docs/benchmarks.md.
func page(results []Result, kept []stored, rows []Row) string {
	var b strings.Builder
	b.WriteString(introduction)
	if len(kept) == 0 {
		b.WriteString("\nNothing has been measured.\n")
		return b.String()
	}
	newest := slices.MaxFunc(kept, func(a, b stored) int { return a.Measured.Compare(b.Measured) })
	b.WriteString("\n## Machine and versions\n\n")
	writeFacts(&b, append(slices.DeleteFunc(slices.Clone(newest.Machine), func(f Fact) bool { return f.Name == loadName }), newest.Versions...))
	met, missed, unknown, failed := tally(results)
	fmt.Fprintf(&b, "\n## Goals\n\n%d met, %d not met", met, missed)
	if unknown > 0 {
		fmt.Fprintf(&b, ", %d unknown", unknown)
	}
	fmt.Fprintf(&b, ". Rows in which a run failed: %d.\n\n", failed)
	writeRow(&b, header())
	writeRow(&b, slices.Repeat([]string{"---"}, len(header())))
	for _, result := range results {
		for _, line := range result.cells() {
			writeRow(&b, line)
		}
	}
	writeRemarks(&b, results)
	var missing []string
	for _, row := range rows {
		if !slices.ContainsFunc(kept, func(s stored) bool { return s.Row == row.Name }) {
			missing = append(missing, row.Name)
		}
	}
	if len(missing) > 0 {
		fmt.Fprintf(&b, "\nNot measured: %s.\n", strings.Join(missing, ", "))
	}
	b.WriteString("\n## Every figure\n\nThe median, and in brackets each round's figure.\n")
	for i, result := range results {
		result.section(&b, kept[i], newest)
	}
	return b.String()
}

// writeRemarks tells of the rows that miss a goal what bounds them.
func writeRemarks(b *strings.Builder, results []Result) {
	for _, result := range results {
		if result.Row.Remark != "" && slices.ContainsFunc(result.Row.Goals, func(g Goal) bool { return result.verdict(g) == NotMet }) {
			fmt.Fprintf(b, "\n**%s**: %s\n", result.Row.Name, result.Row.Remark)
		}
	}
}

func writeRow(b *strings.Builder, cells []string) {
	for _, cell := range cells {
		b.WriteString("| " + strings.ReplaceAll(cell, "|", `\|`) + " ")
	}
	b.WriteString("|\n")
}

func writeFacts(b *strings.Builder, facts []Fact) {
	writeRow(b, []string{"what", "value"})
	writeRow(b, []string{"---", "---"})
	for _, fact := range facts {
		writeRow(b, []string{fact.Name, fact.Value})
	}
}

// section shows all that was measured of a row.
func (r Result) section(b *strings.Builder, kept, newest stored) {
	fmt.Fprintf(b, "\n### %s\n\n%s. %s.\n", r.Row.Name, sentence(r.Row.Title), sentence(r.Row.Settings))
	if len(r.Row.Properties) > 0 {
		fmt.Fprintf(b, "Properties: `%s`.\n", strings.Join(r.Row.Properties, "`, `"))
	}
	fmt.Fprintf(b, "Measured %s", kept.Measured.UTC().Format(time.DateOnly))
	for _, fact := range kept.Machine {
		if fact.Name == loadName {
			fmt.Fprintf(b, "; %s: %s", fact.Name, fact.Value)
		}
	}
	for _, fact := range kept.Versions {
		if !slices.Contains(newest.Versions, fact) {
			fmt.Fprintf(b, "; %s: %s", fact.Name, fact.Value)
		}
	}
	b.WriteString(".\n\n")
	var kinds []Kind
	titles, rule := []string{"quantity"}, []string{"---"}
	for _, kind := range []Kind{Ottla, Kafka, Floor} {
		if len(r.Samples[kind]) > 0 {
			kinds, titles, rule = append(kinds, kind), append(titles, string(kind)), append(rule, "---")
		}
	}
	writeRow(b, titles)
	writeRow(b, rule)
	for _, quantity := range r.quantities() {
		line := []string{quantity}
		for _, kind := range kinds {
			line = append(line, r.everyRound(kind, quantity))
		}
		writeRow(b, line)
	}
	for _, kind := range kinds {
		for _, sample := range r.Samples[kind] {
			if sample.Failed != "" {
				fmt.Fprintf(b, "\n%s failed in round %d: %s\n", kind, sample.Round, strings.Join(strings.Fields(sample.Failed), " "))
			}
		}
	}
}

// everyRound is a median with what it is the median of.
func (r Result) everyRound(kind Kind, quantity string) string {
	var rounds []string
	for _, sample := range r.Samples[kind] {
		if value, ok := sample.Measurement.Value(quantity); ok {
			rounds = append(rounds, number3(value))
		} else {
			rounds = append(rounds, "-")
		}
	}
	value, ok := r.Median(kind, quantity)
	switch {
	case !ok && slices.Max(rounds) == "-":
		return "-"
	case !ok:
		return "(" + strings.Join(rounds, ", ") + ")"
	case len(rounds) == 1:
		return number3(value)
	}
	return fmt.Sprintf("%s (%s)", number3(value), strings.Join(rounds, ", "))
}

// sentence makes the first letter a capital.
func sentence(text string) string {
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + text[1:]
}
