# Short doors to the CMake presets (CMakePresets.json); `make help` lists them.
# The programs live in build/, the variants in build/<preset>/.
.DEFAULT_GOAL := release
MAKEFLAGS += --no-print-directory
PREFIX ?= /usr/local
# Quiet unless it fails.
CONFIGURE = said=$$(cmake --preset release 2>&1) || { echo "$$said"; exit 1; }
FIXTURE = tests/fixtures/glm4
# What `make install` installs.
GLIM ?= build/glim
# What has threads in it; the rest would only be slow under ThreadSanitizer.
TSAN_TESTS ?= ^(base|net|store|model|engine)\.|^(text\.(constrain|reply)|serve\.(ask|listen|out)|conformance\.(api|desk|files|gone|guard|jobs|keys|script|wire)|e2e\.serve_routes)$$

.PHONY: release test asan tsan soak aarch64 fuzz demo realmodel bench install clean help setup

release: setup ## build/glim, optimised
	@$(CONFIGURE)
	@cmake --build --preset release

setup:
	@tools/setup.sh

test: setup ## every test with -O2, all but the slowest again under AddressSanitizer and UBSan (nine to ten minutes on 2 slow cores)
	@tools/setup.sh page || echo 'without a browser the test of the chat page skips'
	@.ci/suite release asan

asan: setup ## the tests but the slowest under AddressSanitizer and UBSan
	@.ci/suite asan

tsan: setup ## the tests with threads in them under ThreadSanitizer (20 minutes on 2 busy cores)
	@.ci/suite -o -DGLIM_SANITIZE_ALL=ON -o -DGLIM_TEST_TIMEOUT=1200 -R '$(TSAN_TESTS)' tsan

soak: setup ## the long runs, and as root the service's unit under a systemd of its own
	@GLIM_SOAK=1 .ci/suite -o -DGLIM_TEST_TIMEOUT=7200 -o -DGLIM_LIVE=ON soak

aarch64: ## base..engine cross-built for arm64, its tests under qemu-user (plain C kernels)
	@tools/setup.sh aarch64
	@tools/arm64_libs.sh build/aarch64/root
	@.ci/suite aarch64

fuzz: ## every parser under libFuzzer, FUZZ_SECONDS=60 each
	@tools/setup.sh clang
	@.ci/fuzz

demo: setup ## the service desk of a sample shop on the model inside: six questions over HTTP, then it goes on serving (DEMO_EXIT=1 ends it)
	@$(CONFIGURE)
	@cmake --build --preset release --target glim -- --quiet
	@tools/demo.sh

realmodel: release ## SmolLM2-135M beside llama.cpp (needs Python and a network)
	@tools/realmodel/run.sh

bench: release ## measure this machine (MODEL=... instead of made models; bench/README.md)
	@bench/run $(MODEL)

install: release ## glim, its systemd unit and a sample glim.conf into PREFIX=/usr/local (DESTDIR is respected)
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/doc/glim
	install -m 755 $(GLIM) $(DESTDIR)$(PREFIX)/bin/glim
	install -m 644 LICENSE $(DESTDIR)$(PREFIX)/share/doc/glim/LICENSE
	install -m 644 packaging/glim.conf $(DESTDIR)$(PREFIX)/share/doc/glim/glim.conf
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system $(DESTDIR)$(PREFIX)/lib/sysusers.d
	sed 's|@BINDIR@|$(PREFIX)/bin|' packaging/glim.service > $(DESTDIR)$(PREFIX)/lib/systemd/system/glim.service
	install -m 644 packaging/glim.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/glim.conf

clean: ## remove everything that was built
	rm -rf build

help: ## this list
	@sed -n 's/^\([a-z0-9]*\):.*## \(.*\)/make \1	\2/p' Makefile | expand -t 20
