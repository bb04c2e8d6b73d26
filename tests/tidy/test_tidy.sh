#!/bin/sh
# Plants one break of every house rule in a small tree and sees that tests/tidy/tidy
# names it, in its file and line, and that it says nothing about the clean tree.
set -u
here=$(cd "$(dirname "$0")" && pwd -P)
work=$(mktemp -d "${TMPDIR:-/tmp}/tidy-test.XXXXXX") || exit 70
trap 'rm -rf "$work"' EXIT
passed=0 failed=0

clean_tree() {
	rm -rf "$work/tree"
	mkdir -p "$work/tree" && cd "$work/tree" || exit 70
	mkdir -p engine/base engine/memory engine/store engine/journal engine/net proto cmd/troved tests/unit/store config
	for folder in engine/base engine/memory engine/store engine/journal engine/net proto cmd/troved tests; do
		echo "# a folder" >$folder/README.md
	done
	echo 'all:' >Makefile
	printf '/* a */\n#ifndef ENGINE_BASE_A_H\n#define ENGINE_BASE_A_H\n#include <stdint.h>\n#endif\n' >engine/base/a.h
	printf '#ifndef ENGINE_STORE_B_H\n#define ENGINE_STORE_B_H\n#include "engine/base/a.h"\n#endif\n' >engine/store/b.h
	printf '#ifndef ENGINE_MEMORY_ARENA_H\n#define ENGINE_MEMORY_ARENA_H\n#endif\n' >engine/memory/arena.h
	printf '#include "engine/memory/arena.h"\n#include <jansson.h>\n' >proto/json.c
	printf '/* strcpy(a) is named in a comment only,\n * malloc(1) too */\nconst char *s = "gets(x)"; int strcpy_count(void);\n' \
		>engine/store/b.c
	printf '#include <cmocka.h>\n#include "engine/store/b.h"\n' >tests/unit/store/test_b.c
}

verdict() { # NAME 0|1
	if [ "$2" -eq 0 ]; then passed=$((passed + 1)); else
		failed=$((failed + 1))
		echo "FAILED: $1"
		sed 's/^/    /' "$work/said"
	fi
}

# expect NAME FILE:LINE WORDS: the tree as it stands now has exactly this to mend.
expect() {
	"$here/tidy" "$work/tree" >"$work/said" 2>&1
	code=$?
	grep -F "$2: " "$work/said" | grep -qF "$3" && [ $code -eq 1 ] && [ "$(wc -l <"$work/said")" -eq 2 ]
	verdict "$1" $?
	clean_tree
}

clean_tree
"$here/tidy" "$work/tree" >"$work/said" 2>&1
verdict "a clean tree is clean" $?

mkdir scripts && echo x >scripts/x
expect "top entry" scripts:1 "agreed entries"
rm engine/store/README.md
expect "README missing" engine/store/README.md:1 "missing"
echo '#include "engine/store/b.h"' >engine/base/a.c
expect "include upwards" engine/base/a.c:1 "above engine/base"
echo '#include "engine/store/b.h"' >engine/journal/a.c
expect "include sideways" engine/journal/a.c:1 "beside engine/journal"
printf '#ifndef ENGINE_MEMORY_POOL_H\n#define ENGINE_MEMORY_POOL_H\n#endif\n' >engine/memory/pool.h
echo '#include "engine/memory/pool.h"' >proto/frame.c
expect "a door is for one file" proto/frame.c:1 "beside proto"
echo '#include "b.h"' >>engine/store/b.c
expect "relative include" engine/store/b.c:4 "not a file"
echo '#include <jansson.h>' >>engine/store/b.c
expect "library in the wrong file" engine/store/b.c:4 "not for this file"
echo '#  include <nng/nng.h>' >>engine/store/b.c
expect "library folder in the wrong file" engine/store/b.c:4 "not for this file"
echo '#include <surprise.h>' >>engine/net/n.c
expect "unknown library" engine/net/n.c:1 "not in tests/tidy/floors"
mkdir engine/attic && echo "# a" >engine/attic/README.md && echo 'int a;' >engine/attic/a.c
expect "folder without a floor" engine/attic/a.c:1 "no floor"
printf '#ifndef B_H\n#define B_H\n#endif\n' >engine/store/b.h
expect "guard with another name" engine/store/b.h:1 "#ifndef ENGINE_STORE_B_H"
printf '#ifndef ENGINE_STORE_B_H\n#define ENGINE_STORE_C_H\n#endif\n' >engine/store/b.h
expect "guard not defined" engine/store/b.h:2 "#define ENGINE_STORE_B_H"
echo 'int b;' >engine/store/b.h
expect "no guard" engine/store/b.h:1 "no guard"
for call in strcpy strcat sprintf strtok gets atoi alloca; do
	printf 'int x;\nvoid f(void) { /* c */ %s(a, "x"); }\n' "$call" >engine/store/c.c
	expect "banned $call" engine/store/c.c:2 "without a bound"
done
for call in malloc calloc realloc aligned_alloc posix_memalign strdup; do
	printf 'int x;\nvoid f(void) { p = %s(1); }\n' "$call" >engine/store/c.c
	expect "$call outside the list" engine/store/c.c:2 "general allocation"
done
for mark in 'TO''DO' 'FIX''ME' 'XX''X'; do
	printf '\n/* %s: later */\n' "$mark" >engine/store/c.c
	expect "unfinished mark" engine/store/c.c:2 "unfinished mark"
done
awk 'BEGIN { printf "// "; for (i = 0; i < 128; i++) printf "x"; print "" }' >engine/store/c.c
expect "long line" engine/store/c.c:1 "longer than 130"
printf 'int a;\nint b; \n' >engine/store/c.c
expect "trailing blank" engine/store/c.c:2 "blanks at the end"
printf 'int a;\r\n' >engine/store/c.c
expect "carriage return" engine/store/c.c:1 "carriage return"
printf 'see %s/me/x\n' '/home' >config/notes.md
expect "somebody's path" config/notes.md:1 "absolute path"
awk 'BEGIN { for (i = 0; i < 702; i++) print "int a;" }' >engine/store/c.c
expect "long file" engine/store/c.c:701 "more than 700 lines"

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
