#!/bin/sh
# trovectl watch: live; complete behind a seq, however late, slow or cut off the watcher is.
set -u
. tests/support/service.sh
ctl=$bin/trovectl
watcher=
stop_watcher() { kill -s KILL "$watcher" 2>/dev/null; wait "$watcher" 2>/dev/null; }

# pay FROM TO: authorizes and captures so many payments.
pay() {
	awk -v from="$1" -v to="$2" 'BEGIN {
		for (i = from; i <= to; i++) {
			printf "[{\"type\":\"payment.authorize\",\"id\":%d,\"payment\":%d,\"amount\":5,\"currency\":\"EUR\"},", 2 * i, i
			printf "{\"type\":\"payment.capture\",\"id\":%d,\"payment\":%d}]\n", 2 * i + 1, i
		}
	}' | "$ctl" send --in-flight 16 >"$work/paid"
}
# Those with a seq: that the service is ready again may be told, too.
lines() { grep -c '"seq":' "$1"; }
has_lines() { [ "$(lines "$1")" -ge "$2" ]; }
seqs() { grep -o '"seq":[0-9]*' "$1" | cut -d: -f2; }
# all_there NAME FILE COUNT: seqs from 1 on, each once, in order.
all_there() {
	check "$1: all of them" wait_until has_lines "$2" "$3"
	sleep 0.7
	equal "$1: none twice, none lost, in order" '' "$(seqs "$2" | awk '$1 != NR { print NR ": " $1; exit }')"
	equal "$1: no more than that" "$3" "$(lines "$2")"
}

start() { service_start --set payments.capacity=2000; }
start
pay 1 300
"$ctl" watch --after 0 --publish "$TROVECTL_PUBLISH" >"$work/late" 2>"$work/err" &
watcher=$!
check 'a watcher that comes late catches up' wait_until has_lines "$work/late" 600
# It stands still while much more comes than the socket keeps for it.
kill -s STOP "$watcher"
pay 301 6000
kill -s CONT "$watcher"
all_there 'stopped for a while' "$work/late" 12000
pay 6001 6010
all_there 'live again' "$work/late" 12020
# The service goes away and comes back.
service_stop KILL
start
pay 6011 6400
all_there 'the service was killed' "$work/late" 12800
stop_watcher

"$ctl" watch payment.captured --after 12780 --count 10 >"$work/out" 2>"$work/err"
equal 'a topic, behind a seq, so many' '10 12782 12800' \
	"$(lines "$work/out") $(seqs "$work/out" | head -n 1) $(seqs "$work/out" | tail -n 1)"

# Without --after: live, and from the feed once the connection broke.
"$ctl" watch payment >"$work/live" 2>"$work/err" &
watcher=$!
watches() { grep -q 'watching' "$work/err"; }
check 'connected' wait_until watches
sleep 0.3
pay 6401 6410
check 'live' wait_until has_lines "$work/live" 20
service_stop KILL
start
pay 6411 6420
check 'and what came while it was away' wait_until has_lines "$work/live" 40
sleep 0.7
equal 'each once' '' "$(seqs "$work/live" | awk '$1 != NR + 12800 { print NR ": " $1; exit }')"
stop_watcher

# A page of the feed holds at least one change, or nobody would get past one with two publications.
"$ctl" send '[{"type":"cart.open","id":"900001","cart":1,"currency":"EUR"},
	{"type":"cart.add","id":"900002","cart":1,"sku":"x","unit_price":5},
	{"type":"cart.checkout","id":"900003","cart":1,"payment":"900004"}]' >"$work/out"
"$ctl" send '{"type":"feed.read","after":12842,"limit":1}' >"$work/out"
equal 'two publications of one change' 2 "$(grep -o '"seq":12843' "$work/out" | wc -l | tr -d ' ')"
service_stop
equal 'stopped with exit code 0' 0 "$code"
finish
