package replica

import (
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"

	"ottla/protocol/record"
	"ottla/storage"
)

// diskError is a condition of the log or the disk and the answer that Kafka has for it.
type diskError struct {
	condition error
	answer    *kerr.Error
}

// diskErrors translates storage's sentinels, once for the whole of replica and
// its callers. A full disk is a storage error to a client: it retries, and
// succeeds when space is back.
func diskErrors() []diskError {
	return []diskError{
		{storage.ErrOffsetOutOfRange, kerr.OffsetOutOfRange},
		{storage.ErrOutOfOrderSequence, kerr.OutOfOrderSequenceNumber},
		{storage.ErrInvalidProducerEpoch, kerr.InvalidProducerEpoch},
		{storage.ErrUnknownProducerID, kerr.UnknownProducerID},
		{storage.ErrInvalidTxnState, kerr.InvalidTxnState},
		{storage.ErrTransactionCoordinatorFenced, kerr.TransactionCoordinatorFenced},
		{storage.ErrRecordBatchTooLarge, kerr.RecordListTooLarge},
		{storage.ErrDirectoryOffline, kerr.KafkaStorageError},
		{storage.ErrNoSpace, kerr.KafkaStorageError},
		{storage.ErrCorruptLog, kerr.KafkaStorageError},
		{storage.ErrNotFound, kerr.NotLeaderForPartition},
		{storage.ErrClosed, kerr.NotLeaderForPartition},
		{storage.ErrExists, kerr.KafkaStorageError},
		{storage.ErrUnexpectedAppendOffset, kerr.KafkaStorageError},
	}
}

// ErrorOf is the answer for an error of this package: the *kerr.Error itself or
// that of a *record.InvalidError, or what stands for storage's condition. An
// error of no known kind is a failure of the disk, KAFKA_STORAGE_ERROR: never
// UNKNOWN_SERVER_ERROR, after which producers write duplicates.
func ErrorOf(err error) *kerr.Error {
	if err == nil {
		return nil
	}
	if answer, ok := err.(*kerr.Error); ok {
		return answer
	}
	var invalid *record.InvalidError
	if errors.As(err, &invalid) {
		return invalid.Err
	}
	var answer *kerr.Error
	if errors.As(err, &answer) {
		return answer
	}
	for _, known := range diskErrors() {
		if errors.Is(err, known.condition) {
			return known.answer
		}
	}
	return kerr.KafkaStorageError
}
