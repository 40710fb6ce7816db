// Package exactlyonce checks from outside that transactions are what they promise to be: clients write, copy and read
// while the broker is killed, stopped and paused and while single requests are held up on the way, all that they
// were told is kept as a history, and a checker looks through the history for what must never be seen. The anomalies
// are named as in Jepsen's workload for Kafka. The checker is itself tested on histories that hold each of them.
//
// A History belongs to the goroutines of one run: its lock is held only while an operation is added. The proxy owns
// the goroutines of its connections and waits for them when it closes.
package exactlyonce
