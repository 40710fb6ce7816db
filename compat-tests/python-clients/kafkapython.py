"""kafka-python."""

import threading

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, NewPartitions, NewTopic
from kafka.errors import CommitFailedError, RebalanceInProgressError

from checks import BROKER, CODECS, ok, restart, until

admin = KafkaAdminClient(bootstrap_servers=BROKER)


def create(topic, partitions, **config):
    admin.create_topics([NewTopic(topic, partitions, 1, topic_configs=config)])


def write(producer, topic, prefix, n):
    sent = [producer.send(topic, key=b"k%d" % i, value=b"%s-%d" % (prefix.encode(), i), headers=[("n", b"%d" % i)]) for i in range(n)]
    producer.flush(90)
    for future in sent:
        future.get(90)


def consumer(*topics, **more):
    return KafkaConsumer(*topics, bootstrap_servers=BROKER, auto_offset_reset="earliest", enable_auto_commit=False,
                         heartbeat_interval_ms=300, session_timeout_ms=10000, reconnect_backoff_max_ms=200, **more)


def read(c, n):
    records = []

    def step():
        for batch in c.poll(200).values():
            records.extend(batch)
        return len(records) >= n

    until(step, "%d records" % n)
    return records


def codecs():
    for codec in CODECS:
        topic = "codec-" + codec
        create(topic, 1)
        producer = KafkaProducer(bootstrap_servers=BROKER, compression_type=None if codec == "none" else codec, linger_ms=5)
        write(producer, topic, codec, 300)
        producer.close()
        c = consumer()
        c.assign([TopicPartition(topic, 0)])
        for i, r in enumerate(read(c, 300)):
            assert r.offset == i and r.value == b"%s-%d" % (codec.encode(), i) and list(r.headers) == [("n", b"%d" % i)], (i, r)
        c.close()
    ok("codecs")


def acks():
    create("acks", 2)
    for setting in (0, 1, "all"):
        producer = KafkaProducer(bootstrap_servers=BROKER, acks=setting)
        write(producer, "acks", "acks", 50)
        producer.close()
    partitions = [TopicPartition("acks", p) for p in range(2)]
    c = consumer()
    c.assign(partitions)
    assert len(read(c, 150)) == 150
    assert sum(c.end_offsets(partitions).values()) == 150
    c.close()
    ok("acks")


def group():
    create("shared", 6)
    seen, failures = set(), []

    class Member(threading.Thread):
        def __init__(self):
            super().__init__()
            self.assigned, self.stopping = 0, False

        def run(self):
            c = consumer("shared", group_id="sharing")
            try:
                while not self.stopping:
                    for batch in c.poll(50).values():
                        seen.update(r.value for r in batch)
                    try:
                        c.commit()
                    except (CommitFailedError, RebalanceInProgressError):
                        pass  # the next poll joins again
                    self.assigned = len(c.assignment())
            except Exception as e:
                failures.append(e)
            finally:
                c.close()

    producer = KafkaProducer(bootstrap_servers=BROKER)
    one, two = Member(), Member()
    one.start()
    write(producer, "shared", "early", 200)
    until(lambda: len(seen) == 200 and one.assigned == 6, "one member reads everything")
    two.start()
    until(lambda: one.assigned == 3 and two.assigned == 3, "the members share the partitions")
    write(producer, "shared", "middle", 200)
    until(lambda: len(seen) == 400, "two members read everything")
    one.stopping = True
    one.join()
    until(lambda: two.assigned == 6, "the member that stays takes over")
    two.stopping = True
    two.join()
    assert not failures, failures
    write(producer, "shared", "resumed", 50)
    c = consumer("shared", group_id="sharing")
    assert all(r.value.startswith(b"resumed") for r in read(c, 50))
    c.close()
    producer.close()
    ok("group")


def administration():
    create("managed", 2, **{"retention.ms": "100000"})
    until(lambda: "managed" in admin.list_topics(), "listed")
    assert admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, "managed")])
    admin.create_partitions({"managed": NewPartitions(3)})
    assert len(admin.describe_topics(["managed"])[0]["partitions"]) == 3
    assert "sharing" in str(admin.list_groups())
    assert "shared" in str(admin.list_group_offsets("sharing"))
    admin.delete_groups(["sharing"])
    admin.delete_topics(["managed"])
    until(lambda: "managed" not in admin.list_topics(), "deleted")
    ok("admin")


def restarts():
    create("restarts", 2)
    producer = KafkaProducer(bootstrap_servers=BROKER, acks="all", retries=1000, reconnect_backoff_max_ms=200)
    c = consumer("restarts", group_id="restarting")
    for how in ("STOP", "KILL"):
        write(producer, "restarts", "before-" + how, 100)
        read(c, 100)
        c.commit()
        restart(how)
        write(producer, "restarts", "after-" + how, 100)
        values = {r.value.decode() for r in read(c, 100)}
        assert values == {"after-%s-%d" % (how, i) for i in range(100)}, values
    c.close()
    producer.close()
    ok("restarts")


codecs()
acks()
group()
administration()
restarts()
