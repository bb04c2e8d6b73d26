#!/bin/sh
# troved's configuration and start: what is wrong is said in one line that names file,
# line and key, with the right exit code; what is right is taken in the right order.
set -u
. tests/support/service.sh

# file TEXT: a configuration file
file() { printf '%b' "$1" >"$work/c.yaml"; }
# bad CODE NAME EXPECTED_TEXT TROVED_ARGUMENT...
bad() {
	wanted=$1 what=$2 text=$3
	shift 3
	run "$wanted" "$what" "$bin/troved" "$@"
	holds "$what: message" "$text" "$work/err"
	equal "$what: one line" 1 "$(wc -l <"$work/err" | tr -d ' ')"
}

# The defaults are looked at; nothing listens before the starts that fail.
unset TROVE_OBSERVE_LISTEN TROVE_ADMIN_LISTEN

# ---- files -----------------------------------------------------------------------------
file 'events:\n  repply: tcp://127.0.0.1:1\n'
bad 78 'unknown key' "c.yaml:2: events.repply: no such option; did you mean events.reply?" \
	--config "$work/c.yaml" --check
file 'log:\n  level: loud\n'
bad 78 'wrong choice' "c.yaml:2: log.level: 'loud' is not allowed; expected one of error|warning|info|debug" \
	--config "$work/c.yaml" --check
file '\nevents:\n  contexts: many\n'
bad 78 'wrong type' "c.yaml:3: events.contexts: 'many' is not allowed; expected an integer from 1 to 65536" \
	--config "$work/c.yaml" --check
file 'events:\n  contexts: 65537\n'
bad 78 'out of range' "c.yaml:2: events.contexts: '65537' is not allowed" --config "$work/c.yaml" --check
file 'log:\n  level: info\n  level: debug\n'
bad 78 'given twice' "c.yaml:3: log.level: given twice" --config "$work/c.yaml" --check
file 'rewards:\n  strict: yes please\n'
bad 78 'no boolean' "c.yaml:2: rewards.strict: 'yes please' is not allowed; expected true or false" \
	--config "$work/c.yaml" --check
file 'log: [unclosed\nevents:\n'
bad 78 'broken YAML' "c.yaml:2: " --config "$work/c.yaml" --check
file 'log:\n\tlevel: info\n'
bad 78 'a tab' "c.yaml:2: " --config "$work/c.yaml" --check
file 'log:\n  level:\n    deeper: 1\n'
bad 78 'too deep' "c.yaml:" --config "$work/c.yaml" --check
file 'events:\n  queue: 1000\n'
bad 78 'no power of two' "events.queue: 1000 is not allowed; expected a power of two" --config "$work/c.yaml" --check
file '&a [*a]\n'
bad 78 'no mapping' "c.yaml:1: " --config "$work/c.yaml" --check
bad 78 'no such file' "nowhere.yaml: cannot be opened: No such file or directory" --config "$work/nowhere.yaml" --check
file ''
run 0 'an empty file' "$bin/troved" --config "$work/c.yaml" --check
file '# nothing\n'
run 0 'only comments' "$bin/troved" --config "$work/c.yaml" --check

# ---- environment and command line --------------------------------------------------------
bad 78 '--set of an unknown key' "--set log.levl: no such option; did you mean log.level?" --set log.levl=info --check
bad 78 '--set without a value' "--set 'log.level' is no assignment" --set log.level --check
bad 64 'unknown argument' "troved: --what is no argument; see troved --help" --what
bad 64 '--config without a file' "troved: --config needs a value" --config
TROVE_EVENTS_CONTEXT=5 bad 78 'a typing error in the environment' "environment TROVE_EVENTS_CONTEXT: no such option" --check
TROVE_LOG_LEVEL=loud bad 78 'a bad value in the environment' \
	"environment TROVE_LOG_LEVEL: log.level: 'loud' is not allowed" --check
TROVE_SOMETHING=5 run 0 'a name that is not ours' "$bin/troved" --check

source_of() { awk -v key="  $1:" 'index($0, key) == 1 { print $2 " " before } { before = $0 }' "$work/out"; }
file 'log:\n  level: error\n'
run 0 'from the file' "$bin/troved" --config "$work/c.yaml" --print-config
equal 'from the file: value' 'error   # (one of error|warning|info|debug; live; from file)' "$(source_of level)"
TROVE_LOG_LEVEL=warning run 0 'environment over file' "$bin/troved" --config "$work/c.yaml" --print-config
equal 'environment over file: value' 'warning   # (one of error|warning|info|debug; live; from environment)' \
	"$(source_of level)"
TROVE_LOG_LEVEL=warning run 0 '--set over environment' "$bin/troved" --config "$work/c.yaml" \
	--set log.level=debug --print-config
equal '--set over environment: value' 'debug   # (one of error|warning|info|debug; live; from command line)' \
	"$(source_of level)"

# ---- ready files ---------------------------------------------------------------------------
run 0 'print-config' "$bin/troved" --print-config
cp "$work/out" "$work/printed.yaml"
run 0 'print-config is a configuration' "$bin/troved" --config "$work/printed.yaml" --print-config
sed 's/; from [a-z ]*)$/)/' "$work/printed.yaml" >"$work/plain"
sed 's/; from [a-z ]*)$/)/' "$work/out" | diff "$work/plain" - >"$work/diff"
equal 'print-config comes back the same' '' "$(cat "$work/diff")"
equal 'print-config has each section once' '' "$(grep '^[a-z].*:$' "$work/plain" | sort | uniq -d)"
equal 'config/trove.yaml is what print-config prints' '' \
	"$(grep -v '^# Every option with' config/trove.yaml | diff - "$work/plain")"
for ready in config/*.yaml; do
	run 0 "$ready is good" "$bin/troved" --config "$ready" --check
done
run 0 'help' "$bin/troved" --help
run 0 'version' "$bin/troved" --version

# ---- starts that fail ------------------------------------------------------------------------
export TROVE_OBSERVE_LISTEN='' TROVE_ADMIN_LISTEN=''
bad 65 'no rewards file' "rewards.file: $work/none.csv: cannot be opened: No such file or directory" \
	--set rewards.file="$work/none.csv" --set events.reply="$ipc" --set data.directory="$work" --set log.level=error
printf 'id,x,y,radius\n1,10,10,5\n2,200,10,5\nthree,1,1,1\n4,1,1\n' >"$work/r.csv"
bad 65 'strict rewards' "$work/r.csv:3: x: must be a number from -180 to 180" --set rewards.file="$work/r.csv" \
	--set rewards.strict=true --set events.reply="$ipc" --set data.directory="$work" --set log.level=error
printf 'id,radius\n1,5\n' >"$work/h.csv"
bad 65 'a header without x' "$work/h.csv:1: the header has no column x" --set rewards.file="$work/h.csv" \
	--set events.reply="$ipc" --set data.directory="$work" --set log.level=error
file 'rewards:\n  kernel: avx512\n'
if grep -q avx512f /proc/cpuinfo; then
	echo "SKIP kernel not available: this machine has them all"
else
	bad 78 'kernel not available' "rewards.kernel: this machine has no avx512" --config "$work/c.yaml" \
		--set events.reply="$ipc" --set data.directory="$work" --set log.level=error
fi
bad 78 'rewards.kernel is no kernel' "rewards.kernel: 'sse' is not allowed" --set rewards.kernel=sse --check
bad 69 'ipc path that is not there' "events.reply: cannot listen on ipc://$work/no/such/trove.ipc" \
	--set "events.reply=ipc://$work/no/such/trove.ipc" --set data.directory="$work" --set log.level=error
bad 78 'data directory that cannot be made' "data.directory: cannot make /proc/trove" --set data.directory=/proc/trove \
	--set log.level=error
bad 69 'not an address' "events.reply: cannot listen on nonsense" --set events.reply=nonsense --set log.level=error
bad 78 'observe is no address' "observe.listen: 'nonsense' is no address" --set events.reply="ipc://$work/o.ipc" \
	--set observe.listen=nonsense --set events.collect=[] \
	--set events.publish=[] --set data.directory="$work" --set log.level=error

# ---- processors ------------------------------------------------------------------------------
cpus=$(awk '/^Cpus_allowed_list:/ { print $2 }' /proc/self/status)
one=${cpus%%[-,]*}
last=${cpus##*[-,]}
bad 78 'writer on a processor that is not there' \
	"events.writer_cpu: processor 1023 is not among those that this process may run on ($cpus)" \
	--set events.writer_cpu=1023 --check
bad 78 'a list with a processor that is not there' \
	"events.cpus: processor 1022 is not among those that this process may run on ($cpus)" \
	--set "events.cpus=$one,1022-1023" --check
bad 78 'no list of processors' "events.cpus: '3-1' is not allowed; expected numbers of processors like 0,2,4-7" \
	--set events.cpus=3-1 --check
bad 78 'a choice of memory.numa' "memory.numa: 'on' is not allowed; expected one of auto|off" --set memory.numa=on --check
run 0 'processors that are there' "$bin/troved" --set events.cpus="$cpus" --set events.writer_cpu="$one" --check

# ---- a running one ---------------------------------------------------------------------------
file 'log:\n  level: info\nservice:\n  drain_delay_ms: 0\n'
service_start --config "$work/c.yaml" --set rewards.file="$work/r.csv" --set events.writer_cpu="$one" \
	--set events.cpus="$last"
# masks NAME: where threads whose name begins so may run
masks() {
	for task in "/proc/$service/task"/*; do
		case $(cat "$task/comm") in "$1"*) awk '/^Cpus_allowed_list:/ { print $2 }' "$task/status" ;; esac
	done | sort -u
}
equal 'the writer keeps to its processor' "$one" "$(masks trove-writer)"
equal "nng's threads keep to theirs" "$last" "$(masks nng)"
equal 'main does not' "$cpus" "$(masks troved)"
holds 'nodes are spoken of' "node" "$work/log"
holds 'bad rows are named' "$work/r.csv:3: x: must be" "$work/log"
holds 'bad rows are named by line' "$work/r.csv:4: id: 'three' is not allowed" "$work/log"
equal 'bad rows are counted' 3 "$(metric trove_rewards_file_bad_rows)"
equal 'good rows are there' 1 "$(metric trove_rewards)"
bad 69 'bound port' "events.reply: cannot listen on tcp://127.0.0.1:$port: Address in use" \
	--set events.reply="tcp://127.0.0.1:$port" --set data.directory="$work" --set log.level=error
bad 69 'bound observe port' "observe.listen: cannot listen on 127.0.0.1:$((port + 9)): Address already in use" \
	--set events.reply="ipc://$work/o.ipc" --set events.collect=[] --set events.publish=[] \
	--set observe.listen="127.0.0.1:$((port + 9))" --set log.level=error
run 0 'the first one still answers' "$bin/trovectl" ping

file 'log:\n  level: debug\nservice:\n  drain_delay_ms: 5000\n  drain_timeout_ms: 9000\nevents:\n  contexts: 7\n'
kill -s HUP "$service"
check 'reload is logged' wait_until grep -q 'live options were read again' "$work/log"
curl -s "http://127.0.0.1:$((port + 9))/config" >"$work/config"
holds '/config: the source of a live change' '"service.drain_timeout_ms":{"value":9000,"source":"file"' "$work/config"
holds '/config: what waits for a start' '"events.contexts":{"value":128,"source":"default"' "$work/config"
holds 'a live change' "log.level: 'debug', was 'info'" "$work/log"
holds 'a startup change is warned of' "events.contexts: '7' takes effect at the next start" "$work/log"
file 'log:\n  level: loud\n'
kill -s HUP "$service"
check 'a bad file changes nothing' wait_until grep -q "nothing was changed: .*c.yaml:2: log.level: 'loud'" "$work/log"

"$bin/trovectl" watch service.state --count 1 >"$work/watched" 2>/dev/null &
watcher=$!
# PUB sends to every peer that it has: then the watcher hears.
watches() { [ "$(metric trove_peers)" = 1 ]; }
check 'the watcher is there' wait_until watches
kill -s TERM "$service"
drains() { [ "$(curl -s -o "$work/ready" -w '%{http_code}' "http://127.0.0.1:$((port + 9))/readyz")" = 503 ]; }
check 'not ready while draining' wait_until drains
holds 'the reason' '"draining"' "$work/ready"
run 0 'still answers during drain_delay' "$bin/trovectl" ping
equal 'health says so' 'not ready: draining' "$("$bin/trovectl" health)"
code=0
wait "$service" || code=$?
service=
equal 'drained with exit code 0' 0 "$code"
timeout 30 tail --pid="$watcher" -f /dev/null || kill "$watcher"
wait "$watcher"
holds 'service.state was published' 'service.state {"type":"service.state","state":"draining"' "$work/watched"

service_start --set service.drain_delay_ms=3000 --set admin.token=geheim
run 1 'drain without the token' "$bin/trovectl" drain --admin "127.0.0.1:$((port + 8))"
holds 'drain without the token: why' 'refuses with 401' "$work/err"
TROVECTL_TOKEN=geheim run 0 'drain' "$bin/trovectl" drain --admin "127.0.0.1:$((port + 8))"
equal 'not ready any more' 'not ready: draining' "$("$bin/trovectl" health)"
kill -s TERM "$service"
run 0 'the first signal after a request to drain changes nothing' "$bin/trovectl" ping
code=0
wait "$service" || code=$?
service=
equal 'drained by trovectl' 0 "$code"
run 69 'nobody to drain' "$bin/trovectl" drain --admin "127.0.0.1:$((port + 8))"

# ---- descriptors --------------------------------------------------------------------------------
# The soft limit is raised, the hard one is looked at.
limits() { awk '/^Max open files/ { print $4 " " $5 }' "/proc/$service/limits"; }
soft=$(prlimit --pid $$ --nofile --noheadings --raw --output SOFT)
hard=$(prlimit --pid $$ --nofile --noheadings --raw --output HARD)
if [ "$hard" = unlimited ] || [ "$hard" -ge 600 ]; then
	: >"$work/log"
	prlimit --pid $$ --nofile=300:
	service_start
	prlimit --pid $$ --nofile="$soft":
	equal 'the soft limit of descriptors is raised to the hard one' "$hard $hard" "$(limits)"
	equal 'a limit that is enough is not spoken of' '' "$(grep RLIMIT_NOFILE "$work/log")"
	service_stop
else
	echo "SKIP descriptors: the hard limit is $hard"
fi
: >"$work/log"
prlimit --nofile=200 "$bin/troved" --set data.directory="$work/few" --set events.reply="$ipc-few" --set events.collect=[] \
	--set events.publish=[] --set rewards.capacity=1000 --set events.peers_max=100 2>"$work/log" &
service=$!
check 'a limit that is too low is no reason not to start' wait_until grep -q 'is ready' "$work/log"
equal 'it is warned of once, with both numbers and the option' 1 \
	"$(grep -c 'events.peers_max = 100: .* 244 descriptors .* the hard limit is 200; raise RLIMIT_NOFILE' "$work/log")"
service_stop

# ---- who may open the ipc socket ------------------------------------------------------------
# In a folder that all may reach, so that only the socket decides.
open=$(mktemp -d /tmp/trove-open.XXXXXX)
trap 'rm -rf "$open"; on_exit' EXIT
chmod 755 "$open"
cp "$bin/trovectl" "$open/"
# may NAME EXPECTED_CODE GROUP: another user's ping over it.
may() {
	run "$2" "$1" setpriv --reuid 20001 --regid "$3" --clear-groups \
		"$open/trovectl" ping --url "ipc://$open/t.ipc" --timeout-ms 5000
}
for access in user group everybody; do
	service_start --set "events.reply=[tcp://127.0.0.1:$port,ipc://$open/t.ipc]" --set events.ipc_access=$access
	case $access in
	user) mode=600 group=69 others=69 ;;
	group) mode=660 group=0 others=69 ;;
	everybody) mode=666 group=0 others=0 ;;
	esac
	equal "ipc for $access" "$mode" "$(stat -c %a "$open/t.ipc")"
	if [ "$(id -u)" -eq 0 ]; then
		may "ipc for $access: one of the group" "$group" "$(id -g)"
		may "ipc for $access: a stranger" "$others" 20001
	else
		echo "SKIP ipc for $access: only root can be somebody else"
	fi
	service_stop
done

service_start --set service.drain_delay_ms=600000
kill -s TERM "$service"
# The log holds those before, too.
drained_again() { test "$(grep -c 'signal 15: draining' "$work/log")" -eq 5; }
check 'draining' wait_until drained_again
service_stop INT
equal 'a second signal stops at once' 0 "$code"
holds 'and says so' 'second signal 2: stopping at once' "$work/log"
finish
