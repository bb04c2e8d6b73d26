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
holds 'a claim' '{"type":"claimed","id":"102","claim":"102","reward":"9001","remaining":4' "$work/out"
holds 'a cart with its discount' '"subtotal":700,"discount":70,"total":630,"currency":"USD"' "$work/out"
holds 'a payment' '"state":"captured","authorized":630,"captured":630' "$work/out"
holds 'nothing twice' '"replayed":true' "$work/out"
equal 'the ledger' ',6001,captured,630,USD,captured,630,630,0,0,5001,7,108,' "$(grep -o ',6001,captured,.*,108,' "$work/out")"
holds 'the ledger adds up' '1 payments, 2 entries, 2 written; payments and entries agree' "$work/out"
holds 'a clean end' 'troved ended with exit code 0' "$work/out"
equal 'nothing on stderr' '' "$(cat "$work/err")"
run 64 'demo takes no argument' deploy/demo now
finish
