package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// version prints the version and what the program was built from.
func version(environment Environment, _ []string) int {
	revision := ""
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, setting := range info.Settings {
			if setting.Key == "vcs.revision" {
				revision = " " + setting.Value[:min(len(setting.Value), 12)]
			}
		}
	}
	fmt.Fprintf(environment.Stdout, "ottla %s%s (%s %s/%s), speaks as Apache Kafka 4.3\n", Version, revision, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return exitDone
}
