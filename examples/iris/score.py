"""Trains a decision tree on the topic "features" and scores the same topic as a stream.

    spark-submit --packages org.apache.spark:spark-sql-kafka-0-10_2.12:3.4.0 score.py BROKER WORK [TRAIN]

BROKER is host:port, WORK a folder for the checkpoints and the file of predictions. The first TRAIN records of each partition (100 if not given) are the training set, read as a batch; the rest, which the
tree has not seen, are read as a stream, scored, and written to the topic "predictions" and, as JSON, to WORK/predictions.
"""

import sys

from pyspark.ml import Pipeline
from pyspark.ml.classification import DecisionTreeClassifier
from pyspark.ml.feature import IndexToString, StringIndexer, VectorAssembler
from pyspark.sql import SparkSession
from pyspark.sql import functions as f
from pyspark.sql.types import DoubleType, StringType, StructType

COLUMNS = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
SCHEMA = StructType().add("species", StringType())
for column in COLUMNS:
    SCHEMA = SCHEMA.add(column, DoubleType())


def rows(kafka):
    """The flowers in the records of a topic, with the place where each stands."""
    parsed = kafka.select("partition", "offset", f.from_json(f.col("value").cast("string"), SCHEMA).alias("flower"))
    return parsed.select("partition", "offset", "flower.*")


def train(session, broker, count):
    """Reads the first records of each partition as a batch and fits the pipeline: label, features, tree, and back to a name."""
    batch = rows(
        session.read.format("kafka").option("kafka.bootstrap.servers", broker).option("subscribe", "features")
        .option("startingOffsets", "earliest").option("endingOffsets", "latest")
        .option("kafka.isolation.level", "read_committed").load()
    ).where(f.col("offset") < count).coalesce(1).cache()
    label = StringIndexer(inputCol="species", outputCol="label").fit(batch)
    model = Pipeline(stages=[
        VectorAssembler(inputCols=COLUMNS, outputCol="vector"),
        DecisionTreeClassifier(labelCol="label", featuresCol="vector", maxDepth=4, seed=1),
        IndexToString(inputCol="prediction", outputCol="predicted", labels=label.labels),
    ]).fit(label.transform(batch))
    return model, batch.count()


def score(session, broker, model, work, count):
    """Scores the features as a stream into the topic and the file, until all that stood in the topic is scored."""
    features = rows(
        session.readStream.format("kafka").option("kafka.bootstrap.servers", broker).option("subscribe", "features")
        .option("startingOffsets", "earliest").option("kafka.isolation.level", "read_committed")
        .option("maxOffsetsPerTrigger", 600).load()
    ).where(f.col("offset") >= count)
    predictions = model.transform(features).select("partition", "offset", *COLUMNS, "species", "predicted")
    as_json = f.to_json(f.struct("species", "predicted", "partition", "offset")).alias("value")
    queries = [
        predictions.select(f.col("predicted").alias("key"), as_json).writeStream.format("kafka")
        .option("kafka.bootstrap.servers", broker).option("topic", "predictions")
        .option("checkpointLocation", work + "/checkpoint-topic").trigger(availableNow=True).start(),
        predictions.writeStream.format("json").option("path", work + "/predictions")
        .option("checkpointLocation", work + "/checkpoint-file").trigger(availableNow=True).start(),
    ]
    for query in queries:
        query.awaitTermination()


def main():
    broker, work = sys.argv[1:3]
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 100
    session = (
        SparkSession.builder.master("local[2]").appName("iris")
        .config("spark.ui.enabled", "false").config("spark.ui.showConsoleProgress", "false").config("spark.sql.shuffle.partitions", "2")
        .config("spark.driver.bindAddress", "127.0.0.1").config("spark.driver.host", "127.0.0.1").getOrCreate()
    )
    session.sparkContext.setLogLevel("ERROR")
    model, trained = train(session, broker, count)
    score(session, broker, model, work, count)
    scored = session.read.schema("species STRING, predicted STRING").json(work + "/predictions")
    total, right = scored.count(), scored.where("species = predicted").count()
    print(model.stages[1].toDebugString)
    print("trained on %d flowers, scored %d, accuracy %.3f" % (trained, total, right / max(1, total)))
    session.stop()


if __name__ == "__main__":
    main()
