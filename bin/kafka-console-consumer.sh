#!/bin/bash
# kafka-console-consumer without a JVM.
bin=${0%/*} && [ -f "$bin/lib/ottla.sh" ] || bin=$(dirname "$(readlink -f "$0")")
. "$bin/lib/ottla.sh"
exec "$ottla" console-consumer "$@"
