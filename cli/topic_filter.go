package cli

import (
	"regexp"
	"slices"
	"strings"
)

// internalTopics are the topics that Kafka keeps for itself.
func internalTopic(name string) bool {
	return slices.Contains([]string{"__consumer_offsets", "__transaction_state", "__share_group_state"}, name)
}

// topicFilter matches whole names of topics; one without an expression matches all.
type topicFilter struct{ expression *regexp.Regexp }

// filterText is what the expression of a filter is made of: commas separate alternatives.
func filterText(text string) string {
	text = strings.ReplaceAll(strings.ReplaceAll(strings.TrimSpace(text), ",", "|"), " ", "")
	return strings.Trim(text, `"'`)
}

func newTopicFilter(text string) (*topicFilter, error) {
	text = filterText(text)
	expression, err := regexp.Compile(`^(?:` + text + `)$`)
	if err != nil {
		return nil, &exception{"java.lang.RuntimeException", text + " is an invalid regex."}
	}
	return &topicFilter{expression}, nil
}

func (f *topicFilter) matches(name string) bool {
	return f.expression == nil || f.expression.MatchString(name)
}
