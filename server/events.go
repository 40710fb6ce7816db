package server

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kerr"

	"ottla/coordinator"
	"ottla/metadata/quorum"
	"ottla/storage"
)

// progressEvery is how often a long recovery says how far it is.
const progressEvery = 2 * time.Second

// eventLog turns the events of the parts into lines. Storage calls it from many
// goroutines at once.
type eventLog struct {
	log zerolog.Logger
	// told is when the progress of loading was told last, in nanoseconds.
	told *atomic.Int64
}

func newEventLog(log zerolog.Logger) eventLog { return eventLog{log, new(atomic.Int64)} }

// due tells whether it is time for a line about progress: one progressEvery,
// the first one that long after the beginning.
func (e eventLog) due(kind storage.EventKind, now time.Time) bool {
	if kind == storage.EventLoadStarted {
		e.told.Store(now.UnixNano())
	}
	if kind != storage.EventLoadProgress {
		return true
	}
	last := e.told.Load()
	return now.UnixNano()-last >= int64(progressEvery) && e.told.CompareAndSwap(last, now.UnixNano())
}

// eventLine is how one kind of event is told.
type eventLine struct {
	level   zerolog.Level
	message string
}

// storageLine tells what an event of storage means to an operator: error, act;
// warn, it heals itself; info, a change of state; debug, all else.
func storageLine(kind storage.EventKind) (eventLine, bool) {
	switch kind {
	case storage.EventLoadStarted:
		return eventLine{zerolog.DebugLevel, "loading logs"}, true
	case storage.EventLoadProgress:
		return eventLine{zerolog.InfoLevel, "loading logs"}, true
	case storage.EventLoadFinished:
		return eventLine{zerolog.DebugLevel, "loaded logs"}, true
	case storage.EventLogLoadFailed:
		return eventLine{zerolog.ErrorLevel, "a log cannot be loaded: its partition is offline"}, true
	case storage.EventUncleanShutdown:
		return eventLine{zerolog.WarnLevel, "the last stop was not clean: logs are recovered"}, true
	case storage.EventSegmentRecovered:
		return eventLine{zerolog.InfoLevel, "recovered a segment"}, true
	case storage.EventTailTruncated:
		return eventLine{zerolog.WarnLevel, "cut off a torn tail that was never flushed"}, true
	case storage.EventIndexRebuilt:
		return eventLine{zerolog.WarnLevel, "rebuilt an index"}, true
	case storage.EventSnapshotDiscarded:
		return eventLine{zerolog.WarnLevel, "discarded a producer snapshot"}, true
	case storage.EventCheckpointDiscarded:
		return eventLine{zerolog.WarnLevel, "discarded an unreadable checkpoint"}, true
	case storage.EventSegmentRolled:
		return eventLine{zerolog.DebugLevel, "rolled a segment"}, true
	case storage.EventSegmentDeleted:
		return eventLine{zerolog.InfoLevel, "deleted a segment"}, true
	case storage.EventLogCreated:
		return eventLine{zerolog.DebugLevel, "created a log"}, true
	case storage.EventLogDeleted:
		return eventLine{zerolog.InfoLevel, "deleted a log"}, true
	case storage.EventStray:
		return eventLine{zerolog.WarnLevel, "set aside a log that the metadata does not know"}, true
	case storage.EventStartOffsetMoved:
		return eventLine{zerolog.DebugLevel, "moved a log start offset"}, true
	case storage.EventDirectoryOffline:
		return eventLine{zerolog.ErrorLevel, "a log directory is offline until the next start"}, true
	case storage.EventNoSpace:
		return eventLine{zerolog.ErrorLevel, "no space is left: appends are refused until there is some"}, true
	case storage.EventSpaceReturned:
		return eventLine{zerolog.InfoLevel, "there is space again"}, true
	case storage.EventRetentionFailed:
		return eventLine{zerolog.ErrorLevel, "retention failed: old segments stay"}, true
	case storage.EventFlushSlow:
		return eventLine{zerolog.WarnLevel, "an fsync was slow"}, true
	}
	return eventLine{}, false
}

func (e eventLog) storage(event storage.Event) {
	told, ok := storageLine(event.Kind)
	if !ok {
		told = eventLine{zerolog.WarnLevel, fmt.Sprintf("storage event %d", event.Kind)}
	}
	if !e.due(event.Kind, time.Now()) || e.log.GetLevel() > told.level {
		return
	}
	line := e.log.WithLevel(told.level)
	if event.Directory != "" {
		line = line.Str("directory", event.Directory)
	}
	if event.Log.Topic != "" {
		line = line.Str("log", event.Log.String())
	}
	if event.File != "" {
		line = line.Str("file", event.File)
	}
	if event.Reason != "" {
		line = line.Str("reason", event.Reason)
	}
	switch event.Kind {
	case storage.EventLoadStarted, storage.EventLoadProgress, storage.EventLoadFinished:
		line = line.Int("done", event.Done).Int("total", event.Total)
	case storage.EventSegmentRecovered, storage.EventTailTruncated, storage.EventSegmentDeleted:
		line = line.Int64("offset", event.Offset).Int64("bytes", event.Bytes)
	case storage.EventIndexRebuilt, storage.EventSnapshotDiscarded, storage.EventSegmentRolled, storage.EventStartOffsetMoved:
		line = line.Int64("offset", event.Offset)
	}
	if event.Duration > 0 {
		line = line.Int64("ms", event.Duration.Milliseconds())
	}
	line.AnErr("error", event.Err).Msg(told.message)
}

func (e eventLog) quorum(event quorum.Event) {
	if event.Err != nil {
		e.log.Error().Err(event.Err).Msg("metadata: " + event.Text)
		return
	}
	e.log.Info().Msg("metadata: " + event.Text)
}

// groupLine tells what an event of the group coordinator means to an operator.
func groupLine(kind coordinator.EventKind) eventLine { return coordinatorLine(kind, "group") }

// coordinatorLine tells what an event of a coordinator of groups or transactions means.
func coordinatorLine(kind coordinator.EventKind, of string) eventLine {
	switch kind {
	case coordinator.Loading:
		return eventLine{zerolog.DebugLevel, "loading " + of + "s"}
	case coordinator.Loaded:
		return eventLine{zerolog.DebugLevel, "loaded " + of + "s"}
	case coordinator.LoadFailed:
		return eventLine{zerolog.ErrorLevel, of + "s cannot be loaded"}
	case coordinator.Stopped:
		return eventLine{zerolog.DebugLevel, "unloaded " + of + "s"}
	case coordinator.AppendFailed:
		return eventLine{zerolog.ErrorLevel, "changes of " + of + "s cannot be written"}
	case coordinator.OutOfSync:
		return eventLine{zerolog.WarnLevel, "someone else wrote to the " + of + "s' log: it is loaded again"}
	}
	return eventLine{zerolog.WarnLevel, fmt.Sprintf("%s coordinator event %d", of, kind)}
}

func (e eventLog) groups(event coordinator.Event) { e.coordinator(event, groupLine(event.Kind)) }

func (e eventLog) transactions(event coordinator.Event) {
	e.coordinator(event, coordinatorLine(event.Kind, "transaction"))
}

func (e eventLog) coordinator(event coordinator.Event, told eventLine) {
	if superseded(event.Err) && told.level > zerolog.DebugLevel {
		told.level = zerolog.DebugLevel
	}
	if e.log.GetLevel() > told.level {
		return
	}
	line := e.log.WithLevel(told.level)
	line.Int32("partition", event.Partition).Int64("records", event.Records).Int64("skipped", event.Skipped).
		Int64("offset", event.Offset).Int64("end", event.End).Int64("ms", event.Duration.Milliseconds()).
		AnErr("error", event.Err).Msg(told.message)
}

// superseded tells whether a shard failed because a later leader epoch has begun: its successor does what it could not.
func superseded(err error) bool {
	return errors.Is(err, kerr.FencedLeaderEpoch) || errors.Is(err, kerr.NotLeaderForPartition)
}
