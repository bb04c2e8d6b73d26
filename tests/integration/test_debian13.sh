#!/bin/sh
# deploy/debian13 as seen by what calls it: run on Debian 13 itself (make test runs
# there), so a nested run is direct. Making a root is not tested here: it takes minutes.
set -u
script=$PWD/deploy/debian13
passed=0 failed=0
check() { # NAME CONDITION...
	name=$1
	shift
	if "$@"; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "FAILED: $name"; fi
}
is() { [ "$1" = "$2" ] || { echo "  got '$1', not '$2'"; return 1; }; }

# shellcheck source=/dev/null
if [ "$(. /etc/os-release && echo "$ID ${VERSION_ID:-}")" != "debian 13" ] || ! "$script" --ready; then
	echo "SKIP: this is not a Debian 13 with the packages of deploy/packages"
	exit 77
fi

check "where: no other root" is "$("$script" --where)" /
check "output is the command's" is "$("$script" printf '%s|' 'a b' '' '*' 2>&1)" 'a b||*|'
check "input is the command's" is "$(echo in | "$script" cat)" in
check "errors are the command's" is "$("$script" sh -c 'echo out; echo err >&2' 2>&1 >/dev/null)" err
"$script" sh -c 'exit 42'
check "exit code" is $? 42
"$script" "$script" sh -c 'exit 43'
check "exit code, nested twice" is $? 43
check "working directory" is "$(cd tests && "$script" pwd)" "$PWD/tests"
"$script" >/dev/null 2>&1
check "no command is a usage error" is $? 64
check "help" test -n "$("$script" --help)"

# A signal to the script is a signal to the command: nothing else stands between.
"$script" sleep 60 &
child=$!
sleep 0.5
kill -s TERM "$child"
wait "$child"
check "SIGTERM ends the command" is $? 143

# A copy whose list wants a package that nobody has, in a path with blanks.
# Everybody may read it: it is run without root's rights, too.
open=$(mktemp -d /tmp/trove-open.XXXXXX)
trap 'rm -rf "$open"' EXIT
chmod 755 "$open"
copy="$open/a checkout"
mkdir -p "$copy/deploy"
cp deploy/debian13 "$copy/deploy/"
{ cat deploy/packages; echo "build trove-no-such-package"; } >"$copy/deploy/packages"
"$copy/deploy/debian13" --ready
check "a missing package is seen" is $? 1
if [ "$(id -u)" -eq 0 ]; then
	said=$(setpriv --reuid=65534 --regid=65534 --clear-groups "$copy/deploy/debian13" true 2>&1)
else
	said=$("$copy/deploy/debian13" true 2>&1)
fi
check "without root: the packages to install are named" is "$?:$said" \
	"69:debian13: this Debian 13 host lacks packages; as root: apt-get install --no-install-recommends trove-no-such-package "
rm "$copy/deploy/packages"
"$copy/deploy/debian13" true 2>/dev/null
check "no list" is $? 78

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
