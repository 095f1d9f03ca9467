# SPDX-License-Identifier: MIT
# The front door. Meson and ninja do the work; tools/setup installs what is missing.
BUILD ?= build
PREFIX ?= /usr/local
DESTDIR ?=
TESTS ?=

.PHONY: all demo test bench lint install clean configured

all: configured
	@ninja --quiet -C $(BUILD)

# make runs this whenever it is asked to build; meson itself notices later changes of its files.
configured:
	@tools/setup build
	@test -f $(BUILD)/build.ninja || meson setup $(BUILD) >$(BUILD).log 2>&1 || { cat $(BUILD).log; exit 1; }
	@rm -f $(BUILD).log

demo: all
	@tools/setup demo
	@tools/demo $(BUILD)/weir

test: configured
	@tools/setup test
	@meson configure $(BUILD) -Dtests=enabled
	@ninja --quiet -C $(BUILD)
	@tools/run-tests $(BUILD) $(TESTS)

bench: all
	@tools/setup bench
	@bench/run $(BUILD)/weir

lint: configured
	@tools/setup lint
	@tools/lint $(BUILD)

install: configured
	@tools/setup install
	@meson configure $(BUILD) --prefix=$(abspath $(PREFIX))
	@ninja --quiet -C $(BUILD)
	@meson install -C $(BUILD) --no-rebuild --quiet $(if $(DESTDIR),--destdir=$(abspath $(DESTDIR)))

clean:
	@rm -rf $(BUILD) $(BUILD)-*
