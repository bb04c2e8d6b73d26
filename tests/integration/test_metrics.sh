#!/bin/sh
# GET /metrics of a real troved: the documented names and no others, numbers that follow what is sent, both formats.
set -u
# shellcheck source=tests/support/service.sh
. tests/support/service.sh

get() { curl -s -H "Accept: $1" "http://127.0.0.1:$((port + 9))/metrics"; }
names() { awk '/^# TYPE / { print $3 }' "$1" | sort; }

# ---- the list --------------------------------------------------------------------------
"$bin/troved" --print-metrics >"$work/list"
sed -n '/^| metric /,$p' deploy/prometheus/README.md >"$work/documented"
if cmp -s "$work/list" "$work/documented"; then ok "deploy/prometheus/README.md lists what the code has"; else
	not_ok "deploy/prometheus/README.md differs from troved --print-metrics; put its output there"
	diff "$work/list" "$work/documented" | head -n 10
fi
awk -F '`' '/^\| `/ { print $2 }' "$work/list" | sort >"$work/listed"

# Rules that no metric may break. HELP: a sentence about what it is, and what to do.
awk -F ' [|] ' '
	!/^\| `/ { next }
	{ name = $1; gsub(/[`| ]/, "", name); type = $2; labels = $3; help = $4; sub(/ \|$/, "", help) }
	seen[name]++ { print name ": twice" }
	name !~ /^(allocator|trove|process)_[a-z0-9_]+$/ { print name ": prefix or letters" }
	(type == "counter") != (name ~ /_total$/) { print name ": _total is for counters, and for all of them" }
	name ~ /_(ms|us|ns|kb|mb|percent|count|sum|bucket)(_|$)/ { print name ": not a base unit, or an ending that is taken" }
	{ family = name; sub(/_total$/, "", family) }
	families[family]++ { print name ": OpenMetrics has another family of this name" }
	labels ~ /(^|, )(id|actor|reward|cart|payment|claim|sku|peer|address)(,|$)/ { print name ": a label holds ids" }
	help !~ /\.$/ || length(help) < 20 || help ~ /[\\"]/ { print name ": help" }
	' "$work/list" >"$work/broken"
equal "names, types and help keep the rules" "" "$(cat "$work/broken")"

# ---- a scrape -------------------------------------------------------------------------
service_start --set rewards.file=config/demo_rewards.csv
cpu_s() { awk -v hz="$(getconf CLK_TCK)" '{ sub(/.*\) /, ""); print ($12 + $13) / hz }' "/proc/$service/stat"; }
cpu_before=$(cpu_s)
get '*/*' >"$work/text"
cpu_after=$(cpu_s)
get 'application/openmetrics-text; version=1.0.0' >"$work/open"
# A limit of memory is there only in a group that has one.
names "$work/text" >"$work/scraped"
equal "a scrape has the listed names and no others" "" \
	"$(comm -3 "$work/listed" "$work/scraped" | tr -d '\t' | grep -v '^trove_cgroup_' | tr '\n' ' ')"
equal "OpenMetrics has the same families" "$(sed 's/_total$//' "$work/scraped" | sort)" "$(names "$work/open")"
equal "OpenMetrics ends as it must" "# EOF" "$(tail -n 1 "$work/open")"
equal "text has no such end" "0" "$(grep -c EOF "$work/text")"
equal "no persistent memory is not claimed" 0 "$(metric trove_journal_persistent_memory)"
equal "every series stands behind its head, once" "" "$(awk '
	/^# TYPE / { family = $3; if (heads[family]++) print "again: " family; next }
	/^#/ { next }
	{ name = $1; sub(/\{.*/, "", name); base = name; sub(/_(bucket|sum|count)$/, "", base)
	  if (name != family && base != family) print "elsewhere: " $0
	  if (series[substr($0, 1, length($0) - length($NF))]++) print "twice: " $0 }' "$work/text")"
equal "at most 1300 series" "1" "$(awk '!/^#/ { n++ } END { print n <= 1300 }' "$work/text")"
equal "at most 256 KiB" "1" "$(awk -v n="$(wc -c <"$work/text")" 'BEGIN { print n <= 262144 }')"

type_of() { curl -s -o "$work/out" -w '%{content_type}' -H "Accept: $1" "http://127.0.0.1:$((port + 9))/metrics"; }
equal "type of the text" "text/plain; version=0.0.4; charset=utf-8" "$(type_of 'text/plain')"
equal "type of OpenMetrics" "application/openmetrics-text; version=1.0.0; charset=utf-8" \
	"$(type_of 'application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2')"

# ---- the process ------------------------------------------------------------------------
value() { awk -v name="$1" 'index($0, name " ") == 1 { print $NF }' "$work/text"; }
# near NAME EXPECTED FOUND TOLERANCE
near() {
	if awk -v a="$2" -v b="$3" -v t="$4" 'BEGIN { d = a - b; exit !(b != "" && d <= t && -d <= t) }'; then ok "$1"; else
		not_ok "$1: expected $2, found $3"; fi
}
hertz=$(getconf CLK_TCK)
started=$(awk -v up="$(cut -d ' ' -f 1 /proc/uptime)" -v now="$(date +%s.%N)" -v hz="$hertz" \
	'{ sub(/.*\) /, ""); printf "%.2f", now - up + $20 / hz }' "/proc/$service/stat")
kib() { awk -v name="$1:" '$1 == name { print $2 * 1024 }' "/proc/$service/status"; }
near "start time" "$started" "$(value process_start_time_seconds)" 1
near "resident set" "$(kib VmRSS)" "$(value process_resident_memory_bytes)" 8000000
# It moves when a mapping of the start goes.
near "address space" "$(kib VmSize)" "$(value process_virtual_memory_bytes)" 300000000
near "threads" "$(awk '/^Threads/ { print $2 }' "/proc/$service/status")" "$(value process_threads)" 0
near "open files" "$(find "/proc/$service/fd" -type l | wc -l)" "$(value process_open_fds)" 3
equal "most open files" "$(awk '/^Max open files/ { print $4 }' "/proc/$service/limits")" "$(value process_max_fds)"
check "processor time: between $cpu_before and $cpu_after" awk -v a="$cpu_before" -v b="$cpu_after" \
	-v v="$(value process_cpu_seconds_total)" 'BEGIN { exit !(v != "" && a - 0.02 <= v && v <= b + 0.02) }'
build='^trove_build_info{version="\([^"]*\)",compiler="[^"]\{5,\}",kernel="[a-z0-9]*",allocator="[^"]*"} 1$'
equal "the version is that of troved --version" "$("$bin/troved" --version | cut -d ' ' -f 2)" \
	"$(sed -n "s/$build/\1/p" "$work/text")"

# ---- what is sent shows ---------------------------------------------------------------------
delta() { # delta NAME EXPECTED SERIES: since the last `mark`
	before=$(awk -v name="$3" 'index($0, name " ") == 1 { print $NF }' "$work/before")
	equal "$1" "$2" "$(awk -v a="${before:-none}" -v b="$(metric "$3")" 'BEGIN { print b - a }')"
}
mark() { get '*/*' >"$work/before"; }
send() { "$bin/trovectl" send "$1" >"$work/out" 2>&1; }
mark
get='{"type":"reward.get","reward":"424242424242"}'
locate='{"type":"locate","x":13.4,"y":52.5}'
open='{"type":"cart.open","id":2,"cart":5,"currency":"EUR","ttl_ms":1000}'
put='{"type":"reward.put","id":1,"reward":7000001,"x":13.4,"y":52.5,"radius":500}'
send "$put"
send "$put"
send "$get"
send "$locate"
send "$open"
delta "messages" 5 'trove_messages_total{encoding="json"}'
delta "events of a type" 2 'trove_events_total{type="reward.put"}'
delta "an id sent again" 1 'trove_replays_total'
delta "a refusal by its code" 1 'trove_events_refused_total{code="not_found"}'
delta "other refusals" 0 'trove_events_refused_total{code="malformed"}'
delta "a match" 1 'trove_matches_total'
delta "rewards" 1 'trove_rewards'
delta "carts in the pool" 1 'allocator_pool_borrowed_total{name="carts"}'
delta "peers that came" 5 'trove_peers_connected_total'
delta "nobody was sent away" 0 'trove_peers_dropped_total{reason="limit"}'
delta "durations" 5 'trove_message_duration_seconds_count'
delta "bytes of messages" "$(printf '%s' "$put" "$put" "$get" "$locate" "$open" | wc -c)" trove_message_bytes_total
# shellcheck disable=SC2317  # wait_until calls it
ended() { [ "$(metric 'trove_expired_total{what="cart"}')" = 1 ]; }
check "a cart that time ended" wait_until ended
send '{"type":"claim","id":3,"actor":9,"reward":7000001,"x":13.4,"y":52.5}'
told() { [ "$(metric trove_publications_total)" = 2 ]; }
check "publications: ready, and a claim" wait_until told

# ---- reload --------------------------------------------------------------------------------
taken() { [ "$(metric 'trove_configuration_reloads_total{result="taken"}')" = 1 ]; }
kill -s HUP "$service"
check "a reload that was taken" wait_until taken
equal "none was refused" 0 "$(metric 'trove_configuration_reloads_total{result="refused"}')"
service_stop
equal "it stops cleanly" 0 "$code"

# ---- where room ends ------------------------------------------------------------------------
rm -rf "$work/data"
# libpmem takes any memory for persistent then; tests/vm has a DIMM.
export PMEM_IS_PMEM_FORCE=1
service_start --set carts.capacity=2 --set carts.extents=2 --set payments.capacity=1
equal "persistent memory is said" 1 "$(metric trove_journal_persistent_memory)"
unset PMEM_IS_PMEM_FORCE
mark
send '{"type":"cart.open","id":1,"cart":1,"currency":"EUR"}'
send '{"type":"cart.open","id":2,"cart":2,"currency":"EUR"}'
send '{"type":"cart.open","id":3,"cart":3,"currency":"EUR"}'
delta "a full pool" 1 'trove_events_refused_total{code="pool_exhausted"}'
full() { [ "$(metric 'allocator_pool_exhausted_total{name="carts"}')" -ge 1 ]; }
check "and which one it was" full
equal "it holds what it can" 2 "$(metric 'allocator_pool_in_use_objects{name="carts"}')"
equal "which is all of it" 2 "$(metric 'allocator_pool_capacity_objects{name="carts"}')"
delta "nobody had to leave" 0 'trove_evicted_total{what="cart"}'
send '{"type":"cart.add","id":4,"cart":1,"sku":"tea","quantity":1,"unit_price":5}'
send '{"type":"cart.checkout","id":5,"cart":1,"payment":9}'
send '{"type":"cart.open","id":3,"cart":3,"currency":"EUR"}'
delta "a closed cart left for a new one" 1 'trove_evicted_total{what="cart"}'
send '{"type":"payment.void","id":6,"payment":9}'
send '{"type":"payment.authorize","id":7,"payment":10,"amount":5,"currency":"EUR","ttl_ms":1000}'
# shellcheck disable=SC2317  # wait_until calls it
ended() { [ "$(metric 'trove_expired_total{what="payment"}')" = 1 ]; }
check "a payment that time ended" wait_until ended
service_stop
finish
