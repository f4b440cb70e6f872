# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A thin front of meson: `make help` lists the targets. The build lives in
# $(BUILD); ./configure passes options to meson, plain `make` configures with
# the defaults.
BUILD   ?= build
DESTDIR ?=
MESON   ?= meson
NINJA   ?= ninja

all: $(BUILD)/build.ninja
	@$(NINJA) -C $(BUILD)

$(BUILD)/build.ninja:
	@./configure --builddir=$(BUILD)

help:
	@echo 'make            build ferry, its tools and the guest payload'
	@echo 'make demo       install the packages, build, serve a guest serial port over TLS'
	@echo 'make check      style, unit and functional tests, sanitizers'
	@echo 'make check-quick  style, unit and functional tests only'
	@echo 'make check-slow long proofs: fuzzing, soak, half-open crowds'
	@echo 'make bench      measurements, side by side with the peer where there is one'
	@echo 'make fuzz       run every fuzz target (FUZZ_SECONDS=60 each)'
	@echo 'make docs       reference pages from the schema and the property tables'
	@echo 'make install    DESTDIR= and ./configure --prefix= are honoured'
	@echo 'make clean      remove the build'

install-deps:
	@scripts/install-deps

demo:
	@scripts/install-deps
	@$(MAKE) --no-print-directory all
	@scripts/demo $(BUILD)

check:
	@scripts/install-deps
	@scripts/check all

check-quick: all
	@scripts/check quick

check-slow: all
	@scripts/check slow

bench: all
	@scripts/bench $(BUILD)

fuzz:
	@scripts/fuzz

docs: all
	@$(NINJA) -C $(BUILD) docs

install: all
	@DESTDIR='$(DESTDIR)' $(MESON) install -C $(BUILD) --no-rebuild

clean:
	@rm -rf $(BUILD) build-asan build-tsan build-fuzz

.PHONY: all help install-deps demo check check-quick check-slow bench fuzz docs install clean
