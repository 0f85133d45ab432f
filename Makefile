# clustermail.  make, make check, make chaos, make lint, make fuzz, make bench,
# make demo, make install (PREFIX, DESTDIR).  SAN=1 builds with ASan and UBSan.

PREFIX	= /usr/local
DESTDIR	=
CC	= cc
SAN	=
TESTS	=
JOBS	= 2
FUZZ_SECONDS = 20
CHAOS_SECONDS = 300

LIBS_XML  = -lxml2
LIBS_KV   = -ldb-5.3
LIBS_SASL = -lgsasl
LIBS_ZLIB = -lz
LIBS_IDN  = -lidn2
LIBS_UNI  = -lunistring
LIBS_TLS  = -lgnutls
LIBS_HTTPD = -lmicrohttpd
LIBS_DNS = -lldns -lsodium
# libcurl is not linked: lib/adapter/curl.c loads it when it is needed.
LIBS_HTTP = -ldl

CPPFLAGS_ALL = -D_GNU_SOURCE -Ilib -isystem /usr/include/libxml2 $(CPPFLAGS)
WARN	= -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	  -Wold-style-definition -Wpointer-arith -Wwrite-strings -Wcast-qual \
	  -Wvla -Wformat=2 -Wundef -Werror=implicit-function-declaration
HARDEN	= -fstack-protector-strong -fstack-clash-protection -fcf-protection \
	  -fno-strict-aliasing -fPIE
LDHARD	= -pie -Wl,-z,relro,-z,now,-z,noexecstack -Wl,--as-needed

ifeq ($(SAN),1)
OUT	= build/san
BIN	= build/san/bin
MODE	= -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined \
	  -fno-omit-frame-pointer
LDMODE	= -fsanitize=address,undefined
else
OUT	= build
BIN	= bin
MODE	= -O2 -g -D_FORTIFY_SOURCE=3
LDMODE	=
endif

CFLAGS_ALL = -std=gnu11 $(WARN) $(HARDEN) $(MODE) -pthread $(CFLAGS)
LDLIBS	= $(LIBS_XML) $(LIBS_IDN) $(LIBS_UNI) $(LIBS_KV) $(LIBS_SASL) \
	  $(LIBS_HTTPD) $(LIBS_TLS) $(LIBS_HTTP) $(LIBS_DNS) \
	  $(LIBS_ZLIB) -pthread

LIB_SRC	:= $(sort $(wildcard lib/*/*.c))
BIN_SRC	:= $(sort $(wildcard bin/cm-*.c))
UNIT_SRC := $(sort $(wildcard test/unit/*.c))
FUZZ_SRC := $(sort $(wildcard test/fuzz/*.c))
TOOL_SRC := $(sort $(wildcard test/tools/*.c))
SHELL_T	:= $(sort $(wildcard test/*.t))

LIB_OBJ	= $(LIB_SRC:%.c=$(OUT)/%.o)
PROGS	= $(BIN_SRC:bin/%.c=$(BIN)/%)
UNIT_T	= $(UNIT_SRC:test/unit/%.c=$(OUT)/test/%.t)
REPLAY	= $(FUZZ_SRC:test/fuzz/%.c=$(OUT)/fuzz/%)
TOOLS	= $(TOOL_SRC:test/tools/%.c=$(OUT)/tools/%)
FUZZERS	= $(FUZZ_SRC:test/fuzz/%.c=build/fuzzer/%)
ARCHIVE	= $(OUT)/libclustermail.a

all: $(PROGS)

# Each goal first sees that what it needs is there; see .ci/deps.
deps-%:
	@sh .ci/deps $*
.PHONY: all check lint fuzz bench demo chaos install clean

$(OUT)/%.o: %.c | deps-build
	@mkdir -p $(@D)
	@echo CC $<; $(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

$(ARCHIVE): $(LIB_OBJ)
	@rm -f $@
	@echo AR $@; ar rcs $@ $(LIB_OBJ)

$(BIN)/%: $(OUT)/bin/%.o $(ARCHIVE)
	@mkdir -p $(@D)
	@echo LD $@; $(CC) $(CFLAGS_ALL) $(LDHARD) $(LDMODE) $(LDFLAGS) -o $@ $< \
	    $(ARCHIVE) $(LDLIBS)

$(OUT)/test/%.t: $(OUT)/test/unit/%.o $(ARCHIVE)
	@mkdir -p $(@D)
	@echo LD $@; $(CC) $(CFLAGS_ALL) $(LDHARD) $(LDMODE) $(LDFLAGS) -o $@ $< \
	    $(ARCHIVE) $(LDLIBS)

$(OUT)/tools/%: $(OUT)/test/tools/%.o $(ARCHIVE)
	@mkdir -p $(@D)
	@echo LD $@; $(CC) $(CFLAGS_ALL) $(LDHARD) $(LDMODE) $(LDFLAGS) -o $@ $< \
	    $(ARCHIVE) $(LDLIBS)

# A fuzz target with a main of its own that only runs the files it is given.
$(OUT)/fuzz/%: $(OUT)/test/fuzz/%.o $(OUT)/test/fuzz/replay/main.o $(ARCHIVE)
	@mkdir -p $(@D)
	@echo LD $@; $(CC) $(CFLAGS_ALL) $(LDHARD) $(LDMODE) $(LDFLAGS) -o $@ $< \
	    $(OUT)/test/fuzz/replay/main.o $(ARCHIVE) $(LDLIBS)

build/fuzzer/%: test/fuzz/%.c $(LIB_SRC) $(wildcard lib/*/*.h) | deps-fuzz
	@mkdir -p $(@D)
	clang $(CPPFLAGS_ALL) -std=gnu11 -O1 -g -pthread \
	    -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined \
	    -o $@ $< $(filter lib/base/%.c lib/format/%.c,$(LIB_SRC)) \
	    $(FUZZ_MORE) $(LIBS_UNI)

build/fuzzer/sasl_server: FUZZ_MORE = lib/adapter/sasl.c \
	    lib/adapter/sasl_server.c $(LIBS_SASL)
build/fuzzer/deflate: FUZZ_MORE = lib/adapter/deflate.c $(LIBS_ZLIB)
# The session with what it is made of; what is below, as it is.
build/fuzzer/smtp_session: $(ARCHIVE)
build/fuzzer/smtp_session: FUZZ_MORE = lib/adapter/conn.c lib/adapter/wire.c \
	    $(wildcard lib/protocol/smtp*.c) lib/protocol/session.c \
	    lib/protocol/login.c lib/cluster/intake.c $(ARCHIVE) $(LDLIBS)
build/fuzzer/pop3_session: $(ARCHIVE)
build/fuzzer/pop3_session: FUZZ_MORE = lib/adapter/conn.c lib/adapter/wire.c \
	    $(wildcard lib/protocol/pop3*.c) lib/protocol/session.c \
	    $(ARCHIVE) $(LDLIBS)
build/fuzzer/imap_session: $(ARCHIVE)
build/fuzzer/imap_session: FUZZ_MORE = lib/adapter/conn.c lib/adapter/wire.c \
	    lib/adapter/deflate.c $(wildcard lib/protocol/imapd*.c) \
	    lib/protocol/session.c lib/cluster/intake.c $(ARCHIVE) $(LDLIBS)
build/fuzzer/dnsd: $(ARCHIVE)
build/fuzzer/dnsd: FUZZ_MORE = $(wildcard lib/protocol/dnsd*.c) \
	    $(wildcard lib/cluster/zone*.c) lib/cluster/choose.c \
	    lib/cluster/turns.c lib/adapter/rr.c $(ARCHIVE) $(LDLIBS)

# SAN=1 finds its programs through BIN and OUT too.
check: deps-check $(PROGS) $(UNIT_T) $(REPLAY) $(TOOLS)
	ROOT=$(CURDIR) BIN=$(CURDIR)/$(BIN) OUT=$(CURDIR)/$(OUT) \
	    SAN=$(SAN) sh test/run -j$(JOBS) $(if $(TESTS),$(TESTS),$(UNIT_T) $(SHELL_T))

lint: deps-lint
	CC="$(CC)" sh test/lint

print-cflags:
	@echo $(CPPFLAGS_ALL) $(WARN) -std=gnu11
.PHONY: print-cflags

fuzz: deps-fuzz $(FUZZERS)
	FUZZ_SECONDS=$(FUZZ_SECONDS) sh test/fuzz/run $(FUZZERS)

bench: deps-bench $(PROGS) $(TOOLS)
	ROOT=$(CURDIR) BIN=$(CURDIR)/$(BIN) OUT=$(CURDIR)/$(OUT) sh test/bench/run

# With three nodes, with two, and with two that take nothing which only one
# has, for CHAOS_SECONDS each; through the tools, and through cm-smtpd.
chaos: deps-check $(PROGS)
	for n in "3" "2" "2 -s refuse"; do for m in "" "-m smtp"; do \
		ROOT=$(CURDIR) BIN=$(CURDIR)/$(BIN) SAN=$(SAN) sh test/chaos \
		    $$m -n $$n -t $(CHAOS_SECONDS) || exit 1; done; done

# CORPUS: a folder of messages (*.eml) to use.
demo: deps-demo $(PROGS)
	@BIN=$(CURDIR)/$(BIN) CORPUS="$(CORPUS)" sh examples/demo

install: $(PROGS)
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/clustermail
	for s in 1 5 7 8; do \
		install -d $(DESTDIR)$(PREFIX)/share/man/man$$s; done
	install -m 755 $(PROGS) $(DESTDIR)$(PREFIX)/bin
	install -m 644 share/*.rng $(DESTDIR)$(PREFIX)/share/clustermail
	install -m 755 share/mkcerts $(DESTDIR)$(PREFIX)/share/clustermail
	for f in man/*.[1578]; do \
		install -m 644 $$f $(DESTDIR)$(PREFIX)/share/man/man$${f##*.}; done

clean:
	rm -rf build $(BIN_SRC:bin/%.c=bin/%)

.SECONDARY:
-include $(LIB_OBJ:.o=.d) $(BIN_SRC:%.c=$(OUT)/%.d) \
    $(UNIT_SRC:%.c=$(OUT)/%.d) $(FUZZ_SRC:%.c=$(OUT)/%.d) \
    $(TOOL_SRC:%.c=$(OUT)/%.d)
