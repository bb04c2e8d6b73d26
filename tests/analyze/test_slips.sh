#!/bin/sh
# What engine/base/attribute.h promises is seen: each slip in slips.c must fail to compile,
# with the warning that stands beside it, and the file without slips must compile.
set -u
cd "$(dirname "$0")/../.." || exit 70
flags='-std=gnu23 -O2 -I. -Wall -Wextra -Werror -c -o /dev/null tests/analyze/slips.c'
passed=0 failed=0

# compile COMPILER FLAG...
compile() {
	compiler=$1
	shift
	# shellcheck disable=SC2086  # a list of flags
	case $compiler in
	analyzer) gcc $flags -fanalyzer "$@" ;;
	*) "$compiler" $flags "$@" ;;
	esac
}

check() {
	if [ "$1" -eq 0 ]; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "$2"
		cat "$TMPDIR/said"
	fi
}

for compiler in gcc clang analyzer; do
	compile $compiler >"$TMPDIR/said" 2>&1
	check $? "$compiler complains about the file without a slip"
done
grep -o '/[*] slip [a-z_]* [a-z]* [a-z=-]* ' tests/analyze/slips.c >"$TMPDIR/list"
while read -r _ _ name compiler warning; do
	compile "$compiler" "-DSLIP_$name" >"$TMPDIR/said" 2>&1
	grep -qE "(-Werror=|-Werror,-W)$warning\\]" "$TMPDIR/said"
	check $? "$compiler does not see $name ($warning)"
done <"$TMPDIR/list"
[ "$passed" -gt 3 ] || { failed=$((failed + 1)); echo "no slips were tried"; }
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
