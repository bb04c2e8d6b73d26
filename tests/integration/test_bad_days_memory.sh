#!/bin/sh
# Somebody else in troved's cgroup grows until its limit is reached, again and again: every event
# is answered as before and nothing is lost, troved does not wait for the disk, it says what
# happens, and afterwards all is as it was.
# Runs alone: the kernel's memory of files is everybody's.
set -u
. tests/support/service.sh

case $TROVE_BUILD in
*-address* | *-thread*)
	echo "SKIP somebody else in the cgroup: a sanitizer's memory grows by itself, and its mlock does nothing"
	exit 77
	;;
esac
http() { curl -s "http://127.0.0.1:$((port + 9))$1"; }

# ---- a group, and programs that enter it before anything else ---------------------------------
if [ -d /sys/fs/cgroup/memory ]; then
	group=/sys/fs/cgroup/memory/trove-days.$$ limit=memory.limit_in_bytes used=memory.usage_in_bytes
else
	group=/sys/fs/cgroup/trove-days.$$ limit=memory.max used=memory.current
fi
if ! mkdir "$group" 2>/dev/null || [ ! -w "$group/$limit" ]; then
	rmdir "$group" 2>/dev/null
	echo "SKIP somebody else in the cgroup: no group with a limit of memory can be made in ${group%/*}"
	exit 77
fi
others=
leave_group() {
	: >"$work/enough"
	for pid in $others; do kill "$pid" 2>/dev/null; done
	on_exit
	wait_until rmdir "$group"
}
trap leave_group EXIT

real=$bin
bin=$work/bin
mkdir "$bin"
ln -s "$real/trovectl" "$bin/trovectl"
enter() { printf '#!/bin/sh\necho $$ >%s/cgroup.procs || exit 70\n' "$group"; }
{ enter && printf 'exec %s/troved "$@"\n' "$real"; } >"$bin/troved"
# Keeps all that it reads, and is the one that the kernel ends.
{ enter && echo 'echo 1000 >/proc/self/oom_score_adj; exec tail /dev/zero'; } >"$bin/grow"
# While the one that it ended is not gone yet, the kernel looks for another: these come before troved.
{ enter && echo 'echo 1000 >/proc/self/oom_score_adj; exec sleep 1'; } >"$bin/next"
chmod +x "$bin/troved" "$bin/grow" "$bin/next"

# ---- before -----------------------------------------------------------------------------------
events=8000
awk -v n="$events" 'BEGIN { for (i = 0; i < n; i++)
	printf "{\"type\":\"locate\",\"x\":-122.%d,\"y\":37.7%d,\"radius\":500}\n", 40 + i % 9, i % 10 }' >"$work/locates"
puts() {
	awk -v from="$1" 'BEGIN { for (i = 1; i <= 2000; i++)
		printf "{\"type\":\"reward.put\",\"id\":%d,\"reward\":%d,\"x\":10,\"y\":%d,\"radius\":50,\"value\":%d}\n",
			from + i, 900000 + i, i % 80, from + i }'
}
awk 'BEGIN { for (i = 1; i <= 2000; i++) printf "{\"type\":\"reward.get\",\"reward\":\"%d\"}\n", 900000 + i }' >"$work/gets"
puts 0 >"$work/first"
puts 10000 >"$work/second"
send() { "$bin/trovectl" send <"$work/$1" >"$work/$2" 2>&1; }

# The program's pages are counted to the group whose process reads them first: to this one.
dd if="$real/troved" iflag=nocache count=0 2>/dev/null
# Small journal files: what is written to make one is counted to the group, and a slow disk keeps it there.
service_start --set rewards.file=config/demo_rewards.csv --set rewards.capacity=20000 --set data.segment_bytes=1048576
send first put
for _ in 1 2 3; do send locates wanted; done
equal 'before: every event is answered' "$events" "$(grep -c '"type":"located"' "$work/wanted")"
steady() { http /metrics | grep -E '^allocator_(reserved_bytes\{kind="(pool|arena)"|frozen)'; }
steady >"$work/steady"
resident() { awk '/^VmRSS:/ { print $2 }' "/proc/$service/status"; }
resident_before=$(resident)
faults() { sed 's/.*) //' "/proc/$service/stat" | awk -v which="$1" '{ print $which }'; }
minor=$(faults 8) major=$(faults 10)

# ---- short of memory --------------------------------------------------------------------------
echo $(($(cat "$group/$used") + 33554432)) >"$group/$limit"
again() {
	while [ -d "$work" ] && [ ! -e "$work/enough" ]; do
		"$bin/$1" >/dev/null 2>&1
		echo "$?" >>"$work/grown"
	done 2>/dev/null
}
for other in next next next next grow; do
	again $other &
	others="$others $!"
done
kills() { grep -c 137 "$work/grown" 2>/dev/null; }
rounds=0 different=0
while [ "$rounds" -lt 5 ] || { [ "$rounds" -lt 100 ] && [ "$(kills)" -lt 5 ]; }; do
	rounds=$((rounds + 1))
	send locates got
	cmp -s "$work/wanted" "$work/got" || different=$((different + 1))
done
minor=$(($(faults 8) - minor)) major=$(($(faults 10) - major))
send second put
equal "every change is answered" 2000 "$(grep -c '"type":"ok"' "$work/put")"
send gets found
: >"$work/enough"
for pid in $others; do wait "$pid"; done
others=
equal "$rounds times $events events are answered as before, while others were ended $(kills) times" 0 "$different"
check "others were ended" test "$(kills)" -ge 5
equal "no change is lost" 2000 "$(grep -cE '"value":1[0-9]{4}' "$work/found")"
check "it does not wait for the disk: $major major faults" test "$major" -le 20
check "it hardly faults at all: $minor minor faults" test "$minor" -le $((rounds * events / 100))
check "the resident set is as before: $(resident) of $resident_before KiB" test "$(resident)" -le $((resident_before + 4096))

# ---- what it says -----------------------------------------------------------------------------
http /allocator >"$work/allocator"
holds 'the group is shown' "/trove-days.$$\",\"limit_bytes\":" "$work/allocator"
check 'failures are counted' grep -q '"failures_total":[1-9]' "$work/allocator"
equal 'and who was ended' "$(kills)" "$(metric trove_cgroup_kills_total)"
run 0 'the doctor' "$bin/trovectl" memory --doctor
holds 'the doctor: what' "/trove-days.$$: its limit of " "$work/out"
holds 'the doctor: who' 'Somebody else in the cgroup grew' "$work/out"
run 0 'the tables' "$bin/trovectl" memory
holds 'the tables, too' "/trove-days.$$: " "$work/out"
said() { grep -q 'memory is short in the cgroup' "$work/log"; }
wait_until said || wait_until said # it looks every ten seconds
equal 'one line of the log' 1 "$(grep -c 'memory is short in the cgroup' "$work/log")"
steady >"$work/steady.after"
check 'what is reserved is as before' cmp "$work/steady" "$work/steady.after"
service_stop
equal 'it ends as always' 0 "$code"
finish
