import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.*;
import java.util.function.BooleanSupplier;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.*;

/** What a user of the Java client does, checked by itself. Prints "OK name" for each check; see harness.Dialogue. */
public class Clients {
    static final String BROKER = System.getenv("BROKER");
    static final BufferedReader IN = new BufferedReader(new InputStreamReader(System.in));

    static void check(boolean condition, String message) {
        if (!condition) throw new IllegalStateException(message);
    }

    static void await(BooleanSupplier condition, String message) throws Exception {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(60);
        while (!condition.getAsBoolean()) {
            check(System.nanoTime() < end, message);
            Thread.sleep(20);
        }
    }

    static Producer<String, String> producer(String... pairs) {
        Properties p = new Properties();
        p.put("bootstrap.servers", BROKER);
        p.put("linger.ms", "2");
        for (int i = 0; i < pairs.length; i += 2) p.put(pairs[i], pairs[i + 1]);
        return new KafkaProducer<>(p, new StringSerializer(), new StringSerializer());
    }

    static Consumer<String, String> consumer(String... pairs) {
        Properties p = new Properties();
        p.put("bootstrap.servers", BROKER);
        p.put("auto.offset.reset", "earliest");
        p.put("enable.auto.commit", "false");
        p.put("fetch.max.wait.ms", "100");
        for (int i = 0; i < pairs.length; i += 2) p.put(pairs[i], pairs[i + 1]);
        return new KafkaConsumer<>(p, new StringDeserializer(), new StringDeserializer());
    }

    static Admin admin() {
        Properties p = new Properties();
        p.put("bootstrap.servers", BROKER);
        return Admin.create(p);
    }

    static void create(String topic, int partitions) throws Exception {
        try (Admin admin = admin()) {
            admin.createTopics(Collections.singleton(new NewTopic(topic, partitions, (short) 1))).all().get(30, TimeUnit.SECONDS);
        }
    }

    static void write(Producer<String, String> producer, String topic, String prefix, int n) throws Exception {
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        for (int i = 0; i < n; i++) {
            ProducerRecord<String, String> record = new ProducerRecord<>(topic, "k" + i, prefix + "-" + i);
            record.headers().add("n", String.valueOf(i).getBytes());
            sent.add(producer.send(record));
        }
        for (Future<RecordMetadata> future : sent) future.get(60, TimeUnit.SECONDS);
    }

    static List<ConsumerRecord<String, String>> read(Consumer<String, String> consumer, int n) {
        List<ConsumerRecord<String, String>> records = new ArrayList<>();
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(60);
        while (records.size() < n) {
            check(System.nanoTime() < end, records.size() + " of " + n + " records came");
            for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(200))) records.add(record);
        }
        return records;
    }

    static void codecs() throws Exception {
        for (String codec : new String[] {"none", "gzip", "snappy", "lz4", "zstd"}) {
            create("codec-" + codec, 1);
            try (Producer<String, String> p = producer("compression.type", codec); Consumer<String, String> c = consumer()) {
                write(p, "codec-" + codec, codec, 300);
                c.assign(Collections.singleton(new TopicPartition("codec-" + codec, 0)));
                int i = 0;
                for (ConsumerRecord<String, String> r : read(c, 300)) {
                    Header header = r.headers().lastHeader("n");
                    check(r.offset() == i && r.value().equals(codec + "-" + i) && new String(header.value()).equals(String.valueOf(i)),
                        "record " + i + " is " + r);
                    i++;
                }
            }
        }
        System.out.println("OK codecs");
    }

    static void acks() throws Exception {
        create("acks", 2);
        for (String acks : new String[] {"0", "1", "all"}) {
            try (Producer<String, String> p = producer("acks", acks, "enable.idempotence", "false")) {
                write(p, "acks", "a" + acks, 50);
            }
        }
        try (Producer<String, String> p = producer("acks", "all", "enable.idempotence", "true")) {
            write(p, "acks", "idempotent", 500);
        }
        try (Consumer<String, String> c = consumer()) {
            c.assign(Arrays.asList(new TopicPartition("acks", 0), new TopicPartition("acks", 1)));
            check(read(c, 650).size() == 650, "more records than were sent");
        }
        System.out.println("OK acks");
    }

    /** Two members share six partitions; one leaves; what was committed is not read again. */
    static void group(String assignor) throws Exception {
        String topic = "group-" + assignor.substring(assignor.lastIndexOf('.') + 1);
        create(topic, 6);
        String[] settings = {"group.id", topic, "partition.assignment.strategy", assignor, "heartbeat.interval.ms", "300", "session.timeout.ms", "10000"};
        Set<String> seen = ConcurrentHashMap.newKeySet();
        Set<Integer> first = ConcurrentHashMap.newKeySet(), second = ConcurrentHashMap.newKeySet();
        class Member extends Thread {
            final Set<Integer> assigned;
            volatile boolean stopping;
            volatile Exception failure;

            Member(Set<Integer> assigned) {
                this.assigned = assigned;
            }

            @Override
            public void run() {
                try (Consumer<String, String> c = consumer(settings)) {
                    c.subscribe(Collections.singleton(topic));
                    while (!stopping) {
                        for (ConsumerRecord<String, String> r : c.poll(Duration.ofMillis(100))) seen.add(r.value());
                        try {
                            c.commitSync();
                        } catch (CommitFailedException | org.apache.kafka.common.errors.RebalanceInProgressException retried) {
                            // the next poll joins again
                        }
                        Set<Integer> now = new HashSet<>();
                        for (TopicPartition p : c.assignment()) now.add(p.partition());
                        assigned.retainAll(now);
                        assigned.addAll(now);
                    }
                } catch (Exception e) {
                    failure = e;
                }
            }
        }
        try (Producer<String, String> p = producer()) {
            Member one = new Member(first), two = new Member(second);
            one.start();
            write(p, topic, "early", 200);
            await(() -> seen.size() == 200 && first.size() == 6, "one member does not read everything");
            two.start();
            await(() -> first.size() == 3 && second.size() == 3, "the members do not share the partitions");
            write(p, topic, "middle", 200);
            await(() -> seen.size() == 400, "two members do not read everything");
            one.stopping = true;
            one.join();
            await(() -> second.size() == 6, "the member that stays does not take over");
            write(p, topic, "late", 200);
            await(() -> seen.size() == 600, "the member that stays does not read everything");
            two.stopping = true;
            two.join();
            check(one.failure == null && two.failure == null, one.failure + " / " + two.failure);
            write(p, topic, "resumed", 50);
        }
        try (Consumer<String, String> c = consumer(settings)) {
            c.subscribe(Collections.singleton(topic));
            for (ConsumerRecord<String, String> r : read(c, 50)) check(r.value().startsWith("resumed"), "read again: " + r);
        }
        System.out.println("OK group " + assignor.substring(assignor.lastIndexOf('.') + 1));
    }

    static void positions() throws Exception {
        create("positions", 1);
        long base = System.currentTimeMillis() - 100_000;
        TopicPartition tp = new TopicPartition("positions", 0);
        try (Producer<String, String> p = producer(); Consumer<String, String> c = consumer()) {
            for (int i = 0; i < 100; i++) p.send(new ProducerRecord<>("positions", 0, base + i * 1000, "k", "v" + i)).get();
            check(c.beginningOffsets(Collections.singleton(tp)).get(tp) == 0, "beginning");
            check(c.endOffsets(Collections.singleton(tp)).get(tp) == 100, "end");
            check(c.offsetsForTimes(Collections.singletonMap(tp, base + 41_500)).get(tp).offset() == 42, "offset by time");
            check(c.partitionsFor("positions").size() == 1 && c.listTopics().containsKey("positions"), "metadata");
            c.assign(Collections.singleton(tp));
            c.seek(tp, 90);
            check(read(c, 10).get(0).value().equals("v90"), "seek");
        }
        System.out.println("OK positions");
    }

    static void administration() throws Exception {
        try (Admin a = admin()) {
            ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, "managed");
            a.createTopics(Collections.singleton(new NewTopic("managed", 2, (short) 1).configs(Collections.singletonMap("retention.ms", "100000"))))
                .all().get(30, TimeUnit.SECONDS);
            check(a.listTopics().names().get().contains("managed"), "listed");
            check(a.describeConfigs(Collections.singleton(resource)).all().get().get(resource).get("retention.ms").value().equals("100000"), "config");
            AlterConfigOp op = new AlterConfigOp(new ConfigEntry("retention.ms", "200000"), AlterConfigOp.OpType.SET);
            a.incrementalAlterConfigs(Collections.singletonMap(resource, Collections.singleton(op))).all().get();
            check(a.describeConfigs(Collections.singleton(resource)).all().get().get(resource).get("retention.ms").value().equals("200000"), "altered");
            a.createPartitions(Collections.singletonMap("managed", NewPartitions.increaseTo(3))).all().get();
            check(a.describeCluster().nodes().get().size() == 1, "nodes");
            try (Producer<String, String> p = producer()) {
                write(p, "managed", "v", 10);
            }
            TopicPartition tp = new TopicPartition("managed", 0);
            a.alterConsumerGroupOffsets("managers", Collections.singletonMap(tp, new OffsetAndMetadata(1, "note"))).all().get();
            check(a.listConsumerGroupOffsets("managers").partitionsToOffsetAndMetadata().get().get(tp).metadata().equals("note"), "offset");
            boolean listed = false;
            for (ConsumerGroupListing g : a.listConsumerGroups().all().get()) listed |= g.groupId().equals("managers");
            check(listed, "group listed");
            a.deleteConsumerGroups(Collections.singleton("managers")).all().get();
            check(a.listOffsets(Collections.singletonMap(tp, OffsetSpec.latest())).all().get().get(tp).offset() > 0, "end offset");
            a.deleteRecords(Collections.singletonMap(tp, RecordsToDelete.beforeOffset(1))).all().get();
            check(a.listOffsets(Collections.singletonMap(tp, OffsetSpec.earliest())).all().get().get(tp).offset() == 1, "start offset");
            a.deleteTopics(Collections.singleton("managed")).all().get();
            await(() -> {
                try {
                    return !a.listTopics().names().get().contains("managed");
                } catch (Exception e) {
                    throw new IllegalStateException(e);
                }
            }, "deleted");
        }
        System.out.println("OK admin");
    }

    static void restarts() throws Exception {
        create("restarts", 2);
        try (Producer<String, String> p = producer("retries", "1000000", "delivery.timeout.ms", "120000", "acks", "all", "enable.idempotence", "true", "reconnect.backoff.max.ms", "200");
             Consumer<String, String> c = consumer("group.id", "restarting", "reconnect.backoff.max.ms", "200")) {
            c.subscribe(Collections.singleton("restarts"));
            for (String how : new String[] {"STOP", "KILL"}) {
                write(p, "restarts", "before-" + how, 100);
                read(c, 100);
                c.commitSync();
                System.out.println(how);
                IN.readLine();
                write(p, "restarts", "after-" + how, 100);
                Set<String> values = new HashSet<>();
                for (ConsumerRecord<String, String> r : read(c, 100)) values.add(r.value());
                for (int i = 0; i < 100; i++) check(values.contains("after-" + how + "-" + i), how + ": value " + i + " did not come, or others came again");
            }
        }
        System.out.println("OK restarts");
    }

    public static void main(String[] arguments) throws Exception {
        codecs();
        acks();
        positions();
        group("org.apache.kafka.clients.consumer.RangeAssignor");
        group("org.apache.kafka.clients.consumer.CooperativeStickyAssignor");
        administration();
        restarts();
        System.exit(0);
    }
}
