# trove: everything starts here. `make help` lists the targets.
#
# Where the host is not Debian 13 with the packages of deploy/packages, make runs
# itself again inside deploy/debian13, which provides that.

MODE ?= release
SAN ?=
V ?= 0

ifeq ($(TROVE_INSIDE)$(filter help clean,$(MAKECMDGOALS)),)
# ---- outside: hand every goal over to Debian 13 --------------------------------
goals := $(or $(MAKECMDGOALS),all)
.PHONY: $(goals)
$(firstword $(goals)):
	+@deploy/debian13 make --no-print-directory TROVE_INSIDE=1 $(goals)
$(wordlist 2,$(words $(goals)),$(goals)): $(firstword $(goals)) ; @:
else
# ---- inside ---------------------------------------------------------------------
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules --no-print-directory
ifeq ($(origin CC),default)
CC := gcc
endif
ifeq ($(origin CXX),default)
CXX := g++
endif
compiler := $(if $(findstring clang,$(CC)),-clang,)

ifneq ($(filter-out release debug,$(MODE)),)
$(error MODE is '$(MODE)'; it can be release or debug)
endif
ifneq ($(filter-out address undefined thread,$(SAN)),)
$(error SAN is '$(SAN)'; it can be address, undefined or thread)
endif
variant := $(MODE)$(if $(SAN),-$(SAN))$(compiler)
out := build/$(variant)
quiet := $(if $(filter 0,$(V)),@)
say = $(if $(filter 0,$(V)),@printf '  %-7s %s\n' '$(1)' '$(2)')

version := $(shell git describe --always --dirty 2>/dev/null || echo unversioned)

warnings := -Wall -Wextra -Werror -Wshadow -Wpointer-arith -Wcast-qual -Wwrite-strings -Wstrict-prototypes \
	-Wmissing-prototypes -Wold-style-definition -Wundef -Wvla -Wformat=2 -Wimplicit-fallthrough
# No contraction: distances must be the same bits in every kernel and in the tests' twin.
CFLAGS_common := -std=gnu23 -g -fno-omit-frame-pointer -fvisibility=hidden -ffp-contract=off -pthread -I. $(warnings)
CFLAGS_release := -O2 -D_FORTIFY_SOURCE=2 -fstack-protector-strong
CFLAGS_debug := -O1 -DTROVE_DEBUG
SAN_flags := $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all)
ifneq ($(SAN),)
CFLAGS_release := -O1
endif
all_cflags = $(CFLAGS_common) $(CFLAGS_$(MODE)) $(SAN_flags) $(CFLAGS)
all_cxxflags = -std=c++20 -O3 -march=native -g -pthread -I. $(SAN_flags)

libraries := -lnng -levent_core -levent_extra -ljansson -lyaml -lck -lnuma -lz -lm -lpthread
# mimalloc overrides malloc for the process, so it stands before libc; the sanitizers
# bring a malloc of their own that must win.
heap_library := $(if $(filter address thread,$(SAN)),,-Wl,--no-as-needed -lmimalloc -Wl,--as-needed)

engine_sources := $(sort $(wildcard engine/*/*.c proto/*.c))
engine_objects := $(engine_sources:%.c=$(out)/%.o)
support_sources := $(sort $(wildcard tests/support/*.c))
support_objects := $(support_sources:%.c=$(out)/%.o)
programs := $(notdir $(patsubst %/,%,$(dir $(wildcard cmd/*/main.c))))
test_sources := $(sort $(shell find tests/unit tests/property tests/integration -name 'test_*.c' 2>/dev/null))
test_programs := $(test_sources:%.c=$(out)/%)

.PHONY: all programs tests clean help
all: programs

# The one file of each program that says its version.
$(out)/cmd/%/main.o: CFLAGS += -DTROVE_VERSION='"$(version)"'

# Programs of the release build are linked from build/ itself.
programs: $(programs:%=$(out)/bin/%)
	$(quiet)for p in $(programs); do ln -sf $(variant)/bin/$$p build/$$p; done

$(out)/%.o: %.c
	$(call say,CC,$<)
	$(quiet)mkdir -p $(@D)
	$(quiet)$(CC) $(all_cflags) -MMD -MP -c -o $@ $<

$(out)/%.o: %.cc
	$(call say,CXX,$<)
	$(quiet)mkdir -p $(@D)
	$(quiet)$(CXX) $(all_cxxflags) -MMD -MP -c -o $@ $<

$(out)/libengine.a: $(engine_objects)
	$(call say,AR,$@)
	$(quiet)rm -f $@ && ar rcs $@ $^

define program_rule
$(1)_objects := $$(patsubst %,$(out)/%.o,$$(basename $$(wildcard cmd/$(1)/*.c cmd/$(1)/*.cc)))
$(out)/bin/$(1): $$($(1)_objects) $(out)/libengine.a
	$$(call say,LINK,$$@)
	$$(quiet)mkdir -p $$(@D)
	$$(quiet)$(if $(wildcard cmd/$(1)/*.cc),$(CXX),$(CC)) $(SAN_flags) -o $$@ $$($(1)_objects) $(heap_library) $(out)/libengine.a $($(1)_libraries) $(libraries)
-include $$($(1)_objects:.o=.d)
endef
$(foreach p,$(programs),$(eval $(call program_rule,$(p))))

tests: $(test_programs)
$(out)/tests/%: $(out)/tests/%.o $(support_objects) $(out)/libengine.a
	$(call say,LINK,$@)
	$(quiet)$(CC) $(SAN_flags) -o $@ $< $(support_objects) $(out)/libengine.a -lcmocka $(libraries)

-include $(engine_objects:.o=.d) $(support_objects:.o=.d) $(test_sources:%.c=$(out)/%.d)
.SECONDARY:

.PHONY: test
test: programs tests
	$(quiet)tests/run $(out)

clean:
	rm -rf build

help:
	@echo 'make            build the programs into build/'
	@echo 'make test       set up, build, run all tests'
	@echo 'variables: SAN=address|undefined|thread  MODE=release|debug  CC=clang  V=1'
endif
