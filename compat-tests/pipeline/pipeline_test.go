package pipeline

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"ottla/compat-tests/harness"
)

const version = "4.3.1"

// flower is a row of features, and a prediction where Predicted is set.
type flower struct {
	SepalLength float64 `json:"sepal_length"`
	SepalWidth  float64 `json:"sepal_width"`
	PetalLength float64 `json:"petal_length"`
	PetalWidth  float64 `json:"petal_width"`
	Species     string  `json:"species"`
	Predicted   string  `json:"predicted"`
	Partition   int32   `json:"partition"`
	Offset      int64   `json:"offset"`
}

var number = regexp.MustCompile(`^\d{1,2}\.\d$`)

// clean is the rule of what a good row is, told a second time, by what the generator prints: four numbers of
// one decimal that are above zero, and a known species, whose case and spaces do not matter.
func clean(row string) (flower, bool) {
	parts := strings.Split(row, ",")
	if len(parts) != 5 {
		return flower{}, false
	}
	values := make([]float64, 4)
	for i, part := range parts[:4] {
		value, err := strconv.ParseFloat(part, 64)
		if !number.MatchString(part) || err != nil || value == 0 {
			return flower{}, false
		}
		values[i] = value
	}
	species := strings.ToLower(strings.TrimSpace(parts[4]))
	if !slices.Contains([]string{"setosa", "versicolor", "virginica"}, species) {
		return flower{}, false
	}
	return flower{SepalLength: values[0], SepalWidth: values[1], PetalLength: values[2], PetalWidth: values[3], Species: species}, true
}

// example is the folder whose files are run.
func example(t *testing.T, file string) string {
	t.Helper()
	return filepath.Join(harness.Root(t), "examples", "iris", file)
}

// connector returns what Spark's Kafka connector adds to PySpark.
func connector(t *testing.T) string {
	t.Helper()
	folder := harness.Jars(t, "spark-3.4.0", harness.Artifact{Group: "org.apache.spark", Name: "spark-sql-kafka-0-10_2.12", Version: "3.4.0"})
	var jars []string
	for _, pattern := range []string{"spark-sql-kafka-*.jar", "spark-token-provider-kafka-*.jar", "kafka-clients-*.jar", "commons-pool2-*.jar"} {
		found, err := filepath.Glob(filepath.Join(folder, pattern))
		if err != nil || len(found) != 1 {
			t.Fatalf("%s in %s: %v %v", pattern, folder, found, err)
		}
		jars = append(jars, found[0])
	}
	return strings.Join(jars, ",")
}

// features runs the Streams application until as many features stand in the topic, and returns these by their place.
func features(t *testing.T, b *harness.Broker, want int) map[string]flower {
	t.Helper()
	jars := harness.Jars(t, "streams-"+version,
		harness.Artifact{Group: "org.apache.kafka", Name: "kafka-streams", Version: version},
		harness.Artifact{Group: "org.slf4j", Name: "slf4j-simple", Version: "1.7.36"})
	application := harness.StartService(t, nil, "java", append([]string{"-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"},
		harness.Java(jars+"/*", example(t, "Features.java"), b.Address, filepath.Join(t.TempDir(), "state"))...)...)
	got := map[string]flower{}
	harness.Until(t, 2*time.Minute, func() bool {
		clear(got)
		for _, r := range harness.Read(t, b, "features") {
			var f flower
			if err := json.Unmarshal(r.Value, &f); err != nil || string(r.Key) != f.Species {
				t.Fatalf("feature %s=%s: %v", r.Key, r.Value, err)
			}
			got[fmt.Sprint(r.Partition, "-", r.Offset)] = f
		}
		return len(got) >= want
	}, func() string {
		return fmt.Sprintf("%d of %d features are there\n%s", len(got), want, harness.Tail(application.OutputFile, 40))
	})
	application.Stop()
	return got
}

// count makes a multiset of what is given.
func count[K comparable, V comparable](from map[K]V) map[V]int {
	times := map[V]int{}
	for _, value := range from {
		times[value]++
	}
	return times
}

func TestPipeline(t *testing.T) {
	seed := rand.Uint32()
	t.Logf("seed %d", seed)
	const rows, trained = 1200, 100
	python := harness.Python(t, "spark-ml-3.4.0", "pyspark==3.4.0", "numpy==1.26.4")
	b := harness.StartSubject(t, version, harness.Options{})
	harness.CreateTopics(t, b, 2, nil, "measurements")
	harness.CreateTopics(t, b, 3, nil, "features")
	harness.CreateTopics(t, b, 1, nil, "predictions")

	raw := harness.Command{}.Run(t, python, example(t, "generate.py"), fmt.Sprint(seed), fmt.Sprint(rows))
	good := map[int]flower{}
	for i, row := range strings.Split(strings.TrimSuffix(raw.Stdout, "\n"), "\n") {
		if f, ok := clean(row); ok {
			good[i] = f
		}
	}
	if len(good) < rows*3/4 || len(good) > rows*99/100 {
		t.Fatalf("the generator made %d good rows of %d\n%s", len(good), rows, raw.Stderr)
	}
	produced := harness.StockTool(t, version, "org.apache.kafka.tools.ConsoleProducer", harness.Command{Stdin: raw.Stdout},
		"--bootstrap-server", b.Address, "--topic", "measurements")
	if produced.Code != 0 {
		t.Fatal(produced.Output())
	}
	seen := features(t, b, len(good))
	if !maps.Equal(count(seen), count(good)) {
		t.Fatalf("%d features came of %d good rows, or others than these", len(seen), len(good))
	}

	work := filepath.Join(t.TempDir(), "work")
	scored := harness.Command{Limit: 10 * time.Minute, Environment: []string{"SPARK_LOCAL_IP=127.0.0.1", "PYSPARK_PYTHON=" + python}}.Run(t,
		filepath.Join(filepath.Dir(python), "spark-submit"), "--driver-memory", "600m", "--driver-java-options", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
		// Generated code pays off on more rows than these.
		"--conf", "spark.sql.codegen.wholeStage=false", "--conf", "spark.sql.codegen.factoryMode=NO_CODEGEN",
		"--jars", connector(t),
		example(t, "score.py"), b.Address, work, fmt.Sprint(trained))
	if scored.Code != 0 {
		t.Fatalf("score.py: exit status %d\n%s", scored.Code, scored.Output())
	}
	verify(t, b, seen, trained, work, scored.Stdout)
}

// verify expects one prediction of each flower that was not trained on, the same ones in the topic and in the file.
func verify(t *testing.T, b *harness.Broker, seen map[string]flower, trained int64, work, printed string) {
	t.Helper()
	want := map[string]string{}
	for place, f := range seen {
		if _, offset, _ := strings.Cut(place, "-"); must(strconv.ParseInt(offset, 10, 64)) >= trained {
			want[place] = f.Species
		}
	}
	read := harness.StockTool(t, version, "org.apache.kafka.tools.consumer.ConsoleConsumer", harness.Command{},
		"--bootstrap-server", b.Address, "--topic", "predictions", "--from-beginning", "--max-messages", fmt.Sprint(len(want)))
	if there := len(harness.Read(t, b, "predictions")); there != len(want) {
		t.Errorf("the topic holds %d records, want %d", there, len(want))
	}
	var file strings.Builder
	for _, part := range must(filepath.Glob(filepath.Join(work, "predictions", "*.json"))) {
		file.Write(must(os.ReadFile(part)))
	}
	inTopic, right := predictions(t, "the topic", read.Stdout, want)
	inFile, _ := predictions(t, "the file", file.String(), want)
	if !maps.Equal(inTopic, inFile) {
		t.Error("the topic and the file hold different predictions")
	}
	accuracy := float64(right) / float64(len(want))
	line := fmt.Sprintf("trained on %d flowers, scored %d, accuracy %.3f", len(seen)-len(want), len(want), accuracy)
	if !strings.Contains(printed, line) {
		t.Errorf("the topic says %q; printed was\n%s", line, printed)
	}
	t.Log(line)
	if accuracy < 0.85 {
		t.Errorf("an accuracy of %.3f: the tree has learned too little", accuracy)
	}
}

// predictions reads lines of JSON, and tells the prediction at each place and how many are right.
func predictions(t *testing.T, where, lines string, want map[string]string) (predicted map[string]string, right int) {
	t.Helper()
	predicted = map[string]string{}
	for _, line := range strings.Split(strings.TrimSpace(lines), "\n") {
		var f flower
		if err := json.Unmarshal([]byte(line), &f); err != nil {
			t.Fatalf("%s: %q: %v", where, line, err)
		}
		place := fmt.Sprint(f.Partition, "-", f.Offset)
		if _, again := predicted[place]; again || want[place] != f.Species {
			t.Errorf("%s: %+v is not wanted, or there twice", where, f)
		}
		if predicted[place] = f.Predicted; f.Predicted == f.Species {
			right++
		}
	}
	if len(predicted) != len(want) {
		t.Errorf("%s holds %d predictions, want %d", where, len(predicted), len(want))
	}
	return predicted, right
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}
