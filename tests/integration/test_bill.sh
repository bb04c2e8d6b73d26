#!/bin/sh
# The memory bill: its lines add up, limits are kept, and it is honest: a full service under
# load stays below it, and it is not far above.
set -u
. tests/support/service.sh
# The bill of the defaults.
unset TROVE_OBSERVE_LISTEN TROVE_ADMIN_LISTEN

# Every line but the head and the last: count x bytes = total; all totals are the sum.
adds_up() {
	awk 'NR == 1 { next }
		/ sum; / { sum = $1; next }
		{ lines++; total += $1; if ($6 != "x" || $5 * $7 != $1) bad = 1 }
		END { exit !(lines > 15 && !bad && sum > 0 && sum == total) }' "$1"
}
sum_of() { awk '/ sum; / { print $1 }' "$1"; }
line_of() { awk -v option="$1" '$8 == option { print $1; exit }' "$work/out"; }

run 0 'check' "$bin/troved" --check
check 'the lines add up' adds_up "$work/out"
sum=$(sum_of "$work/out")
check 'the defaults come to less than 2 GiB' test "$sum" -lt 2147483648
holds 'the limit is named' "sum; the limit is " "$work/out"
for owner in store shard net admin process; do
	check "$owner has lines" grep -q " $owner  " "$work/out"
done
check 'commerce has lines' grep -q ' commerce [0-9]' "$work/out"
before=$(line_of rewards.capacity)
run 0 'check twice as many' "$bin/troved" --check --set rewards.capacity=2000000
check 'the line follows its option' test "$(line_of rewards.capacity)" -gt $((before * 19 / 10))
check 'a heap of small pages has no line for huge ones' [ -z "$(line_of memory.heap_large_pages)" ]
run 0 'check a heap of huge pages' "$bin/troved" --check --set memory.heap_large_pages=true --set events.threads=4
four=$(line_of memory.heap_large_pages)
run 0 'check it with more threads' "$bin/troved" --check --set memory.heap_large_pages=true --set events.threads=16
equal 'two huge pages for each of the twelve more' $((12 * 2 * 2097152)) $(($(line_of memory.heap_large_pages) - four))
run 0 'help' "$bin/troved" --help
holds 'help mentions the bill' 'memory bill' "$work/out"

# ---- refused ---------------------------------------------------------------------------
refused() {
	check "$1: one line" test "$(wc -l <"$work/err")" -eq 1
	holds "$1: words" "memory: the bill of " "$work/err"
	holds "$1: limit and source" "$2" "$work/err"
	holds "$1: the line to blame" "the largest line is $3" "$work/err"
	holds "$1: what to do" "lower it or raise the limit" "$work/err"
}
run 78 'own limit' "$bin/troved" --check --set memory.limit_bytes=104857600
refused 'own limit' 'above the limit of 100.0 MiB (memory.limit_bytes)' 'events.peers_max = 256: '
check 'own limit: the bill is printed all the same' adds_up "$work/out"
run 78 'another line is to blame' "$bin/troved" --check --set memory.limit_bytes=1GiB --set events.peers_max=100000
refused 'another line' 'above the limit of 1.0 GiB (memory.limit_bytes)' 'events.peers_max = 100000: '
run 78 'more than there is' "$bin/troved" --check --set rewards.capacity=100000000 --set events.contexts=65536 \
	--set events.reply_bytes_max=1GiB
refused 'more than there is' '(' 'events.contexts = 65536: '
run 0 'just enough' "$bin/troved" --check --set memory.limit_bytes="$sum"
run 78 'one byte less' "$bin/troved" --check --set memory.limit_bytes=$((sum - 1))
run 78 'at the start' timeout 20 "$bin/troved" --set memory.limit_bytes=104857600 \
	--set data.directory="$work/none" --set log.level=error
refused 'at the start' 'above the limit of 100.0 MiB (memory.limit_bytes)' 'events.peers_max = 256: '
check 'before anything is made' test ! -e "$work/none"

case $TROVE_BUILD in
*-address* | *-thread*) echo "SKIP ulimit: a sanitizer needs more address space" ;;
*)
	run 78 'ulimit' sh -c "ulimit -v 400000; exec $bin/troved --check"
	refused 'ulimit' 'above the limit of 390.6 MiB (ulimit -v)' 'events.peers_max = 256: '
	;;
esac

groups=/sys/fs/cgroup/memory
group=$groups/trove-bill.$$
if mkdir "$group" 2>/dev/null; then
	echo 314572800 >"$group/memory.limit_in_bytes"
	# shellcheck disable=SC2016  # $$ is the inner shell's
	run 78 'cgroup' sh -c 'echo $$ >"$1"/cgroup.procs && exec "$2"/troved --check' - "$group" "$bin"
	refused 'cgroup' "above the limit of 300.0 MiB (cgroup memory.limit_in_bytes of /trove-bill.$$)" 'events.peers_max = '
	# shellcheck disable=SC2016
	run 0 'cgroup with room' sh -c 'echo $$ >"$1"/cgroup.procs && exec "$2"/troved --check \
		--set rewards.capacity=1000 --set events.peers_max=8 --set events.contexts=8 --set events.decode_bytes_max=1MiB' \
		- "$group" "$bin"
	holds 'cgroup with room: named' "cgroup memory.limit_in_bytes of /trove-bill.$$" "$work/out"
	rmdir "$group"
else
	echo "SKIP cgroup: no group can be made in $groups"
fi

export TROVE_OBSERVE_LISTEN='' TROVE_ADMIN_LISTEN=''
# What the bill counts on is kept: no more rows, nor longer names, than the options have.
awk 'BEGIN { print "id,x,y,name"; for (i = 1; i <= 1200; i++) printf "%d,1,1,%0100d\n", i, i }' >"$work/long.csv"
run 78 'too many rows' timeout 20 "$bin/troved" --set rewards.file="$work/long.csv" --set rewards.capacity=1199 \
	--set rewards.name_bytes=127 --set events.reply="$ipc" --set data.directory="$work" --set log.level=error
holds 'too many rows: words' 'no room for its rewards (rewards.capacity is 1199, rewards.name_bytes 127;' "$work/err"
run 78 'names too long' timeout 20 "$bin/troved" --set rewards.file="$work/long.csv" --set rewards.capacity=1200 \
	--set rewards.name_bytes=99 --set events.reply="$ipc" --set data.directory="$work" --set log.level=error
holds 'names too long: words' 'rewards.name_bytes 99;' "$work/err"

# ---- the log ------------------------------------------------------------------------------
service_start --set rewards.capacity=1000
holds 'the start logs the bill' ' sum; the limit is ' "$work/log"
holds 'the start logs its lines' 'rewards.capacity' "$work/log"
service_stop
: >"$work/log"
service_start --set rewards.capacity=1000 --set log.format=json
check 'JSON, too' grep -q '^{.*"part":"memory".* sum; the limit is ' "$work/log"
service_stop

# ---- honest ---------------------------------------------------------------------------------
case $TROVE_BUILD in
*-address* | *-thread* | *-undefined* | *debug*)
	echo "SKIP honesty: only a plain release build has the memory of one"
	finish
	exit
	;;
esac
most() { awk '/^VmHWM:/ { print $2 * 1024 }' "/proc/$service/status"; }
# Pages for each object: a full start touches them all, and the snapshot thread has its own.
set -- --set rewards.capacity=1000 --set products.capacity=1000 --set events.peers_max=32 --set events.contexts=16 \
	--set carts.capacity=20000 --set claims.capacity=10000 --set payments.history=1000
run 0 'the bill without checks of pools' "$bin/troved" --check "$@"
plain=$(sum_of "$work/out")
set -- "$@" --set memory.pool_debug=trap,last_caller
run 0 'the bill with a trap' "$bin/troved" --check "$@"
sum=$(sum_of "$work/out")
check 'a trap: the lines add up' adds_up "$work/out"
equal 'a trap: a page for each cart' $((20000 * 4096)) "$(line_of carts.capacity)"
service_start "$@"
check "a trap: $(most) of a bill of $sum" test "$(most)" -le "$sum"
check "a trap: the bill without it, $plain, is not enough" test "$(most)" -gt "$plain"
service_stop

rewards=200000
# rows SHIFT: names of 32 bytes, the most that rewards.name_bytes admits on average
rows() {
	awk -v n="$rewards" -v shift="$1" 'BEGIN {
		print "id,x,y,radius,name"
		for (i = 1; i <= n; i++)
			printf "%d,%.6f,%.6f,100,name of reward with the number%02d\n", i, (i * 7 + shift) % 36000 / 100 - 180,
				(i * 13 + shift) % 17000 / 100 - 85, i % 100
	}'
}
rows 0 >"$work/first.csv"
rows 50 >"$work/second.csv"
set -- --set rewards.capacity=$rewards --set events.peers_max=64 --set events.contexts=16
run 0 'the bill of a small one' "$bin/troved" --check "$@"
sum=$(sum_of "$work/out")
service_start "$@" --set rewards.file="$work/first.csv"
equal 'full' $rewards "$(metric trove_rewards)"
check "loaded: $(most) of a bill of $sum" test "$(most)" -le "$sum"
run 0 'change every reward' "$bin/trovectl" load rewards "$work/second.csv"
run 0 'change every reward again' "$bin/trovectl" load rewards "$work/first.csv"
# Peers with many locates on their way, whose replies are as large as they get.
peers=
for peer in 1 2 3 4 5 6 7 8; do
	awk 'BEGIN { for (i = 0; i < 300; i++)
		printf "{\"type\":\"locate\",\"x\":%d,\"y\":%d,\"radius\":900000,\"limit\":1024}\n", i % 300 - 150, i % 80 }' |
		"$bin/trovectl" send >"$work/sent.$peer" 2>&1 &
	peers="$peers $!"
done
for peer in $peers; do wait "$peer"; done
check 'peers were answered' grep -q '"count":' "$work/sent.1"
equal 'still full' $rewards "$(metric trove_rewards)"
found=$(most)
check "under load: $found of a bill of $sum" test "$found" -le "$sum"
check "the bill of $sum is no more than 4 times the $found used" test "$sum" -le $((4 * found))
service_stop
finish
