import java.time.Duration;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Properties;

import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * Prints what a consumer gets of a topic's partition 0: every record; then, for the offsets after "from", the first
 * record behind a seek there; then, for the times after "at", what offsetsForTimes tells.
 */
public class Reader {
    static String hex(byte[] field) {
        if (field == null)
            return "null";
        return field.length == 0 ? "-" : HexFormat.of().formatHex(field);
    }

    public static void main(String[] arguments) {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", arguments[0]);
        properties.put("enable.auto.commit", "false");
        properties.put("check.crcs", "true");
        TopicPartition partition = new TopicPartition(arguments[1], 0);
        List<String> words = Arrays.asList(arguments);
        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.assign(List.of(partition));
            long end = consumer.endOffsets(List.of(partition)).get(partition);
            consumer.seekToBeginning(List.of(partition));
            while (consumer.position(partition) < end) {
                for (ConsumerRecord<byte[], byte[]> r : consumer.poll(Duration.ofSeconds(1)))
                    System.out.println("record " + r.offset() + " " + r.timestamp() + " " + hex(r.key()) + " " + hex(r.value()) + " " + r.timestampType());
            }
            for (String offset : words.subList(words.indexOf("from") + 1, words.indexOf("at"))) {
                consumer.seek(partition, Long.parseLong(offset));
                List<ConsumerRecord<byte[], byte[]>> records = List.of();
                for (int i = 0; i < 30 && records.isEmpty(); i++)
                    records = consumer.poll(Duration.ofSeconds(1)).records(partition);
                System.out.println("from " + offset + " " + (records.isEmpty() ? "nothing" : records.get(0).offset()));
            }
            for (String time : words.subList(words.indexOf("at") + 1, words.size())) {
                OffsetAndTimestamp found = consumer.offsetsForTimes(Map.of(partition, Long.parseLong(time))).get(partition);
                System.out.println("at " + time + " " + (found == null ? "nothing" : found.offset() + " " + found.timestamp()));
            }
        }
        System.out.println("done");
    }
}
