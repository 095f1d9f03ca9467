# SPDX-License-Identifier: MIT
# The front door. Meson and ninja do the work; tools/setup installs what is missing.
BUILD ?= build
PREFIX ?= /usr/local
DESTDIR ?=
TESTS ?=
SECONDS ?= 60
HOURS ?= 1
COUNT ?= 100
QUICK ?=

.PHONY: all demo test fuzz soak coverage mutate bench lint install clean configured

all: configured
	@ninja --quiet -C $(BUILD)

# Says nothing but what went wrong.
quietly = { log=$$(mktemp) && if $(1) >$$log 2>&1; then rm -f $$log; else cat $$log; rm -f $$log; exit 1; fi; }
# option NAME,VALUE: configures the build folder anew, unless it has that value.
option = echo '$(2)' | cmp -s - $(BUILD)/option-$(1) || \
	{ $(call quietly,meson setup --reconfigure $(BUILD) -D$(1)=$(2)) && echo '$(2)' >$(BUILD)/option-$(1); }

# make runs this whenever it is asked to build; meson itself notices later changes of its files.
configured:
	@tools/setup build
	@test -f $(BUILD)/build.ninja || $(call quietly,meson setup $(BUILD))

demo: all
	@tools/setup demo
	@tools/demo $(BUILD)/weir

test: configured
	@tools/setup test
	@$(call option,tests,enabled)
	@ninja --quiet -C $(BUILD)
	@tools/run-tests $(BUILD) $(TESTS)

fuzz: configured
	@tools/setup fuzz
	@tools/fuzz $(SECONDS)

soak: configured
	@tools/setup test
	@$(call option,tests,enabled)
	@ninja --quiet -C $(BUILD)
	@tools/soak $(BUILD) --hours $(HOURS)

coverage: configured
	@tools/setup test coverage
	@tools/coverage

mutate: configured
	@tools/setup test
	@tools/mutate --count $(COUNT)

bench: all
	@tools/setup bench
	@bench/run $(if $(QUICK),--quick) $(BUILD)/weir

lint: configured
	@tools/setup lint
	@tools/lint $(BUILD)

install: configured
	@tools/setup install
	@$(call option,prefix,$(abspath $(PREFIX)))
	@ninja --quiet -C $(BUILD)
	@meson install -C $(BUILD) --no-rebuild --quiet $(if $(DESTDIR),--destdir=$(abspath $(DESTDIR)))

clean:
	@rm -rf $(BUILD) $(BUILD)-*
