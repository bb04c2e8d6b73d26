#!/bin/sh
# Every event over every socket of a running troved, with trovectl and with nngcat, and
# what the metrics say before and after; then 200 positions against a plain scan in awk.
set -u
. tests/support/service.sh

tcp=$TROVECTL_URL
ask() { nngcat --req --dial "$1" --data "$2" --raw --recv-timeout 5 2>"$work/err"; }
send() { "$bin/trovectl" send --url "$1" "$2" 2>"$work/err"; }
events() { metric "trove_events_total{type=\"$1\"}"; }
refused() { metric "trove_events_refused_total{code=\"$1\"}"; }
# grows NAME BY COMMAND_THAT_PRINTS -- COMMAND...: what is printed grows by BY over the command.
grows() {
	what=$1 by=$2 reader=$3 word=$4
	shift 5
	before=$($reader "$word")
	"$@" >"$work/reply"
	after=$($reader "$word")
	equal "$what: counted" "$((before + by))" "$after"
}

service_start --set rewards.file=config/demo_rewards.csv --set events.batch_max=8

# ---- each event, two clients, two transports ----------------------------------------------
number=990000
by() { if [ "$tool" = trovectl ]; then send "$url" "$1"; else ask "$url" "$1"; fi; }
counted() { grep -o '"count":[0-9]*'; }
without_seq() { sed 's/,"seq":[0-9]*}$//' "$work/reply"; }

each_event() {
	number=$((number + 1))
	name="$tool ${url%%:*}"
	content='"x":1.5,"y":2.5,"radius":50,"kind":"test","value":5,"stock":3'
	more='"benefit":{"percent_bp":250},"name":"A place"'

	grows "$name ping" 1 events ping -- by '{"type":"ping","id":7}'
	equal "$name ping" '{"type":"pong","id":"7"}' "$(cat "$work/reply")"
	grows "$name put" 1 events reward.put -- by '{"type":"reward.put","id":'$number'1,"reward":'$number",$content,$more}"
	equal "$name put" '{"type":"ok","id":"'$number'1"' "$(without_seq)"
	grows "$name get" 1 events reward.get -- by '{"type":"reward.get","reward":"'$number'"}'
	equal "$name get" \
		'{"type":"reward","reward":"'$number'",'"$content"',"remaining":3,"per_actor":1,'"$more}" "$(cat "$work/reply")"
	grows "$name locate" 1 events locate -- by '{"type":"locate","x":1.5,"y":2.5}'
	equal "$name locate: count" '{"type":"located","count":1,"truncated":false' "$(sed 's/,"rewards".*//' "$work/reply")"
	equal "$name locate: reward" '[{"reward":"'$number'","distance":0,"kind":"test","value":5,"remaining":3}]}' \
		"$(sed 's/.*"rewards"://' "$work/reply")"
	equal "$name locate by radius and kind" '"count":0' \
		"$(by '{"type":"locate","x":1.5,"y":2.5,"radius":9,"kinds":["bakery"]}' | counted)"
	equal "$name locate by box" '"count":1' "$(by '{"type":"locate","x":1.5,"y":2.5,"box":[1,2,2,3]}' | counted)"
	grows "$name remove" 1 events reward.remove -- by '{"type":"reward.remove","id":'$number'2,"reward":'$number'}'
	equal "$name remove" '{"type":"ok","id":"'$number'2"' "$(without_seq)"
	grows "$name get of nothing" 1 refused not_found -- by '{"type":"reward.get","reward":"'$number'"}'
	holds "$name get of nothing" '"code":"not_found"' "$work/reply"
	holds "$name get of nothing: retry" '"retry":"new_id"' "$work/reply"
}
for tool in trovectl nngcat; do
	for url in "$tcp" "$ipc"; do
		each_event
	done
done

id=0190d0d0-0000-7000-8000-00000000ABCD
send "$tcp" '{"type":"reward.put","id":"'$id'","reward":"'$id'","x":3,"y":3,"radius":5}' >"$work/reply"
holds 'a UUID comes back as one, in lower case' '"id":"0190d0d0-0000-7000-8000-00000000abcd"' "$work/reply"
equal 'and so does a reward' '"reward":"0190d0d0-0000-7000-8000-00000000abcd"' \
	"$(send "$tcp" '{"type":"locate","x":3,"y":3}' | grep -o '"reward":"[^"]*"')"

# ---- refusals, one of each kind, counted ------------------------------------------------------
refusal() {
	grows "$1" 1 refused "$1" -- send "$tcp" "$2"
	holds "$1: told" "\"code\":\"$1\"" "$work/reply"
	holds "$1: names" "$3" "$work/reply"
}
refusal malformed 'not json' '"message":'
refusal unknown_type '{"type":"locat","x":1,"y":1}' 'did you mean \"locate\"'
refusal unknown_field '{"type":"locate","x":1,"y":1,"raduis":5}' '"field":"raduis"'
refusal missing_field '{"type":"locate","x":1}' '"field":"y"'
refusal invalid_field '{"type":"locate","x":181,"y":1}' '"field":"x"'
nine=$(awk 'BEGIN { for (i = 0; i < 9; i++) printf "%s{\"type\":\"ping\"}", i ? "," : "" }')
refusal too_large "[$nine]" '"message":'
send "$tcp" '[{"type":"ping"},{"type":"nothing"},{"type":"ping"}]' >"$work/reply"
holds 'one bad event does not touch its neighbours' '[{"type":"pong"},{"type":"error"' "$work/reply"
holds 'nor the one behind it' '},{"type":"pong"}]' "$work/reply"

# ---- PULL -----------------------------------------------------------------------------------------
nngcat --push --dial "tcp://127.0.0.1:$((port + 1))" 2>"$work/err" --data \
	'{"type":"reward.put","id":9,"reward":777777,"x":20,"y":20,"radius":5}'
pulled() { send "$tcp" '{"type":"locate","x":20,"y":20}' | grep -q '"reward":"777777"'; }
check 'an event that was pushed changes the state' wait_until pulled

# ---- 200 positions against a plain scan ---------------------------------------------------------------
awk -F, -v seed=7 '
	BEGIN { srand(seed) }
	FNR > 1 && rand() < 0.12 && n++ < 200 {
		printf "{\"type\":\"locate\",\"x\":%s,\"y\":%s,", $2, $3
		printf "\"radius\":%d,\"limit\":1024}\n", 50 + rand() * 2000
	}
	' config/demo_track.csv >"$work/asked"
equal '200 positions' 200 "$(wc -l <"$work/asked" | tr -d ' ')"
"$bin/trovectl" send --in-flight 32 <"$work/asked" >"$work/answered"
sed 's/[^-0-9.,]*//g; s/^,//' "$work/asked" >"$work/numbers"
awk -F, '
	function radians(d) { return d * 3.14159265358979323846 / 180 }
	function square(v) { return v * v }
	function distance(x1, y1, x2, y2,   h) {
		h = square(sin(radians(y2 - y1) / 2)) + cos(radians(y1)) * cos(radians(y2)) * square(sin(radians(x2 - x1) / 2))
		return 2 * 6371008.8 * atan2(sqrt(h), sqrt(1 - h))
	}
	FILENAME ~ /rewards/ { if (FNR > 1) { id[++count] = $1; x[count] = $2; y[count] = $3 } next }
	{
		n = 0
		for (i = 1; i <= count; i++) {
			d = distance($1, $2, x[i], y[i])
			if (d > $3) continue
			# Nearest first, equal distances by id.
			for (j = n++; j > 0 && (best[j] > d || (best[j] == d && who[j] > id[i] + 0)); j--) {
				best[j + 1] = best[j]
				who[j + 1] = who[j]
			}
			best[j + 1] = d
			who[j + 1] = id[i] + 0
		}
		line = n ":"
		for (i = 1; i <= n; i++) line = line " " who[i] " " sprintf("%.3f", best[i])
		print line
	}' config/demo_rewards.csv "$work/numbers" >"$work/scanned"
awk '{
	match($0, /"count":[0-9]+/)
	line = substr($0, RSTART + 8, RLENGTH - 8) ":"
	while (match($0, /"reward":"[0-9]+","distance":[-+0-9.e]+/)) {
		part = substr($0, RSTART, RLENGTH)
		$0 = substr($0, RSTART + RLENGTH)
		gsub(/"|reward|distance|:/, "", part)
		split(part, v, ",")
		line = line " " v[1] " " sprintf("%.3f", v[2])
	}
	print line
}' "$work/answered" >"$work/found"
equal 'answers equal a plain scan' '' "$(diff "$work/scanned" "$work/found" | head -n 6)"
check 'and there was something to find' test "$(awk -F: '{ n += $1 } END { print n + 0 }' "$work/found")" -gt 1000

service_stop TERM
equal 'stopped with exit code 0' 0 "$code"
finish
