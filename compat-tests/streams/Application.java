import java.time.Duration;
import java.util.Properties;
import java.util.Arrays;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.*;
import org.apache.kafka.streams.kstream.*;

/** Three topologies. Arguments: which one, the state directory, and "name=value" for settings put over the defaults. */
public class Application {
    /** words: lines → the count of each word so far. */
    static void words(StreamsBuilder builder) {
        builder.<String, String>stream("lines")
            .flatMapValues(line -> Arrays.asList(line.split(" ")))
            .groupBy((key, word) -> word, Grouped.as("by-word"))
            .count(Materialized.as("counts"))
            .toStream()
            .mapValues(String::valueOf)
            .to("counts");
    }

    /** join: orders "customer,amount" by order → totals of each customer of the table; orders with their payments. */
    static void join(StreamsBuilder builder) {
        KStream<String, String> orders = builder.stream("orders");
        KTable<String, String> customers = builder.table("customers", Materialized.as("customers-store"));
        orders
            .map((order, value) -> KeyValue.pair(value.split(",")[0], value.split(",")[1]))
            .repartition(Repartitioned.as("by-customer"))
            .join(customers, (amount, name) -> name + "," + amount)
            .groupByKey()
            .aggregate(() -> "", (customer, value, total) -> {
                String[] parts = value.split(",");
                long sum = total.isEmpty() ? 0 : Long.parseLong(total.split(",")[1]);
                return parts[0] + "," + (sum + Long.parseLong(parts[1]));
            }, Materialized.as("totals-store"))
            .toStream()
            .to("totals");
        orders
            .join(builder.<String, String>stream("payments"), (order, payment) -> order + "," + payment,
                JoinWindows.ofTimeDifferenceWithNoGrace(Duration.ofHours(1)), StreamJoined.as("paid"))
            .to("settled");
    }

    /** numbers: each input goes out once, by a key of its own (its remainder), with the running number of that key. */
    static void numbers(StreamsBuilder builder) {
        builder.<String, String>stream("numbers")
            .selectKey((key, value) -> "key-" + Long.parseLong(value) % 7)
            .repartition(Repartitioned.as("by-remainder"))
            .groupByKey()
            .aggregate(() -> "0,", (key, value, last) -> (Long.parseLong(last.split(",")[0]) + 1) + "," + value, Materialized.as("running"))
            .toStream()
            .to("numbered");
    }

    public static void main(String[] arguments) throws Exception {
        Properties p = new Properties();
        p.put(StreamsConfig.APPLICATION_ID_CONFIG, "app-" + arguments[0]);
        p.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, System.getenv("BROKER"));
        p.put(StreamsConfig.STATE_DIR_CONFIG, arguments[1]);
        p.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
        p.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
        p.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, "2");
        p.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, "100");
        // Every change goes out, not the last one of an interval.
        p.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, "0");
        p.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, "1");
        p.put(StreamsConfig.consumerPrefix("auto.offset.reset"), "earliest");
        p.put(StreamsConfig.consumerPrefix("session.timeout.ms"), "6000");
        p.put(StreamsConfig.consumerPrefix("heartbeat.interval.ms"), "500");
        p.put(StreamsConfig.RECONNECT_BACKOFF_MAX_MS_CONFIG, "200");
        p.put(StreamsConfig.TASK_TIMEOUT_MS_CONFIG, "120000");
        for (int i = 2; i < arguments.length; i++) {
            String[] pair = arguments[i].split("=", 2);
            p.put(pair[0], pair[1]);
        }
        StreamsBuilder builder = new StreamsBuilder();
        switch (arguments[0]) {
            case "words": words(builder); break;
            case "join": join(builder); break;
            case "numbers": numbers(builder); break;
            default: throw new IllegalArgumentException(arguments[0]);
        }
        KafkaStreams streams = new KafkaStreams(builder.build(p), p);
        streams.setUncaughtExceptionHandler(e -> {
            e.printStackTrace();
            return org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse.REPLACE_THREAD;
        });
        streams.setStateListener((now, before) -> System.out.println("STATE " + now));
        // Leaving the group spares the next run the wait for this one's session to end.
        CloseOptions leaving = CloseOptions.groupMembershipOperation(CloseOptions.GroupMembershipOperation.LEAVE_GROUP).withTimeout(Duration.ofSeconds(30));
        Runtime.getRuntime().addShutdownHook(new Thread(() -> System.out.println("CLOSED " + streams.close(leaving))));
        streams.start();
    }
}
