#!/bin/sh
# A real Prometheus scrapes a real troved under load: what it takes, that every query of the Grafana dashboard has
# data, and that the rules fire when they must (promtool) and are silent when all is well.
set -u
for tool in prometheus promtool sqlite3; do
	command -v $tool >/dev/null || { echo "SKIP Prometheus: there is no $tool here (package list: deploy/packages)"; exit 77; }
done
# shellcheck source=tests/support/service.sh
. tests/support/service.sh
case $TROVE_BUILD in
*-address* | *-thread*)
	echo "SKIP Prometheus: with a sanitizer a scrape takes longer than it waits; test_metrics.sh asks the same paths"
	exit 77
	;;
esac

rules=deploy/prometheus/rules.yml
board=deploy/grafana/trove.json
prometheus=
load=
stop_all() {
	for pid in $load $prometheus; do kill "$pid" && wait "$pid"; done 2>/dev/null
	load=
	prometheus=
}
trap 'stop_all; on_exit' EXIT

# ---- what is shipped ------------------------------------------------------------------------
run 0 "the configuration is good" promtool check config deploy/prometheus/prometheus.yml
run 0 "the rules are good" promtool check rules "$rules"
run 0 "each alert fires when it must, and not else" promtool test rules deploy/prometheus/rules_test.yml
grep -c 'SUCCESS' "$work/out" >/dev/null || cat "$work/out"
equal "each alert has its case" "$(sed -n 's/^ *- alert: //p' $rules | sort)" \
	"$(sed -n 's/^ *ALERTS{alertname="\([A-Za-z]*\)".*/\1/p' deploy/prometheus/rules_test.yml | sort)"
for line in summary means look "do"; do
	equal "each alert says: $line" "$(grep -c '^ *- alert:' $rules)" "$(grep -c "^          $line:" $rules)"
done
# A name in a rule or a query that no metric has never matches anything.
"$bin/troved" --print-metrics | awk -F '`' '/^\| `/ { print $2 }' | sort >"$work/known"
sqlite3 :memory: "SELECT atom FROM json_tree(readfile('$board')) WHERE key = 'expr'" >"$work/queries"
{ sed -n 's/^ *record: //p; s/^ *- record: //p' $rules; echo trove_; } >"$work/recorded"
unknown() {
	grep -oE '\b(trove|allocator|process)_[a-z_]+' "$1" | sed -E 's/_(bucket|sum|count)$//' | sort -u |
		comm -23 - "$work/known" | while read -r name; do grep -q "$name" "$work/recorded" || echo "$name"; done
}
equal "the dashboard names metrics that exist" "" "$(unknown "$work/queries")"
grep -vE '^ *(#|- name:|- record:)' $rules >"$work/bodies"
equal "the rules name metrics that exist" "" "$(unknown "$work/bodies")"

# ---- start ----------------------------------------------------------------------------------
free() {
	awk -v want=":$(printf '%04X' "$1")\$" '$4 == "0A" && $2 ~ want { found = 1 } END { exit found }' \
		/proc/net/tcp /proc/net/tcp6
}
observe=$((port + 9))
if free 9090; then observe=9090; else
	echo "SKIP the job event_router: somebody else listens on port 9090 of this machine"
fi
TROVECTL_OBSERVE=127.0.0.1:$observe
service_start --set rewards.file=config/demo_rewards.csv --set "observe.listen=127.0.0.1:$observe" \
	--set data.segment_bytes=262144 --set data.snapshot_bytes=500000
scrape() { curl -s "http://127.0.0.1:$observe/metrics"; }

# Everything that the dashboard shows: queries, changes, the same ids again, refusals.
awk 'function event(type, rest) { printf "{\"type\":\"%s\"%s}\n", type, rest }
BEGIN {
	for (i = 1; i <= 2000; i++) {
		event("locate", ",\"x\":-122.4194,\"y\":37.7749,\"radius\":" 100 + i)
		reward = ",\"reward\":" 7000000 + i ",\"x\":13.4,\"y\":52.5"
		event("reward.put", ",\"id\":" i reward ",\"radius\":500,\"name\":\"r\"")
		event("claim", ",\"id\":" 10000 + i ",\"actor\":5" reward)
		event("cart.open", ",\"id\":" 20000 + i ",\"currency\":\"EUR\",\"cart\":" i)
		event("cart.add", ",\"id\":" 30000 + i ",\"sku\":\"tea\",\"quantity\":2,\"unit_price\":50,\"cart\":" i)
		event("cart.checkout", ",\"id\":" 40000 + i ",\"payment\":" i ",\"cart\":" i)
		event("payment.capture", ",\"id\":" 50000 + i ",\"payment\":" i)
		event("payment.get", ",\"payment\":" i + 1000)
		event("reward.get", ",\"reward\":1")
		event("ping", "")
	}
}' >"$work/events"
(
	sender=
	trap 'kill "$sender"; wait "$sender"; exit' TERM
	while :; do
		"$bin/trovectl" send <"$work/events" >/dev/null 2>&1 &
		sender=$!
		wait "$sender"
	done
) 2>/dev/null &
load=$!

web=$((port + 5))
sed -e "s/localhost:9090/127.0.0.1:$observe/; s/\(_interval:\) 15s/\1 1s/; s|rules.yml|$PWD/$rules|" \
	deploy/prometheus/prometheus.yml >"$work/prometheus.yml"
[ "$observe" = 9090 ] && echo "scrape_config_files: [$PWD/deploy/prometheus/event_router.yml]" >>"$work/prometheus.yml"
prometheus --config.file="$work/prometheus.yml" --storage.tsdb.path="$work/series" --log.level=warn \
	--web.listen-address="127.0.0.1:$web" --scrape.discovery-reload-interval=1s 2>"$work/prometheus.log" &
prometheus=$!

ask() { curl -s --data-urlencode "query=$1" "http://127.0.0.1:$web/api/v1/query"; }
# Values of an instant query, one a line.
numbers() { grep -o '"value":\[[^]]*\]' | sed 's/.*,"\(.*\)"\]/\1/'; }
values() { ask "$1" | numbers; }
has_data() { values "$1" | grep -vq NaN; }
is() { [ "$(values "$1")" = "$2" ]; }

scraped() { has_data 'count_over_time(up{job="trove"}[1m]) >= 8'; }
check "Prometheus scrapes" wait_until scraped
equal "every scrape was good" 1 "$(values 'min_over_time(up{job="trove"}[1m])')"

# ---- what it has taken -------------------------------------------------------------------------
scrape >"$work/text"
run 0 "promtool has nothing to say about the metrics" promtool check metrics <"$work/text"
promtool check metrics <"$work/text" >"$work/said" 2>&1
equal "and says nothing" "" "$(cat "$work/said")"
printf '# HELP trove_bad Bad.\n# TYPE trove_bad counter\ntrove_bad 1\n' | promtool check metrics >/dev/null 2>&1 &&
	not_ok "promtool looks at what it is given"
equal "the ladder adds up to the resident set" 1 \
	"$(values 'sum(allocator_ladder_bytes{job="trove"}) == bool sum(process_resident_memory_bytes{job="trove"})')"
curl -s "http://127.0.0.1:$web/api/v1/metadata?metric=trove_events" >"$work/answer"
holds "OpenMetrics was asked for, and types have arrived" '"type":"counter"' "$work/answer"

if [ "$observe" = 9090 ]; then
	routed() { has_data 'allocator_reserved_bytes{job="event_router",instance="localhost:9090"}'; }
	check "the job event_router scrapes localhost:9090" wait_until routed
	curl -s "http://127.0.0.1:$web/api/v1/targets" | tr '{' '\n' >"$work/targets"
	holds "every 5 seconds" '"scrapeInterval":"5s"' "$work/targets"
	holds "at /metrics" '"scrapeUrl":"http://localhost:9090/metrics"' "$work/targets"
	equal "it keeps all names that begin with allocator_" "$(grep -c ^allocator_ "$work/known")" \
		"$(values 'count(count by (__name__) ({job="event_router",__name__=~"allocator_.+"}))')"
	equal "and nothing else of trove's" "" \
		"$(values 'count({job="event_router",__name__!~"allocator_.*|up|scrape_.*|ALERTS.*|.*:.*"})')"
fi

# ---- the dashboard ---------------------------------------------------------------------------------
# Without data where all is well: no cgroup with a limit, no restart, no alert.
may_be_empty() {
	case $1 in
	*trove_cgroup_*) ! grep -q '^trove_cgroup_' "$work/text" ;;
	'changes(process_start_time'* | 'ALERTS{alertname=~"Trove.*"'*) ;;
	*) return 1 ;;
	esac
}
[ "$(wc -l <"$work/queries")" -ge 60 ] || not_ok "the dashboard has at least 60 queries"
while read -r query; do
	# shellcheck disable=SC2016  # Grafana's variables, not the shell's
	asked=$(printf '%s' "$query" | sed 's/\$__rate_interval/15s/g; s/\$job/trove/g; s/\$instance/.+/g')
	case $asked in *'$'*) not_ok "a variable that nobody fills: $asked" ;; esac
	ask "$asked" >"$work/answer"
	case $(numbers <"$work/answer") in
	*[0-9]*) passed=$((passed + 1)) ;;
	*)
		if grep -q '"status":"success"' "$work/answer" && may_be_empty "$asked"; then passed=$((passed + 1)); else
			not_ok "data for: $asked: $(head -c 200 "$work/answer")"; fi ;;
	esac
done <"$work/queries"

# ---- the rules, live -----------------------------------------------------------------------------------
sed -n 's/^ *- record: //p' $rules >"$work/names"
while read -r name; do check "recorded: $name" has_data "$name"; done <"$work/names"
equal "no alert fires while all is well" "" "$(ask 'ALERTS{alertstate="firing"}' | grep -o '"alertname":"[^"]*"')"
kill -s KILL "$service"
wait "$service" 2>/dev/null
service=
pending() { has_data 'ALERTS{alertname="TroveDown",job="trove"}'; }
check "one wakes up when troved is gone" wait_until pending
stop_all
equal "Prometheus had nothing to complain about" "" \
	"$(grep -v 'Received an OS signal, exiting gracefully' "$work/prometheus.log" | head -n 3)"
finish
