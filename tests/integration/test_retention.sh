#!/bin/sh
# Why a file of the journal is kept, one reason at a time: it stays while the reason holds and goes afterwards. And
# when everything is kept and no more files may be made: journal_full, said in the log, and over when the reason is.
set -u
. tests/support/service.sh
ctl=$bin/trovectl
folder=$work/data/journal
first=$folder/0000000000000001.journal

# start NAME OPTION...: small files, no reason to keep one but those that are given.
start() {
	echo "# $1"
	shift
	rm -rf "$work/data"
	: >"$work/log"
	service_start --set data.segment_bytes=262144 --set data.segments_max=40 --set data.snapshot_bytes=100000 \
		--set data.retention_ms=0 --set idempotency.capacity=100 --set payments.history=10 "$@"
}
# fill COUNT: changes that take some hundred bytes each; prints how many were done.
round=0
fill() {
	round=$((round + 1))
	awk -v round=$round -v count="$1" 'BEGIN {
		for (i = 0; i < count; i++)
			printf "{\"type\":\"product.put\",\"id\":%d%06d,\"sku\":\"s%d\",\"unit_price\":%d,\"currency\":\"EUR\"}\n", \
				round, i, i % 50, i
	}' | timeout 60 "$ctl" send >"$work/replies" 2>>"$work/err"
	grep -c '"type":"ok"' "$work/replies"
}
is_gone() { [ ! -e "$first" ]; }
# Fills until enough snapshots are behind the first file, and a little more.
cover() {
	made=$(metric trove_snapshots_total)
	while [ "$(metric trove_snapshots_total)" -lt $((made + 4)) ]; do fill 500 >/dev/null; done
}
# goes_by NAME: filling makes the first file go.
goes_by() {
	tries=0
	until is_gone || [ $tries -ge 40 ]; do
		fill 500 >/dev/null
		tries=$((tries + 1))
		sleep 0.1
	done
	check "$1" is_gone
}

start 'snapshots'
fill 1500 >/dev/null
check 'without two snapshots behind it, it stays' test -e "$first"
goes_by 'with two it goes'
equal 'two snapshots' 2 "$(find "$folder" -name '*.snapshot' | wc -l)"
service_stop

# What went is no damage to who reads the files then, as long as a snapshot holds it; a hole is.
reads() { # NAME CODE VERB FOLDER
	code=0
	"$ctl" journal "$3" "$4" >"$work/out" 2>"$work/err" || code=$?
	equal "$1: exit code of $3" "$2" $code
}
reads 'stopped' 0 verify "$folder"
holds 'it is whole' 'whole' "$work/out"
holds 'and says where it begins' 'earlier files were dropped' "$work/out"
reads 'stopped' 0 stat "$folder"
reads 'stopped' 0 dump "$folder"
holds 'what there is is printed' '"type":"product_put"' "$work/out"
holds 'and from where on' 'goes back to sequence' "$work/err"
cp -r "$folder" "$work/copy"
rm "$work/copy"/*.snapshot
reads 'no snapshot' 65 verify "$work/copy"
holds 'it is damaged' DAMAGED "$work/out"
holds 'and says why' 'no whole snapshot' "$work/out"
rm -r "$work/copy"
cp -r "$folder" "$work/copy"
printf 'a hole ' | dd of="$(find "$work/copy" -name '*.journal' | sort | head -n 1)" bs=1 seek=20000 conv=notrunc 2>"$work/err"
reads 'a hole' 65 verify "$work/copy"
holds 'it is damaged, too' DAMAGED "$work/out"
rm -r "$work/copy"

start 'feed.read' --set data.retention_ms=8000
cover
check 'young records stay' test -e "$first"
"$ctl" send '{"type":"feed.read","after":0,"limit":1}' >"$work/out"
holds 'and are told' '"type":"feed"' "$work/out"
sleep 8
goes_by 'old ones go'
service_stop

start 'remembered ids' --set idempotency.capacity=2000000 --set idempotency.age_ms=8000
"$ctl" send '{"type":"product.put","id":77,"sku":"first","unit_price":1,"currency":"EUR"}' >"$work/out"
cover
check 'remembered ids keep it' test -e "$first"
"$ctl" send '{"type":"product.put","id":77,"sku":"first","unit_price":1,"currency":"EUR"}' >"$work/out"
holds 'and are answered from it' '"replayed":true' "$work/out"
sleep 9
goes_by 'forgotten ones do not'
service_stop

start 'closed payments'
"$ctl" send '[{"type":"payment.authorize","id":1,"payment":5,"amount":9,"currency":"EUR"},
	{"type":"payment.void","id":2,"payment":5}]' >"$work/out"
cover
check 'a closed payment keeps it' test -e "$first"
"$ctl" send '{"type":"payment.get","payment":5}' >"$work/out"
holds 'and is read from it' '"state":"voided"' "$work/out"
awk 'BEGIN { for (i = 1000; i < 1300; i++) {
	printf "[{\"type\":\"payment.authorize\",\"id\":1%d,\"payment\":%d,\"amount\":9,\"currency\":\"EUR\"},", i, i
	printf "{\"type\":\"payment.void\",\"id\":2%d,\"payment\":%d}]\n", i, i } }' | "$ctl" send >"$work/out"
goes_by 'later ones take its place'
"$ctl" send '{"type":"payment.get","payment":5}' >"$work/out"
holds 'then it is in the ledger only' '"code":"not_found"' "$work/out"
service_stop

# ---- everything is kept, and there is no room ------------------------------------------------------------
start 'full' --set data.segments_max=8 --set idempotency.capacity=2000000 --set idempotency.age_ms=15000
filled=0
refused() { grep -q '"code":"journal_full"' "$work/replies"; }
until refused || [ $filled -ge 60 ]; do
	filled=$((filled + 1))
	fill 500 >/dev/null
done
check 'full: changes are answered journal_full' refused
said() { grep -q 'remembered ids need all files' "$work/log"; }
check 'full: the log says why and what to do' wait_until said
equal 'full: said once' 1 "$(grep -c 'remembered ids need all files' "$work/log")"
check 'full: no more files than allowed' test "$(find "$folder" -name '*.journal' | wc -l)" -le 8
"$ctl" send '{"type":"product.get","sku":"s1"}' >"$work/out"
holds 'full: reads go on' '"type":"product"' "$work/out"
check 'full: counted' test "$(metric trove_journal_full_total)" -gt 0
sleep 15
works() { [ "$(fill 5)" = 5 ]; }
check 'full: it goes on by itself when the ids are forgotten' wait_until works
check 'full: the oldest files went' is_gone
service_stop
equal 'a clean end' 0 "$code"
finish
