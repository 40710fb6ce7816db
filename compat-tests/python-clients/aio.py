"""aiokafka."""

import asyncio

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.errors import CommitFailedError, KafkaError

from checks import BROKER, CODECS, ok, restart


async def until(condition, what, seconds=60):
    for _ in range(seconds * 50):
        if condition():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("did not come true: " + what)


async def create(topic, partitions):
    admin = AIOKafkaAdminClient(bootstrap_servers=BROKER)
    await admin.start()
    await admin.create_topics([NewTopic(topic, partitions, 1)])
    await admin.close()


async def write(producer, topic, prefix, n):
    sent = [await producer.send(topic, b"%s-%d" % (prefix.encode(), i), key=b"k%d" % i, headers=[("n", b"%d" % i)]) for i in range(n)]
    await asyncio.wait_for(asyncio.gather(*sent), 90)


async def read(c, n):
    records = []
    for _ in range(600):
        for batch in (await c.getmany(timeout_ms=200)).values():
            records.extend(batch)
        if len(records) >= n:
            return records
    raise AssertionError("%d of %d records" % (len(records), n))


def consumer(*topics, **more):
    return AIOKafkaConsumer(*topics, bootstrap_servers=BROKER, auto_offset_reset="earliest", enable_auto_commit=False,
                            heartbeat_interval_ms=300, session_timeout_ms=10000, fetch_max_wait_ms=100, **more)


async def codecs():
    for codec in CODECS:
        topic = "codec-" + codec
        await create(topic, 1)
        async with AIOKafkaProducer(bootstrap_servers=BROKER, compression_type=None if codec == "none" else codec, linger_ms=5) as p:
            await write(p, topic, codec, 300)
        c = consumer()
        await c.start()
        c.assign([TopicPartition(topic, 0)])
        for i, r in enumerate(await read(c, 300)):
            assert r.offset == i and r.value == b"%s-%d" % (codec.encode(), i) and r.headers == (("n", b"%d" % i),), (i, r)
        await c.stop()
    ok("codecs")


async def idempotence():
    await create("idempotent", 2)
    async with AIOKafkaProducer(bootstrap_servers=BROKER, enable_idempotence=True) as p:
        await write(p, "idempotent", "v", 500)
    c = consumer()
    await c.start()
    partitions = [TopicPartition("idempotent", p) for p in range(2)]
    c.assign(partitions)
    assert len(await read(c, 500)) == 500
    assert sum((await c.end_offsets(partitions)).values()) == 500
    await c.stop()
    ok("idempotence")


async def group():
    await create("shared", 6)
    seen = set()

    class Member:
        def __init__(self):
            self.assigned, self.stopping = 0, False
            self.task = asyncio.create_task(self.run())

        async def run(self):
            c = consumer("shared", group_id="sharing")
            await c.start()
            while not self.stopping:
                for batch in (await c.getmany(timeout_ms=50)).values():
                    seen.update(r.value for r in batch)
                try:
                    await c.commit()
                except (CommitFailedError, KafkaError):
                    pass  # the next poll joins again
                self.assigned = len(c.assignment())
            await c.stop()

    async with AIOKafkaProducer(bootstrap_servers=BROKER) as p:
        one = Member()
        await write(p, "shared", "early", 200)
        await until(lambda: len(seen) == 200 and one.assigned == 6, "one member reads everything")
        two = Member()
        await until(lambda: one.assigned == 3 and two.assigned == 3, "the members share the partitions")
        await write(p, "shared", "middle", 200)
        await until(lambda: len(seen) == 400, "two members read everything")
        one.stopping = True
        await one.task
        await until(lambda: two.assigned == 6, "the member that stays takes over")
        two.stopping = True
        await two.task
        await write(p, "shared", "resumed", 50)
    c = consumer("shared", group_id="sharing")
    await c.start()
    assert all(r.value.startswith(b"resumed") for r in await read(c, 50))
    await c.stop()
    ok("group")


async def administration():
    admin = AIOKafkaAdminClient(bootstrap_servers=BROKER)
    await admin.start()
    await admin.create_topics([NewTopic("managed", 2, 1, topic_configs={"retention.ms": "100000"})])
    assert "managed" in await admin.list_topics()
    await admin.create_partitions({"managed": NewPartitions(3)})
    described = await admin.describe_topics(["managed"])
    assert len(described[0]["partitions"]) == 3, described
    assert "sharing" in str(await admin.list_consumer_groups())
    await admin.delete_topics(["managed"])
    for _ in range(500):
        if "managed" not in await admin.list_topics():
            break
        await asyncio.sleep(0.02)
    assert "managed" not in await admin.list_topics()
    await admin.close()
    ok("admin")


async def restarts():
    await create("restarts", 2)
    async with AIOKafkaProducer(bootstrap_servers=BROKER, enable_idempotence=True, request_timeout_ms=90000) as p:
        c = consumer("restarts", group_id="restarting")
        await c.start()
        for how in ("STOP", "KILL"):
            await write(p, "restarts", "before-" + how, 100)
            await read(c, 100)
            await c.commit()
            await asyncio.get_running_loop().run_in_executor(None, restart, how)
            await write(p, "restarts", "after-" + how, 100)
            values = {r.value.decode() for r in await read(c, 100)}
            assert values == {"after-%s-%d" % (how, i) for i in range(100)}, values
        await c.stop()
    ok("restarts")


async def main():
    await codecs()
    await idempotence()
    await group()
    await administration()
    await restarts()


asyncio.run(main())
