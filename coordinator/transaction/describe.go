package transaction

import (
	"regexp"
	"slices"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"

	"ottla/coordinator"
)

// Describe tells a transaction; the failure is TRANSACTIONAL_ID_NOT_FOUND where there is none.
func (s *Service) Describe(id string, reply func(Transaction, *kerr.Error)) {
	if failure := s.admit(id); failure != nil {
		reply(Transaction{ID: id}, failure)
		return
	}
	var found *Transaction
	s.run(id, NoNewID, func(m *Machine, _ int64) (Answer, coordinator.Result) {
		if found = m.transactions[id]; found == nil {
			return refused(kerr.TransactionalIDNotFound), coordinator.Result{}
		}
		return Answer{}, coordinator.Result{}
	}, func(answer Answer) {
		if answer.Failure != nil {
			reply(Transaction{ID: id}, answer.Failure)
			return
		}
		reply(*found, nil)
	})
}

// Filter says which transactions are asked for.
type Filter struct {
	ProducerIDs []int64
	States      []string
	// LongerMillis are the milliseconds that a transaction must have been open
	// for; negative asks for nothing.
	LongerMillis int64
	// Pattern must match the whole transactional id; "" matches every one.
	Pattern string
}

// List is what a Filter found.
type List struct {
	Failure       *kerr.Error
	UnknownStates []string
	Transactions  []Transaction
}

// compiled is a Filter that is ready for use.
type compiled struct {
	producerIDs []int64
	states      []State
	anyState    bool
	longer      int64
	pattern     *regexp.Regexp
}

func (f *Filter) compile() (compiled, []string, *kerr.Error) {
	c := compiled{producerIDs: f.ProducerIDs, anyState: len(f.States) == 0, longer: f.LongerMillis}
	var unknown []string
	for _, name := range f.States {
		if state, ok := stateByName(name); ok {
			c.states = append(c.states, state)
		} else if !slices.Contains(unknown, name) {
			unknown = append(unknown, name)
		}
	}
	if f.Pattern == "" {
		return c, unknown, nil
	}
	pattern, err := regexp.Compile(`\A(?:` + f.Pattern + `)\z`)
	if err != nil {
		return c, unknown, kerr.InvalidRegularExpression
	}
	c.pattern = pattern
	return c, unknown, nil
}

func (c *compiled) wants(t *Transaction, now int64) bool {
	switch {
	case len(c.producerIDs) > 0 && !slices.Contains(c.producerIDs, t.ProducerID):
		return false
	case !c.anyState && !slices.Contains(c.states, t.State):
		return false
	case c.longer >= 0 && now-t.StartedMillis <= c.longer:
		return false
	}
	return c.pattern == nil || c.pattern.MatchString(t.ID)
}

// list are the machine's transactions that a filter wants, by id.
func (m *Machine) list(c *compiled) (wanted []Transaction) {
	now := m.millis()
	for _, t := range m.all() {
		if c.wants(t, now) {
			wanted = append(wanted, *t)
		}
	}
	return wanted
}

// List tells the transactions that this broker coordinates. While a partition
// loads, the answer is COORDINATOR_LOAD_IN_PROGRESS.
func (s *Service) List(filter Filter, reply func(List)) {
	if s.admit("any") != nil {
		reply(List{Failure: kerr.CoordinatorNotAvailable})
		return
	}
	c, unknown, failure := filter.compile()
	if failure != nil {
		reply(List{Failure: failure})
		return
	}
	partitions := s.runtime.Partitions()
	gathered := &gathering{left: len(partitions) + 1, list: List{UnknownStates: unknown}, reply: reply}
	for _, partition := range partitions {
		s.runtime.Run(partition, func(m *Machine) coordinator.Result {
			wanted := m.list(&c)
			return coordinator.Result{Done: func(*kerr.Error) { gathered.add(wanted, nil) }}
		}, func(failure *kerr.Error) { gathered.add(nil, failure) })
	}
	gathered.add(nil, nil)
}

// gathering is an answer that comes in parts.
type gathering struct {
	lock  sync.Mutex
	left  int
	list  List
	reply func(List)
}

// add takes a part; the last one sends the answer.
func (g *gathering) add(found []Transaction, failure *kerr.Error) {
	g.lock.Lock()
	g.list.Transactions = append(g.list.Transactions, found...)
	if failure == kerr.CoordinatorLoadInProgress {
		g.list.Failure = failure
	}
	g.left--
	done := g.left == 0
	g.lock.Unlock()
	if !done {
		return
	}
	if g.list.Failure != nil {
		g.list = List{Failure: g.list.Failure}
	}
	g.reply(g.list)
}
