package cli

import (
	"encoding/csv"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const offsetsLogger = "org.apache.kafka.tools.OffsetsUtils"

// plan is the offsets that a group is to have.
type plan map[topicPartition]int64

// inOrder returns the partitions in the order of the stock tool.
func (p plan) inOrder() []topicPartition {
	partitions := slices.SortedFunc(maps.Keys(p), comparePartitions)
	inJavaOrder(partitions, 0, topicPartition.hash)
	return partitions
}

// runReset resets the offsets of each group that has no members, or shows it.
func (t *groupsTool) runReset() error {
	ids, err := t.chosen()
	if err != nil {
		return err
	}
	plans := map[string]plan{}
	inJavaOrder(ids, len(ids), javaHash)
	for _, id := range ids {
		group, err := t.describeGroup(id)
		switch {
		case err != nil && !isAnswer(err, "GroupIdNotFoundException"):
			return runtimeException(execution(err))
		case err == nil && group.state != "Empty" && group.state != "Dead":
			t.wrong("Assignments can only be reset if the group '" + id + "' is inactive, but the current state is " + group.state + ".")
			plans[id] = plan{}
			continue
		}
		if plans[id], err = t.resetGroup(id); err != nil {
			return err
		}
	}
	inJavaOrder(ids, 0, javaHash)
	switch {
	case t.set.Has(t.export):
		t.println(t.csvOf(ids, plans))
	case t.json():
		return t.printPlansJSON(ids, plans)
	default:
		t.printPlans(ids, plans)
	}
	return nil
}

func (t *groupsTool) resetGroup(id string) (plan, error) {
	partitions, err := t.scope(id)
	if err != nil {
		return nil, err
	}
	if err := t.checkExist(partitions); err != nil {
		return nil, err
	}
	offsets, err := t.planFor(id, partitions)
	if err := cmpErrors(err, t.set.Err()); err != nil {
		return nil, err
	}
	if t.set.Has(t.dryRun) || !t.set.Has(t.execute) || len(offsets) == 0 {
		return offsets, nil
	}
	commit := kadm.Offsets{}
	for p, offset := range offsets {
		commit.Add(kadm.Offset{Topic: p.topic, Partition: p.partition, At: offset, LeaderEpoch: -1})
	}
	ctx, cancel := t.client.context()
	defer cancel()
	responses, err := t.offsetAdmin.CommitOffsets(ctx, id, commit)
	if err == nil {
		err = responses.Error()
	}
	if err != nil {
		return nil, kgoError(err)
	}
	return offsets, nil
}

// scope returns the partitions whose offsets are to be reset.
func (t *groupsTool) scope(id string) ([]topicPartition, error) {
	switch {
	case t.set.Has(t.allTopics):
		offsets, err := t.committed(id)
		partitions := slices.SortedFunc(maps.Keys(offsets), comparePartitions)
		return partitions, err
	case t.set.Has(t.topic):
		return t.topicsWithPartitions(t.set.Strings(t.topic))
	case !t.set.Has(t.fromFile):
		return nil, &usageError{"One of the reset scopes should be defined: --all-topics, --topic."}
	}
	return nil, nil
}

// topicsWithPartitions parses "topic" and "topic:0,1" words; a topic alone is all of its partitions.
func (t *groupsTool) topicsWithPartitions(words []string) ([]topicPartition, error) {
	var partitions, whole []topicPartition
	for _, word := range words {
		if !strings.Contains(word, ":") {
			whole = append(whole, topicPartition{topic: word})
			continue
		}
		some, err := parsePartitions(word)
		if err != nil {
			return nil, err
		}
		partitions = append(partitions, some...)
	}
	all, err := t.leaders(whole)
	if err != nil {
		return nil, err
	}
	return append(partitions, slices.SortedFunc(maps.Keys(all), comparePartitions)...), nil
}

// parsePartitions parses "topic:0,1".
func parsePartitions(word string) ([]topicPartition, error) {
	parts := strings.Split(strings.TrimRight(word, ":"), ":")
	if len(parts) != 2 {
		return nil, illegalArgument("Invalid topic arg '" + word + "', expected topic name and partitions")
	}
	var partitions []topicPartition
	for _, text := range strings.Split(strings.TrimRight(parts[1], ","), ",") {
		number, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			return nil, illegalArgument("Invalid partition '" + text + "' specified in topic arg '" + word + "''")
		}
		partitions = append(partitions, topicPartition{parts[0], int32(number)})
	}
	return partitions, nil
}

// checkExist wants partitions that exist and have a leader.
func (t *groupsTool) checkExist(partitions []topicPartition) error {
	leaders, err := t.leaders(partitions)
	if err != nil {
		return runtimeException(execution(err))
	}
	var missing, leaderless []string
	for _, p := range partitions {
		leader, ok := leaders[p]
		if !ok {
			missing = append(missing, p.String())
		} else if leader < 0 {
			leaderless = append(leaderless, p.String())
		}
	}
	if missing != nil {
		return &exception{"org.apache.kafka.common.errors.UnknownTopicOrPartitionException", "The partitions \"" + strings.Join(missing, ",") + "\" do not exist"}
	}
	if leaderless != nil {
		return &exception{"org.apache.kafka.common.errors.LeaderNotAvailableException", "The partitions \"" + strings.Join(leaderless, ",") + "\" have no leader"}
	}
	return nil
}

// planFor returns the new offsets, as the scenario says.
func (t *groupsTool) planFor(id string, partitions []topicPartition) (plan, error) {
	wanted := plan{}
	switch {
	case t.set.Has(t.toOffset):
		for _, p := range partitions {
			wanted[p] = t.set.Number(t.toOffset)
		}
		return t.inRange(wanted)
	case t.set.Has(t.toEarliest):
		return t.offsetsAt(partitions, -2)
	case t.set.Has(t.toLatest):
		return t.offsetsAt(partitions, -1)
	case t.set.Has(t.shiftBy):
		current, err := t.committed(id)
		if err != nil {
			return nil, err
		}
		for _, p := range partitions {
			offset, ok := current[p]
			if !ok {
				return nil, illegalArgument("Cannot shift offset for partition " + p.String() + " since there is no current committed offset")
			}
			wanted[p] = offset.offset + t.set.Number(t.shiftBy)
		}
		return t.inRange(wanted)
	case t.set.Has(t.toDatetime):
		at, err := parseDatetime(t.set.Text(t.toDatetime))
		if err != nil {
			return nil, runtimeException(err)
		}
		return t.planAt(partitions, at)
	case t.set.Has(t.byDuration):
		ago, err := parseDuration(t.set.Text(t.byDuration))
		if err != nil {
			return nil, err
		}
		return t.planAt(partitions, time.Now().Add(-ago).UnixMilli())
	case t.set.Has(t.fromFile):
		return t.planFromFile(id)
	case t.set.Has(t.toCurrent):
		return t.planOfCurrent(id, partitions)
	}
	return nil, &usageError{"Option '[reset-offsets]' requires one of the following scenarios: [[to-offset], [to-datetime], [by-duration], [to-earliest], [to-latest], [to-current], [shift-by], [from-file]]"}
}

func (t *groupsTool) planOfCurrent(id string, partitions []topicPartition) (plan, error) {
	current, err := t.committed(id)
	if err != nil {
		return nil, err
	}
	wanted := plan{}
	var without []topicPartition
	for _, p := range partitions {
		if offset, ok := current[p]; ok {
			wanted[p] = offset.offset
		} else {
			without = append(without, p)
		}
	}
	ends, err := t.offsetsAt(without, -1)
	maps.Copy(wanted, ends)
	return wanted, err
}

// inRange moves offsets outside of a partition's to the nearer end.
func (t *groupsTool) inRange(wanted plan) (plan, error) {
	partitions := wanted.inOrder()
	first, err := t.offsetsAt(partitions, -2)
	if err != nil {
		return nil, err
	}
	end, err := t.offsetsAt(partitions, -1)
	if err != nil {
		return nil, err
	}
	for _, p := range partitions {
		switch offset := wanted[p]; {
		case offset > end[p]:
			t.logLine("WARN", offsetsLogger, fmt.Sprintf("New offset (%d) is higher than latest offset for topic partition %s. Value will be set to %d", offset, p, end[p]))
			wanted[p] = end[p]
		case offset < first[p]:
			t.logLine("WARN", offsetsLogger, fmt.Sprintf("New offset (%d) is lower than earliest offset for topic partition %s. Value will be set to %d", offset, p, first[p]))
			wanted[p] = first[p]
		}
	}
	return wanted, nil
}

// planAt returns the first offsets at a time or later, and the ends of partitions without one.
func (t *groupsTool) planAt(partitions []topicPartition, timestamp int64) (plan, error) {
	found, err := t.offsetsAt(partitions, timestamp)
	if err != nil {
		return nil, err
	}
	var without []topicPartition
	for p, offset := range found {
		if offset == -1 {
			without = append(without, p)
		}
	}
	slices.SortFunc(without, comparePartitions)
	inJavaOrder(without, 0, topicPartition.hash)
	for _, p := range without {
		t.printf("\nWarn: Partition %d from topic %s is empty. Falling back to latest known offset.\n", p.partition, p.topic)
	}
	ends, err := t.offsetsAt(without, -1)
	maps.Copy(found, ends)
	return found, err
}

// parseDatetime parses YYYY-MM-DDThh:mm:ss.sss with or without a zone, which is UTC if absent.
func parseDatetime(text string) (int64, error) {
	_, clock, ok := strings.Cut(text, "T")
	if !ok {
		return 0, &exception{"java.text.ParseException", "Error parsing timestamp. It does not contain a 'T' according to ISO8601 format"}
	}
	if !strings.ContainsAny(clock, "+-Z") {
		text += "Z"
	}
	for _, layout := range []string{"2006-1-2T15:4:5.000Z07:00", "2006-1-2T15:4:5.000Z0700", "2006-1-2T15:4:5.000Z07"} {
		if at, err := time.Parse(layout, text); err == nil {
			return at.UnixMilli(), nil
		}
	}
	return 0, &exception{"java.text.ParseException", "Unparseable date: \"" + text + "\""}
}

// parseDuration parses PnDTnHnMn.nS, each part of which may be negative or absent.
func parseDuration(text string) (time.Duration, error) {
	wrong := &exception{"java.time.format.DateTimeParseException", "Text cannot be parsed to a Duration"}
	expression := regexp.MustCompile(`(?i)^([-+]?)P(?:([-+]?[0-9]+)D)?(T(?:([-+]?[0-9]+)H)?(?:([-+]?[0-9]+)M)?(?:([-+]?[0-9]+(?:[.,][0-9]{0,9})?)S)?)?$`)
	found := expression.FindStringSubmatch(text)
	if found == nil || strings.EqualFold(found[3], "T") || found[2]+found[3] == "" {
		return 0, wrong
	}
	var total time.Duration
	for i, unit := range map[int]time.Duration{2: 24 * time.Hour, 4: time.Hour, 5: time.Minute, 6: time.Second} {
		if found[i] == "" {
			continue
		}
		n, err := strconv.ParseFloat(strings.Replace(found[i], ",", ".", 1), 64)
		if err != nil {
			return 0, wrong
		}
		total += time.Duration(n * float64(unit))
	}
	if found[1] == "-" {
		total = -total
	}
	return total, nil
}

// planFromFile reads "topic,partition,offset" or "group,topic,partition,offset".
func (t *groupsTool) planFromFile(id string) (plan, error) {
	path := t.set.Text(t.fromFile)
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, runtimeException(&exception{"java.io.IOException", "Unable to read file " + path})
	}
	plans := map[string]plan{}
	reader := csv.NewReader(strings.NewReader(string(content)))
	reader.FieldsPerRecord = -1
	rows, err := reader.ReadAll()
	if err != nil {
		return nil, runtimeException(err)
	}
	short := len(t.set.Strings(t.group)) == 1 && len(rows) > 0 && len(rows[0]) == 3
	for _, row := range rows {
		if short {
			row = append([]string{t.set.Strings(t.group)[0]}, row...)
		}
		if len(row) != 4 {
			return nil, runtimeException(fmt.Errorf("%s: %q has not the fields [group,]topic,partition,offset", path, strings.Join(row, ",")))
		}
		partition, bad := strconv.ParseInt(strings.TrimSpace(row[2]), 10, 32)
		offset, worse := strconv.ParseInt(strings.TrimSpace(row[3]), 10, 64)
		if err := cmpErrors(bad, worse); err != nil {
			return nil, runtimeException(err)
		}
		if plans[row[0]] == nil {
			plans[row[0]] = plan{}
		}
		plans[row[0]][topicPartition{row[1], int32(partition)}] = offset
	}
	if plans[id] == nil {
		t.wrong("No reset plan for group " + id + " found")
		return plan{}, nil
	}
	return t.inRange(plans[id])
}

func (t *groupsTool) printPlans(ids []string, plans map[string]plan) {
	group, topic := 15, 15
	for _, id := range ids {
		group = max(group, len(id))
		for p := range plans[id] {
			topic = max(topic, len(p.topic))
		}
	}
	if len(ids) > 0 {
		t.printf("\n%-*s %-*s %-10s %s", group, "GROUP", topic, "TOPIC", "PARTITION", "NEW-OFFSET")
	}
	for _, id := range ids {
		for _, p := range plans[id].inOrder() {
			t.printf("\n%-*s %-*s %-10d %d", group, id, topic, p.topic, p.partition, plans[id][p])
		}
	}
	t.println("")
}

func (t *groupsTool) printPlansJSON(ids []string, plans map[string]plan) error {
	type row struct {
		Group     string `json:"group"`
		Topic     string `json:"topic"`
		Partition int32  `json:"partition"`
		Offset    int64  `json:"newOffset"`
	}
	all := []row{}
	for _, id := range ids {
		for _, p := range plans[id].inOrder() {
			all = append(all, row{id, p.topic, p.partition, plans[id][p]})
		}
	}
	return t.printJSON(all)
}

// csvOf prints plans as CSV; the group is left out where there is one.
func (t *groupsTool) csvOf(ids []string, plans map[string]plan) string {
	quoted := func(text string) string {
		if len(text) <= 24 && !strings.ContainsAny(text, ",\"\r\n") {
			return text
		}
		return `"` + strings.ReplaceAll(text, `"`, `""`) + `"`
	}
	var text strings.Builder
	for _, id := range ids {
		for _, p := range plans[id].inOrder() {
			if len(t.set.Strings(t.group)) != 1 {
				text.WriteString(quoted(id) + ",")
			}
			fmt.Fprintf(&text, "%s,%d,%d\n", quoted(p.topic), p.partition, plans[id][p])
		}
	}
	return text.String()
}

// runDeleteOffsets deletes offsets of a group and prints what became of each.
func (t *groupsTool) runDeleteOffsets() error {
	id := t.set.Text(t.group)
	if err := t.set.Err(); err != nil {
		return err
	}
	results := map[topicPartition]error{}
	var partitions []topicPartition
	for _, word := range t.set.Strings(t.topic) {
		if strings.Contains(word, ":") {
			some, err := parsePartitions(word)
			if err != nil {
				return err
			}
			partitions = append(partitions, some...)
			continue
		}
		all, err := t.leaders([]topicPartition{{topic: word}})
		if err != nil {
			results[topicPartition{word, -1}] = execution(err)
		}
		partitions = append(partitions, slices.Collect(maps.Keys(all))...)
	}
	failure := t.sendDeleteOffsets(id, partitions, results)
	var e *exception
	switch {
	case failure == nil:
		t.println("Request succeeded for deleting offsets from group " + id + ".")
	case isAnswer(failure, "InvalidGroupIdException"), isAnswer(failure, "GroupIdNotFoundException"), isAnswer(failure, "GroupAuthorizationException"), isAnswer(failure, "GroupNotEmptyException"):
		t.wrong(failure.Error())
	case isAnswer(failure, "GroupSubscribedToTopicException"), isAnswer(failure, "TopicAuthorizationException"), isAnswer(failure, "UnknownTopicOrPartitionException"):
		t.wrong("Encountered some partition-level error, see the follow-up details.")
	default:
		e, _ = failure.(*exception)
		t.wrong("Encountered some unknown error: " + described(e))
	}
	t.printDeleted(results)
	return nil
}

// sendDeleteOffsets deletes offsets, notes the result of each and returns the first failure.
func (t *groupsTool) sendDeleteOffsets(id string, partitions []topicPartition, results map[topicPartition]error) (failure error) {
	request := kmsg.NewPtrOffsetDeleteRequest()
	request.Group = id
	for _, p := range partitions {
		results[p] = nil
		i := slices.IndexFunc(request.Topics, func(topic kmsg.OffsetDeleteRequestTopic) bool { return topic.Topic == p.topic })
		if i < 0 {
			topic := kmsg.NewOffsetDeleteRequestTopic()
			topic.Topic = p.topic
			request.Topics, i = append(request.Topics, topic), len(request.Topics)
		}
		one := kmsg.NewOffsetDeleteRequestTopicPartition()
		one.Partition = p.partition
		request.Topics[i].Partitions = append(request.Topics[i].Partitions, one)
	}
	answer, err := t.client.send("deleteConsumerGroupOffsets", request)
	if err == nil {
		err = answered(answer.(*kmsg.OffsetDeleteResponse).ErrorCode, nil)
	}
	if err != nil {
		for _, p := range partitions {
			results[p] = execution(err)
		}
		return err
	}
	for _, topic := range answer.(*kmsg.OffsetDeleteResponse).Topics {
		for _, p := range topic.Partitions {
			if err := answered(p.ErrorCode, nil); err != nil {
				results[topicPartition{topic.Topic, p.Partition}] = execution(err)
				failure = cmpErrors(failure, err)
			}
		}
	}
	return failure
}

func (t *groupsTool) printDeleted(results map[topicPartition]error) {
	width := 15
	for p := range results {
		width = max(width, len(p.topic))
	}
	t.printf("\n%-*s %-10s %-15s", width, "TOPIC", "PARTITION", "STATUS")
	ordered := slices.SortedFunc(maps.Keys(results), func(a, b topicPartition) int {
		return strings.Compare(fmt.Sprint(a.topic, a.partition), fmt.Sprint(b.topic, b.partition))
	})
	for _, p := range ordered {
		number, status := strconv.Itoa(int(p.partition)), "Successful"
		if p.partition < 0 {
			number = "-"
		}
		if err := results[p]; err != nil {
			status = "Error: " + err.Error()
		}
		t.printf("\n%-*s %-10s %-15s", width, p.topic, number, status)
	}
	t.println("")
}
