#!/bin/bash
# kafka-topics without a JVM.
bin=${0%/*} && [ -f "$bin/lib/ottla.sh" ] || bin=$(dirname "$(readlink -f "$0")")
. "$bin/lib/ottla.sh"
exec "$ottla" topics "$@"
