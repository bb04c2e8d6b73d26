#!/bin/sh
# The ledger beside a running service, and of a journal whose oldest files are gone: what is left begins with
# opening balances, and openings + entries = closing = what the service says = the ledger of the whole journal.
set -u
. tests/support/service.sh
ctl=$bin/trovectl
folder=$work/data/journal

case $TROVE_BUILD in
*-address* | *-thread* | *-undefined*) size=400 looks=4 ;;
*) size=3000 looks=12 ;;
esac
start() {
	service_start --set data.segment_bytes=262144 --set data.segments_max=400 --set data.snapshot_bytes=200000 \
		--set idempotency.capacity=500 --set payments.capacity=60000 --set payments.history=50 "$@"
}
send() { timeout 100 "$ctl" send --in-flight "${1:-16}" 2>>"$work/err"; }

# payments FROM TO: each authorized, then captured in two parts, refunded in part, voided, or left alone. Six events each.
payments() {
	awk -v from="$1" -v to="$2" 'BEGIN {
		for (i = from; i < to; i++) {
			c = i % 5 == 0 ? "GBP" : "EUR"
			printf "[{\"type\":\"payment.authorize\",\"id\":%d1,\"payment\":%d,", i, i
			printf "\"amount\":%d,\"currency\":\"%s\"},", i + 100, c
			if (i % 4 != 3)
				printf "{\"type\":\"payment.capture\",\"id\":%d2,\"payment\":%d,\"amount\":%d},", i, i, 50 + i % 40
			if (i % 4 == 1)
				printf "{\"type\":\"payment.capture\",\"id\":%d3,\"payment\":%d},", i, i
			if (i % 4 != 3)
				printf "{\"type\":\"payment.refund\",\"id\":%d4,\"payment\":%d,\"amount\":%d},", i, i, 1 + i % 7
			if (i % 16 == 7)
				printf "{\"type\":\"payment.void\",\"id\":%d5,\"payment\":%d},", i, i
			printf "{\"type\":\"product.put\",\"id\":%d6,\"sku\":\"s%d\",\"unit_price\":1,\"currency\":\"EUR\"}]\n", i, i % 50
		}
	}'
}
# refunds FROM TO: of those that were captured.
refunds() {
	awk -v from="$1" -v to="$2" 'BEGIN {
		for (i = from; i < to; i++)
			if (i % 4 == 1)
				printf "{\"type\":\"payment.refund\",\"id\":%d7,\"payment\":%d,\"amount\":2}\n", i, i
	}'
}
# products ROUND COUNT: changes of something else.
products() {
	awk -v round="$1" -v count="$2" 'BEGIN {
		for (i = 0; i < count; i++)
			printf "{\"type\":\"product.put\",\"id\":9%d%06d,\"sku\":\"s%d\",\"unit_price\":1,\"currency\":\"EUR\"}\n", \
				round, i, i % 50
	}'
}
# What each payment of a ledger is at last: id, state, authorized, captured, refunded, voided, currency.
last_states() {
	awk -F, 'NR > 1 { last[$3] = $3 " " $7 " " $8 " " $9 " " $10 " " $11 " " $6 }
		END { for (p in last) print last[p] }' "$1" | sort
}
# What the service says, of payments below TO; those it has forgotten are left out.
asked() {
	awk -v to="$1" 'BEGIN { for (i = 1; i < to; i++) printf "{\"type\":\"payment.get\",\"payment\":%d}\n", i }' | send |
		grep '"type":"payment"' | tr -d '"{}' | awk -F, '{
			for (i = 1; i <= NF; i++) { n = index($i, ":"); v[substr($i, 1, n - 1)] = substr($i, n + 1) }
			print v["payment"], v["state"], v["authorized"], v["captured"], v["refunded"], v["voided"], v["currency"]
		}' | sort
}
sums() { awk '{ a[$7] += $3; c[$7] += $4; r[$7] += $5; v[$7] += $6 } END { for (k in a)
	printf "%s closing  authorized %.0f  captured %.0f  refunded %.0f  voided %.0f\n", k, a[k], c[k], r[k], v[k] }' "$1" | sort; }

# ---- beside a running service -------------------------------------------------------------------------
start
# Somebody writes for as long as is looked.
{
	payments 1 $size | send
	n=5000
	while [ ! -e "$work/enough" ] && [ $n -lt 9000 ]; do
		n=$((n + 1))
		products $n 50 | send
	done
} >"$work/replies" &
sender=$!
is_under_way() { [ "$(metric trove_journal_seq)" -gt 50 ]; }
check 'changes are under way' wait_until is_under_way
right=0
seq=0
more=0
look=0
while [ $look -lt $looks ] || { [ $more -lt 2 ] && [ $look -lt 200 ]; }; do
	look=$((look + 1))
	"$ctl" ledger --data "$work/data" >"$work/look.$look" 2>"$work/err" && grep -q 'agree' "$work/err" && right=$((right + 1))
	now=$(sed -n 's/^read up to seq \([0-9]*\), while the service runs$/\1/p' "$work/err")
	[ "${now:-0}" -gt "$seq" ] && more=$((more + 1))
	[ "${now:-0}" -ge "$seq" ] || not_ok "look $look: read up to '$now', before up to $seq"
	seq=${now:-0}
	equal "look $look: nothing beyond what it says" '' "$(awk -F, -v seq="$seq" 'NR > 1 && $1 > seq' "$work/look.$look")"
done
looks=$look
: >"$work/enough"
wait $sender
equal 'every look adds up' $looks $right
check "most looks saw more ($more)" test $more -gt 1
# What was answered is there at once.
printf '{"type":"payment.authorize","id":77777777,"payment":77777777,"amount":7,"currency":"EUR"}\n' | send >"$work/out"
run 0 'right after an answer' "$ctl" ledger --data "$work/data" --output "$work/full.csv"
holds 'right after an answer: it is there' ',77777777,authorized,7,EUR,' "$work/full.csv"
prefixes=0
for look in "$work"/look.*; do
	head -n "$(wc -l <"$look")" "$work/full.csv" | cmp -s - "$look" && prefixes=$((prefixes + 1))
done
equal 'every look is a beginning of what came' $looks $prefixes
equal 'no file is left behind' '' "$(find "$work" -name '*.making')"
last_states "$work/full.csv" >"$work/states"
asked $size >"$work/asked"
equal 'it is what the service says' '' "$(comm -13 "$work/states" "$work/asked" | head -n 3)"
service_stop
mkdir "$work/whole" && cp -a "$folder/." "$work/whole"

# ---- old files are gone ------------------------------------------------------------------------------------
find "$folder" -name '*.journal' | sort >"$work/old"
before=$(wc -l <"$work/old")
start --set data.retention_ms=0
round=0
left() { find "$folder" -name '*.journal' | grep -cFxf "$work/old"; }
# The last fifty closed payments keep theirs: of a few files some, of many less than half.
few() { [ "$(left)" -lt $((size < 3000 ? before : before / 2)) ]; }
# On a busy machine a snapshot takes its time.
while ! few && [ $round -lt 150 ]; do
	round=$((round + 1))
	products $round $((round < 30 ? 1000 : 10)) | send >"$work/replies"
	sleep 0.2
done
check "old files went ($before, of them now $(left))" few
check 'the first is gone' test ! -e "$folder/0000000000000001.journal"
refunds $((size / 2)) $size | send >"$work/replies"
run 0 'begins late, running' "$ctl" ledger --data "$work/data" --output "$work/late.csv"
cp "$work/err" "$work/late.err"
cat "$work/late.err"
holds 'begins late: said' 'begin with an opening' "$work/late.err"
last_states "$work/late.csv" >"$work/late.states"
equal 'openings come first' '' "$(awk -F, 'NR > 1 && $4 != "opening" { entries = 1 }
	$4 == "opening" && (entries || $5 != 0)' "$work/late.csv" | head -n 3)"
check 'there are many' test "$(grep -c ',opening,' "$work/late.csv")" -gt $((size / 2))
asked $size >"$work/asked"
equal 'what the service knows is in it, as it is' '' "$(comm -23 "$work/asked" "$work/late.states" | head -n 3)"
check 'and it was much' test "$(wc -l <"$work/asked")" -gt $((size / 2))
# As it stands: a stop in good order makes a snapshot, and more files may go.
service_stop KILL

# The whole journal: what was archived, and what came since.
run 0 'of the archive' "$ctl" ledger --journal "$work/whole" --output "$work/whole.csv"
end=$(sed -n 's/^read up to seq \([0-9]*\).*/\1/p' "$work/err")
awk -F, -v end="$end" 'NR > 1 && $1 > end' "$work/late.csv" >"$work/since.csv"
check 'something came since' test -s "$work/since.csv"
cat "$work/whole.csv" "$work/since.csv" >"$work/full.csv"
last_states "$work/full.csv" >"$work/full.states"
equal 'each payment closes as in the whole ledger' '' "$(comm -13 "$work/full.states" "$work/late.states" | head -n 3)"
comm -23 "$work/full.states" "$work/late.states" >"$work/forgotten"
check 'some are forgotten' test -s "$work/forgotten"
equal 'and those were final' '' "$(awk '$2 != "voided"' "$work/forgotten" | head -n 3)"
grep ' closing ' "$work/late.err" | sort >"$work/closing"
comm -12 "$work/full.states" "$work/late.states" >"$work/both"
sums "$work/both" >"$work/expected"
equal 'the sums are those of the whole ledger' '' "$(diff "$work/expected" "$work/closing")"
grep -v ',opening,' "$work/late.csv" | sed 1d >"$work/entries"
check 'its entries are the end of the whole one' sh -c "tail -n $(wc -l <"$work/entries") $work/full.csv | cmp -s - $work/entries"

run 0 'begins late, stopped' "$ctl" ledger --data "$work/data" --output "$work/stopped.csv"
check 'the same as before' cmp -s "$work/late.csv" "$work/stopped.csv"
run 0 'begins late, sqlite' "$ctl" ledger --data "$work/data" --format sqlite --output "$work/late.db"
equal 'sqlite: openings' "$(grep -c ',opening,' "$work/late.csv")" "$(sqlite3 "$work/late.db" 'SELECT count(*) FROM openings')"
equal 'sqlite: openings + entries = payments' 0 "$(sqlite3 "$work/late.db" "
	SELECT count(*) FROM (SELECT currency, sum(captured) c, sum(refunded) r FROM payments GROUP BY currency) p
	WHERE c <> (SELECT coalesce(sum(captured), 0) FROM openings o WHERE o.currency = p.currency)
	         + (SELECT coalesce(sum(captured), 0) FROM days d WHERE d.currency = p.currency)
	   OR r <> (SELECT coalesce(sum(refunded), 0) FROM openings o WHERE o.currency = p.currency)
	         + (SELECT coalesce(sum(refunded), 0) FROM days d WHERE d.currency = p.currency)")"

# Without the snapshots nobody knows what did not change.
mkdir "$work/bare" && cp -a "$folder"/*.journal "$work/bare"
run 0 'without snapshots' "$ctl" ledger --journal "$work/bare" --output "$work/bare.csv"
holds 'without snapshots: said' 'payments that did not change since are missing' "$work/err"
check 'without snapshots: fewer openings' \
	test "$(grep -c ',opening,' "$work/bare.csv")" -lt "$(grep -c ',opening,' "$work/late.csv")"
# A newer snapshot will do, an older one or a damaged one will not.
cp -a "$folder"/*.snapshot "$work/bare"
rm "$(find "$work/bare" -name '*.snapshot' | sort | head -n 1)"
run 0 'from the newer snapshot' "$ctl" ledger --journal "$work/bare" --output "$work/bare.csv"
check 'from the newer snapshot: the same' cmp -s "$work/late.csv" "$work/bare.csv"
cp "$(find "$work/whole" -name '*.snapshot' | sort | head -n 1)" "$work/bare"
run 0 'beside one that is too old' "$ctl" ledger --journal "$work/bare" --output "$work/bare.csv"
check 'beside one that is too old: the same' cmp -s "$work/late.csv" "$work/bare.csv"

# ---- while files go ---------------------------------------------------------------------------------------
start --set data.retention_ms=0
# look_once: a ledger beside the service; sets `now` to where it begins.
look_once() {
	"$ctl" ledger --data "$work/data" >"$work/out" 2>"$work/err" && right=$((right + 1))
	now=$(sed -n 's/.*goes back to seq \([0-9]*\);.*/\1/p' "$work/err")
}
# Before anything is sent: on a busy machine the first look beside the sender may come when all files are gone.
right=0
look_once
began=${now:-0}
{ products 50 60000 && refunds 1 $((size / 2)); } | send 4 >"$work/replies" &
sender=$!
look=0
first=$began
while [ $look -lt $looks ] || { [ "$first" -le "$began" ] && kill -0 $sender 2>/dev/null; }; do
	look=$((look + 1))
	look_once
	[ "${now:-0}" -ge "$first" ] || not_ok "look $look: begins with '$now', before with $first"
	first=${now:-0}
done
wait $sender
equal 'while files go: every look adds up' $((look + 1)) $right
if [ $size -lt 3000 ]; then
	echo 'SKIP while files go: few payments are closed with a sanitizer, and the last fifty keep their files'
else
	check "while files go: they went ($began to $first)" test "$first" -gt "$began"
fi
service_stop
equal 'a clean end' 0 "$code"
finish
