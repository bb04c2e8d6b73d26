# The rules of tests/tidy/tidy that look into files. Input: the tree's text files;
# variables: list (file of all paths), floors (the table). Prints FILE:LINE: message.

function say(message) { printf "%s:%d: %s\n", FILENAME, FNR, message }

# Is path the file `pattern`, or below it where it ends in "/" ?
function is_at(path, pattern) {
	return path == pattern || (pattern ~ /\/$/ && index(path, pattern) == 1)
}

# The folder of the table in which a path stands; "" where it stands in none.
function folder_of(path,   i, best) {
	best = ""
	for (i = 1; i <= folder_count; i++)
		if (index(path, folders[i] "/") == 1 && length(folders[i]) > length(best)) best = folders[i]
	return best
}

function may_see_header(name,   i, seen) {
	for (i = 1; i <= header_count; i++)
		if (is_at(name, headers[i])) {
			seen = 1
			if (is_at(FILENAME, places[i])) return
		}
	if (seen) {
		say("<" name "> is not for this file; include it only where tests/tidy/floors says, and call that")
		return
	}
	for (i = 1; i <= system_count; i++)
		if (is_at(name, systems[i])) return
	say("<" name "> is not in tests/tidy/floors; a new library needs a `header` line there and a reason")
}

function may_see_file(path,   mine, other, i) {
	if (!(path in exists)) {
		say("\"" path "\" is not a file; write the path from the top of the tree")
		return
	}
	mine = folder_of(FILENAME)
	other = folder_of(path)
	if (mine == other) return
	if (other == "") {
		say("\"" path "\" stands on no floor; give its folder one in tests/tidy/floors")
		return
	}
	for (i = 1; i <= door_count; i++)
		if (mine == door_from[i] && is_at(path, door_to[i])) return
	if (floor[other] > floor[mine])
		say("\"" path "\" is on floor " floor[other] ", above " mine " (" floor[mine] "); turn the call around or move it up")
	else if (floor[other] == floor[mine])
		say("\"" path "\" is beside " mine " on floor " floor[mine] "; let both meet one floor up")
}

# The line without comments and without what stands in quotes.
function code_of(line,   out, at, two) {
	out = ""
	while (line != "") {
		if (in_comment) {
			at = index(line, "*/")
			if (!at) return out
			line = substr(line, at + 2)
			in_comment = 0
			continue
		}
		if (!match(line, /["']|\/\/|\/\*/)) return out line
		out = out substr(line, 1, RSTART - 1)
		line = substr(line, RSTART)
		two = substr(line, 1, 2)
		if (two == "//") return out
		if (two == "/*") {
			in_comment = 1
			line = substr(line, 3)
		} else if (match(line, /^"([^"\\]|\\.)*"/) || match(line, /^'([^'\\]|\\.)*'/)) {
			out = out " \"\" "
			line = substr(line, RLENGTH + 1)
		} else {
			# A digit separator, or a string that goes on in the next line.
			out = out " "
			line = substr(line, 2)
		}
	}
	return out
}

function calls(code, names) { return match(code, "(^|[^A-Za-z0-9_.>])(" names ")[ \t]*\\(") }

# A header without any directive has no guard either.
function end_file() {
	if (want_guard != "") printf "%s:1: no guard; begin with #ifndef %s\n", header_name, want_guard
}

function start_file(   guard) {
	end_file()
	in_comment = 0
	is_c = FILENAME ~ /\.(c|h|cc)$/
	is_source = is_c || FILENAME ~ /\.(ts|sh|awk|mk|ya?ml)$/ || FILENAME ~ /(^|\/)(Makefile|Dockerfile)$/ ||
		FILENAME ~ /^(tests\/run|tests\/tidy\/tidy|tests\/fuzz\/run|tests\/support\/[^.\/]*|\.ci\/run|deploy\/[^.\/]*)$/
	want_guard = ""
	if (FILENAME ~ /\.h$/) {
		guard = toupper(FILENAME)
		gsub(/[^A-Z0-9]/, "_", guard)
		want_guard = guard
		header_name = FILENAME
	}
	if (is_c && folder_of(FILENAME) == "")
		say("this folder stands on no floor; give it one in tests/tidy/floors")
	may_allocate = 0
	for (i = 1; i <= allocator_count; i++) if (is_at(FILENAME, allocators[i])) may_allocate = 1
	too_long_said = 0
}

BEGIN {
	marks = "TO" "DO|FIX" "ME|XX" "X|HA" "CK"
	width_max = 130
	lines_max = 700
	allocation = "malloc|calloc|realloc|reallocarray|aligned_alloc|posix_memalign|memalign|strn?dup|v?asprintf"
	while ((getline path < list) > 0) exists[path] = 1
	while ((getline row < floors) > 0) {
		n = split(row, word, " ")
		if (n == 0 || word[1] ~ /^#/) continue
		if (word[1] == "floor" && n == 3) { folders[++folder_count] = word[3]; floor[word[3]] = word[2] + 0 }
		else if (word[1] == "door" && n == 3) { door_from[++door_count] = word[2]; door_to[door_count] = word[3] }
		else if (word[1] == "header" && n >= 3)
			for (i = 3; i <= n; i++) { headers[++header_count] = word[2]; places[header_count] = word[i] }
		else if (word[1] == "allocates") for (i = 2; i <= n; i++) allocators[++allocator_count] = word[i]
		else if (word[1] == "system") for (i = 2; i <= n; i++) systems[++system_count] = word[i]
		else printf "tests/tidy/floors:1: a line that nobody understands: %s\n", row
	}
	if (!folder_count) { print "tests/tidy/floors:1: no floors in the table"; exit }
}

FNR == 1 { start_file() }

# No path of one person's machine, in any text.
match($0, /(^|[^A-Za-z0-9_.\/$}-])\/(home|work|Users|root)\/[A-Za-z0-9._]/) {
	say("an absolute path of somebody's folder; use a relative one or a variable")
}

!is_source { next }

/[ \t]$/ { say("blanks at the end of the line; remove them") }
/\r$/ { say("a carriage return at the end of the line; save the file with Unix line ends") }
match($0, "(^|[^A-Za-z0-9_])(" marks ")([^A-Za-z0-9_]|$)") {
	say("an unfinished mark (" substr($0, RSTART, RLENGTH) "); finish it, or write it down as an issue")
}
{
	width = $0
	gsub(/[\200-\277]/, "", width)
	gsub(/\t/, "    ", width)
	if (length(width) > width_max) say("longer than " width_max " columns (a tab counts as 4); break the line")
}
FNR > lines_max && !too_long_said { say("more than " lines_max " lines; split the file by idea"); too_long_said = 1 }

!is_c { next }

# The first directive of a header is its guard, named after the path.
want_guard != "" && /^[ \t]*#/ {
	if ($0 !~ "^#ifndef " want_guard "$") say("the first directive must be: #ifndef " want_guard)
	else if ((getline following) <= 0 || following !~ "^#define " want_guard "$")
		say("the guard is not defined in the next line: #define " want_guard)
	want_guard = ""
	next
}

/^[ \t]*#[ \t]*include[ \t]*</ {
	name = $0
	sub(/^[^<]*</, "", name)
	sub(/>.*$/, "", name)
	may_see_header(name)
	next
}
/^[ \t]*#[ \t]*include[ \t]*"/ {
	name = $0
	sub(/^[^"]*"/, "", name)
	sub(/".*$/, "", name)
	may_see_file(name)
	next
}

{
	code = code_of($0)
	if (calls(code, "strcpy|strcat|stpcpy|sprintf|vsprintf|gets|strtok|atoi|alloca"))
		say("a call without a bound or without errors; use snprintf, a cursor, strtol with its checks, or an arena")
	if (!may_allocate && calls(code, allocation))
		say("general allocation; take memory from an arena or pool, or add the file to `allocates` in tests/tidy/floors")
}

END { end_file() }
