"""librdkafka through confluent-kafka."""

import threading

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewPartitions, NewTopic

from checks import BROKER, CODECS, ok, restart, until

admin = AdminClient({"bootstrap.servers": BROKER})


def create(topic, partitions, **config):
    for future in admin.create_topics([NewTopic(topic, partitions, 1, config=config)]).values():
        future.result(30)


def write(producer, topic, prefix, n):
    failed = []
    for i in range(n):
        producer.produce(topic, key="k%d" % i, value="%s-%d" % (prefix, i), headers=[("n", str(i))],
                         on_delivery=lambda error, _: error and failed.append(error))
        producer.poll(0)
    assert producer.flush(90) == 0 and not failed, failed


def consumer(group, **more):
    return Consumer({"bootstrap.servers": BROKER, "group.id": group, "auto.offset.reset": "earliest", "enable.auto.commit": False,
                     "heartbeat.interval.ms": 300, "session.timeout.ms": 10000, "reconnect.backoff.max.ms": 200, **more})


def read(c, n):
    records = []

    def step():
        m = c.poll(0.2)
        if m is not None and not m.error():
            records.append(m)
        elif m is not None and m.error().fatal():
            raise KafkaException(m.error())
        return len(records) >= n

    until(step, "%d records" % n)
    return records


def codecs():
    for codec in CODECS:
        topic = "codec-" + codec
        create(topic, 1)
        write(Producer({"bootstrap.servers": BROKER, "compression.type": codec, "linger.ms": 5}), topic, codec, 300)
        c = consumer("reader-" + codec)
        c.assign([TopicPartition(topic, 0, 0)])
        for i, m in enumerate(read(c, 300)):
            assert m.offset() == i and m.value().decode() == "%s-%d" % (codec, i) and m.headers() == [("n", str(i).encode())], (i, m.value())
        c.close()
    ok("codecs")


def acks():
    create("acks", 2)
    for setting in ("0", "1", "all"):
        write(Producer({"bootstrap.servers": BROKER, "acks": setting}), "acks", "acks" + setting, 50)
    write(Producer({"bootstrap.servers": BROKER, "enable.idempotence": True}), "acks", "idempotent", 500)
    c = consumer("acks")
    c.assign([TopicPartition("acks", p, 0) for p in range(2)])
    assert len(read(c, 650)) == 650
    assert sum(c.get_watermark_offsets(TopicPartition("acks", p))[1] for p in range(2)) == 650
    c.close()
    ok("acks")


def group(strategy):
    topic = "group-" + strategy
    create(topic, 6)
    seen, failures = set(), []

    class Member(threading.Thread):
        def __init__(self):
            super().__init__()
            self.assigned, self.stopping = 0, False

        def run(self):
            c = consumer(topic, **{"partition.assignment.strategy": strategy})
            c.subscribe([topic])
            try:
                while not self.stopping:
                    m = c.poll(0.05)
                    if m is not None and not m.error():
                        seen.add(m.value())
                        try:
                            c.commit(m, asynchronous=False)
                        except KafkaException as e:
                            if e.args[0].code() not in (KafkaError.REBALANCE_IN_PROGRESS, KafkaError.ILLEGAL_GENERATION, KafkaError._STATE):
                                raise
                    self.assigned = len(c.assignment())
            except Exception as e:
                failures.append(e)
            finally:
                c.close()

    producer = Producer({"bootstrap.servers": BROKER})
    one, two = Member(), Member()
    one.start()
    write(producer, topic, "early", 200)
    until(lambda: len(seen) == 200 and one.assigned == 6, "one member reads everything")
    two.start()
    until(lambda: one.assigned == 3 and two.assigned == 3, "the members share the partitions")
    write(producer, topic, "middle", 200)
    until(lambda: len(seen) == 400, "two members read everything")
    one.stopping = True
    one.join()
    until(lambda: two.assigned == 6, "the member that stays takes over")
    two.stopping = True
    two.join()
    assert not failures, failures
    write(producer, topic, "resumed", 50)
    c = consumer(topic, **{"partition.assignment.strategy": strategy})
    c.subscribe([topic])
    assert all(m.value().startswith(b"resumed") for m in read(c, 50))
    c.close()
    ok("group " + strategy)


def administration():
    create("managed", 2, **{"retention.ms": "100000"})
    assert "managed" in admin.list_topics(timeout=10).topics
    resource = ConfigResource(ConfigResource.Type.TOPIC, "managed")
    assert admin.describe_configs([resource])[resource].result(10)["retention.ms"].value == "100000"
    admin.create_partitions([NewPartitions("managed", 3)])["managed"].result(10)
    until(lambda: len(admin.list_topics("managed", timeout=10).topics["managed"].partitions) == 3, "three partitions")
    groups = admin.list_consumer_groups().result()
    assert not groups.errors and "group-range" in [g.group_id for g in groups.valid]
    described = admin.describe_consumer_groups(["group-range"])["group-range"].result(10)
    assert described.group_id == "group-range"
    admin.delete_consumer_groups(["group-range"])["group-range"].result(10)
    admin.delete_topics(["managed"])["managed"].result(10)
    until(lambda: "managed" not in admin.list_topics(timeout=10).topics, "deleted")
    ok("admin")


def restarts():
    create("restarts", 2)
    producer = Producer({"bootstrap.servers": BROKER, "enable.idempotence": True, "reconnect.backoff.max.ms": 200})
    c = consumer("restarting")
    c.subscribe(["restarts"])
    for how in ("STOP", "KILL"):
        write(producer, "restarts", "before-" + how, 100)
        read(c, 100)
        c.commit(asynchronous=False)
        restart(how)
        write(producer, "restarts", "after-" + how, 100)
        values = {m.value().decode() for m in read(c, 100)}
        assert values == {"after-%s-%d" % (how, i) for i in range(100)}, values
    c.close()
    ok("restarts")


codecs()
acks()
group("range")
group("roundrobin")
group("cooperative-sticky")
administration()
restarts()
