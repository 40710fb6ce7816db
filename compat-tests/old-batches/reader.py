"""Prints every record of a topic's partition 0 as librdkafka or kafka-python gives it."""

import os
import sys
import time

client, topic, start, end = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
broker = os.environ["BROKER"]


def show(field):
    return "null" if field is None else field.hex() or "-"


def say(offset, timestamp, key, value):
    print("record", offset, timestamp, show(key), show(value))
    return offset + 1 >= end


def librdkafka():
    from confluent_kafka import Consumer, TopicPartition

    c = Consumer({"bootstrap.servers": broker, "group.id": "reader", "enable.auto.commit": False, "check.crcs": True})
    c.assign([TopicPartition(topic, 0, start)])
    until = time.monotonic() + 60
    while time.monotonic() < until:
        m = c.poll(1)
        if m is None:
            continue
        if m.error():
            print("error", m.error().name(), flush=True)
            return
        # A timestamp that is not available is told as 0.
        kind, timestamp = m.timestamp()
        if say(m.offset(), timestamp if kind else -1, m.key(), m.value()):
            return
    print("nothing more came")


def kafka_python():
    from kafka import KafkaConsumer, TopicPartition

    c = KafkaConsumer(bootstrap_servers=broker, enable_auto_commit=False)
    c.assign([TopicPartition(topic, 0)])
    c.seek(TopicPartition(topic, 0), start)
    until = time.monotonic() + 60
    while time.monotonic() < until:
        for records in c.poll(1000).values():
            for m in records:
                if say(m.offset, -1 if m.timestamp is None else m.timestamp, m.key, m.value):
                    return
    print("nothing more came")


{"librdkafka": librdkafka, "kafka-python": kafka_python}[client]()
print("done", flush=True)
