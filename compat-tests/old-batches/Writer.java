import java.io.File;
import java.io.PrintWriter;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;

import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.record.internal.AbstractLegacyRecordBatch;
import org.apache.kafka.common.record.internal.CompressionType;
import org.apache.kafka.common.record.internal.FileLogInputStream;
import org.apache.kafka.common.record.internal.FileRecords;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.MemoryRecordsBuilder;
import org.apache.kafka.common.record.internal.MutableRecordBatch;
import org.apache.kafka.common.record.internal.Record;
import org.apache.kafka.common.record.internal.RecordBatch;
import org.apache.kafka.common.utils.Time;
import org.apache.kafka.common.utils.Utils;
import org.apache.kafka.storage.internals.log.LogConfig;
import org.apache.kafka.storage.internals.log.LogSegment;

/**
 * Writes the segments of a partition that is as old as Kafka: messages of magic 0, then of magic 1, then both with
 * record batches of magic 2 behind them, with the classes of Apache Kafka alone. What these read of the segments goes
 * to the standard output, or to the file that is the second argument. All is the same at every run. With "age" and a
 * file it turns the record batches of that segment into messages of magic 1.
 */
public class Writer {
    static final long ZERO = 0, ONE = 1_500_000_000_000L, TWO = 1_600_000_000_000L;
    static final Compression[] CODECS = {
        Compression.NONE, Compression.of(CompressionType.GZIP).build(), Compression.of(CompressionType.SNAPPY).build(),
        Compression.of(CompressionType.LZ4).build(),
    };

    final File directory;
    final List<File> files = new ArrayList<>();
    LogSegment segment;
    long next;

    Writer(File directory) {
        this.directory = directory;
    }

    void open() throws Exception {
        LogConfig config = new LogConfig(Map.of("index.interval.bytes", "200", "segment.index.bytes", "1200"));
        segment = LogSegment.open(directory, next, config, Time.SYSTEM, 0, false);
        files.add(segment.log().file());
    }

    void close() throws Exception {
        segment.onBecomeInactiveSegment();
        segment.close();
    }

    static byte[] bytes(String text) {
        return text == null ? null : text.getBytes(StandardCharsets.UTF_8);
    }

    MemoryRecordsBuilder builder(byte magic, Compression codec, TimestampType type, long appendTime) {
        return MemoryRecords.builder(ByteBuffer.allocate(4096), magic, codec, type, next, appendTime);
    }

    void append(MemoryRecordsBuilder builder) throws Exception {
        MemoryRecords records = builder.build();
        long last = next;
        for (MutableRecordBatch batch : records.batches()) {
            last = batch.lastOffset();
            if (batch.magic() == RecordBatch.MAGIC_VALUE_V2)
                batch.setPartitionLeaderEpoch(0);
        }
        segment.append(last, records);
        next = last + 1;
    }

    /** Messages with every kind of key and value, as many as one request had. */
    void messages(byte magic, Compression codec, TimestampType type, long time) throws Exception {
        MemoryRecordsBuilder b = builder(magic, codec, type, type == TimestampType.LOG_APPEND_TIME ? time : RecordBatch.NO_TIMESTAMP);
        String name = "magic " + magic + " " + codec.type().name + " " + next;
        // A message in the middle has the greatest timestamp.
        long[] times = {time, time + 20, time + 10, time + 15, time + 20};
        String[][] fields = {{"key", name}, {null, name}, {"tombstone", null}, {null, null}, {"", ""}};
        for (int i = 0; i < fields.length; i++)
            b.append(magic == 0 ? RecordBatch.NO_TIMESTAMP : times[i], bytes(fields[i][0]), bytes(fields[i][1]));
        append(b);
    }

    /** What a compaction leaves: offsets are missing before, between and behind the messages. */
    void gaps(byte magic, Compression codec, long time) throws Exception {
        MemoryRecordsBuilder b = builder(magic, codec, TimestampType.CREATE_TIME, RecordBatch.NO_TIMESTAMP);
        for (long offset : new long[] {next + 2, next + 3, next + 6})
            b.appendWithOffset(offset, magic == 0 ? RecordBatch.NO_TIMESTAMP : time++, bytes("key"), bytes("after a gap " + offset));
        append(b);
        next += 3;
    }

    void old(byte magic, long time) throws Exception {
        for (Compression codec : CODECS)
            messages(magic, codec, magic == 0 ? TimestampType.NO_TIMESTAMP_TYPE : TimestampType.CREATE_TIME, time += 1000);
        if (magic == 1) {
            for (Compression codec : CODECS)
                messages(magic, codec, TimestampType.LOG_APPEND_TIME, time += 1000);
            // A producer that came through a converter has no timestamps.
            for (Compression codec : new Compression[] {CODECS[0], CODECS[1]}) {
                MemoryRecordsBuilder b = builder(magic, codec, TimestampType.CREATE_TIME, RecordBatch.NO_TIMESTAMP);
                b.append(RecordBatch.NO_TIMESTAMP, bytes("timeless"), bytes(codec.type().name));
                append(b);
            }
        }
        gaps(magic, CODECS[0], time += 1000);
        gaps(magic, CODECS[3], time += 1000);
        // Larger than the index interval and than what a reader asks for at once.
        MemoryRecordsBuilder b = builder(magic, CODECS[1], TimestampType.CREATE_TIME, RecordBatch.NO_TIMESTAMP);
        for (int i = 0; i < 40; i++)
            b.append(magic == 0 ? RecordBatch.NO_TIMESTAMP : time + i, bytes("many " + i), bytes(Integer.toHexString(i * 2654435 ^ 0x5bd1e995).repeat(4)));
        append(b);
    }

    void write() throws Exception {
        open();
        old((byte) 0, ZERO);
        close();
        open();
        old((byte) 1, ONE);
        close();
        open();
        messages((byte) 0, CODECS[1], TimestampType.NO_TIMESTAMP_TYPE, ZERO);
        messages((byte) 1, CODECS[2], TimestampType.CREATE_TIME, ONE + 50_000);
        messages((byte) 1, CODECS[0], TimestampType.CREATE_TIME, ONE + 51_000);
        for (Compression codec : CODECS)
            messages((byte) 2, codec, TimestampType.CREATE_TIME, TWO + next);
        messages((byte) 1, CODECS[1], TimestampType.CREATE_TIME, ONE + 52_000);
        messages((byte) 2, CODECS[0], TimestampType.CREATE_TIME, TWO + next);
        close();
    }

    static String hex(ByteBuffer field) {
        if (field == null)
            return "null";
        return field.remaining() == 0 ? "-" : HexFormat.of().formatHex(Utils.toArray(field));
    }

    void describe(PrintWriter out) throws Exception {
        for (File file : files) {
            out.println("file " + file.getName());
            try (FileRecords records = FileRecords.open(file, false)) {
                for (FileLogInputStream.FileChannelRecordBatch batch : records.batches()) {
                    ByteBuffer buffer = ByteBuffer.allocate(batch.sizeInBytes());
                    batch.writeTo(buffer);
                    buffer.flip();
                    out.println("batch " + hex(buffer));
                    out.println("header " + batch.position() + " " + batch.baseOffset() + " " + batch.lastOffset() + " " + batch.magic() + " " +
                        batch.compressionType().name + " " + batch.timestampType() + " " + batch.maxTimestamp() + " " + batch.checksum() + " " + batch.isValid());
                    for (Record record : batch) {
                        out.print("record " + record.offset() + " " + record.timestamp() + " " + hex(record.key()) + " " + hex(record.value()));
                        if (record instanceof AbstractLegacyRecordBatch message)
                            out.print(" " + message.checksum() + " " + message.isValid());
                        out.println();
                    }
                }
            }
        }
        out.println("end " + next);
    }

    /** Writes the records of a segment's batches anew as messages of magic 1, one alone and the others of its batch in a wrapper. */
    static void age(File file) throws Exception {
        ByteBuffer old = ByteBuffer.allocate(1 << 20);
        try (FileRecords records = FileRecords.open(file, false)) {
            for (RecordBatch batch : records.batches()) {
                MemoryRecordsBuilder alone = null, together = null;
                for (Record record : batch) {
                    MemoryRecordsBuilder b = together;
                    if (alone == null)
                        b = alone = MemoryRecords.builder(ByteBuffer.allocate(1 << 16), (byte) 1, CODECS[0], TimestampType.CREATE_TIME, record.offset());
                    else if (together == null)
                        b = together = MemoryRecords.builder(ByteBuffer.allocate(1 << 16), (byte) 1, CODECS[1], TimestampType.CREATE_TIME, record.offset());
                    b.appendWithOffset(record.offset(), record.timestamp(), record.key(), record.value());
                }
                old.put(alone.build().buffer());
                if (together != null)
                    old.put(together.build().buffer());
            }
        }
        old.flip();
        try (var channel = java.nio.channels.FileChannel.open(file.toPath(), java.nio.file.StandardOpenOption.WRITE, java.nio.file.StandardOpenOption.TRUNCATE_EXISTING)) {
            Utils.writeFully(channel, old);
        }
    }

    public static void main(String[] arguments) throws Exception {
        if (arguments[0].equals("age")) {
            age(new File(arguments[1]));
            return;
        }
        Writer writer = new Writer(new File(arguments[0]));
        writer.write();
        try (PrintWriter out = arguments.length > 1 ? new PrintWriter(arguments[1]) : new PrintWriter(System.out)) {
            writer.describe(out);
        }
    }
}
