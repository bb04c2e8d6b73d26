#!/bin/sh
# The demo, as `make demo` runs it, on ports of its own.
set -u
. tests/support/service.sh
started=$(date +%s)
DEMO_PORT=$port run 0 'demo' deploy/demo
check 'below 20 seconds' test $(($(date +%s) - started)) -lt 20
holds 'rewards are loaded' 'loaded 300 rewards' "$work/out"
holds 'one event is answered' '{"type":"located","id":"1","count":6,' "$work/out"
equal 'the track matches, twice' 2 "$(grep -c '^matches         2398$' "$work/out")"
holds 'percentiles' 'p99.9' "$work/out"
holds 'a clean end' 'troved ended with exit code 0' "$work/out"
equal 'nothing on stderr' '' "$(cat "$work/err")"
run 64 'demo takes no argument' deploy/demo now
finish
