#!/bin/sh
# Order lines go in, the ledger comes out, and both equal a computation that knows nothing of trove:
# per invoice, per day and in all. Again after kill -9 in the middle and everything sent once more.
set -u
. tests/support/service.sh
ctl=$bin/trovectl

# Rows of our own: a repeated sku at two prices, a repeated line, interleaved invoices, returns in part, in
# parts, beyond what was bought, at a higher price, without a customer, before the sale; free goods; dollars.
{
	echo unix_ms,invoice,customer,sku,description,quantity,unit_price_minor,currency
	cat <<-ROWS
	1291191000000,C900,70,MUG,Mug bought long ago,-1,250,GBP
	1291191960000,1001,70,MUG,  A mug ,6,250,GBP
	1291191960000,1001,70,MUG,A mug,2,225,GBP
	1291191960000,1001,70,MUG,A mug,6,250,GBP
	1291191970000,1002,71,BOWL,"A bowl, blue",3,999,GBP
	1291191970000,1003,,MUG,A mug,1,300,GBP
	1291191980000,1002,71,LID,A lid,1,0,GBP
	1291191990000,1004,,FOUND,found in the cellar,40,0,GBP
	1291191990000,1005,,FOUND,gone again,-3,0,GBP
	1291278360000,1006,70,MUG,A mug,4,240,GBP
	1291278360000,1006,70,PLATE,A plate,1,1,GBP
	1291278380000,C901,70,MUG,A mug,-7,250,GBP
	1291278390000,C902,71,BOWL,,-5,999,GBP
	1291278390000,C903,70,PLATE,dearer than it was,-1,100000,GBP
	1291278390000,C904,,MUG,nobody,-1,300,GBP
	1291364760000,1007,acme inc,MUG,A mug,1000,199,USD
	1291364770000,C905,acme inc,MUG,A mug,-10,199,USD
	1291364770000,C906,acme inc,MUG,A mug,-10,199,GBP
	ROWS
} >"$work/own.csv"

start() {
	service_start --set idempotency.capacity=300000 --set carts.capacity=2000 --set payments.capacity=2000 \
		--set payments.history=20000
}

# What awk says of the rows, and what the ledger and the replay's map from invoices to payments say.
by_awk() { awk -f tests/integration/retail_totals.awk "$1" | LC_ALL=C sort; }
# by_ledger MAP LEDGER
by_ledger() {
	awk -F'\t' -v ledger="$2" '
		NR == 1 { next }
		$2 == "sale" { invoice[$3] = $1; lines += $6; sales++ }
		{ unmatched += $9 }
		END {
			while ((getline row < ledger) > 0) {
				split(row, f, ",")
				if (f[4] == "captured") { captured[f[3]] += f[5]; day_captured[substr(f[2], 1, 10)] += f[5]; all += f[5] }
				if (f[4] == "refunded") { refunded[f[3]] += f[5]; day_refunded[substr(f[2], 1, 10)] += f[5]; back += f[5] }
				days[substr(f[2], 1, 10)] = 1
			}
			delete days["time"]
			for (p in captured) printf "invoice %s %.0f %.0f\n", invoice[p], captured[p], refunded[p]
			for (d in days) printf "day %s %.0f %.0f\n", d, day_captured[d], day_refunded[d]
			printf "all %.0f %.0f %.0f %.0f %.0f\n", sales, lines, all, back, unmatched
		}' "$1" | LC_ALL=C sort
}
# Days on which only something unmatched was cancelled are in no ledger.
with_money() { awk '!($1 == "day" && $3 == 0 && $4 == 0)'; }

# compare NAME CSV: the map is in $work/map, the service is stopped.
compare() {
	run 0 "$1: ledger" "$ctl" ledger --data "$work/data"
	holds "$1: it agrees with itself" 'payments and entries agree' "$work/err"
	cp "$work/out" "$work/ledger.csv"
	by_awk "$2" | with_money >"$work/expected"
	by_ledger "$work/map" "$work/ledger.csv" >"$work/found"
	equal "$1: equals awk" '' "$(diff "$work/expected" "$work/found" | head -n 6)"
	check "$1: and there was something" test "$(wc -l <"$work/expected")" -gt 5
}

# ---- our own rows ---------------------------------------------------------------------------
start
run 0 'replay order lines' "$ctl" replay "$work/own.csv" --by invoice
cp "$work/out" "$work/map"
holds 'totals' 'GBP             4        8           7708        3         4747       104538' "$work/err"
run 0 'once more' "$ctl" replay "$work/own.csv" --by invoice --json
holds 'everything was done before' '"replayed":31,"sent_again":0,"errors":0,' "$work/out"
equal 'the catalogue has the first price' '"sku":"MUG","unit_price":250,"currency":"GBP","name":"A mug"' \
	"$("$ctl" send '{"type":"product.get","sku":"MUG"}' | grep -o '"sku".*mug"')"
run 0 'by day' "$ctl" replay "$work/own.csv" --by day
equal 'by day: a row' "$(printf '2010-12-02\tGBP\t1\t2\t961\t3\t4747\t102298')" "$(grep '^2010-12-02.GBP' "$work/out")"
run 0 'the ledger of a running service' "$ctl" ledger --data "$work/data"
cp "$work/out" "$work/live.csv"
holds 'says that it runs' 'while the service runs' "$work/err"
service_stop
"$ctl" ledger --data "$work/data" >"$work/out" 2>"$work/err"
check 'and had everything' cmp -s "$work/live.csv" "$work/out"
compare 'own rows' "$work/own.csv"

# Room for one cart at a time: all others are refused at first, and sent again alone.
rm -rf "$work/data"
service_start --set carts.capacity=1
run 0 'one cart at a time' "$ctl" replay "$work/own.csv" --by invoice
equal 'one cart at a time: sent again' 1 "$(grep -c ', [1-9][0-9]* sent again' "$work/err")"
cp "$work/out" "$work/map"
run 0 'one cart at a time: once more' "$ctl" replay "$work/own.csv" --by invoice
service_stop
compare 'one cart at a time' "$work/own.csv"

run 0 'ndjson' "$ctl" ledger --data "$work/data" --format ndjson
equal 'ndjson: as many rows' "$(($(wc -l <"$work/ledger.csv") - 1))" "$(wc -l <"$work/out")"
check 'ndjson is JSON' python3 -c 'import json,sys; [json.loads(l) for l in open(sys.argv[1])]' "$work/out"
run 0 'a day of it' "$ctl" ledger --journal "$work/data/journal" --from 2010-12-02 --to 2010-12-03
equal 'a day of it: its rows' "$(grep -c ',2010-12-02T' "$work/ledger.csv")" "$(($(wc -l <"$work/out") - 1))"
run 0 'sqlite' "$ctl" ledger --data "$work/data" --format sqlite --output "$work/ledger.db"
equal 'sqlite: entries' "$(($(wc -l <"$work/ledger.csv") - 1))" "$(sqlite3 "$work/ledger.db" 'SELECT count(*) FROM entries')"
sums_of() { sqlite3 "$work/ledger.db" "SELECT sum(captured), sum(refunded) FROM $1"; }
equal 'sqlite: payments and entries come to the same' "$(sums_of payments)" "$(sums_of days)"
equal 'sqlite: a day' "$(awk '$2 == "2010-12-01" { print $3 "|" $4 }' "$work/found")" \
	"$(sqlite3 "$work/ledger.db" "SELECT captured, refunded FROM days WHERE day = '2010-12-01'")"
run 64 'sqlite to nowhere' "$ctl" ledger --data "$work/data" --format sqlite
run 64 'no such format' "$ctl" ledger --data "$work/data" --format xml
run 64 'no such time' "$ctl" ledger --data "$work/data" --from yesterday
run 64 'no directory' "$ctl" ledger
run 66 'no journal' "$ctl" ledger --data "$work"
run 73 'no folder to write to' "$ctl" ledger --data "$work/data" --output "$work/none/x.csv"

# A file has its name when it is on the disk. Of the folder it is said: the file is whole, and may be gone after a power loss.
mkdir "$work/faults" "$work/disk"
ledger_on_a_bad_disk() {
	LD_PRELOAD=$TROVE_BUILD/tests/support/preload/faults.so TROVE_FAULTS=$work/faults ASAN_OPTIONS=verify_asan_link_order=0 \
		"$ctl" ledger --data "$work/data" --format "$1" --output "$work/disk/$1"
}
for format in csv ndjson sqlite; do
	printf 'EIO .making' >"$work/faults/sync"
	run 74 "$format: the disk does not take it" ledger_on_a_bad_disk $format
	equal "$format: nothing is left" '' "$(ls "$work/disk")"
	printf 'EIO /disk' >"$work/faults/sync"
	run 74 "$format: the disk does not take its name" ledger_on_a_bad_disk $format
	equal "$format: it is there" $format "$(ls "$work/disk")"
	rm "$work/faults/sync" "$work/disk/$format"
done

# Something is wrong with the journal.
cp -r "$work/data/journal" "$work/damaged"
printf x | dd of="$work/damaged/0000000000000001.journal" bs=1 seek=5000 conv=notrunc 2>"$work/err"
run 65 'a damaged journal' "$ctl" ledger --journal "$work/damaged" --output "$work/damaged.csv"
check 'a damaged journal: no file that looks whole' test ! -e "$work/damaged.csv" -a ! -e "$work/damaged.csv.making"

# Every change of a payment, and its order.
rm -rf "$work/data"
start
"$ctl" send '[{"type":"payment.authorize","id":1,"payment":1,"amount":100,"currency":"EUR","actor":7,"cart":9},
	{"type":"payment.capture","id":2,"payment":1,"amount":60},{"type":"payment.refund","id":3,"payment":1,"amount":10},
	{"type":"payment.void","id":4,"payment":1},
	{"type":"payment.authorize","id":5,"payment":2,"amount":5,"currency":"EUR","ttl_ms":1000},
	{"type":"payment.capture","id":6,"payment":3}]' >"$work/out"
expired() { "$ctl" send '{"type":"payment.get","payment":2}' | grep -q '"state":"expired"'; }
check 'a payment expires' wait_until expired
service_stop
"$ctl" ledger --data "$work/data" 2>"$work/err" | cut -d, -f1,3-14 >"$work/found"
cat >"$work/expected" <<-ROWS
	seq,payment,event,amount,currency,state,authorized,captured,refunded,voided,cart,actor,id
	1,1,authorized,100,EUR,authorized,100,0,0,0,9,7,1
	2,1,captured,60,EUR,partially_captured,100,60,0,0,9,7,2
	3,1,refunded,10,EUR,partially_captured,100,60,10,0,9,7,3
	4,1,voided,40,EUR,captured,100,60,10,40,9,7,4
	5,2,authorized,5,EUR,authorized,5,0,0,0,,,5
	7,2,expired,5,EUR,expired,5,0,0,5,,,
ROWS
equal 'every change' '' "$(diff "$work/expected" "$work/found")"
holds 'sums' 'EUR  authorized 105  captured 60  refunded 10  voided 45' "$work/err"

# An id that was let go is authorized once more, twice in one journal and behind what retention has left of another.
# voids FROM TO: payments that are closed at once.
voids() {
	awk -v from="$1" -v to="$2" 'BEGIN { for (i = from; i < to; i++) {
		printf "[{\"type\":\"payment.authorize\",\"id\":1%d,\"payment\":%d,\"amount\":9,\"currency\":\"EUR\"},", i, i
		printf "{\"type\":\"payment.void\",\"id\":2%d,\"payment\":%d}]\n", i, i } }' | "$ctl" send >"$work/out"
}
is_forgotten() { "$ctl" send "{\"type\":\"payment.get\",\"payment\":$1}" | grep -q '"code":"not_found"'; }
rm -rf "$work/data"
service_start --set payments.capacity=1 --set payments.history=10
"$ctl" send '[{"type":"payment.authorize","id":1,"payment":1,"amount":100,"currency":"EUR"},
	{"type":"payment.void","id":2,"payment":1},{"type":"payment.authorize","id":3,"payment":2,"amount":50,"currency":"EUR"},
	{"type":"payment.capture","id":4,"payment":2},{"type":"payment.refund","id":5,"payment":2,"amount":20}]' >"$work/out"
voids 1000 1200
check 'used again: the first ones are forgotten' is_forgotten 1
check 'used again: also the one that was captured' is_forgotten 2
"$ctl" send '[{"type":"payment.authorize","id":6,"payment":1,"amount":7,"currency":"USD"},
	{"type":"payment.capture","id":7,"payment":1,"amount":7},
	{"type":"payment.authorize","id":8,"payment":2,"amount":30,"currency":"EUR"}]' >"$work/out"
service_stop
run 0 'used again: ledger' "$ctl" ledger --data "$work/data"
grep -v ',9,EUR,' "$work/out" | cut -d, -f1,3-11,16 >"$work/found"
cat >"$work/expected" <<-ROWS
	seq,payment,event,amount,currency,state,authorized,captured,refunded,voided,payment_seq
	1,1,authorized,100,EUR,authorized,100,0,0,0,1
	2,1,voided,100,EUR,voided,100,0,0,100,1
	3,2,authorized,50,EUR,authorized,50,0,0,0,3
	4,2,captured,50,EUR,captured,50,50,0,0,3
	5,2,refunded,20,EUR,captured,50,50,20,0,3
	406,1,authorized,7,USD,authorized,7,0,0,0,406
	407,1,captured,7,USD,captured,7,7,0,0,406
	408,2,authorized,30,EUR,authorized,30,0,0,0,408
ROWS
equal 'used again: each is a payment of its own' '' "$(diff "$work/expected" "$work/found")"
holds 'used again: counted' '204 payments, 408 entries, 408 written' "$work/err"
holds 'used again: sums' 'EUR  authorized 1980  captured 50  refunded 20  voided 1900' "$work/err"
holds 'used again: sums of the other currency' 'USD  authorized 7  captured 7  refunded 0  voided 0' "$work/err"
run 0 'used again: ndjson' "$ctl" ledger --data "$work/data" --format ndjson
equal 'used again: ndjson, payments' 204 "$(grep -o '"payment_seq":[0-9]*' "$work/out" | sort -u | wc -l)"
run 0 'used again: sqlite' "$ctl" ledger --data "$work/data" --format sqlite --output "$work/again.db"
equal 'used again: sqlite, both of each' '1|EUR|voided|100|0 1|USD|captured|7|7 2|EUR|captured|50|50 2|EUR|authorized|30|0' \
	"$(sqlite3 "$work/again.db" "SELECT payment, currency, state, authorized, captured FROM payments
		WHERE payment IN ('1', '2') ORDER BY payment, payment_seq" | tr '\n' ' ' | sed 's/ $//')"
equal 'used again: sqlite, sums' '1980|50|20|1900' "$(sqlite3 "$work/again.db" \
	"SELECT sum(authorized), sum(captured), sum(refunded), sum(voided) FROM payments WHERE currency = 'EUR'")"
equal 'used again: sqlite, entries know their payment' 0 "$(sqlite3 "$work/again.db" "SELECT count(*) FROM entries
	LEFT JOIN payments p USING (payment, payment_seq) WHERE p.payment IS NULL")"

# It rests in the pool while its file goes, so that a snapshot has it; then two that are open take its place.
rm -rf "$work/data"
service_start --set payments.capacity=2 --set payments.history=10 --set data.segment_bytes=262144 \
	--set data.snapshot_bytes=100000 --set data.retention_ms=0 --set idempotency.capacity=100
round=0
products() {
	round=$((round + 1))
	awk -v round=$round 'BEGIN { for (i = 0; i < 500; i++)
		printf "{\"type\":\"product.put\",\"id\":9%d%06d,\"sku\":\"x\",\"unit_price\":1,\"currency\":\"GBP\"}\n", round, i
	}' | "$ctl" send >"$work/out"
}
"$ctl" send '[{"type":"payment.authorize","id":1,"payment":2,"amount":50,"currency":"EUR"},
	{"type":"payment.capture","id":2,"payment":2}]' >"$work/out"
products && products && products
voids 1000 1130
is_late() { [ ! -e "$work/data/journal/0000000000000001.journal" ]; }
until is_late || [ $round -ge 60 ]; do
	products
	sleep 0.1
done
check 'used again behind an opening: the first file is gone' is_late
"$ctl" send '[{"type":"payment.authorize","id":4,"payment":3001,"amount":1,"currency":"EUR"},
	{"type":"payment.authorize","id":5,"payment":3002,"amount":1,"currency":"EUR"},
	{"type":"payment.void","id":6,"payment":3001}]' >"$work/out"
check 'used again behind an opening: it is forgotten' is_forgotten 2
"$ctl" send '{"type":"payment.authorize","id":3,"payment":2,"amount":30,"currency":"EUR"}' >"$work/out"
service_stop KILL
run 0 'used again behind an opening' "$ctl" ledger --data "$work/data"
equal 'used again behind an opening: both' '2,opening,0,captured,50,50 2,authorized,30,authorized,30,0' \
	"$(grep ',EUR,' "$work/out" | cut -d, -f3-5,7-9 | grep '^2,' | tr '\n' ' ' | sed 's/ $//')"
equal 'used again behind an opening: apart' 2 "$(awk -F, '$3 == 2 { print $16 }' "$work/out" | sort -u | wc -l)"
equal 'used again behind an opening: closing' "$(awk -F, 'NR > 1 { last[$3 "," $16] = $8 } END { for (p in last) sum += last[p]
	print sum }' "$work/out")" "$(sed -n 's/^EUR closing  authorized \([0-9]*\) .*/\1/p' "$work/err")"

# The service has forgotten the ids: it must not refund twice.
rm -rf "$work/data"
service_start --set idempotency.capacity=1
"$ctl" replay "$work/own.csv" >"$work/out" 2>&1
awk 'BEGIN {
	for (i = 1; i <= 300; i++)
		printf "{\"type\":\"product.put\",\"id\":%d,\"sku\":\"x\",\"unit_price\":1,\"currency\":\"GBP\"}\n", i
}' | "$ctl" send >"$work/out" 2>&1
run 1 'ids were forgotten' "$ctl" replay "$work/own.csv"
holds 'ids were forgotten: told' 'would refund twice' "$work/err"
holds 'ids were forgotten: nothing done' ' 0        0 ' "$work/out"
service_stop

# ---- real rows --------------------------------------------------------------------------------
if [ -z "${TROVE_DATA:-}" ] || [ ! -r "$TROVE_DATA/retail.csv.gz" ]; then
	echo 'SKIP real order lines: no retail.csv.gz in TROVE_DATA'
	finish
	exit
fi
gzip -dc "$TROVE_DATA/retail.csv.gz" >"$work/retail.csv"
real=$TROVE_DATA/retail.csv.gz
rm -rf "$work/data"
start
began=$(date +%s%N)
run 0 'real rows' "$ctl" replay "$real" --by invoice
echo "real rows: $((($(date +%s%N) - began) / 1000000)) ms"
sed 's/^/    /' "$work/err"
cp "$work/out" "$work/map"
service_stop
compare 'real rows' "$work/retail.csv"

# A journal that is full again and again: carts whose lines were refused in the middle.
rm -rf "$work/data"
service_start --set idempotency.capacity=300000 --set data.buffer_bytes=262144
run 0 'a full journal' "$ctl" replay "$real" --by invoice --in-flight 16
sed 's/^/    /' "$work/err"
cp "$work/out" "$work/map"
service_stop
compare 'a full journal' "$work/retail.csv"

# Killed in the middle, started again, everything sent once more from the start.
rm -rf "$work/data"
start
"$ctl" replay "$real" --rate 100000 --batch 200 --timeout-ms 2000 >"$work/out" 2>"$work/err" &
client=$!
under_way() { [ "$(metric trove_journal_seq)" -ge 5000 ]; }
check 'kill -9: while it runs' wait_until under_way
service_stop KILL
broken=0
wait "$client" || broken=$?
equal 'kill -9 in the middle: told' 69 "$broken"
start
run 0 'kill -9: everything once more' "$ctl" replay "$real" --by invoice
cp "$work/out" "$work/map"
equal 'kill -9: it was in the middle' 1 "$(grep -c 'per second; [1-9][0-9]* were done before' "$work/err")"
service_stop
compare 'kill -9' "$work/retail.csv"
finish
