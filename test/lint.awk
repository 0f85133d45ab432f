# What lint can see by reading C: layers, outside libraries, forbidden calls,
# and the look of lines.  Prints file:line: what, and nothing else.

BEGIN {
	n = split("base format adapter cluster protocol", name, " ")
	for (i = 1; i <= n; i++)
		level[name[i]] = i

	# Header of an outside library, and whose alone it is.
	owner["<db\\.h>"] = "kv"
	owner["<curl/"] = "curl"
	owner["<gnutls/"] = "tls"
	owner["<gsasl\\.h>"] = "sasl"
	owner["<libxml/"] = "xml"
	owner["<microhttpd\\.h>"] = "httpd"
	owner["<ldns/"] = "rr"
	owner["<sodium"] = "siphash"
	owner["<uni(case|norm|str)\\.h>"] = "charset"

	before = "(^|[^A-Za-z0-9_.>])"
	never = before "(strcpy|strcat|sprintf|vsprintf|strtok|atoi|atol|" \
	    "sscanf|gets)[ \t]*\\("
	notlib = before "(exit|printf|vprintf|puts|putchar|fprintf|" \
	    "perror|signal|sigaction)[ \t]*\\("
	leaves = before "_exit[ \t]*\\("
}

FNR == 1 {
	incomment = 0
	part = FILENAME
	sub(/\/.*/, "", part)
	split(FILENAME, dir, "/")
	base = FILENAME
	sub(/.*\//, "", base)
	own = part == "lib" ? level[dir[2]] : 0
	if (part == "lib" && !own)
		bad("no level of lib/")
}

function bad(text) {
	print FILENAME ":" FNR ": " text
}

# kv.c and kv_x.c are of the module kv, kvx.c is not; so are their unit tests,
# which may play the other side.
function is_module(m) {
	return FILENAME ~ "^(lib/" level_of(m) "|test/unit)/" m "[._-]"
}

# Text is converted without I/O, where it is parsed.
function level_of(m) {
	return m == "charset" ? "format" : "adapter"
}

function include(s,    l, h) {
	for (h in owner)
		if (s ~ h && !is_module(owner[h]))
			bad(s ": only lib/" level_of(owner[h]) "/" owner[h] " may")
	if (s !~ /"/ || part == "test")
		return
	sub(/^[^"]*"/, "", s)
	sub(/".*/, "", s)
	l = s
	sub(/\/.*/, "", l)
	if (!(l in level) || l == s)
		bad("\"" s "\": write it \"LEVEL/x.h\"")
	else if (part == "lib" && level[l] > own)
		bad("\"" s "\": " dir[2] " may not include from " l)
	else if (part == "bin" && l == "adapter")
		bad("\"" s "\": tools may not include from adapter")
}

# The line without comments and without what is in quotes.
function code(s,    out, i, q) {
	out = ""
	while (s != "") {
		if (incomment) {
			if (!(i = index(s, "*/")))
				return out
			s = substr(s, i + 2)
			incomment = 0
		}
		if (!match(s, /\/\*|\/\/|"|'/))
			return out s
		out = out substr(s, 1, RSTART - 1) " "
		q = substr(s, RSTART, RLENGTH)
		s = substr(s, RSTART + RLENGTH)
		if (q == "//")
			return out
		if (q == "/*")
			incomment = 1
		else if (match(s, q == "'" ? /^([^'\\]|\\.)*'/ : \
		    /^([^"\\]|\\.)*"/))
			s = substr(s, RLENGTH + 1)
	}
	return out
}

function width(s,    a, n, i, w) {
	gsub(/[\200-\277]/, "", s)
	n = split(s, a, "\t")
	w = n ? length(a[1]) : 0
	for (i = 2; i <= n; i++)
		w += 8 - w % 8 + length(a[i])
	return w
}

function call(re, text,    s, rest) {
	for (rest = line; match(rest, re);
	    rest = substr(rest, RSTART + RLENGTH)) {
		s = substr(rest, RSTART, RLENGTH)
		gsub(/[^A-Za-z0-9_]/, "", s)
		bad(s "(): " text)
	}
}

/[ \t\r]$/ { bad("blanks at the end") }
width($0) > 80 { bad("over 80 columns") }
/^[ \t]*#[ \t]*include/ && !incomment { include($0) }

{
	line = code($0)
	if (part == "test" || line !~ /\(/)
		next
	call(never, "not used here, see STYLE")
	if (part != "lib")
		next
	if (FILENAME != "lib/protocol/session_signal.c")
		call(notlib, "lib/ does not exit, print or handle signals")
	if (FILENAME !~ /^lib\/base\/spawn/ &&
	    FILENAME !~ /^lib\/cluster\/[^\/]*spawn/)
		call(leaves, "only after fork in spawn")
}
