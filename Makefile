# trove: everything starts here. `make help` lists the targets.
#
# Where the host is not Debian 13 with the packages of deploy/packages, make runs
# itself again inside deploy/debian13, which provides that.

MODE ?= release
SAN ?=
OBSERVE ?= yes
V ?= 0
FUZZ_SECONDS ?= 20

ifneq ($(filter-out release debug,$(MODE)),)
$(error MODE is '$(MODE)'; it can be release or debug)
endif
ifneq ($(filter-out address undefined thread fuzzer,$(SAN)),)
$(error SAN is '$(SAN)'; it can be address, undefined or thread)
endif
ifneq ($(filter-out yes counts no,$(OBSERVE)),)
$(error OBSERVE is '$(OBSERVE)'; it can be yes, counts or no)
endif
VERSION := $(or $(VERSION),$(shell git describe --always --dirty 2>/dev/null || echo unversioned))

# These need nothing but make and a shell, or call make themselves.
host_goals := help clean ci image image-test sbom
ifneq ($(if $(TROVE_INSIDE),,$(filter-out $(host_goals),$(or $(MAKECMDGOALS),all))),)
# ---- outside: hand every goal over to Debian 13 --------------------------------
goals := $(or $(MAKECMDGOALS),all)
# A jobserver of this make would not be reachable inside: only the number goes along.
jobs := $(filter -j%,$(MAKEFLAGS))
# A browser is only in the root of those who ask for it.
export TROVE_PACKAGES_ALSO ?= $(if $(filter dashboard-test,$(goals)),packages.dashboard)
export inner_flags = $(filter-out -j% --jobserver%,$(MAKEFLAGS)) $(if $(findstring --,$(MAKEFLAGS)),,--) VERSION=$(VERSION)
.PHONY: $(goals)
$(firstword $(goals)):
	@MAKEFLAGS="$$inner_flags" deploy/debian13 make $(or $(jobs),-j$(shell nproc)) --no-print-directory TROVE_INSIDE=1 $(goals)
$(wordlist 2,$(words $(goals)),$(goals)): $(firstword $(goals)) ; @:
else
# ---- inside ---------------------------------------------------------------------
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:
MAKEFLAGS += --no-builtin-rules --no-print-directory
ifeq ($(origin CC),default)
CC := gcc
endif
ifeq ($(origin CXX),default)
CXX := $(if $(findstring clang,$(CC)),clang++,g++)
endif
# A cross build makes the tests of the lower floors only; see the target arm64.
ifeq ($(CROSS),arm64)
CC := aarch64-linux-gnu-gcc
arm64_root := build/arm64-libraries
CROSS_cflags := -isystem $(arm64_root)/usr/include -isystem $(arm64_root)/usr/include/aarch64-linux-gnu
endif
compiler := $(if $(findstring clang,$(CC)),-clang)$(if $(CROSS),-$(CROSS))
# What trovebench compares with: metrics and durations without probes and heap samples; nothing of all that.
OBSERVE_name := $(if $(filter no,$(OBSERVE)),-unobserved)$(if $(filter counts,$(OBSERVE)),-counts)
variant := $(MODE)$(if $(SAN),-$(SAN))$(OBSERVE_name)$(compiler)
out := build/$(variant)
quiet := $(if $(filter 0,$(V)),@)
say = $(if $(filter 0,$(V)),@printf '  %-7s %s\n' '$(1)' '$(2)')

# ---- flags ------------------------------------------------------------------------
warnings := -Wall -Wextra -Werror -Wshadow -Wpointer-arith -Wcast-qual -Wwrite-strings -Wstrict-prototypes \
	-Wmissing-prototypes -Wold-style-definition -Wundef -Wvla -Wformat=2 -Wimplicit-fallthrough
# No contraction: distances must be the same bits in every kernel and in the tests' twin.
CFLAGS_common := -std=gnu23 -g -fno-omit-frame-pointer -fvisibility=hidden -ffp-contract=off -pthread -I. $(warnings)
CFLAGS_release := -O2 -D_FORTIFY_SOURCE=2 -fstack-protector-strong
CFLAGS_debug := -O1 -DTROVE_DEBUG
SAN_cflags := $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all)
SAN_ldflags := $(SAN_cflags)
ifeq ($(SAN),fuzzer)
SAN_cflags := -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
SAN_ldflags := -fsanitize=fuzzer,address,undefined
endif
ifneq ($(SAN),)
CFLAGS_release := -O1
endif
OBSERVE_cflags := $(if $(filter no,$(OBSERVE)),-DTROVE_OBSERVE=0) \
	$(if $(filter no counts,$(OBSERVE)),-DTROVE_NO_PROBES -DTROVE_HEAP_SAMPLES=0)
all_cflags = $(CFLAGS_common) $(CFLAGS_$(MODE)) $(OBSERVE_cflags) $(SAN_cflags) $(CROSS_cflags) $(own_cflags) $(CFLAGS)
all_cxxflags = -std=c++20 -O3 -march=native -g -fno-omit-frame-pointer -pthread -I. $(SAN_cflags) $(CXXFLAGS)
all_ldflags = -Wl,-z,relro,-z,now $(SAN_ldflags) $(LDFLAGS)

libraries := -lpmem -lnng -levent_core -lllhttp -ljansson -lyaml -lck -lnuma -lz -lm -lpthread
# mimalloc overrides malloc for the process, so it stands before libc; the sanitizers
# bring a malloc of their own that must win.
heap_library := $(if $(filter address thread fuzzer,$(SAN)),,-Wl,--no-as-needed -lmimalloc -Wl,--as-needed)
trovebench_libraries := -lhiredis -lsqlite3
trovectl_libraries := -lsqlite3
ifeq ($(CROSS),arm64)
libraries := -L$(arm64_root)/usr/lib/aarch64-linux-gnu -ljansson -lck -lnuma -lz -lm -lpthread
endif

# ---- sources ----------------------------------------------------------------------
floors := $(if $(CROSS),engine/base engine/memory engine/store engine/commerce proto,engine/* proto)
engine_sources := $(sort $(wildcard $(addsuffix /*.c,$(floors))))
engine_objects := $(engine_sources:%.c=$(out)/%.o)
# A cross build takes only the tests and the support that stay on the floors it has.
high_floors := engine/(journal|handler|router|shard|net|admin|abi)/|cmd/|tests/support/(service|http|crowd|bad_disk)\.h
high_include := ^\#include ("($(high_floors))|<nng/)
low = $(if $(and $(CROSS),$(1)),$(shell grep -LE '$(high_include)' $(1)),$(1))
support_sources := $(call low,$(sort $(wildcard tests/support/*.c)))
support_objects := $(support_sources:%.c=$(out)/%.o)
PROGRAMS ?= $(notdir $(patsubst %/,%,$(dir $(wildcard cmd/*/main.c))))
test_sources := $(call low,$(sort $(shell find tests/unit tests/property $(if $(CROSS),,tests/integration tests/sim) \
	-name 'test_*.c' 2>/dev/null)))
test_programs := $(test_sources:%.c=$(out)/%)
fuzz_sources := $(sort $(wildcard tests/fuzz/fuzz_*.c))
fuzz_programs := $(fuzz_sources:%.c=$(out)/%)
headers := $(sort $(wildcard engine/*/*.h proto/*.h proto/*/*.h cmd/*/*.h tests/support/*.h tests/sim/*.h))

# What is remembered of the last run: other flags or another version build again.
remember = $(if $(filter-out $(host_goals),$(or $(MAKECMDGOALS),all)),$(if $(subst x$(file <$(out)/$(1))x,,x$(2)x),$(shell \
	mkdir -p $(out))$(file >$(out)/$(1),$(2))))
$(call remember,flags,$(CC) $(CXX) $(all_cflags) $(all_cxxflags))
$(call remember,link,$(CC) $(CXX) $(all_ldflags) $(heap_library) $(libraries))
$(call remember,version,$(VERSION))
$(out)/flags $(out)/link $(out)/version:

.PHONY: all programs tests fuzzers check-headers test tidy shellcheck fuzz arm64 sim soak dashboard-test vm-test demo install ci \
	image image-test sbom clean help
all: programs ## build the programs into build/ (the default)

# The one file of each program that says its version.
$(out)/cmd/%/main.o: own_cflags = -DTROVE_VERSION='"$(VERSION)"'
$(PROGRAMS:%=$(out)/cmd/%/main.o): $(out)/version

# Programs of the release build are linked from build/ itself.
programs: $(PROGRAMS:%=$(out)/bin/%)
	$(quiet)$(if $(filter release,$(variant)),for p in $(PROGRAMS); do ln -sfn $(variant)/bin/$$p build/$$p; done,:)

$(out)/%.o: %.c $(out)/flags
	$(call say,CC,$<)
	$(quiet)mkdir -p $(@D)
	$(quiet)$(CC) $(all_cflags) -MMD -MP -c -o $@ $<

$(out)/%.o: %.cc $(out)/flags
	$(call say,CXX,$<)
	$(quiet)mkdir -p $(@D)
	$(quiet)$(CXX) $(all_cxxflags) -MMD -MP -c -o $@ $<

# The dashboard's page is put together out of its sources, and then part of the program.
dashboard_parts := $(addprefix engine/admin/dashboard,.html .css .js _build)
$(out)/engine/admin/dashboard_page.h: $(dashboard_parts)
	$(call say,PAGE,$@)
	$(quiet)mkdir -p $(@D)
	$(quiet)engine/admin/dashboard_build $(@D)
$(out)/engine/admin/dashboard.o: own_cflags = -include $(out)/engine/admin/dashboard_page.h
$(out)/engine/admin/dashboard.o: $(out)/engine/admin/dashboard_page.h

$(out)/libengine.a: $(engine_objects)
	$(call say,AR,$@)
	$(quiet)rm -f $@ && ar rcs $@ $^

define program_rule
$(1)_objects := $$(patsubst %,$(out)/%.o,$$(basename $$(wildcard cmd/$(1)/*.c cmd/$(1)/*.cc)))
$(out)/bin/$(1): $$($(1)_objects) $(out)/libengine.a $(out)/link
	$$(call say,LINK,$$@)
	$$(quiet)mkdir -p $$(@D)
	$$(quiet)$(if $(wildcard cmd/$(1)/*.cc),$(CXX),$(CC)) $$(all_ldflags) -o $$@ $$($(1)_objects) $$(heap_library) \
		$(out)/libengine.a $$($(1)_libraries) $$(libraries)
-include $$($(1)_objects:.o=.d)
endef
$(foreach p,$(PROGRAMS),$(eval $(call program_rule,$(p))))

# What a test loads before a program of ours, by LD_PRELOAD.
preloads := $(patsubst %.c,$(out)/%.so,$(wildcard tests/support/preload/*.c))
tests: $(test_programs) $(if $(CROSS),,$(preloads))
$(out)/tests/support/preload/%.so: tests/support/preload/%.c $(out)/flags
	$(call say,CC,$<)
	$(quiet)mkdir -p $(@D)
	$(quiet)$(CC) $(CFLAGS_common) -fPIC -shared -o $@ $<
$(out)/tests/%: $(out)/tests/%.o $(support_objects) $(out)/libengine.a $(out)/link
	$(call say,LINK,$@)
	$(quiet)$(CC) $(all_ldflags) -o $@ $< $(test_support) $(test_heap) $(out)/libengine.a \
		-lcmocka $(libraries)
test_support = $(support_objects)
# Tests of the heap run on it, as troved does; the others count calls to malloc by one of their own.
heap_tests := $(addprefix $(out)/tests/unit/engine/memory/,test_doctor test_heap test_heap_cost test_heap_sample)
$(heap_tests): test_support = $(filter-out %/allocation_count.o,$(support_objects))
$(heap_tests): test_heap = $(heap_library)

# The simulation's own files, and how many seeds a test run has.
sim_sources := $(if $(CROSS),,$(filter-out tests/sim/test_%,$(sort $(wildcard tests/sim/*.c))))
sim_objects := $(sim_sources:%.c=$(out)/%.o)
$(out)/tests/sim/test_simulation: test_support = $(support_objects) $(sim_objects)
$(out)/tests/sim/test_simulation: $(sim_objects)
$(out)/tests/sim/test_simulation.o: own_cflags = -DSIM_SEEDS=$(if $(SAN),100,1000)
-include $(sim_objects:.o=.d)

# Each header must compile alone.
check-headers: $(headers:%=$(out)/alone/%.o) ## compile every header alone
$(out)/alone/%.h.o: %.h $(out)/flags
	$(quiet)mkdir -p $(@D)
	$(quiet)printf '#include "%s"\n' '$<' >$(@:.o=.c)
	$(quiet)$(CC) $(all_cflags) -MMD -MP -c -o $@ $(@:.o=.c)

-include $(engine_objects:.o=.d) $(support_objects:.o=.d) $(headers:%=$(out)/alone/%.d)
-include $(test_sources:%.c=$(out)/%.d) $(fuzz_sources:%.c=$(out)/%.d)

test: programs tests check-headers ## build and run all tests; T=text runs those with text in their name
	$(quiet)tests/run $(out) '$(T)'

tidy: ## check the house rules alone: floors, guards, banned calls, ...
	$(quiet)tests/tidy/tidy

scripts := $(sort $(shell grep -lE '^\#!/bin/(ba)?sh|^\#!/usr/bin/env (ba)?sh' $$(find .ci deploy tests cmd engine -type f \
	-not -path '*/node_modules/*' -not -path '*/corpus/*' 2>/dev/null) /dev/null))
shellcheck: ## check every shell script
	$(quiet)shellcheck -x $(scripts)
	$(quiet)echo 'shellcheck: $(words $(scripts)) scripts, nothing to say'

# What other flags or other checks would find is asked again.
analyzed_sources := $(engine_sources) $(sort $(wildcard proto/generate/*.c cmd/*/*.c))
analyzed := $(analyzed_sources:%.c=build/analyze/%.ok)
analyze_flags := $(CFLAGS_common) -DTROVE_VERSION='"analysis"'
ifneq ($(filter analyze analyze-files,$(MAKECMDGOALS)),)
$(if $(subst x$(file <build/analyze/flags)x,,x$(analyze_flags)x),$(shell \
	mkdir -p build/analyze)$(file >build/analyze/flags,$(analyze_flags)))
endif
build/analyze/flags:
.PHONY: analyze analyze-files valgrind
analyze: ## ask gcc's analyzer and clang-tidy about every C file
	-$(quiet)$(MAKE) -k analyze-files
	$(quiet)passed=$$(ls $(analyzed) 2>/dev/null | wc -l); failed=$$(($(words $(analyzed)) - passed)); \
		echo "$$passed passed, $$failed failed"; [ $$failed -eq 0 ]
analyze-files: $(analyzed)
build/analyze/%.ok: %.c build/analyze/flags .clang-tidy tests/analyze/file tests/analyze/mistaken
	$(call say,ANALYZE,$<)
	$(quiet)tests/analyze/file $< $(@:.ok=) $(analyze_flags)
-include $(analyzed:.ok=.d)

# Uninitialised values, which no sanitizer of ours sees, and leaks. The processor that valgrind plays has
# AVX2 and no AVX-512. --track-origins=yes says where a value came from, for twice the time. It runs one thread
# at a time: unless it is fair, one that waits for another can keep it from running for minutes.
valgrind := valgrind --quiet --fair-sched=yes --error-exitcode=99 --leak-check=full --show-leak-kinds=definite \
	--errors-for-leak-kinds=definite
valgrind: tests ## run the unit tests in valgrind; T=text others; VALGRIND=... further options
	$(quiet)TEST_TIMEOUT=900 TEST_EMULATOR='$(valgrind) $(VALGRIND)' tests/run $(out) '$(or $(T),unit/)'

fuzz: ## run every fuzzer for FUZZ_SECONDS (20) each, from its corpus
	$(quiet)$(MAKE) CC=clang SAN=fuzzer fuzzers
	$(quiet)tests/fuzz/run build/$(MODE)-fuzzer-clang $(FUZZ_SECONDS)
fuzzers: $(fuzz_programs)

dashboard-test: programs ## the dashboard in headless Chromium; PICTURES=folder keeps screenshots
	$(quiet)tests/dashboard/run $(out) $(PICTURES) || [ $$? -eq 77 ]

soak: tests programs ## ten minutes of full load (SOAK_SECONDS=600): memory must not grow
	$(quiet)TROVE_BUILD=$(out) SOAK_SECONDS=$(or $(SOAK_SECONDS),600) SOAK_VERBOSE=1 $(out)/tests/integration/test_memory_budget

# At most so many seeds and seconds; from which one on: SIM_FROM.
sim: $(out)/tests/sim/test_simulation ## simulate SEEDS=10000 worlds, for SIM_SECONDS=300 at most, from SIM_FROM=1 on
	$(quiet)$< --seeds $(or $(SEEDS),10000) --seconds $(or $(SIM_SECONDS),300) --from $(or $(SIM_FROM),1)

arm64: ## build the lower floors for arm64 and run their tests in an emulator
	$(quiet)$(MAKE) CROSS=arm64 SAN= PROGRAMS= arm64-test
arm64-test: $(arm64_root)/ready tests
	$(quiet)TROVE_EMULATED=1 \
		TEST_EMULATOR='qemu-aarch64 -L /usr/aarch64-linux-gnu -E LD_LIBRARY_PATH=$(arm64_root)/usr/lib/aarch64-linux-gnu' \
		tests/run $(out)
ifeq ($(CROSS),arm64)
$(arm64_root)/ready: tests/support/arm64_libraries
	$(call say,FETCH,$(@D))
	$(quiet)tests/support/arm64_libraries $(@D)
$(engine_objects) $(support_objects) $(test_sources:%.c=$(out)/%.o): | $(arm64_root)/ready
.PHONY: arm64-test
endif

# The guest's own programs; tests/vm/init calls them.
vm_programs := $(patsubst %.c,$(out)/%,$(sort $(wildcard tests/vm/*.c)))
vm_needs := $(out)/bin/troved $(out)/bin/trovectl $(vm_programs) $(out)/tests/unit/engine/store/test_filter
vm-test: $(vm_needs) ## boot a guest with two memory nodes and an NVDIMM, with and without AVX2
	$(quiet)tests/vm/run $(out)
-include $(vm_programs:=.d)

demo: programs ## start troved on real data, replay an hour of taxis, print what they meet
	$(quiet)TROVE_BUILD=$(out) deploy/demo

PREFIX ?= /usr/local
install: programs ## install the programs below DESTDIR and PREFIX (/usr/local)
	install -D -t $(DESTDIR)$(PREFIX)/bin $(PROGRAMS:%=$(out)/bin/%)

image: ## build the image with docker or buildah, print its size (deploy/image --help)
	$(quiet)deploy/image build
sbom: ## print what is in the image, as SPDX
	$(quiet)deploy/image sbom
image-test: ## build the image without a registry, run it as a sidecar and in a pod (IMAGE_TWICE=no: build once)
	$(quiet)tests/image/run

ci: ## everything that CI runs: both compilers, all sanitizers, valgrind, analyzers, fuzzers, tidy
	.ci/run

# ---- generated files of the wire (proto/) -----------------------------------------
generate_objects := $(patsubst %.c,$(out)/%.o,$(wildcard proto/generate/*.c))
.PHONY: generate
generate: $(out)/proto/generate/generate ## write what follows from the tables of proto/
	$(quiet)$< .
$(out)/proto/generate/generate: $(generate_objects) $(out)/libengine.a $(out)/link
	$(call say,LINK,$@)
	$(quiet)$(CC) $(all_ldflags) -o $@ $(generate_objects) $(heap_library) $(out)/libengine.a $(libraries)
-include $(generate_objects:.o=.d)

clean: ## remove build/
	rm -rf build

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-15s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo
	@echo 'MODE=release|debug   SAN=address|undefined|thread   CC=gcc|clang   OBSERVE=no|counts'
	@echo 'OBSERVE=no: a build without metrics, probes and heap samples; counts: with metrics (for trovebench observe)'
	@echo 'V=1 (show commands)   CFLAGS=... LDFLAGS=...'
	@echo 'Each variant has its own folder below build/; build/PROGRAM is a link to that of the release build.'
endif
