package owntools

import (
	"regexp"
	"slices"
	"strings"
)

// expressions are what takes the differences of two runs out of an output.
type expressions struct {
	replaced []struct {
		expression *regexp.Regexp
		by         string
	}
	frame, headline, log, help *regexp.Regexp
}

func newExpressions() *expressions {
	e := &expressions{
		frame:    regexp.MustCompile(`^\s*(at [\w.$/]+.*\(.*\)|\.\.\. \d+ more|Caused by: .*|Suppressed: .*)$`),
		headline: regexp.MustCompile(`^(?:Exception in thread "\S+" )?(?:[a-z]\w*\.)+[\w$]+(?:Exception|Error|OffsetMetadataTooLarge)(?:: (.*))?$`),
		log:      regexp.MustCompile(`^\[[^]]*\] (WARN|INFO|ERROR) (.*)$`),
		help:     regexp.MustCompile(`^(?:\* )?(--?[\w.-]+(?:, --?[\w.-]+)*)`),
	}
	for _, r := range [][2]string{
		{`TopicId: [A-Za-z0-9_-]{22}`, "TopicId: ID"},
		{`\b(CreateTime|LogAppendTime|baseTimestamp|maxTimestamp|timestamp|largestTimestamp)(:? ?)\d{10,}`, "${1}${2}TIME"},
		{`((?:console-consumer|consumer-[a-zA-Z0-9.-]+?|member)-)[0-9a-f]{8}-[0-9a-f-]{27}`, "${1}ID"},
		{`(?m)^console-consumer-\d+\b.*\n`, ""},
		{`console-consumer-\d+`, "console-consumer-N"},
		{`crc: \d+`, "crc: CRC"},
		{`"lastContainedLogTimestamp":\d+`, `"lastContainedLogTimestamp":TIME`},
		{`(cluster|directory)(\.i|I)d=[A-Za-z0-9_-]{22}`, "$1$2d=ID"},
	} {
		e.replaced = append(e.replaced, struct {
			expression *regexp.Regexp
			by         string
		}{regexp.MustCompile(r[0]), r[1]})
	}
	return e
}

// side is where a command ran: what its words stand for.
type side struct{ replacer, restorer *strings.Replacer }

// output takes out what is peculiar to a side and to a run.
func (e *expressions) output(s *side, text string) string {
	text = s.restorer.Replace(text)
	for _, r := range e.replaced {
		text = r.expression.ReplaceAllString(text, r.by)
	}
	// The stock parser spreads words over lines.
	if at := strings.Index(text, "kafka-storage: error:"); at >= 0 {
		text = text[:at] + strings.Join(strings.Fields(text[at:]), " ") + "\n"
	}
	return text
}

// additions are the options that the stock tools do not have.
var additions = []string{"--format", "--print-format, -f"}

// errors reduces an error output to what a tool has to say: without stack traces, and of the help only the options. said
// is the output, the lines of which need not be said again.
func (e *expressions) errors(s *side, said, text string) string {
	var kept []string
	lines := strings.Split(e.output(s, text), "\n")
	for i, line := range lines {
		line = strings.TrimRight(line, " \t\r")
		if strings.HasPrefix(line, "Option ") && strings.HasSuffix(line, "Description") {
			kept = append(kept, e.options(lines[i+2:]))
			break
		}
		if line == "" || e.frame.MatchString(line) || noise(line) {
			continue
		}
		if found := e.headline.FindStringSubmatch(line); found != nil {
			line = found[1]
		}
		if found := e.log.FindStringSubmatch(line); found != nil {
			if found[1] != "ERROR" || strings.HasSuffix(found[2], "(ottla)") {
				continue
			}
			line = "ERROR " + found[2]
		}
		if line != "" && !strings.Contains(said+strings.Join(kept, "\n"), line) {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "\n")
}

// options lists the options of a help.
func (e *expressions) options(lines []string) string {
	var options []string
	for _, line := range lines {
		if found := e.help.FindStringSubmatch(line); found != nil && !slices.Contains(additions, found[1]) {
			names := strings.Split(found[1], ", ")
			slices.Sort(names)
			options = append(options, strings.Join(names, ", "))
		}
	}
	slices.Sort(options)
	return "help: " + strings.Join(options, " ")
}

// noise tells the lines that a JVM and its loggers print by themselves.
func noise(line string) bool {
	return strings.HasPrefix(line, "SLF4J") || strings.Contains(line, "StatusLogger") || strings.HasPrefix(line, "Picked up ")
}
