# Sourced by the scripts of bin/: finds the project and the ottla binary, and builds it where it is missing or older than
# what it is made of. Afterwards $base is the project and $ottla the binary.

base=$(cd "${BASH_SOURCE[0]%/*}/../.." && pwd -P) || exit 1
ottla=$base/bin/ottla

stale() {
  [ -x "$ottla" ] || return 0
  # An installed tree has no sources, and nothing to be older than.
  [ -f "$base/go.mod" ] || return 1
  [ -n "$(find "$base" \( -path "$base/build" -o -path "$base/bin" -o -path "$base/data" -o -path "$base/logs" -o -name '.git' -o -name testdata -o -name '*_test.go' \) -prune \
    -o -type f \( -name '*.go' -o -name go.mod -o -name go.sum \) -newer "$ottla" -print -quit 2>/dev/null)" ]
}

build() {
  if ! command -v go >/dev/null 2>&1; then
    if [ -x "$ottla" ]; then
      echo "$0: bin/ottla is older than its sources, and there is no go command to build it anew; starting it as it is" >&2
      return 0
    fi
    echo "$0: bin/ottla is not built, and there is no go command to build it: install Go 1.26 (https://go.dev/dl), or put a built ottla at $ottla" >&2
    exit 1
  fi
  echo "building $ottla" >&2
  # Built beside and moved into place: a server that runs keeps its file, and two starts at once do not see half of one.
  (cd "$base" && CGO_ENABLED=0 go build -trimpath -o "bin/ottla.$$" . && mv -f "bin/ottla.$$" bin/ottla) || {
    rm -f "$base/bin/ottla.$$"
    echo "$0: the build failed" >&2
    exit 1
  }
}

if stale; then
  build
fi
