package cli

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ottla/cli/flags"
)

const groupsHelp = "This tool helps to list all consumer groups, describe a consumer group, delete consumer group info, or reset consumer group offsets."

// groupsTool is kafka-consumer-groups.
type groupsTool struct {
	*tool
	client      *client
	offsetAdmin *kadm.Client // the same connection, for what has to be told apart by version

	bootstrap, group, topic, commandConfig, timeout                    *flags.Option
	list, describe, delete, resetOffsets, deleteOffsets, validateRegex *flags.Option
	allTopics, allGroups, members, verbose, offsets, state, kind       *flags.Option
	dryRun, execute, export                                            *flags.Option
	toOffset, fromFile, toDatetime, byDuration, toEarliest, toLatest   *flags.Option
	toCurrent, shiftBy                                                 *flags.Option
}

// consumerGroups lists, describes and deletes consumer groups and resets their offsets.
func consumerGroups(environment Environment, arguments []string) int {
	t := &groupsTool{tool: newTool(environment, arguments)}
	t.declare()
	return t.finish(t.run())
}

func (t *groupsTool) declare() {
	p := t.parser
	t.bootstrap = p.Value("bootstrap-server", flags.String, "server to connect to", "the servers to connect to; REQUIRED except with --validate-regex")
	t.group = p.Value("group", flags.String, "consumer group", "the group; may be given again")
	t.topic = p.Value("topic", flags.String, "topic", "the topic whose offsets are reset or deleted, TOPIC or TOPIC:0,1,2; may be given again")
	t.allTopics = p.Flag("all-topics", "with --reset-offsets: all topics for which the group has offsets")
	t.list = p.Flag("list", "list the groups")
	t.describe = p.Flag("describe", "show a group, with its offsets and lag")
	t.allGroups = p.Flag("all-groups", "all groups")
	t.delete = p.Flag("delete", "delete groups with all their offsets")
	t.timeout = p.Value("timeout", flags.Long, "timeout (ms)", "how long a call may take, in milliseconds").WithDefault("30000")
	t.commandConfig = p.Value("command-config", flags.String, "command config property file", "a file with properties of the client")
	t.resetOffsets = p.Flag("reset-offsets", "set the offsets of groups without members; --dry-run shows, --execute does it, --export prints CSV. The scope is --all-topics or --topic")
	t.deleteOffsets = p.Flag("delete-offsets", "delete the offsets of a group for topics")
	t.dryRun = p.Flag("dry-run", "show what --reset-offsets would do")
	t.execute = p.Flag("execute", "do what --reset-offsets says")
	t.export = p.Flag("export", "print the offsets as CSV")
	t.toOffset = p.Value("to-offset", flags.Long, "offset", "to an offset")
	t.fromFile = p.Value("from-file", flags.String, "path to CSV file", "to the offsets of a CSV file")
	t.toDatetime = p.Value("to-datetime", flags.String, "datetime", "to the offset of a time, YYYY-MM-DDThh:mm:ss.sss")
	t.byDuration = p.Value("by-duration", flags.String, "duration", "to the offset of so long ago, PnDTnHnMnS")
	t.toEarliest = p.Flag("to-earliest", "to the earliest offset")
	t.toLatest = p.Flag("to-latest", "to the latest offset")
	t.toCurrent = p.Flag("to-current", "to the offset that the group has")
	t.shiftBy = p.Value("shift-by", flags.Long, "number-of-offsets", "by so many offsets, forward or, if negative, back")
	t.members = p.Flag("members", "describe the members").AvailableIf(t.describe)
	t.verbose = p.Flag("verbose", "describe in more detail").AvailableIf(t.describe)
	t.offsets = p.Flag("offsets", "describe the offsets, which is done anyway").AvailableIf(t.describe)
	t.state = p.Maybe("state", "", "describe the state; with --list show it, or list only groups of these states").AvailableIf(t.describe, t.list)
	t.kind = p.Maybe("type", "", "with --list: show the type, or list only groups of these types").AvailableIf(t.list)
	t.validateRegex = p.Value("validate-regex", flags.String, "regex", "tell whether a regular expression is valid")
	t.formats()
}

func (t *groupsTool) run() error {
	var err error
	if t.set, err = t.parser.Parse(t.arguments); err != nil {
		return err
	}
	if err := t.check(); err != nil {
		return err
	}
	actions := []*flags.Option{t.list, t.describe, t.delete, t.resetOffsets, t.deleteOffsets, t.validateRegex}
	if t.count(actions...) != 1 {
		return &usageError{"Command must include exactly one action: --list, --describe, --delete, --reset-offsets, --delete-offsets, --validate-regex"}
	}
	if t.set.Has(t.validateRegex) {
		return t.runValidateRegex()
	}
	return t.act()
}

// start connects the tool.
func (t *groupsTool) start() error {
	var err error
	if t.client, err = t.admin(t.set.Text(t.bootstrap), t.set.Text(t.commandConfig), "adminclient-1"); err != nil {
		return err
	}
	t.offsetAdmin = kadm.NewClient(t.client.Client)
	if ms := t.set.Number(t.timeout); ms > 0 {
		t.client.timeout = min(t.client.timeout, properties{"timeout": fmt.Sprint(ms)}.milliseconds("timeout", t.client.timeout))
	}
	return t.set.Err()
}

// act does what is asked for. The stock tool says most failures on its output and ends with status 0.
func (t *groupsTool) act() error {
	err := t.start()
	if t.client != nil {
		defer t.client.Close()
	}
	switch {
	case err != nil:
	case t.set.Has(t.list):
		err = t.runList()
	case t.set.Has(t.describe):
		err = t.runDescribe()
	case t.set.Has(t.delete):
		err = t.runDelete()
	case t.set.Has(t.resetOffsets):
		err = t.runReset()
	case t.set.Has(t.deleteOffsets):
		err = t.runDeleteOffsets()
	}
	e, ok := err.(*exception)
	switch {
	case err == nil || isUsage(err):
		return err
	case ok && e.class == "java.lang.IllegalArgumentException":
		return &usageError{e.message}
	}
	t.wrong("Executing consumer group command failed due to " + err.Error())
	return nil
}

// wrong prints a failure on the output.
func (t *groupsTool) wrong(text string) { t.println("\nError: " + text) }

func (t *groupsTool) check() error {
	if err := t.helpOrVersion(groupsHelp); err != nil {
		return err
	}
	if !t.set.Has(t.validateRegex) {
		if err := t.demand(t.bootstrap); err != nil {
			return err
		}
	}
	scope := t.count(t.group, t.allGroups)
	if t.set.Has(t.describe) {
		switch {
		case scope == 0:
			return &usageError{"Option [describe] takes one of these options: [group], [all-groups]"}
		case t.count(t.members, t.offsets, t.state) > 1:
			return &usageError{"Option [describe] takes at most one of these options: [members], [offsets], [state]"}
		case t.set.Text(t.state) != "":
			return &usageError{"Option [describe] does not take a value for [state]"}
		}
	}
	if t.set.Has(t.delete) && scope == 0 {
		return &usageError{"Option [delete] takes one of these options: [group], [all-groups]"}
	}
	if t.set.Has(t.delete) && t.set.Has(t.topic) {
		return &usageError{"The consumer does not support topic-specific offset deletion from a consumer group."}
	}
	if t.set.Has(t.deleteOffsets) && t.count(t.group, t.topic) < 2 {
		return &usageError{"Option [delete-offsets] takes the following options: [group], [topic]"}
	}
	if t.set.Has(t.resetOffsets) {
		if err := t.checkReset(scope); err != nil {
			return err
		}
	}
	return cmpErrors(t.exclude(t.group, t.allGroups), t.exclude(t.group, t.list), t.exclude(t.topic, t.list, t.describe))
}

func (t *groupsTool) scenarios() []*flags.Option {
	return []*flags.Option{t.toOffset, t.toDatetime, t.byDuration, t.toEarliest, t.toLatest, t.toCurrent, t.shiftBy, t.fromFile}
}

func (t *groupsTool) checkReset(scope int) error {
	if t.count(t.dryRun, t.execute) == 2 {
		return &usageError{"Option [reset-offsets] only accepts one of [execute] and [dry-run]"}
	}
	if t.count(t.dryRun, t.execute) == 0 {
		t.complain("WARN: No action will be performed as the --execute option is missing. In version 5.0, this command will require either --dry-run or --execute to be specified. " +
			"You should add the --dry-run option explicitly if you are scripting this command and want to keep the current default behavior without prompting.")
	}
	if scope == 0 {
		return &usageError{"Option [reset-offsets] takes one of these options: [group], [all-groups]"}
	}
	for _, one := range t.scenarios() {
		for _, other := range t.scenarios() {
			if one == other {
				continue
			}
			if err := t.exclude(one, other); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *groupsTool) runValidateRegex() error {
	text := t.set.Text(t.validateRegex)
	_, err := regexp.Compile(text)
	if err == nil {
		t.printf("The regular expression `%s` is valid.\n", text)
		return nil
	}
	why := err.Error()
	if bad, ok := err.(*syntax.Error); ok {
		why = bad.Code.String()
	}
	t.printf("The regular expression `%s` is invalid: %s.\n", text, why)
	return nil
}

// consumerStates are the states that a consumer group can be in.
func consumerStates() []string {
	return []string{"PreparingRebalance", "CompletingRebalance", "Stable", "Dead", "Empty", "Assigning", "Reconciling"}
}

// parseWords parses a list of words, of which all must be known.
func parseWords(text, what, plural string, known []string) ([]string, error) {
	var words []string
	for _, word := range strings.Split(strings.TrimRight(text, ","), ",") {
		i := slices.IndexFunc(known, func(k string) bool { return strings.EqualFold(k, strings.TrimSpace(word)) })
		if i < 0 {
			return nil, illegalArgument(fmt.Sprintf("Invalid %s list '%s'. Valid %s are: %s", what, text, plural, strings.Join(known, ", ")))
		}
		words = append(words, known[i])
	}
	return words, nil
}

// listed returns the consumer groups, in the order of the stock tool.
func (t *groupsTool) listed(states, types []string) ([]kmsg.ListGroupsResponseGroup, error) {
	groups, err := t.client.groups(states, types)
	if err != nil {
		return nil, err
	}
	groups = slices.DeleteFunc(groups, func(g kmsg.ListGroupsResponseGroup) bool { return g.ProtocolType != "" && g.ProtocolType != "consumer" })
	inJavaOrder(groups, 0, func(g kmsg.ListGroupsResponseGroup) int32 { return javaHash(g.Group) })
	return groups, nil
}

func (t *groupsTool) listedIDs() ([]string, error) {
	groups, err := t.listed(nil, []string{"Classic", "Consumer"})
	if err != nil {
		return nil, runtimeException(execution(err))
	}
	var ids []string
	for _, group := range groups {
		ids = append(ids, group.Group)
	}
	return ids, nil
}

func (t *groupsTool) runList() error {
	detailed := t.count(t.kind, t.state) > 0
	if !detailed && !t.json() {
		ids, err := t.listedIDs()
		for _, id := range ids {
			t.println(id)
		}
		return err
	}
	var states, types []string
	var err error
	if text := t.set.Text(t.kind); text != "" {
		if types, err = parseWords(text, "types", "types", []string{"Consumer", "Classic"}); err != nil {
			return err
		}
	}
	if text := t.set.Text(t.state); text != "" {
		if states, err = parseWords(text, "state", "states", consumerStates()); err != nil {
			return err
		}
	}
	groups, err := t.listed(states, types)
	if err != nil {
		return execution(err)
	}
	if t.json() {
		return t.printGroupsJSON(groups)
	}
	width := 15
	for _, group := range groups {
		width = max(width, len(group.Group))
	}
	row := func(id, kind, state string) {
		t.printf("%-*s", width+10, id)
		if t.set.Has(t.kind) {
			t.printf(" %-20s", kind)
		}
		if t.set.Has(t.state) {
			t.printf(" %-20s", state)
		}
		t.println("")
	}
	row("GROUP", "TYPE", "STATE")
	for _, group := range groups {
		row(group.Group, typeName(group.GroupType), group.GroupState)
	}
	return nil
}

// typeName is a type of group in the case of the stock tools, whatever case the broker answers in.
func typeName(name string) string {
	if name == "" {
		return "Unknown"
	}
	return strings.ToUpper(name[:1]) + strings.ToLower(name[1:])
}

func (t *groupsTool) printGroupsJSON(groups []kmsg.ListGroupsResponseGroup) error {
	type group struct {
		Group string `json:"group"`
		Type  string `json:"type"`
		State string `json:"state"`
	}
	all := []group{}
	for _, g := range groups {
		all = append(all, group{g.Group, typeName(g.GroupType), g.GroupState})
	}
	return t.printJSON(all)
}

func (t *groupsTool) runDelete() error {
	ids, err := t.chosen()
	if err != nil {
		return err
	}
	request := kmsg.NewPtrDeleteGroupsRequest()
	request.Groups = ids
	answer, err := t.client.send("deleteConsumerGroups", request)
	var done []string
	failed := map[string]error{}
	if err != nil {
		for _, id := range ids {
			failed[id] = err
		}
	} else {
		for _, group := range answer.(*kmsg.DeleteGroupsResponse).Groups {
			if err := answered(group.ErrorCode, nil); err != nil {
				failed[group.Group] = err
			} else {
				done = append(done, "'"+group.Group+"'")
			}
		}
	}
	inJavaOrder(done, 0, func(id string) int32 { return javaHash(strings.Trim(id, "'")) })
	if len(failed) == 0 {
		t.println("Deletion of requested consumer groups (" + strings.Join(done, ", ") + ") was successful.")
		return nil
	}
	t.wrong("Deletion of some consumer groups failed:")
	var names []string
	for id := range failed {
		names = append(names, id)
	}
	slices.Sort(names)
	inJavaOrder(names, 0, javaHash)
	for _, id := range names {
		t.println("* Group '" + id + "' could not be deleted due to: " + described(failed[id]))
	}
	if len(done) > 0 {
		t.println("\nThese consumer groups were deleted successfully: " + strings.Join(done, ", "))
	}
	return nil
}

// chosen returns the groups that are meant.
func (t *groupsTool) chosen() ([]string, error) {
	if t.set.Has(t.allGroups) {
		return t.listedIDs()
	}
	var ids []string
	for _, id := range t.set.Strings(t.group) {
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids, nil
}
