#!/bin/sh
# trovebench says which targets were missed, and with --check by its exit code. Targets that nobody misses and that nobody
# reaches are made by --slack, so that it does not matter how fast the machine is; what is measured is no matter here.
# Runs alone: it keeps both processors busy.
set -u
. tests/support/service.sh
bench=$bin/trovebench
case $TROVE_BUILD in
*-address* | *-thread* | *-undefined*)
	echo 'SKIP trovebench: its contestants are allocators, which a sanitizer replaces'
	exit 77
	;;
esac

short() { "$bench" pool --seconds 0.001 --repeat 1 "$@"; }
run 0 'targets that are easy' short --check --slack 1e9
equal 'easy: the last line' 1 "$(tail -n 1 "$work/out" | grep -c '^all [1-9][0-9]* targets met$')"
equal 'easy: none in the table' 0 "$(grep -c MISSED "$work/out")"
run 1 'targets that cannot be reached' short --check --slack 1e-9
missed=$(sed -n 's/^\([0-9]*\) of [0-9]* targets missed:$/\1/p' "$work/out")
check "unreachable: some are missed ($missed)" test "${missed:-0}" -gt 0
equal 'unreachable: as many in the table' "${missed:-0}" "$(grep -c MISSED "$work/out")"
sed '1,/targets missed:$/d' "$work/out" >"$work/named"
equal 'unreachable: each is named in the last lines' "${missed:-0}" "$(wc -l <"$work/named")"
holds 'unreachable: with its group' '  resolve, in cache: pool, ns' "$work/named"
run 0 'a missed target is a result without --check' short --slack 1e-9
run 1 'as JSON' short --check --slack 1e-9 --json
check 'as JSON: each is named' python3 -c 'import json,sys
r = json.load(open(sys.argv[1]))
assert 0 < r["missed"] == len(r["missed_targets"]) == sum(x.get("met") is False for x in r["rows"]) <= r["targets"]' "$work/out"
run 64 'nothing to check' "$bench" codec --seconds 0.001 --repeat 1 --check
holds 'nothing to check: said' 'has no targets' "$work/err"
run 0 'nothing to check, and not asked for' "$bench" codec --seconds 0.001 --repeat 1
run 64 'slack that is none' short --slack 0
run 0 'help' "$bench" --help
holds 'help: the defaults of a scenario' 'pool      0.05 s x 7' "$work/out"
finish
