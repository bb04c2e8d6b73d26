#!/bin/sh
# trovectl's own promises: exit codes, one clear line for an error, data on stdout and
# talk on stderr, order, retries, JSON, gz.
set -u
. tests/support/service.sh
ctl=$bin/trovectl

# bad CODE NAME TEXT ARGUMENT...
bad() {
	wanted=$1 what=$2 text=$3
	shift 3
	run "$wanted" "$what" "$ctl" "$@"
	holds "$what: message" "$text" "$work/err"
	equal "$what: nothing on stdout" '' "$(cat "$work/out")"
}
# is_json FILE: every line is a JSON value
is_json() { python3 -c 'import json,sys; [json.loads(l) for l in open(sys.argv[1])]' "$1" 2>"$work/json"; }

# ---- without a service ---------------------------------------------------------------------
run 0 help "$ctl" --help
for command in ping status health send load replay watch journal ledger; do
	holds "$command is in the help" "  $command " "$work/out"
done
run 0 version "$ctl" --version
for command in ping status health send load replay watch journal ledger; do
	run 0 "$command --help" "$ctl" "$command" --help
	holds "$command --help has an example" 'example: trovectl' "$work/out"
done
bad 64 'no command' 'trovectl: no command; see trovectl --help'
bad 64 'unknown command' 'trovectl: there is no command pong' pong
bad 64 'unknown option' 'trovectl: ping has no option --cuont; see trovectl ping --help' ping --cuont 3
bad 64 'not a number' "trovectl: --count: 'x' is not allowed; expected an integer from 1 to" ping --count x
bad 64 'value missing' 'trovectl: --url needs a value' ping --url
bad 64 'too many operands' 'send takes one message, not 2' send a b
bad 64 'load of what' 'expected: load rewards|products FILE' load shops x.csv
bad 64 'journal without a folder' 'journal takes verify, dump or stat, and a directory' journal verify
bad 64 'journal what' "journal knows verify, dump and stat, not 'mend'" journal mend "$work"
bad 66 'journal nowhere' 'there is no journal' journal verify "$work"
bad 66 'load of no file' "$work/none.csv: cannot be opened: No such file or directory" load rewards "$work/none.csv"
bad 66 'replay of no file' "$work/none.csv: cannot be opened: No such file or directory" replay "$work/none.csv"
bad 69 'ping nobody' "cannot reach $TROVECTL_URL: Connection refused" ping
bad 69 'send nobody' "cannot reach $TROVECTL_URL" send '{"type":"ping"}'
bad 69 'load nobody' "cannot reach $TROVECTL_URL" load rewards config/demo_rewards.csv
bad 69 'replay nobody' "cannot reach $TROVECTL_URL" replay config/demo_track.csv
bad 69 'status nobody' "cannot reach $TROVECTL_OBSERVE: Connection refused" status
bad 69 'health nobody' "cannot reach $TROVECTL_OBSERVE: Connection refused" health
bad 69 'watch nobody' "cannot watch $TROVECTL_PUBLISH: Connection refused" watch
bad 69 'a wrong scheme' 'cannot reach nonsense' ping --url nonsense

# ---- with one -------------------------------------------------------------------------------
service_start --set events.queue=2
run 0 'ping' "$ctl" ping --count 3 --interval-ms 1
equal 'ping: three pongs' 3 "$(grep -c '^pong from' "$work/out")"
run 0 'ping --json' "$ctl" --json ping
check 'ping --json is JSON' is_json "$work/out"
run 0 'health' "$ctl" health
equal 'health: ready' ready "$(cat "$work/out")"

printf 'id,x,y,radius,name\n1,10,10,100,one\n2,200,10,100,bad longitude\n3,11,11,,no radius\nx,1,1,1,bad id\n' >"$work/r.csv"
run 0 'load with bad rows' "$ctl" load rewards "$work/r.csv" --default-radius 7
holds 'load: bad rows are named' "r.csv:3: x: must be a number from -180 to 180 (left out)" "$work/err"
holds 'load: the other one too' "r.csv:5: id: 'x' is not allowed" "$work/err"
holds 'load: summary' 'loaded 2 rewards' "$work/err"
equal 'load: the default radius' '"radius":7' "$("$ctl" send '{"type":"reward.get","reward":3}' | grep -o '"radius":[0-9]*')"
run 65 'load --strict' "$ctl" load rewards "$work/r.csv" --strict
gzip -c config/demo_rewards.csv >"$work/demo.csv.gz"
run 0 'load gz, one event in a message, a queue of two' "$ctl" load rewards "$work/demo.csv.gz" --batch 1 --in-flight 64 --json
check 'load --json is JSON' is_json "$work/out"
holds 'load: all' '"loaded":300,"bad_rows":0,"refused":0,"lost":0' "$work/out"
equal 'load: nothing lost by overload' 302 "$(metric trove_rewards)"
head -c 2000 "$work/demo.csv.gz" >"$work/cut.csv.gz"
run 65 'load of a file that breaks off' "$ctl" load rewards "$work/cut.csv.gz" --strict
run 65 'load without columns' "$ctl" load rewards config/trove.yaml

printf '%s\n' sku,unit_price,currency,name A1,250,GBP,Mug 'A1B,x,GBP,no price' 'A2,5,gbp,no currency' ',5,GBP,no sku' \
	A3,0,GBP, >"$work/p.csv"
for turn in first second; do
	run 0 "load products, $turn time" "$ctl" load products "$work/p.csv"
	holds "load products: summary, $turn time" 'loaded 2 products' "$work/err"
done
holds 'load products: bad rows are named' "p.csv:3: unit_price: 'x' is not allowed" "$work/err"
holds 'load products: currency' 'p.csv:4: currency: ' "$work/err"
holds 'load products: sku' 'p.csv:5: sku: ' "$work/err"
equal 'load products: a product' '"sku":"A1","unit_price":250,"currency":"GBP","name":"Mug"' \
	"$("$ctl" send '{"type":"product.get","sku":"A1"}' | grep -o '"sku":.*"Mug"')"
run 65 'load products --strict' "$ctl" load products "$work/p.csv" --strict
run 65 'load products without columns' "$ctl" load products config/demo_rewards.csv

# Messages in flight, replies in order.
awk 'BEGIN { for (i = 1; i <= 3000; i++) printf "{\"type\":\"ping\",\"id\":%d}\n", i }' >"$work/pings"
"$ctl" send <"$work/pings" >"$work/pongs"
awk 'BEGIN { for (i = 1; i <= 3000; i++) printf "{\"type\":\"pong\",\"id\":\"%d\"}\n", i }' | cmp -s - "$work/pongs"
equal 'send: replies in order' 0 $?
printf '%s\n' '{"type":"ping"}' '' '{"type":"pin"}' '[{"type":"ping"},{"type":"x"}]' 'no' | "$ctl" send >"$work/out" 2>"$work/err"
equal 'send: exit code 1 with errors' 1 $?
holds 'send: how many' '3 of the results are errors' "$work/err"
equal 'send: a line each' 4 "$(wc -l <"$work/out" | tr -d ' ')"
check 'send: lines are JSON' is_json "$work/out"
name='{\"type\":\"error\"}'
"$ctl" send '{"type":"reward.put","id":1,"reward":5,"x":1,"y":1,"radius":1,"name":"'"$name"'"}' >"$work/out"
run 0 'send: a name that looks like an error is none' "$ctl" send '{"type":"reward.get","reward":5}'

# ---- replay -----------------------------------------------------------------------------------
run 0 'replay' "$ctl" replay config/demo_track.csv
equal 'replay: a line for each event that matched' 1416 "$(wc -l <"$work/out" | tr -d ' ')"
holds 'replay: summary' 'matches         2398' "$work/err"
cp "$work/out" "$work/lines"
run 0 'replay in batches' "$ctl" replay config/demo_track.csv --batch 100 --in-flight 3
check 'replay in batches: the same lines' cmp -s "$work/lines" "$work/out"
run 0 'replay --quiet' "$ctl" replay config/demo_track.csv --quiet
equal 'replay --quiet: nothing on stdout' '' "$(cat "$work/out")"
run 0 'replay --json' "$ctl" replay config/demo_track.csv --json --limit-events 500
check 'replay --json: lines are JSON' is_json "$work/out"
holds 'replay --json: the summary is last' '{"summary":{"events":500,' "$work/out"
started=$(date +%s%N)
run 0 'replay --rate' "$ctl" replay config/demo_track.csv --rate 1000 --limit-events 1000 --quiet
took=$((($(date +%s%N) - started) / 1000000))
check 'replay --rate: paced' test "$took" -ge 950 -a "$took" -lt 3000
run 0 'replay --radius --kinds' "$ctl" replay config/demo_track.csv --radius 300 --kinds coffee --limit 1
equal 'replay --kinds: only those' '' "$(grep -v '  coffee$' "$work/out")"
printf 'x,y\n-122.4101,37.7876\nnorth,1\n-122.4101,97\n' >"$work/t.csv"
run 65 'replay with bad lines' "$ctl" replay "$work/t.csv" --radius 300
holds 'replay: named by line' "t.csv:3: x: 'north' is not allowed; expected a number (left out)" "$work/err"
holds 'replay: range too' "t.csv:4: y: must be a number from -90 to 90" "$work/err"
printf '%s\n' '{"type":"locate","x":-122.4101,"y":37.7876,"radius":300,"actor":42,"at":1700000000000}' \
	'[{"type":"ping"},{"type":"reward.get","reward":424242}]' '{"type":"locate"' | gzip >"$work/e.ndjson.gz"
run 1 'replay NDJSON' "$ctl" replay "$work/e.ndjson.gz"
holds 'replay NDJSON: its time, its actor' '2023-11-14T22:13:20.000Z  42' "$work/out"
holds 'replay NDJSON: errors are named by line' 'e.ndjson.gz:2: not_found' "$work/err"
holds 'replay NDJSON: bad lines too' 'e.ndjson.gz:3: ' "$work/err"
run 65 'replay without columns' "$ctl" replay config/trove.yaml --format csv

# ---- status --------------------------------------------------------------------------------------
run 0 'status' "$ctl" status
holds 'status: rewards' 'rewards         303' "$work/out"
holds 'status: events' 'reward.put' "$work/out"
run 0 'status --json' "$ctl" status --json
check 'status --json is JSON' is_json "$work/out"
holds 'status --json: ready' '"ready":true,"reason":null' "$work/out"

# A service that stops answering while we talk: an answer in time, not silence.
kill -s STOP "$service"
bad 69 'ping a frozen service' 'Timed out' ping --timeout-ms 300
bad 69 'status of a frozen service' 'no answer: Connection timed out' status --timeout-ms 300
kill -s CONT "$service"
run 0 'ping it again' "$ctl" ping
service_stop TERM
equal 'stopped with exit code 0' 0 "$code"
finish
