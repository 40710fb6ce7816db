#!/bin/bash
# Starts an Ottla server with a server.properties, as the script of this name does for Apache Kafka.
# Builds bin/ottla first if it is missing or older than what it is made of.
set -u

usage() {
  echo "USAGE: $0 [-daemon] server.properties [--override property=value]*" >&2
  exit 1
}

# The project is the directory above this script's, also where the script is reached through links.
script=$0
while [ -L "$script" ]; do
  target=$(readlink "$script")
  case $target in
    /*) script=$target ;;
    *) script=$(dirname "$script")/$target ;;
  esac
done
base=$(cd "$(dirname "$script")/.." && pwd -P) || exit 1
ottla=$base/bin/ottla

stale() {
  [ -x "$ottla" ] || return 0
  [ -n "$(find "$base" \( -path "$base/build" -o -path "$base/bin" -o -path "$base/data" -o -path "$base/logs" -o -name '.git' -o -name testdata -o -name '*_test.go' \) -prune \
    -o -type f \( -name '*.go' -o -name go.mod -o -name go.sum \) -newer "$ottla" -print 2>/dev/null | head -n 1)" ]
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

[ $# -ge 1 ] || usage
daemon=
if [ "$1" = -daemon ]; then
  daemon=yes
  shift
fi
[ $# -ge 1 ] || usage

if stale; then
  build
fi
for argument in "$@"; do
  if [ "$argument" = --version ]; then
    exec "$ottla" version
  fi
done
case $1 in
  -*) usage ;;
esac

# One pid file for each configuration: the file with what overrides it.
file=$1
case $file in
  /*) ;;
  *) file=$PWD/$file ;;
esac
run=${OTTLA_PID_DIR:-$base/build/run}
mkdir -p "$run" || exit 1
identity=$(printf '%s\n' "$file" "${@:2}" | cksum | cut -d ' ' -f 1)
pid_file=$run/ottla-$identity.pid

if [ -z "$daemon" ]; then
  exec "$ottla" start "$@" --pid-file "$pid_file"
fi
logs=${LOG_DIR:-$base/logs}
mkdir -p "$logs" || exit 1
nohup "$ottla" start "$@" --pid-file "$pid_file" >"${CONSOLE_OUTPUT_FILE:-$logs/kafkaServer.out}" 2>&1 </dev/null &
