#!/bin/sh
# Memory of a running troved: the ladder adds up to the resident set, the threads that
# answer neither allocate nor fault once they are warm, the doctor finds nothing odd, and
# pages, locks and prefault are as asked for or said not to be.
set -u
. tests/support/service.sh

# A sanitizer's heap and shadow are nobody's, and its mlock does nothing.
case $TROVE_BUILD in *-address* | *-thread*) sanitized=true ;; *) sanitized=false ;; esac
$sanitized && echo "SKIP unexplained and locked memory: a sanitizer has a heap of its own"

http() { curl -s "http://127.0.0.1:$((port + 9))$1"; }
traffic() {
	"$bin/trovectl" replay config/demo_track.csv >"$work/replay" 2>&1 || not_ok "replay: $(tail -n 1 "$work/replay")"
}
# Faults of all threads but main and the merger (it builds runs).
faults() {
	for task in "/proc/$service/task"/*; do
		case $(cat "$task/comm") in troved | trove-merger) ;; *) sed 's/.*) //' "$task/stat" ;; esac
	done | awk '{ minor += $8; major += $10 } END { print minor + 0, major + 0 }'
}
# ladder FILE: the sum of the rungs, the resident set, what is unexplained in per mille of it.
ladder() {
	sed 's/.*"ladder":\[//' "$1" | tr '{' '\n' | sed -n 's/.*"name":"\([a-z]*\)","bytes":\(-\{0,1\}[0-9]*\).*/\1 \2/p' |
		awk -v resident="$(sed 's/.*"resident_bytes":\([0-9]*\),"resident_peak.*/\1/' "$1")" '
			{ sum += $2 } $1 == "unexplained" { rest = $2 < 0 ? -$2 : $2 }
			END { printf "%d %d %d\n", sum, resident, rest * 1000 / resident }'
}
adds_up() {
	http /allocator >"$work/allocator"
	# shellcheck disable=SC2046  # three numbers
	set -- "$1" $(ladder "$work/allocator")
	equal "$1: the rungs add up to the resident set" "$3" "$2"
	$sanitized || check "$1: at most 3 % unexplained ($4 per mille)" [ "$4" -le 30 ]
}
# What JSON says of each pool: name, borrowed, returned, exhausted, stale.
pools() {
	http /allocator | sed 's/.*"pools":\[//; s/\].*//' | tr '{' '\n' |
		sed -n 's/^"name":"\([^"]*\)".*"borrowed_total":/\1:/; s/,"[a-z]*_total":/:/g; s/,.*//; /:/p'
}
# The table of trovectl memory: as much as JSON says before it and after it, since asking counts, too.
pools_add_up() {
	pools >"$work/before"
	"$bin/trovectl" memory >"$work/out"
	pools >"$work/after"
	awk '/^$/ { inside = 0 }
		inside { name = substr($0, 1, 24); sub(/ +$/, "", name); print name ":" $(NF - 3) ":" $(NF - 2) ":" $(NF - 1) ":" $NF }
		/^objects of pools .* borrowed +returned +exhausted +stale$/ { inside = 1 }' "$work/out" >"$work/table"
	check "$1: trovectl memory counts what JSON counts" [ "$(paste -d : "$work/before" "$work/table" "$work/after" | awk -F : '
		{ bad += NF != 15 || $1 != $6 || $1 != $11; for (i = 2; i <= 5; i++) bad += $(i + 5) < $i || $(i + 5) > $(i + 10) }
		END { print (NR > 5 && !bad) ? "same" : "differs" }')" = same ]
}
member() { sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p" "$work/allocator"; }

# ---- steady ---------------------------------------------------------------------------------
service_start --set rewards.file=config/demo_rewards.csv
adds_up "at the start"
for _ in 1 2 3 4 5 6 7 8 9 10 11 12; do traffic; done
"$bin/trovectl" load rewards config/demo_rewards.csv >/dev/null 2>&1
# One connection, so that nothing but the work is measured: reads and changes, JSON.
events() {
	awk -v from="$1" 'BEGIN { for (i = from; i < from + 4000; i++) {
		printf "{\"type\":\"locate\",\"x\":-122.%d,\"y\":37.7%d,\"radius\":500}\n", 40 + i % 9, i % 10
		if (i % 16 == 0)
			printf "{\"type\":\"reward.put\",\"id\":%d,\"reward\":%d,\"x\":1,\"y\":2,\"radius\":50}\n", i, 7000 + i % 50
		if (i % 16 == 4)
			printf "{\"type\":\"payment.authorize\",\"id\":%d,\"payment\":%d,\"amount\":5,\"currency\":\"EUR\"}\n", i, i
		if (i % 16 == 8)
			printf "{\"type\":\"cart.open\",\"id\":%d,\"cart\":%d,\"currency\":\"EUR\"}\n", i, i
		if (i % 16 == 12)
			printf "{\"type\":\"product.put\",\"id\":%d,\"sku\":\"s%d\",\"unit_price\":5,\"currency\":\"EUR\"}\n", i, i % 99
	} }'
}
mkfifo "$work/fifo"
"$bin/trovectl" send <"$work/fifo" >"$work/sent" 2>&1 &
sender=$!
exec 3>"$work/fifo"
# settled N: so many replies are there.
settled() { [ "$(wc -l <"$work/sent")" -ge "$1" ]; }
events 0 >&3
events 4000 >&3
wait_until settled 10000
sleep 2 # what nng and the heap give back, they give back now
events 8000 >&3
wait_until settled 15000
before=$(faults)
events 12000 >&3
wait_until settled 20000
after=$(faults)
# A sanitizer's heap keeps what was freed for a while, so libnng's messages fault.
$sanitized || equal "no faults on threads that answer, over 5000 events" "$before" "$after"
exec 3>&-
wait "$sender"
equal "every event was answered" 20000 "$(grep -c '"type":"\(located\|ok\|payment\|cart\)"' "$work/sent")"
adds_up "under load"
if [ "$(member allocations_total)" -gt 0 ]; then
	equal "no allocations of ours after the start" 0 "$(member frozen_allocations_total)"
	holds "mimalloc" '"name":"mimalloc"' "$work/allocator"
else
	echo "SKIP heap: a sanitizer's heap is not counted"
fi
run 0 "trovectl memory" "$bin/trovectl" memory
holds "trovectl memory: ladder" "resident set" "$work/out"
holds "trovectl memory: who sizes it" "events.decode_bytes_max" "$work/out"
pools_add_up "at rest"
check "at rest: payments were borrowed" grep -q '^payments:1000:0:0:0$' "$work/table"
run 0 "trovectl memory --json" "$bin/trovectl" memory --json
holds "trovectl memory --json" '"ladder":[{"name":"requested"' "$work/out"
run 0 "trovectl memory --doctor" "$bin/trovectl" memory --doctor
holds "doctor: what holds it" "are resident" "$work/out"
[ "$(member allocations_total)" -eq 0 ] || holds "doctor: nothing is odd" "Nothing is odd" "$work/out"
run 64 "trovectl memory takes no operand" "$bin/trovectl" memory now
http /metrics >"$work/metrics"
holds "metrics: rungs" 'allocator_ladder_bytes{rung="unexplained"}' "$work/metrics"
service_stop
equal "stops" 0 "$code"

# ---- pages ----------------------------------------------------------------------------------
service_start --set memory.pages=small --set memory.prefault=false
http /allocator >"$work/allocator"
holds "small pages" '"name":"decode arenas","kind":"arena","option":"events.decode_bytes_max"' "$work/allocator"
equal "small pages: none is huge" 0 "$(grep -c '"pages":"transparent huge"' "$work/allocator")"
check "nothing is touched without prefault" [ "$(member resident_bytes)" -lt 20000000 ]
advised() { grep -c '^VmFlags:.* hg' "/proc/$service/smaps"; }
$sanitized || equal "small pages: none is asked to be huge" 0 "$(advised)"
service_stop

equal "hugetlb pages that nobody asked for are not missed" 0 "$(grep -c 'hugetlb' "$work/log")"

if ! $sanitized && [ -e /sys/kernel/mm/transparent_hugepage ]; then
	service_start --set memory.pages=small --set memory.heap_large_pages=true
	check "memory.heap_large_pages: the heap's pages are asked to be huge" [ "$(advised)" -gt 0 ]
	service_stop
else
	echo "SKIP memory.heap_large_pages: a sanitizer's heap, or a kernel without transparent huge pages"
fi

service_start --set memory.pages=1g
http /allocator >"$work/allocator"
check "pages that are not there are not claimed" \
	[ "$(cat /proc/sys/vm/nr_hugepages)" -gt 0 -o "$(grep -c '"pages":"hugetlb' "$work/allocator")" -eq 0 ]
service_stop

# hugetlb pages that the machine has or not: what is missing is counted, and said once.
: >"$work/log"
service_start --set memory.pages=2m
run 0 "serves with memory.pages=2m" "$bin/trovectl" ping
http /allocator >"$work/allocator"
wanted=$(member hugetlb_wanted_bytes)
missed=$(member hugetlb_missed_bytes)
said=$(grep -c 'memory.pages=2m: of' "$work/log")
check "hugetlb pages are wanted ($wanted bytes)" [ "$wanted" -gt 0 ]
equal "metrics: wanted in hugetlb pages" "$wanted" "$(metric allocator_hugetlb_wanted_bytes)"
equal "metrics: missed" "$missed" "$(metric allocator_hugetlb_missed_bytes)"
"$bin/trovectl" memory --doctor >"$work/out" 2>&1
if [ "$(cat /proc/sys/vm/nr_hugepages /proc/sys/vm/nr_overcommit_hugepages | tr -d '0\n')" = "" ]; then
	equal "none are reserved: all are missed" "$wanted" "$missed"
	equal "what is missed is said once" 1 "$said"
	holds "what is missed: how much" "memory.pages=2m: of $wanted bytes wanted in hugetlb pages $missed were not got" "$work/log"
	holds "what is missed: what to do" "set vm.nr_hugepages=$((wanted / 2097152)) " "$work/log"
	holds "what is missed: or else" "or memory.pages=transparent" "$work/log"
	holds "doctor: huge pages are missing" "Huge pages are missing" "$work/out"
	run 0 "trovectl memory with missing pages" "$bin/trovectl" memory
	holds "trovectl memory: what is missing" "wanted in hugetlb pages are missing" "$work/out"
else
	echo "SKIP missing hugetlb pages: this machine has some reserved"
	equal "said exactly if some are missed" "$((missed > 0))" "$said"
fi
service_stop

# ---- pools under checks -----------------------------------------------------------------------
run 78 "an unknown check of pools" "$bin/troved" --check --set memory.pool_debug=poison,canry
holds "an unknown check of pools is named" "'canry' is no check" "$work/err"
service_start --set memory.pool_debug=poison,canary,last_caller --set memory.pool_fail_one_in=2
run 0 "serves with all checks, and pools that fail every other time" "$bin/trovectl" ping
http /allocator >"$work/allocator"
holds "pools are shown" '"name":"payments","kind":"pool","option":"payments.capacity"' "$work/allocator"
pools_add_up "pools that fail"
check "pools that fail: they were exhausted" grep -q '^http pages:[0-9]*:[0-9]*:[1-9][0-9]*:0$' "$work/table"
service_stop

# ---- locks ----------------------------------------------------------------------------------
# start_locked KIB: with memory.lock under this limit.
start_locked() {
	: >"$work/log"
	(
		# shellcheck disable=SC3045  # dash and bash both know -l
		ulimit -l "$1" 2>/dev/null
		exec_troved --set memory.lock=true --set rewards.capacity=10000 --set events.peers_max=32 2>>"$work/log"
	) &
	service=$!
	wait_until "$bin/trovectl" health
	http /allocator >"$work/allocator"
}
# reserved LOCKED: bytes of all holdings, pools too, of which that is said.
reserved() {
	tr '{' '\n' <"$work/allocator" | sed -n 's/.*"reserved_bytes":\([0-9]*\),.*"locked":'"$1"'.*/\1/p' |
		awk '{ sum += $1 } END { printf "%d\n", sum }'
}
said() { sed -n "s/.*memory.lock: $1.*/\1/p" "$work/log"; }
if $sanitized; then
	echo "SKIP locks: a sanitizer makes mlock do nothing"
else
	# root may lock beyond the limit, unless it has lost the right to.
	launcher='setpriv --bounding-set=-ipc_lock'
	[ "$(id -u)" -eq 0 ] || launcher=
	start_locked 64
	launcher=
	refused=$(said '\([0-9]*\) bytes could not be locked: .*; raise RLIMIT_MEMLOCK')
	enough=$(said '.* \([0-9]*\) bytes, all of the bill, are enough')
	equal "too little room for locks is said once" 1 "$(grep -c 'memory.lock: ' "$work/log")"
	equal "nothing is locked" 0 "$(reserved true)"
	service_stop
	start_locked $((enough / 1024 + 1))
	if grep -q 'memory.lock: ' "$work/log"; then
		echo "SKIP locked memory: this user can raise no limit, and has no right to lock beyond it"
	else
		locked=$(sed 's/.*"locked_bytes":\([0-9]*\).*/\1/' "$work/allocator")
		equal "of what is locked, pools too, all was counted as refused" "$(reserved true)" "$refused"
		check "locked bytes are the kernel's: $locked" [ "$locked" -ge "$refused" ]
		check "what is said to be enough is: $enough" [ "$locked" -le "$enough" ]
	fi
	service_stop
fi
finish
