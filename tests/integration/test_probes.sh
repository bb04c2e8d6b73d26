#!/bin/sh
# The USDT probes of a running troved and the scripts of deploy/bpftrace: every probe is in the program, with a
# semaphore; each script attaches, sees what is going on, and leaves troved as it was. Where the system allows no
# bpf, only the first half is tested.
# shellcheck disable=SC2013,SC2016  # one word a line; programs of awk
set -u
. tests/support/service.sh

case $TROVE_BUILD in *-address* | *-thread*) sanitized=true ;; *) sanitized=false ;; esac

# ---- in the program --------------------------------------------------------------------------------------
run 0 'version' "$bin/troved" --version
if grep -q 'probes: none' "$work/out"; then
	echo "SKIP probes: $(cat "$work/out")"
	finish
	exit
fi
holds 'the version says that there are probes' '(probes: USDT)' "$work/out"
readelf -n "$bin/troved" >"$work/notes" 2>/dev/null
for probe in $(sed -n 's/^\tX(\([a-z_]*\)).*/\1/p' engine/base/probe.h); do
	check "$probe is there, with a semaphore" awk -v probe="$probe" '
		/Provider:/ { ours = $2 == "trove" }
		/Name:/ { name = $2 }
		/Semaphore:/ && ours && name == probe && $NF != "0x0000000000000000" { found = 1 }
		END { exit !found }' "$work/notes"
done
cat >"$work/none.c" <<-'TEXT'
	#include "engine/base/probe.h"
	int main(void)
	{
		PROBE2(batch, 1, 2);
		return PROBE_IS_ON(batch);
	}
	TEXT
check 'without the header it still builds' "${CC:-gcc}" -std=gnu23 -Wall -Wextra -Werror -I. -DTROVE_NO_PROBES -o "$work/none" \
	"$work/none.c" engine/base/probe.c
check 'and runs' "$work/none"

# ---- from outside ------------------------------------------------------------------------------------------
if ! why=$(timeout 60 bpftrace -e 'BEGIN { exit(); }' 2>&1); then
	echo "SKIP the scripts: no bpf here: $(echo "$why" | tail -n 1)"
	finish
	exit
fi
service_start --set rewards.file=config/demo_rewards.csv --set memory.heap_sample_bytes=64 \
	--set memory.heap_samples_max=65536
scripts='latency pools live_heap'
$sanitized && scripts='latency pools'

# The semaphore of a probe in the running program, which the kernel raises while somebody listens.
awk '/Provider:/ { ours = $2 == "trove" } /Name:/ { name = $2 } /Semaphore:/ && ours { print name, $NF }' "$work/notes" |
	sort -u >"$work/semaphores"
base=$(awk '$3 == "00000000" && /bin\/troved$/ { sub(/-.*/, "", $1); print "0x" $1; exit }' "/proc/$service/maps")
listeners() {
	dd if="/proc/$service/mem" bs=2 count=1 iflag=skip_bytes \
		skip=$((base + $(awk -v probe="$1" '$1 == probe { print $2 }' "$work/semaphores"))) 2>/dev/null | od -An -tu2 | tr -d ' '
}
all_are() { # all_are -eq|-ge|... NUMBER
	for script in $scripts; do
		for probe in $(sed -n 's/^usdt:.*:trove:\([a-z_]*\)$/\1/p' "deploy/bpftrace/$script.bt" | sort -u); do
			test "$(listeners "$probe")" "$1" "$2" || return 1
		done
	done
}
check 'nobody listens at the start' all_are -eq 0

next=0
traffic() {
	next=$((next + 1))
	awk -v from="$next" 'BEGIN { for (i = from * 100; i < from * 100 + 100; i++) {
		printf "{\"type\":\"locate\",\"x\":-122.%d,\"y\":37.7%d,\"radius\":500}\n", 40 + i % 9, i % 10
		printf "{\"type\":\"cart.open\",\"id\":%d,\"cart\":%d,\"currency\":\"EUR\"}\n", i, i
	} }' | "$bin/trovectl" send >"$work/sent" 2>&1 || not_ok "events: $(tail -n 1 "$work/sent")"
}
live_bytes() {
	curl -s "http://127.0.0.1:$((port + 9))/allocator" | tr ',{' '\n' | sed -n 's/^"live_bytes":\([0-9]*\).*/\1/p' | head -n 1
}

# All scripts listen at once, while something happens.
pids='' watchers=''
for script in $scripts; do
	bpftrace -p "$service" "deploy/bpftrace/$script.bt" >"$work/$script" 2>&1 &
	pids="$pids $!"
done
check 'the scripts attach' wait_until all_are -gt 0
sleep 0.5 # a probe may be at several places, and main looks for listeners ten times a second
before=$(live_bytes)
for watcher in 1 2 3 4 5 6 7 8; do # what they take of the heap stays alive
	"$bin/trovectl" watch >"$work/watched.$watcher" 2>&1 &
	watchers="$watchers $!"
done
traffic
sleep 0.5
grown=$(($(live_bytes) - before))
for pid in $pids; do kill -s INT "$pid"; done
for pid in $pids; do wait "$pid" || not_ok "a script ends well: $(cd "$work" && tail -n 3 latency pools live_heap)"; done
for pid in $watchers; do kill "$pid"; done
check 'nobody listens any more' wait_until all_are -eq 0

# sees SCRIPT PATTERN...: what it wrote has all patterns.
sees() {
	script=$1
	shift
	for pattern; do check "$script sees $pattern" grep -Eq -- "$pattern" "$work/$script"; done
}
sees latency '^@reply_ns:' '^@until_planned_ns:' '^@journal_wait_ns:' '^@send_ns:' '^@flush_ns:' '^@flush_bytes:' \
	'^@writer_turn_ns:' '^@writer_turn_messages:'
sees pools '^@borrows\[carts\]: [1-9]' '^@returns\[batches\]: [1-9]' '^@in_use_most\[carts\]: 100$' \
	'^@arena_bytes_most\[effects of one batch\]: [1-9]'
if ! $sanitized; then
	sees live_heap '^@live_bytes\[' '(malloc|calloc|realloc)\+[0-9]+'
	seen=$(sed -n 's/^@live: //p' "$work/live_heap" | tail -n 1)
	check "live_heap adds up: $seen of $grown bytes" \
		awk -v a="$seen" -v b="$grown" 'BEGIN { exit !(b > 50000 && a > 0.95 * b && a < 1.05 * b) }'
fi

# ---- afterwards ----------------------------------------------------------------------------------------------
carts() {
	curl -s "http://127.0.0.1:$((port + 9))/metrics" |
		sed -n "s/^allocator_pool_$1{.*\"carts\".*} //p"
}
in_use=$(carts in_use_objects)
most=$(carts high_water_objects)
equal 'carts in use' 100 "$in_use"
check "$most at most" [ "$((most - in_use))" -le 1 ]
traffic
equal 'a hundred more' $((in_use + 100)) "$(carts in_use_objects)"
service_stop
finish
