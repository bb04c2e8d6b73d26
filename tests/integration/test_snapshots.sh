#!/bin/sh
# Snapshots of a running troved: they are made, old files go, a killed one comes back as it was from any of
# them, and what cannot be used is said: damaged ones, those of another journal, none with half a journal.
set -u
. tests/support/service.sh

folder=$work/data/journal
# A sanitizer is slow: the same with less.
case $TROVE_BUILD in
*-address* | *-thread* | *-undefined*) size=50 bytes=60000 ids=500 history=100 kills_wanted=3 ;;
*) size=200 bytes=150000 ids=2000 history=500 kills_wanted=8 ;;
esac
# The last ids and closed payments keep files, time does not.
start() {
	service_start --set data.segment_bytes=262144 --set data.segments_max=24 --set data.snapshot_bytes=$bytes \
		--set data.retention_ms=0 --set idempotency.capacity=$ids --set payments.history=$history --set claims.capacity=20000 \
		--set rewards.file="$work/rewards.csv" "$@"
}
send() { timeout 60 "$bin/trovectl" send --in-flight "${1:-64}" 2>>"$work/err"; }

# changes ROUND: rewards put, put again and removed, those of the file as well; carts, payments, claims.
changes() {
	awk -v r="$1" -v size=$size 'BEGIN {
		for (i = 0; i < size; i++) {
			n = r * 1000 + i
			printf "[{\"type\":\"reward.put\",\"id\":%d1,\"reward\":%d,", n, (r * 77 + i) % 900 + 1
			printf "\"x\":%d,\"y\":%d,\"radius\":50,\"name\":\"of %d\"},", i % 90, r, n
			printf "{\"type\":\"cart.open\",\"id\":%d2,\"cart\":%d,\"currency\":\"EUR\"},", n, n
			printf "{\"type\":\"cart.add\",\"id\":%d3,\"cart\":%d,\"sku\":\"s%d\",", n, n, i % 7
			printf "\"quantity\":%d,\"unit_price\":%d},", i % 5 + 1, i + 1
			printf "{\"type\":\"payment.authorize\",\"id\":%d4,\"payment\":%d,", n, n
			printf "\"amount\":%d,\"currency\":\"EUR\"},", i + 10
			printf "{\"type\":\"claim\",\"id\":%d5,\"reward\":%d,", n, (r * 77 + i) % 900 + 1
			printf "\"actor\":%d,\"x\":%d,\"y\":%d},", n, i % 90, r
			if (i % 3 == 0)
				printf "{\"type\":\"payment.capture\",\"id\":%d6,\"payment\":%d,\"amount\":5},", n, n
			if (i % 3 == 1)
				printf "{\"type\":\"payment.void\",\"id\":%d6,\"payment\":%d},", n, n
			printf "{\"type\":\"reward.remove\",\"id\":%d7,\"reward\":%d}]\n", n, (r * 31 + i * 7) % 1100 + 1
		}
	}'
}
# All there is, as peers see it.
state() {
	awk -v rounds="$1" -v size=$size 'BEGIN {
		for (r = 1; r <= rounds; r++)
			for (i = 0; i < size; i++)
				printf "[{\"type\":\"cart.get\",\"cart\":%d},{\"type\":\"payment.get\",\"payment\":%d}]\n", \
					r * 1000 + i, r * 1000 + i
		for (i = 1; i <= 1100; i++)
			printf "{\"type\":\"reward.get\",\"reward\":%d}\n", i
		for (i = 0; i < 90; i++)
			printf "{\"type\":\"locate\",\"x\":%d,\"y\":3,\"radius\":400000,\"limit\":100}\n", i
	}' | send
}
snapshots() { find "$folder" -name '*.snapshot' | wc -l; }
files() { find "$folder" -name '*.journal' | wc -l; }
newest() { find "$folder" -name '*.snapshot' | sort | tail -n 1; }
has_made() { [ "$(metric trove_snapshots_total)" -ge "$1" ]; }
is_covered() { [ "$(metric trove_snapshot_seq)" -gt "$1" ]; }
awk 'BEGIN { print "id,x,y,radius"; for (i = 850; i <= 1100; i++) printf "%d,%d,3,60\n", i, i % 90 }' >"$work/rewards.csv"

# ---- made, and equal after kill -9 --------------------------------------------------------------
start
round=0
while [ $round -lt 12 ]; do
	round=$((round + 1))
	changes $round | send 1 >"$work/replies.$round"
	wait_until has_made $((round / 2))
done
check 'several were made' has_made 6
equal 'two are kept' 2 "$(snapshots)"
check 'the first files are gone' test ! -e "$folder/0000000000000001.journal"
check "files are bounded ($(files))" test "$(files)" -le 20
"$bin/trovectl" send '{"type":"feed.read","after":1,"limit":5}' >"$work/out"
holds 'feed.read of what was dropped' '"code":"not_found"' "$work/out"
holds 'and it says which option' 'data.retention_ms' "$work/out"
equal 'none failed' 0 "$(metric trove_snapshot_failures_total)"
state $round >"$work/before"
service_stop KILL
start
state $round >"$work/after"
check 'killed: the state is the same' cmp -s "$work/before" "$work/after"
holds 'it came from a snapshot' 'was loaded' "$work/log"
changes $round | tail -n $((size / 2)) | send 1 >"$work/again"
tail -n $((size / 2)) "$work/replies.$round" >"$work/expected"
sed 's/,"replayed":true//g' "$work/again" >"$work/plain"
check 'resent ids get the first answers' cmp -s "$work/expected" "$work/plain"
holds 'and are told so' '"replayed":true' "$work/again"

# ---- killed at any moment -----------------------------------------------------------------------------
kills=0
same=0
while [ $kills -lt $kills_wanted ]; do
	kills=$((kills + 1))
	round=$((round + 1))
	changes $round | send 1 >"$work/replies.$round" &
	sender=$!
	sleep "0.$((kills * 5 % 9 + 1))"
	service_stop KILL
	start
	wait $sender # it asks the next one
	# What was acknowledged is there: the same answers; the rest is done now.
	changes $round | send 1 >"$work/again"
	awk 'FNR == NR { if (!/"code":"(overloaded|journal_full)"/ && /^\[/) told[FNR] = $0; next }
		FNR in told { gsub(/,"replayed":true/, ""); gsub(/,"replayed":true/, "", told[FNR]) }
		FNR in told && told[FNR] != $0 { bad = 1 } END { exit bad }' \
		"$work/replies.$round" "$work/again" && same=$((same + 1))
done
equal 'killed at any moment: what was answered stands' $kills_wanted $same
check 'nothing unfinished stays' test -z "$(find "$folder" -name '*.making' -name '*snapshot*')"

# ---- damaged, foreign, missing --------------------------------------------------------------------------
state $round >"$work/before"
mark=$(metric trove_snapshot_seq)
while ! is_covered "$mark"; do
	round=$((round + 1))
	changes $round | send 1 >"$work/replies.$round"
	sleep 0.2
done
state $round >"$work/before"
service_stop
printf 'x' | dd of="$(newest)" bs=1 seek=3000 conv=notrunc 2>/dev/null
: >"$work/log"
start
holds 'damaged: it is said' 'is damaged at byte' "$work/log"
holds 'the one before it is taken' 'was loaded' "$work/log"
state $round >"$work/after"
check 'damaged: the state is the same' cmp -s "$work/before" "$work/after"
service_stop

mkdir "$work/kept" && cp "$folder"/*.snapshot "$work/kept"
for file in "$folder"/*.snapshot; do
	printf 'x' | dd of="$file" bs=1 seek=3000 conv=notrunc 2>/dev/null
done
refused() {
	: >"$work/log"
	code=0
	timeout 60 "$bin/troved" --set data.directory="$1" --set events.reply="$ipc" --set observe.listen="127.0.0.1:$((port + 9))" \
		--set data.segment_bytes=262144 --set data.segments_max=24 2>"$work/err" || code=$?
	equal "$2: exit code" 74 $code
}
refused "$work/data" 'both damaged'
holds 'both damaged: said' 'no snapshot can be used' "$work/err"
holds 'both damaged: what to do' 'Put a snapshot back from a copy' "$work/err"
check 'both damaged: nothing is changed' test "$(snapshots)" -ge 2

mkdir "$work/other" "$work/other/journal"
cp "$work/kept"/*.snapshot "$work/other/journal"
refused "$work/other" 'no journal'
holds 'no journal: what to do' "put the journal's files back from a copy" "$work/err"
rm "$work/other/journal"/*
: >"$work/log"
service_start --set data.directory="$work/other"
"$bin/trovectl" send '{"type":"reward.put","id":1,"reward":5,"x":1,"y":1,"radius":1}' >"$work/out"
service_stop
cp "$work/kept"/*.snapshot "$work/other/journal"
service_start --set data.directory="$work/other"
holds 'of another journal: refused' 'belongs to another journal' "$work/log"
"$bin/trovectl" send '{"type":"reward.get","reward":5}' >"$work/out"
holds 'of another journal: its own state' '"x":1' "$work/out"
service_stop

cp "$work/kept"/*.snapshot "$folder"
start
state $round >"$work/after"
check 'put back: the state is the same' cmp -s "$work/before" "$work/after"
service_stop
equal 'a clean end' 0 "$code"

# ---- files that a start does not read --------------------------------------------------------------------
oldest=$(find "$folder" -name '*.journal' | sort | head -n 1)
cp "$oldest" "$work/oldest"
is_said() { grep -qF "$1" "$work/log"; }
: >"$work/log"
start
holds 'old files: not read by the start' 'are read through in the background' "$work/log"
check 'old files: whole' wait_until is_said 'the records before the snapshot are whole'
equal 'old files: none is damaged' 0 "$(metric trove_journal_damaged_seq)"
service_stop
printf 'x' | dd of="$oldest" bs=1 seek=5000 conv=notrunc 2>/dev/null
: >"$work/log"
start
check 'old files: damage is said' wait_until is_said 'is lost or damaged'
check 'old files: and counted' test "$(metric trove_journal_damaged_seq)" -gt 0
state $round >"$work/after"
equal 'old files: what the state holds is the same' 0 "$(diff "$work/before" "$work/after" | grep -c '"type":"cart"')"
service_stop
run 65 'old files: and the tool says where' "$bin/trovectl" journal verify "$folder"
holds 'old files: the file' "${oldest##*/}" "$work/out"
cp "$work/oldest" "$oldest"
mv "$(find "$folder" -name '*.journal' | sort | sed -n 2p)" "$work/second"
refused "$work/data" 'an old file is missing'
holds 'an old file is missing: named' 'the file is missing' "$work/err"

# ---- no room for one -------------------------------------------------------------------------------------
failed() { [ "$(metric trove_snapshot_failures_total)" -ge "$1" ]; }
: >"$work/log"
trap '' XFSZ
start --set data.directory="$work/full"
trap - XFSZ
# A file of the journal has room, and soon no snapshot.
check 'no room: a limit' prlimit --pid "$service" --fsize=300000:
round=0
while ! failed 1 && [ $round -lt 14 ]; do
	round=$((round + 1))
	changes $round | send 1 >"$work/replies.$round"
	sleep 0.3
done
check 'no room: counted' failed 1
check 'no room: tried again' wait_until failed 2
equal 'no room: said once' 1 "$(grep -c 'File too large; it is tried again' "$work/log")"
check 'no room: ready all the same' "$bin/trovectl" health
before=$(metric trove_snapshots_total)
prlimit --pid "$service" --fsize=unlimited:
check 'room again: the next one is made' wait_until has_made $((before + 1))
state $round >"$work/before"
service_stop KILL
start --set data.directory="$work/full"
state $round >"$work/after"
check 'no room, killed: the state is the same' cmp -s "$work/before" "$work/after"
service_stop

# ---- a claim that is forgotten behind a snapshot ------------------------------------------------------------
# A start must not take it from the snapshot's count of what is left.
start --set data.directory="$work/forgotten" --set claims.ttl_ms=1000
until=$(($(date +%s) * 1000 + 2000))
printf '[{"type":"reward.put","id":1,"reward":2000,"x":1,"y":1,"radius":50,"stock":3,"until":%s},%s]\n' "$until" \
	'{"type":"claim","id":2,"actor":5,"reward":2000,"x":1,"y":1}' | send >"$work/out"
holds 'forgotten: claimed' '"remaining":2' "$work/out"
curl -s -X POST "http://127.0.0.1:$((port + 8))/snapshot" >"$work/out"
check 'forgotten: in a snapshot' wait_until has_made 1
remains() { "$bin/trovectl" send '{"type":"reward.get","reward":2000}' | grep -q "\"remaining\":$1"; }
check 'forgotten: given back' wait_until remains 3
service_stop KILL
start --set data.directory="$work/forgotten" --set claims.ttl_ms=1000
check 'forgotten: also after a start' remains 3
service_stop

# ---- never ------------------------------------------------------------------------------------------------
run 0 'never: the bill' "$bin/troved" --check --set data.snapshot_bytes=0
check 'never: no lines of it' test "$(grep -c 'snapshot_bytes' "$work/out")" -eq 0
run 0 'the bill' "$bin/troved" --check
holds 'the bill has the second state' 'state of the snapshot thread' "$work/out"
finish
