import java.time.Duration;
import java.util.*;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.*;
import org.apache.kafka.streams.kstream.*;

/**
 * A Kafka Streams application: reads raw rows from the topic "measurements", parses and cleans them, drops the bad ones, and writes
 * each good one to the topic "features" as JSON, keyed by species. It runs until it is stopped (Ctrl-C).
 */
public class Features {
    static final List<String> COLUMNS = List.of("sepal_length", "sepal_width", "petal_length", "petal_width");
    static final Set<String> SPECIES = Set.of("setosa", "versicolor", "virginica");

    record Flower(List<Double> values, String species) {
        String json() {
            StringJoiner fields = new StringJoiner(",", "{", "}");
            for (int i = 0; i < COLUMNS.size(); i++) fields.add("\"" + COLUMNS.get(i) + "\":" + values.get(i));
            return fields.add("\"species\":\"" + species + "\"").toString();
        }
    }

    /** Returns the flower of a row, or nothing where the row is bad. */
    static Optional<Flower> parse(String row) {
        String[] parts = row.split(",", -1);
        if (parts.length != COLUMNS.size() + 1) return Optional.empty();
        String species = parts[COLUMNS.size()].strip().toLowerCase(Locale.ROOT);
        if (!SPECIES.contains(species)) return Optional.empty();
        List<Double> values = new ArrayList<>();
        for (int i = 0; i < COLUMNS.size(); i++) {
            try {
                values.add(Double.parseDouble(parts[i].strip()));
            } catch (NumberFormatException notANumber) {
                return Optional.empty();
            }
            // Written so that NaN is bad, too.
            if (!(values.get(i) > 0 && values.get(i) < 30)) return Optional.empty();
        }
        return Optional.of(new Flower(values, species));
    }

    public static void main(String[] arguments) {
        Properties p = new Properties();
        p.put(StreamsConfig.APPLICATION_ID_CONFIG, "iris-features");
        p.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, arguments.length > 0 ? arguments[0] : "localhost:9092");
        p.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
        p.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
        p.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        if (arguments.length > 1) p.put(StreamsConfig.STATE_DIR_CONFIG, arguments[1]);

        StreamsBuilder builder = new StreamsBuilder();
        builder.<String, String>stream("measurements")
            .flatMapValues(row -> parse(row).stream().toList())
            .map((key, flower) -> KeyValue.pair(flower.species(), flower.json()))
            .to("features");

        KafkaStreams streams = new KafkaStreams(builder.build(), p);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> streams.close(Duration.ofSeconds(20))));
        streams.start();
    }
}
