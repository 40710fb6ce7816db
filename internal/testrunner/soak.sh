#!/usr/bin/env bash
# Runs every fuzz target for OTTLA_SOAK_MINUTES minutes, then the tests that read OTTLA_SOAK_MINUTES themselves
# (crashes, kills, power cuts), which tell what they counted. Ends with status 1 if anything failed.
set -u -o pipefail
cd "$(dirname "$0")/../.." || exit 1
minutes=${OTTLA_SOAK_MINUTES:-10}
failed=0
while IFS= read -r package; do
  for target in $(go test -list '^Fuzz' "$package" | grep '^Fuzz'); do
    echo "== $package $target"
    go test -run '^$' -fuzz "^$target\$" -fuzztime "${minutes}m" -fuzzminimizetime 10x "$package" || failed=1
  done
done < <(go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}' ./... | grep -v /compat-tests/)
echo "== campaigns"
OTTLA_SOAK_MINUTES=$minutes go test -count=1 -v -timeout 24h -run Soak ./... |
  grep -v -e '^=== ' -e 'no test files' -e 'no tests to run' -e '^ *--- PASS' || failed=1
exit $failed
