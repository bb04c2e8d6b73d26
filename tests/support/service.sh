# shellcheck shell=sh
# For shell tests: a troved of one's own. Source it from the top of the tree:
#   . tests/support/service.sh
# It gives: bin, work (a folder that is removed), port (+0 reply, +1 collect, +2 publish,
# +5 for others, +8 admin, +9 observe), ok and not_ok and check, service_start, service_stop, metric, finish.

bin=${TROVE_BUILD:?tests/run sets it}/bin
work=$(mktemp -d "${TMPDIR:-/tmp}/trove-test.XXXXXX") || exit 70
service=
passed=0
failed=0

on_exit() {
	[ -n "$service" ] && kill -s KILL "$service" 2>/dev/null
	rm -rf "$work"
}
trap on_exit EXIT

ok() { passed=$((passed + 1)); echo "ok $1"; }
not_ok() { failed=$((failed + 1)); echo "not ok $1"; }
# check NAME COMMAND...: ok when the command succeeds.
check() {
	name=$1
	shift
	if "$@"; then ok "$name"; else not_ok "$name"; fi
}
# equal NAME EXPECTED FOUND
equal() { if [ "$2" = "$3" ]; then ok "$1"; else not_ok "$1: expected '$2', found '$3'"; fi; }
# holds NAME TEXT FILE: the file holds the text.
holds() { if grep -qF -- "$2" "$3"; then ok "$1"; else not_ok "$1: no '$2' in: $(head -c 600 "$3")"; fi; }
# run EXPECTED_CODE NAME COMMAND...: standard output and error go to $work/out and $work/err.
run() {
	wanted=$1 name=$2
	shift 2
	code=0
	"$@" >"$work/out" 2>"$work/err" </dev/null || code=$?
	if [ "$code" -eq "$wanted" ]; then ok "$name"; else
		not_ok "$name: exit code $code, expected $wanted"
		head -n 5 "$work/err"
	fi
}
finish() { echo "$passed passed, $failed failed"; [ "$failed" -eq 0 ]; }

# Ten ports in a row that nobody listens on, below those that the system gives to clients.
pick_port() {
	awk -v start=$(($$ % 1500)) '
		FNR > 1 && $4 == "0A" { split($2, a, ":"); taken[hex(a[2])] = 1 }
		function hex(text,   i, n) {
			for (i = 1; i <= length(text); i++) n = n * 16 + index("0123456789ABCDEF", substr(text, i, 1)) - 1
			return n
		}
		END {
			for (i = 0; i < 1500; i++) {
				p = 15000 + (start + i) % 1500 * 10
				if (!taken[p] && !taken[p + 1] && !taken[p + 2] && !taken[p + 5] && !taken[p + 8] && !taken[p + 9]) {
					print p
					exit
				}
			}
		}' /proc/net/tcp /proc/net/tcp6 2>/dev/null
}
port=$(pick_port)
export TROVECTL_URL="tcp://127.0.0.1:$port" TROVECTL_OBSERVE="127.0.0.1:$((port + 9))"
export TROVECTL_PUBLISH="tcp://127.0.0.1:$((port + 2))"
ipc=ipc://$work/data/trove.ipc
# A troved that a test starts by itself must not meet another one at the default addresses.
export TROVE_OBSERVE_LISTEN='' TROVE_ADMIN_LISTEN=''

wait_until() {
	tries=0
	until "$@" >/dev/null 2>&1; do
		tries=$((tries + 1))
		[ "$tries" -lt 200 ] || return 1
		sleep 0.05
	done
}

# Starts it in the background and waits until it is ready; the log is $work/log.
service_start() {
	exec_troved "$@" 2>>"$work/log" &
	service=$!
	wait_until "$bin/trovectl" health && return
	echo "troved did not become ready:" && cat "$work/log"
	exit 1
}
# With the test's places; exec, so that $! is troved itself. $launcher: a command that execs the rest.
exec_troved() {
	# shellcheck disable=SC2086  # words
	exec ${launcher:-} "$bin/troved" --set data.directory="$work/data" --set "events.reply=[tcp://127.0.0.1:$port,$ipc]" \
		--set "events.collect=tcp://127.0.0.1:$((port + 1))" --set "events.publish=tcp://127.0.0.1:$((port + 2))" \
		--set "observe.listen=127.0.0.1:$((port + 9))" --set "admin.listen=127.0.0.1:$((port + 8))" "$@"
}
# shellcheck disable=SC2120  # the signal may be left out
# Signals it (TERM) and leaves its exit code in $code.
service_stop() {
	code=0
	kill -s "${1:-TERM}" "$service"
	wait "$service" || code=$?
	service=
}

# A series of /metrics with its labels.
metric() {
	curl -s "http://127.0.0.1:$((port + 9))/metrics" | awk -v name="$1" 'index($0, name " ") == 1 { print $NF }'
}
