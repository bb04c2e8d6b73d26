#!/bin/sh
# GET /debug/pprof/heap of a running troved, read by others than us: protoc with pprof's own schema, and pprof
# itself where it is installed. Sums are those of /allocator, functions of ours are named, sampling can be
# switched off and on while troved runs, and a call that is not a GET is refused.
set -u
. tests/support/service.sh

schema=/usr/share/gocode/src/github.com/google/pprof/proto
case $TROVE_BUILD in *-address* | *-thread*) sanitized=true ;; *) sanitized=false ;; esac
$sanitized && echo "SKIP sampled blocks: a sanitizer has a heap of its own"

# fetch NAME: the profile as $work/NAME.pb.gz and, decoded, as $work/NAME.text.
fetch() {
	curl -s -D "$work/head" -o "$work/$1.pb.gz" "http://127.0.0.1:$((port + 9))/debug/pprof/heap"
	gzip -t "$work/$1.pb.gz" && gzip -dc "$work/$1.pb.gz" |
		protoc --decode=perftools.profiles.Profile -I "$schema" "$schema/profile.proto" >"$work/$1.text"
}

# One line a sample: MEASURE SOURCE HOLDING OBJECTS BYTES RESERVED FUNCTION<FUNCTION..., with _ for spaces.
# The decoder's text has the strings anywhere, so it is read twice.
samples() {
	awk '
		function value(line) { sub(/^[^:]*: /, "", line); return line }
		FNR == 1 { pass++; texts = 0 }
		/^string_table: / {
			if (pass == 1) { t = value($0); t = substr(t, 2, length(t) - 2); gsub(/ /, "_", t); text[texts++] = t }
			next
		}
		/^[a-z_]+ \{$/ { block = $1; id = name = line = n = values = 0; delete label; stack = ""; next }
		/^\}$/ {
			if (pass == 1 && block == "function") function_name[id] = name
			if (pass == 1 && block == "location") location[id] = line
			if (pass == 2 && block == "sample") {
				for (i = 1; i <= n; i++) stack = stack (i > 1 ? "<" : "") text[function_name[location[place[i]]]]
				holding = "holding" in label ? label["holding"] : "-"
				printf "%s %s %s %.0f %.0f %.0f %s\n", label["measure"], label["source"], holding, v[1], v[2], v[3], stack
			}
			next
		}
		/^  id: / { id = $2 }
		/^  name: / { name = $2 }
		/^    function_id: / { line = $2 }
		/^  location_id: / { place[++n] = $2 }
		/^  value: / { v[++values] = $2 }
		/^    key: / { key = $2 }
		/^    str: / { label[text[key]] = text[$2] }
	' "$work/$1.text" "$work/$1.text" >"$work/$1.samples"
}
field() { tr ',{' '\n' <"$work/allocator" | sed -n "s/^\"$1\":\([0-9]*\).*/\1/p" | head -n 1; }
total() { awk -v measure="$2" -v column="$3" '$1 == measure { sum += $column } END { printf "%.0f\n", sum }' "$work/$1.samples"; }
period() { sed -n 's/^period: //p' "$work/$1.text"; }

cat >"$work/trove.yaml" <<-YAML
	memory:
	  heap_sample_bytes: 1024
	YAML
service_start --config "$work/trove.yaml" --set rewards.file=config/demo_rewards.csv --set memory.heap_samples_max=65536
"$bin/trovectl" replay config/demo_track.csv >"$work/replay" 2>&1 || not_ok "replay: $(tail -n 1 "$work/replay")"

# ---- what it says ---------------------------------------------------------------------------------------
check 'it is gzip and protobuf' fetch fine
holds 'it is bytes' 'Content-Type: application/octet-stream' "$work/head"
samples fine
types() {
	awk '/^sample_type/ { inside = 1 } /^}/ { inside = 0 } inside && ($1 == "type:" || $1 == "unit:") { print $2 }' "$1" |
		while read -r n; do grep '^string_table: ' "$1" | sed -n "$((n + 1))s/^string_table: \"\(.*\)\"/\1/p"; done |
		paste -sd ' ' -
}
equal 'three values' 'inuse_objects count inuse_space bytes reserved_space bytes' "$(types "$work/fine.text")"
equal 'the period' 1024 "$(period fine)"
curl -s "http://127.0.0.1:$((port + 9))/allocator" >"$work/allocator"
# shellcheck disable=SC2016
check 'every sample has a stack' awk '$7 == "" { bad = 1 } END { exit bad || NR < 10 }' "$work/fine.samples"
check 'the pool of carts is there, exactly' grep -q '^exact pool carts 0 0 [1-9][0-9]* carts<held_memory$' "$work/fine.samples"
check 'the effects arena is there' grep -q '^exact arena effects_of_one_batch ' "$work/fine.samples"
check 'rewards are there' grep -q '^exact snapshot [^ ]* [1-9][0-9]* [1-9]' "$work/fine.samples"
# What /allocator holds by kind, and what the profile says; nothing is going on.
exact=$(total fine exact 6)
held=$(tr '{' '\n' <"$work/allocator" | sed -n 's/.*"name":.*"reserved_bytes":\([0-9]*\).*/\1/p' |
	awk '{ s += $1 } END { printf "%.0f\n", s }')
equal 'what is held is what /allocator says' "$held" "$exact"

if ! $sanitized; then
	live=$(field live_bytes)
	sampled=$(total fine sampled 5)
	check "the heap's sum is the truth: $sampled of $live bytes alive" \
		awk -v a="$sampled" -v b="$live" 'BEGIN { exit !(b > 500000 && a > 0.85 * b && a < 1.15 * b) }'
	check 'functions of ours are named' grep -q '^sampled heap - .*[a-z_]*setup[a-z_]*<.*main' "$work/fine.samples"
	check 'callers of libraries are named' grep -Eq '^sampled heap .* [^ ]*<nng_[a-z_]*<[a-z_]*<' "$work/fine.samples"
	echo "$(wc -c <"$work/fine.pb.gz") bytes, $(wc -l <"$work/fine.samples") samples"
fi

# ---- the tool that people use -----------------------------------------------------------------------------
pprof=$(command -v pprof || command -v /usr/lib/go-*/pkg/tool/*/pprof || true)
if [ -n "$pprof" ]; then
	run 0 'pprof opens it' "$pprof" -top -nodecount=40 "$bin/troved" "$work/fine.pb.gz"
	if ! $sanitized || ! grep -q 'Type: inuse_space' "$work/out"; then
		check 'pprof names functions' grep -q 'setup' "$work/out"
	fi
	run 0 'pprof knows the labels' "$pprof" -top -tagfocus=measure=exact -sample_index=reserved_space "$work/fine.pb.gz"
	holds 'pprof shows pools' 'held memory' "$work/out"
else
	echo "SKIP pprof itself: it is not installed (golang-go has it); protoc read the profile"
fi

# ---- live -------------------------------------------------------------------------------------------------
set_period() {
	sed -i "s/heap_sample_bytes: .*/heap_sample_bytes: $1/" "$work/trove.yaml"
	kill -s HUP "$service"
	wait_until sh -c "curl -s http://127.0.0.1:$((port + 9))/debug/pprof/heap | gzip -dc |
		protoc --decode=perftools.profiles.Profile -I $schema $schema/profile.proto | grep -q '^$2'"
}
check 'sampling is switched off' set_period 0 'string_table: "sampling is off: '
check 'and on again' set_period 4096 'period: 4096'
fetch again
equal 'with another period' 4096 "$(period again)"

# ---- bad ---------------------------------------------------------------------------------------------------
equal 'it changes nothing' 405 \
	"$(curl -s -o /dev/null -w '%{http_code}' -X POST "http://127.0.0.1:$((port + 9))/debug/pprof/heap")"
many=0
while [ $many -lt 50 ]; do
	curl -s -o /dev/null "http://127.0.0.1:$((port + 9))/debug/pprof/heap" || not_ok 'one of many'
	many=$((many + 1))
done
before=$(field resident_bytes)
sleep 0.2
curl -s "http://127.0.0.1:$((port + 9))/allocator" >"$work/allocator"
after=$(field resident_bytes)
$sanitized || check "fifty profiles leave nothing: $before, then $after bytes" [ "$((after - before))" -lt $((16 << 20)) ]
service_stop
service_start --set memory.heap_samples_max=64 --set memory.heap_sample_bytes=64
fetch full
holds 'a full table is told' ' dropped since the start (memory.heap_samples_max)"' "$work/full.text"
$sanitized || check 'and counts' grep -Eq 'heap: 6[0-4] live samples, [1-9][0-9]* dropped' "$work/full.text"
service_stop
finish
