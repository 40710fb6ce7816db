package controller

import (
	"errors"
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kerr"
)

func decimal(n int32) string { return strconv.Itoa(int(n)) }

func unableToReplicate(factor int, why string) *Error {
	return failure(kerr.InvalidReplicationFactor, "Unable to replicate the partition "+strconv.Itoa(factor)+" time(s): "+why)
}

// place chooses the replicas of count partitions, first being the number of the
// first. Leaders and followers go round the brokers, those that are fenced last.
func (m *machine) place(first, count, factor int) ([][]int32, error) {
	var usable, fenced []int32
	for broker := range m.image.Brokers() {
		if cordonedOff(broker) {
			continue
		}
		if broker.Fenced {
			fenced = append(fenced, broker.ID)
		} else {
			usable = append(usable, broker.ID)
		}
	}
	switch total := len(usable) + len(fenced); {
	case factor <= 0:
		return nil, errors.New("Invalid replication factor " + strconv.Itoa(factor) + ": the replication factor must be positive.")
	case len(usable) == 0:
		return nil, errors.New("All brokers are currently fenced, or have all their log directories cordoned.")
	case factor > total:
		return nil, errors.New("The target replication factor of " + strconv.Itoa(factor) + " cannot be reached because only " +
			strconv.Itoa(total) + " broker(s) are registered or some brokers have all their log directories cordoned.")
	}
	partitions := make([][]int32, count)
	for i := range partitions {
		replicas := make([]int32, 0, factor)
		for j := range min(factor, len(usable)) {
			replicas = append(replicas, usable[(first+i+j)%len(usable)])
		}
		for j := range factor - len(replicas) {
			replicas = append(replicas, fenced[(first+i+j)%len(fenced)])
		}
		partitions[i] = replicas
	}
	return partitions, nil
}

// checkAssignment holds the replicas that a client gives for a new partition
// against the brokers there are. factor is how many there must be, 0 where nobody
// knows.
func (m *machine) checkAssignment(partition int32, replicas []int32, factor int) error {
	if err := m.checkReplicas(replicas, factor); err != nil {
		return err
	}
	if len(m.activeOf(replicas)) == 0 {
		return failure(kerr.InvalidReplicaAssignment, "All brokers specified in the manual partition assignment for partition "+
			decimal(partition)+" are fenced or in controlled shutdown.")
	}
	return nil
}

// checkReplicas tells whether replicas can be those of a partition at all.
func (m *machine) checkReplicas(replicas []int32, factor int) error {
	const what = "The manual partition assignment includes "
	if len(replicas) == 0 {
		return failure(kerr.InvalidReplicaAssignment, what+"an empty replica list.")
	}
	sorted := slices.Sorted(slices.Values(replicas))
	for i, id := range sorted {
		if _, ok := m.image.Broker(id); !ok {
			return failure(kerr.InvalidReplicaAssignment, what+"broker "+decimal(id)+", but no such broker is registered.")
		}
		if i > 0 && sorted[i-1] == id {
			return failure(kerr.InvalidReplicaAssignment, what+"the broker "+decimal(id)+" more than once.")
		}
	}
	if factor != 0 && len(replicas) != factor {
		return failure(kerr.InvalidReplicaAssignment, what+"a partition with "+strconv.Itoa(len(replicas))+
			" replica(s), but this is not consistent with previous partitions, which have "+strconv.Itoa(factor)+" replica(s).")
	}
	return nil
}

// activeOf are the brokers of a list that are active: the ISR of a new partition.
func (m *machine) activeOf(replicas []int32) []int32 {
	var active []int32
	for _, id := range replicas {
		if m.active(id) {
			active = append(active, id)
		}
	}
	return active
}
