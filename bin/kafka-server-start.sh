#!/bin/bash
# Starts an Ottla server with a server.properties, as the script of this name does for Apache Kafka.
# Builds bin/ottla first if it is missing or older than what it is made of.
set -u

usage() {
  echo "USAGE: $0 [-daemon] server.properties [--override property=value]*" >&2
  exit 1
}

[ $# -ge 1 ] || usage
daemon=
if [ "$1" = -daemon ]; then
  daemon=yes
  shift
fi
[ $# -ge 1 ] || usage

bin=${0%/*} && [ -f "$bin/lib/ottla.sh" ] || bin=$(dirname "$(readlink -f "$0")")
. "$bin/lib/ottla.sh"
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
