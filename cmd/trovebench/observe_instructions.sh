#!/bin/sh
# What observing costs in instructions an event, counted by valgrind: the same on a busy machine as on a quiet one, where
# `trovebench observe` needs a quiet one. The same four cases. From the top of the tree, after
#   make; make OBSERVE=counts; make OBSERVE=no
#   sh cmd/trovebench/observe_instructions.sh [EVENTS]     (20000: about two minutes)
# A start alone is counted, too, and taken off. Timers and waking threads move it by 0.1 %, on a very busy machine by 0.3.
# Costs are in percent, of the case that they are compared with.
set -u
events=${1:-20000}
work=$(mktemp -d "${TMPDIR:-/tmp}/trove-count.XXXXXX") || exit 70
service=
on_exit() {
	[ -n "$service" ] && kill "$service" 2>/dev/null && wait "$service"
	rm -rf "$work"
}
trap on_exit EXIT
export TROVECTL_URL="ipc://$work/t.ipc"

# count BUILD SAMPLE_BYTES FILE: the instructions of a service that starts, answers what is in FILE and stops.
count() {
	rm -rf "$work/data"
	valgrind --tool=callgrind --callgrind-out-file=/dev/null "build/$1/bin/troved" --set data.directory="$work/data" \
		--set "events.reply=[$TROVECTL_URL]" --set 'events.collect=[]' --set 'events.publish=[]' --set observe.listen= \
		--set admin.listen= --set rewards.file=config/demo_rewards.csv --set data.durability=none \
		--set memory.heap_sample_bytes="$2" 2>"$work/log" &
	service=$!
	tries=0
	until echo '{"type":"ping"}' | build/release/bin/trovectl send >/dev/null 2>&1; do
		tries=$((tries + 1))
		if [ $tries -gt 300 ] || ! kill -s 0 "$service" 2>/dev/null; then
			echo "build/$1 does not answer: $(tail -n 3 "$work/log")" >&2
			exit 69
		fi
		sleep 0.1
	done
	[ ! -s "$3" ] || build/release/bin/trovectl send <"$3" >"$work/sent" 2>&1 || { tail -n 1 "$work/sent" >&2; exit 70; }
	kill "$service"
	wait "$service"
	service=
	sed -n 's/.*Collected : //p' "$work/log"
}

awk -v n="$events" 'BEGIN { for (i = 0; i < n; i++) print "{\"type\":\"ping\"}" }' >"$work/ping"
awk -v n="$events" 'BEGIN { for (i = 0; i < n; i++)
	printf "{\"type\":\"locate\",\"x\":-122.%d,\"y\":37.7%d,\"radius\":500}\n", 40 + i % 9, i % 10 }' >"$work/locate"
: >"$work/start"

for case in 'release-unobserved 0' 'release-counts 0' 'release 0' 'release 524288'; do
	for load in start ping locate; do
		# shellcheck disable=SC2086  # two words
		echo "$case $load $(count $case "$work/$load")"
	done
done >"$work/counts"

awk -v events="$events" '
	{ n[$1 " " $2, $3] = $4 }
	function each(what, load) { return (n[what, load] - n[what, "start"]) / events }
	function cost(more, less, load) { return 100 * (each(more, load) / each(less, load) - 1) }
	END {
		split("ping locate", loads, " ")
		print "event   instructions  all of it, %  heap samples, %  samples off, probes idle, %"
		for (i = 1; i <= 2; i++)
			printf "%-8s %11.0f %13.2f %16.2f %28.2f\n", loads[i], each("release 524288", loads[i]), \
				cost("release 524288", "release-unobserved 0", loads[i]), cost("release 524288", "release 0", loads[i]), \
				cost("release 0", "release-counts 0", loads[i])
	}' "$work/counts"
