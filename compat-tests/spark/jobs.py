"""The Spark jobs of this suite, as a user would write them.

    python jobs.py BROKER JARS WORK JOB [JOB ...]

BROKER is host:port, JARS a comma-separated list of jar files, WORK an empty folder for checkpoints and results.
Each job prints one line `RESULT <job> <json>` with what it saw.
"""

import json
import os
import sys
import time

from pyspark.sql import SparkSession
from pyspark.sql import functions as f
from pyspark.sql.types import StructType, StringType, TimestampType


def source(session, broker, topic, **options):
    reader = session.readStream.format("kafka").option("kafka.bootstrap.servers", broker)
    reader = reader.option("subscribe", topic).option("startingOffsets", "earliest")
    for key, value in options.items():
        reader = reader.option(key, value)
    return reader.load()


def to_console(session, broker, work):
    """A stream from a topic to the console."""
    query = (
        source(session, broker, "sentences")
        .selectExpr("CAST(value AS STRING) AS value")
        .writeStream.format("console").option("truncate", "false").option("numRows", 100)
        .trigger(availableNow=True).start()
    )
    query.awaitTermination(120)
    return {"rows": sum(p["numInputRows"] for p in query.recentProgress)}


def word_count(session, broker, work):
    """Counts of words in complete mode, micro-batches by a trigger, state in a checkpoint."""
    words = source(session, broker, "sentences", maxOffsetsPerTrigger="40").select(
        f.explode(f.split(f.col("value").cast("string"), " ")).alias("word")
    )
    query = (
        words.groupBy("word").count()
        .writeStream.outputMode("complete").format("memory").queryName("counts")
        .option("checkpointLocation", work + "/checkpoint-count").trigger(processingTime="1 second").start()
    )
    query.processAllAvailable()
    rows = session.sql("SELECT word, count FROM counts").collect()
    query.stop()
    return {r["word"]: r["count"] for r in rows}


def window(session, broker, work):
    """Counts in event-time windows of ten seconds; a window closes once the watermark passes it."""
    schema = StructType().add("at", TimestampType()).add("kind", StringType())
    events = source(session, broker, "events").select(
        f.from_json(f.col("value").cast("string"), schema).alias("e")
    ).select("e.*")
    counts = events.withWatermark("at", "5 seconds").groupBy(f.window("at", "10 seconds"), "kind").count()
    query = (
        counts.writeStream.outputMode("append").format("parquet")
        .option("path", work + "/windows").option("checkpointLocation", work + "/checkpoint-windows")
        .trigger(processingTime="1 second").start()
    )
    query.processAllAvailable()
    query.stop()
    rows = session.read.parquet(work + "/windows").selectExpr("unix_timestamp(window.start) AS start", "kind", "count").collect()
    return sorted([r["start"], r["kind"], r["count"]] for r in rows)


def batch(session, broker, work):
    """A batch read from a time on (milliseconds in STAMPED_FROM), with the records' headers."""
    start = json.dumps({"stamped": {"0": int(os.environ["STAMPED_FROM"])}})
    rows = (
        session.read.format("kafka").option("kafka.bootstrap.servers", broker).option("subscribe", "stamped")
        .option("startingOffsetsByTimestamp", start).option("endingOffsets", "latest").option("includeHeaders", "true")
        .load().orderBy("offset").collect()
    )
    return [
        [r["offset"], r["value"].decode(), int(r["timestamp"].timestamp() * 1000), [[h["key"], h["value"].decode()] for h in r["headers"] or []]]
        for r in rows
    ]


def write_back(session, broker, work):
    """A batch and a stream written to topics."""
    rows = [(str(i), "row-%d" % i) for i in range(50)]
    session.createDataFrame(rows, ["key", "value"]).write.format("kafka").option(
        "kafka.bootstrap.servers", broker
    ).option("topic", "written-batch").save()
    query = (
        source(session, broker, "sentences").selectExpr("CAST(key AS STRING) AS key", "upper(CAST(value AS STRING)) AS value")
        .writeStream.format("kafka").option("kafka.bootstrap.servers", broker).option("topic", "written-stream")
        .option("checkpointLocation", work + "/checkpoint-back").trigger(availableNow=True).start()
    )
    query.awaitTermination(120)
    return {"rows": sum(p["numInputRows"] for p in query.recentProgress)}


def resume(session, broker, work):
    """Appends a topic to parquet from where the checkpoint stands; run once before and once after more records."""
    query = (
        source(session, broker, "resumed", maxOffsetsPerTrigger="17").selectExpr("CAST(value AS STRING) AS value")
        .writeStream.format("parquet").option("path", work + "/resumed")
        .option("checkpointLocation", work + "/checkpoint-resumed").trigger(availableNow=True).start()
    )
    query.awaitTermination(120)
    return [r["value"] for r in session.read.parquet(work + "/resumed").collect()]


JOBS = {j.__name__: j for j in (to_console, word_count, window, batch, write_back, resume)}


def main():
    broker, jars, work, *jobs = sys.argv[1:]
    session = (
        SparkSession.builder.master("local[2]").appName("compat").config("spark.jars", jars)
        .config("spark.ui.enabled", "false").config("spark.ui.showConsoleProgress", "false").config("spark.sql.shuffle.partitions", "2")
        .config("spark.driver.bindAddress", "127.0.0.1").config("spark.driver.host", "127.0.0.1")
        .config("spark.sql.session.timeZone", "UTC").getOrCreate()
    )
    session.sparkContext.setLogLevel("ERROR")
    for name in jobs:
        started = time.time()
        result = JOBS[name](session, broker, work)
        print("RESULT", name, json.dumps(result), flush=True)
        print("took", name, round(time.time() - started, 1), "s", file=sys.stderr, flush=True)
    session.stop()


if __name__ == "__main__":
    main()
