#!/bin/sh
# The unit is understood, may do little (`systemd-analyze security` below 2.0), and what it sets troved takes.
set -u
bin=${TROVE_BUILD:?tests/run sets it}/bin
unit=deploy/systemd/trove.service
work=$(mktemp -d "${TMPDIR:-/tmp}/trove-test.XXXXXX") || exit 70
trap 'rm -rf "$work"' EXIT
passed=0 failed=0
ok() { passed=$((passed + 1)); echo "ok $1"; }
not_ok() { failed=$((failed + 1)); echo "not ok $1"; }

# exposure FILE: "1.2"
exposure() {
	systemd-analyze security --offline=true --no-pager "$1" 2>&1 | sed -n 's/.*exposure level.*: \([0-9.]*\) .*/\1/p'
}
found=$(exposure "$unit")
if [ -n "$found" ] && awk "BEGIN { exit !($found < 2.0) }"; then ok "exposure $found"; else not_ok "exposure '$found'"; fi
# Less protection is seen, so the figure means something.
mkdir "$work/open"
sed -E '/^(ProtectSystem|CapabilityBoundingSet|SystemCallFilter|PrivateUsers|NoNewPrivileges)/d' "$unit" \
	>"$work/open/trove.service"
found=$(exposure "$work/open/trove.service")
if [ -n "$found" ] && awk "BEGIN { exit !($found > 2.0) }"; then ok "unprotected: $found"; else not_ok "unprotected: '$found'"; fi

# verify asks for the programs that it starts.
sed "s,^ExecStart=/usr/local/bin/troved,ExecStart=$bin/troved," "$unit" >"$work/trove.service"
verify() { SYSTEMD_LOG_LEVEL=warning systemd-analyze verify --man=no "$work/trove.service" >"$work/out" 2>&1; }
if verify && ! grep -qF trove.service "$work/out"; then ok 'verify'; else not_ok "verify: $(cat "$work/out")"; fi
echo 'Nonsense=yes' >>"$work/trove.service"
verify
if grep -qF Nonsense "$work/out"; then ok 'verify finds nonsense'; else not_ok 'verify finds nonsense'; fi

# What the unit sets: each variable is an option; the times of stopping fit.
sed -n 's/^Environment="\{0,1\}\([^"]*\)"\{0,1\}$/\1/p' "$unit" >"$work/environment"
(
	while IFS= read -r one; do export "${one?}"; done <"$work/environment"
	"$bin/troved" --config config/trove.yaml --print-config
) >"$work/out" 2>&1
taken="$(wc -l <"$work/environment") $(grep -c 'from environment' "$work/out")"
if [ "$taken" = '4 4' ]; then ok 'its variables are options'; else not_ok "its variables are options: $taken"; fi
stop=$(sed -n 's/^TimeoutStopSec=//p' "$unit")
drain=$("$bin/troved" --print-config | awk '/drain_(delay|timeout)_ms:/ { sum += $2 } END { print sum }')
if [ "$drain" -lt $((stop * 1000)) ]; then ok 'it drains in time'; else not_ok "it drains in time: $drain ms in $stop s"; fi
# is_bindable PORT
is_bindable() {
	awk -v port="$1" -F '[:-]' '
		/^SocketBindAllow/ && port >= $3 && port <= (NF > 3 ? $4 : $3) { found = 1 }
		END { exit !found }' "$unit"
}
for port in 4700 4701 4702 9090; do
	if is_bindable $port; then ok "port $port may be bound"; else not_ok "port $port may be bound"; fi
done
if is_bindable 4703; then not_ok 'others may not'; else ok 'others may not'; fi

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
