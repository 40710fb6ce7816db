#!/bin/bash
# Stops the Ottla servers that bin/kafka-server-start.sh started, by their pid files, and waits for their end.
# Any other process is left alone. Its arguments are the stock script's: --process-role is met by every server, which is both.
set -u

# How long a server may take to close its logs.
patience=${OTTLA_STOP_TIMEOUT_SECONDS:-60}

for argument in "$@"; do
  case $argument in
    --process-role=*) ;;
    -*)
      echo "USAGE: $0 [--process-role=broker|controller]" >&2
      exit 1
      ;;
  esac
done

script=$0
while [ -L "$script" ]; do
  target=$(readlink "$script")
  case $target in
    /*) script=$target ;;
    *) script=$(dirname "$script")/$target ;;
  esac
done
base=$(cd "$(dirname "$script")/.." && pwd -P) || exit 1
run=${OTTLA_PID_DIR:-$base/build/run}

# is_ottla PID: whether the process runs an ottla binary. A number may have gone to another process since it was written.
is_ottla() {
  local program
  kill -0 "$1" 2>/dev/null || return 1
  if [ -e "/proc/$1/exe" ]; then
    program=$(readlink "/proc/$1/exe") || return 1
    program=${program% (deleted)}
  else
    program=$(ps -p "$1" -o comm= 2>/dev/null) || return 1
  fi
  case ${program##*/} in
    ottla | ottla.*) return 0 ;;
  esac
  return 1
}

stopping=()
for pid_file in "$run"/*.pid; do
  [ -f "$pid_file" ] || continue
  pid=$(tr -d '[:space:]' <"$pid_file")
  case $pid in
    '' | *[!0-9]*) continue ;;
  esac
  if is_ottla "$pid"; then
    kill -TERM "$pid" && stopping+=("$pid:$pid_file")
  else
    rm -f "$pid_file"
  fi
done

if [ ${#stopping[@]} -eq 0 ]; then
  echo "No Ottla server to stop" >&2
  exit 1
fi

status=0
# Counted by sleeps: a machine's clock may be set while this waits.
turns=$((patience * 10))
for entry in "${stopping[@]}"; do
  pid=${entry%%:*}
  while is_ottla "$pid" && [ "$turns" -gt 0 ]; do
    sleep 0.1
    turns=$((turns - 1))
  done
  if is_ottla "$pid"; then
    echo "$0: process $pid still runs after $patience seconds" >&2
    status=1
  else
    rm -f "${entry#*:}"
  fi
done
exit $status
