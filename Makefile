# Nightjar. `make` builds build/nightjar; `make help` prints the targets.
#
# Every *.c in the rooms below is part of the program; every tests/*/test_*.c is a test program linked with all of them but main;
# every tests/*/test_*.sh is a test script. A file that needs an instruction set says so in its name (see ISA below). Nothing is listed by hand.

VERSION := 0.1.0
BUILD   ?= build
ARCH    ?= $(shell uname -m)
CC      ?= cc
ifeq ($(origin CC),default)
CC      := gcc
endif
PKG_CONFIG ?= pkg-config
CROSS_TARGETS ?= all
CLANG_FORMAT ?= clang-format-14

ROOMS   := base kernels pipeline/picture pipeline/model pipeline/constrain pipeline/sentinel pipeline/ingest pipeline/schedule pipeline/uplink \
           pipeline/cli db firmware-host
LIBS    := jansson libjpeg libpng sqlite3 libzstd nettle libseccomp libexif libgpiod libmosquitto
# inotifytools ships no .pc file.
EXTRA   := -linotifytools -lm -lpthread

WARN    := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla
HARDEN  := -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE
OPTIM   := -O2 -g $(HARDEN)
LINK    := -pie -Wl,-z,relro,-z,now
ifeq ($(SANITIZE),1)
OPTIM   := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer -fPIE
LINK    := -pie -fsanitize=address,undefined
endif
# Products and sums are never fused behind our back: results must not depend on the compiler's taste.
CFLAGS  += -std=c17 -D_GNU_SOURCE -DNJ_VERSION='"$(VERSION)"' -I. $(WARN) $(OPTIM) -ffp-contract=off $(shell $(PKG_CONFIG) --cflags $(LIBS))
LDLIBS  += $(shell $(PKG_CONFIG) --libs $(LIBS)) $(EXTRA)

# A kernel file is compiled for the instruction set in its name, and only where that exists.
ISA_x86_64  := _avx2 _avx512 _avx512vnni
ISA_aarch64 := _neon _dotprod _i8mm
FLAGS_avx2       := -mavx2 -mfma -mf16c -mbmi2
FLAGS_avx512     := -mavx512f -mavx512bw -mavx512vl -mavx512dq -mfma -mf16c -mbmi2
FLAGS_avx512vnni := $(FLAGS_avx512) -mavx512vnni
# For a processor without AVX-512: the same sources with the intrinsics from a library (tests/kernels/test_avx512.sh).
ifeq ($(EMULATE),avx512)
CFLAGS           += -DNJ_EMULATE_AVX512 -Wno-psabi
FLAGS_avx512     := $(FLAGS_avx2) -include tests/kernels/emulate_avx512.h
FLAGS_avx512vnni := $(FLAGS_avx512)
endif
FLAGS_neon       := -march=armv8-a
FLAGS_dotprod    := -march=armv8.2-a+dotprod+fp16
FLAGS_i8mm       := -march=armv8.2-a+dotprod+fp16+i8mm
OTHER_ISA := $(filter-out $(ISA_$(ARCH)),$(ISA_x86_64) $(ISA_aarch64))

# The file that speaks the language of the other libgpiod stays out.
OTHER_GPIOD := $(if $(shell $(PKG_CONFIG) --atleast-version=2 libgpiod && echo 2),%_libgpiod1.c,%_libgpiod2.c)

ALL_SOURCES := $(foreach room,$(ROOMS),$(wildcard $(room)/*.c))
SOURCES := $(filter-out $(OTHER_GPIOD) $(foreach isa,$(OTHER_ISA),$(filter %$(isa).c,$(ALL_SOURCES))),$(ALL_SOURCES))
MAIN    := pipeline/cli/main.c
OBJECTS := $(SOURCES:%.c=$(BUILD)/obj/%.o)
LIBRARY := $(BUILD)/libnightjar.a
PROGRAM := $(BUILD)/nightjar
TEST_SOURCES := $(wildcard tests/*/test_*.c)
TESTS   := $(TEST_SOURCES:%.c=$(BUILD)/%)
FORMATTED := $(ALL_SOURCES) $(foreach room,$(ROOMS),$(wildcard $(room)/*.h)) $(wildcard tests/*/*.c tests/*.h tests/*/*.h)

# One line a file; `make V=1` shows whole commands. Objects stay: deleting them would be the last thing that `make check` says.
ifeq ($(V),)
Q   := @
say  = @echo '  $(1)  $(2)';
endif
.SECONDARY:
.PHONY: all help trapcam generations demo check cuts bench mca cross debug deb format format-check fuzz tests clean install uninstall lint screenshots load soak
all: $(PROGRAM)

$(BUILD)/obj/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CFLAGS) $(FLAGS$(lastword $(sort $(foreach isa,$(ISA_$(ARCH)),$(if $(filter %$(isa),$*),$(isa)))))) -MMD -MP -c $< -o $@

$(LIBRARY): $(filter-out $(BUILD)/obj/$(MAIN:.c=.o),$(OBJECTS))
	@rm -f $@
	$(call say,AR,$@)
	$(Q)$(AR) rcs $@ $^

$(PROGRAM): $(BUILD)/obj/$(MAIN:.c=.o) $(LIBRARY)
	$(call say,LD,$@)
	$(Q)$(CC) $(LINK) $^ $(LDFLAGS) $(LDLIBS) -o $@

$(BUILD)/tests/%: $(BUILD)/obj/tests/%.o $(LIBRARY)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(LINK) $^ $(LDFLAGS) $(LDLIBS) -o $@

# Preloaded into programs under test; it takes their power away (tests/powercut/cut.c). Not for builds with a sanitizer, which must come first.
$(BUILD)/tests/powercut/cut.so: tests/powercut/cut.c
	@mkdir -p $(@D)
	$(CC) -std=c17 -D_GNU_SOURCE $(WARN) -O1 -g -fPIC -shared $< -o $@ -ldl -lpthread

tests: $(TESTS) $(if $(filter 1,$(SANITIZE)),,$(BUILD)/tests/powercut/cut.so)

POWERCUTS ?= 1000

# The trap-camera simulator draws the demo card, cards for load tests and the pictures for training.
TRAPCAM := $(BUILD)/trapcam
$(TRAPCAM): $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard tests/trapcam/*.c)) $(LIBRARY)
	$(call say,LD,$@)
	$(Q)$(CC) $(LINK) $^ $(LDFLAGS) $(LDLIBS) -o $@

trapcam: $(TRAPCAM) ## build/trapcam, which draws trap-camera cards with known truth

# A validator that is not ours, for what models write under schemas; C++, where its library is installed.
JUDGE := $(if $(wildcard /usr/include/valijson),build/judge)
build/judge: tests/conformance/judge.cc
	@mkdir -p $(@D)
	$(CXX) -std=c++17 -O0 $< -o $@

GENERATIONS ?= 2000
generations: $(BUILD)/tests/conformance/test_generations build/judge ## 100,000 answers of random weights, judged by a validator that is not ours (some minutes)
	$(BUILD)/tests/conformance/test_generations $(GENERATIONS) | build/judge

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1|/p' Makefile | awk -F'|' '{printf "%-18s %s\n", $$1, $$2}'
	@echo "  make               build/nightjar"

debug: ## build/debug/nightjar with AddressSanitizer and UBSan
	$(MAKE) BUILD=build/debug SANITIZE=1

cross: ## build/aarch64/nightjar with the Debian cross compiler
	$(MAKE) $(CROSS_TARGETS) BUILD=build/aarch64 ARCH=aarch64 CC=aarch64-linux-gnu-gcc AR=aarch64-linux-gnu-ar PKG_CONFIG='env PKG_CONFIG_LIBDIR=/usr/lib/aarch64-linux-gnu/pkgconfig:/usr/share/pkgconfig pkg-config'

check: all tests trapcam $(JUDGE) ## all tests; ends with "N passed, N failed, N skipped"
	tests/run $(BUILD)

cuts: all $(BUILD)/tests/powercut/cut.so $(BUILD)/tests/powercut/test_store_cuts ## power cuts by the thousand, where make check makes a dozen: make cuts POWERCUTS=1000
	POWERCUTS=$(POWERCUTS) $(BUILD)/tests/powercut/test_store_cuts
	POWERCUTS=$(POWERCUTS) BUILD=$(BUILD) sh tests/powercut/test_program_cuts.sh

# Preloaded, too: a clock that runs ahead (tests/soak/clock.c).
$(BUILD)/tests/soak/clock.so: tests/soak/clock.c
	@mkdir -p $(@D)
	$(CC) -std=c17 -D_GNU_SOURCE $(WARN) -O1 -g -fPIC -shared $< -o $@ -ldl

soak: all $(TRAPCAM) $(BUILD)/tests/soak/clock.so ## a station's week with the real program, with a bad thing each day; a few minutes
	scripts/soak $(BUILD)

demo: all ## the main job on a drawn card with the built-in model
	scripts/demo --no-install

bench: all $(BUILD)/tests/kernels/bench ## speed and memory on this machine
	$(BUILD)/tests/kernels/bench
	$(PROGRAM) bench

load: all trapcam ## a card of 20,000 pictures of 2 to 3 MB taken in twice: time and peak memory
	scripts/load-card $(BUILD)

screenshots: all $(BUILD)/tests/system/test_station ## pictures of the nightly page, phone and desktop, light and dark (chromium)
	scripts/screenshots $(BUILD)

# libFuzzer brings its own main; it needs clang and libclang-rt-14-dev. Only what the targets reach is built.
FUZZ    ?= metadata
SECONDS ?= 600
FUZZ_CC ?= clang-14
FUZZED  := $(wildcard base/*.c pipeline/picture/*.c) pipeline/ingest/burst.c pipeline/ingest/name.c
$(BUILD)/fuzz_%: $(BUILD)/obj/tests/fuzz/fuzz_%.o $(FUZZED:%.c=$(BUILD)/obj/%.o)
	$(call say,LD,$@)
	$(Q)$(CC) $(LINK) $^ $(LDFLAGS) $(LDLIBS) -o $@

fuzz: ## libFuzzer under ASan and UBSan: make fuzz FUZZ=metadata|picture|bursts SECONDS=600
	$(MAKE) BUILD=build/fuzz CC='$(FUZZ_CC)' LINK='-pie -fsanitize=fuzzer,address,undefined' OPTIM='-O1 -g -fPIE -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined' build/fuzz/fuzz_$(FUZZ)
	@mkdir -p build/fuzz/found/$(FUZZ)
	build/fuzz/fuzz_$(FUZZ) -max_total_time=$(SECONDS) -timeout=20 -rss_limit_mb=4096 -artifact_prefix=build/fuzz/ build/fuzz/found/$(FUZZ) tests/fuzz/corpus/$(FUZZ)

mca: ## what llvm-mca says of the NEON inner loops: Cortex-A76 (as Neoverse N1) and A55, beside their limits
	$(MAKE) -s cross CROSS_TARGETS="$(patsubst %.c,build/aarch64/obj/%.o,$(foreach isa,$(ISA_aarch64),$(wildcard kernels/*$(isa).c)))"
	scripts/mca build/aarch64/obj/kernels

# Where things go. RUN runs the program while it is installed, for its own pages and sample: qemu for one of another architecture.
PREFIX     ?= /usr/local
SYSCONFDIR ?= /etc
UNITDIR    ?= $(PREFIX)/lib/systemd/system
UDEVDIR    ?= $(PREFIX)/lib/udev/rules.d
RUN        ?=
UNITS      := $(filter %.service %.timer,$(notdir $(wildcard deploy/systemd/*)))
SHARE      := $(DESTDIR)$(PREFIX)/share

install: all ## program, man pages, completion, units, udev rule, settings; PREFIX, DESTDIR
	install -D -m 755 $(PROGRAM) $(DESTDIR)$(PREFIX)/bin/nightjar
	mkdir -p $(SHARE)/man/man1 $(SHARE)/man/man5 $(SHARE)/bash-completion/completions $(SHARE)/doc/nightjar/examples
	$(RUN) $(PROGRAM) help --man > $(SHARE)/man/man1/nightjar.1
	$(RUN) $(PROGRAM) help --man-conf > $(SHARE)/man/man5/nightjar.conf.5
	$(RUN) $(PROGRAM) help --completion > $(SHARE)/bash-completion/completions/nightjar
	for unit in $(UNITS); do \
	    mkdir -p $(DESTDIR)$(UNITDIR) && sed 's|@PREFIX@|$(PREFIX)|g' deploy/systemd/$$unit > $(DESTDIR)$(UNITDIR)/$$unit || exit 1; done
	install -D -m 644 deploy/systemd/nightjar.tmpfiles $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/nightjar.conf
	install -D -m 644 deploy/systemd/nightjar.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/nightjar.conf
	install -D -m 755 deploy/mount-card $(DESTDIR)$(PREFIX)/lib/nightjar/mount-card
	mkdir -p $(DESTDIR)$(UDEVDIR) && sed 's|@PREFIX@|$(PREFIX)|g' deploy/90-nightjar.rules > $(DESTDIR)$(UDEVDIR)/90-nightjar.rules
	sed 's|@PREFIX@|$(PREFIX)|g' deploy/nightjar.cron > $(SHARE)/doc/nightjar/examples/nightjar.cron
	mkdir -p $(DESTDIR)$(SYSCONFDIR)/nightjar
	test -e $(DESTDIR)$(SYSCONFDIR)/nightjar/nightjar.conf || $(RUN) $(PROGRAM) conf > $(DESTDIR)$(SYSCONFDIR)/nightjar/nightjar.conf
	@test -n "$(DESTDIR)" || deploy/next-steps $(PREFIX)

uninstall: ## takes away what `make install` brought, but neither settings nor data
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/,bin/nightjar share/man/man1/nightjar.1 share/man/man5/nightjar.conf.5 lib/nightjar/mount-card \
	    share/bash-completion/completions/nightjar lib/tmpfiles.d/nightjar.conf lib/sysusers.d/nightjar.conf share/doc/nightjar/examples/nightjar.cron) \
	    $(DESTDIR)$(UDEVDIR)/90-nightjar.rules $(addprefix $(DESTDIR)$(UNITDIR)/,$(UNITS))

# The tree as it is, beside a debian/ folder; the package is left in BUILD/deb.
DEB := $(BUILD)/deb/nightjar-$(VERSION)
deb: ## Debian package for this architecture, checked by lintian (needs debhelper, lintian)
	rm -rf $(BUILD)/deb
	mkdir -p $(DEB)
	tar -c --exclude=./build --exclude=./.git . | tar -x -C $(DEB)
	mv $(DEB)/deploy/debian $(DEB)/debian
	cd $(DEB) && dpkg-buildpackage -us -uc -b $(DEBFLAGS)
	lintian --fail-on error,warning $(BUILD)/deb/*.changes

format: ## clang-format over everything
	$(CLANG_FORMAT) -i $(FORMATTED)

format-check: ## fails where `make format` would change something
	$(CLANG_FORMAT) --dry-run -Werror $(FORMATTED)

# The flags hold both kinds of quotes: written by make itself, past any shell.
entry = {"directory": "$(CURDIR)", "file": "$(1)", "command": "$(CC) $(subst ",\",$(CFLAGS)) $(2) -c $(1)"}
isa_of = $(FLAGS$(lastword $(sort $(foreach isa,$(ISA_$(ARCH)),$(if $(filter %$(isa).c,$(1)),$(isa))))))
compile_commands.json: Makefile ## for editors
	$(file >$@,[$(call entry,$(MAIN),))
	$(foreach f,$(filter-out $(MAIN),$(SOURCES)) $(TEST_SOURCES),$(file >>$@,,$(call entry,$(f),$(call isa_of,$(f)))))
	$(file >>$@,])
	@true

clean: ## removes build/
	rm -rf build compile_commands.json

-include $(OBJECTS:.o=.d) $(patsubst %.c,$(BUILD)/obj/%.d,$(wildcard tests/trapcam/*.c) tests/kernels/bench.c) $(TEST_SOURCES:%.c=$(BUILD)/obj/%.d)
