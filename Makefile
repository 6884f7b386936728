# Every command that works on this repository. `make run` and `make test` work on a bare machine with cargo.
#   make run            the console on http://127.0.0.1:3000 (DEMO=1: with sample databases)
#   make test           all tests (make e2e: those in a browser alone); the last line is "N passed, N failed"
#   make matrix         the console on PostgreSQL 14 to 18 with every client tool and neighbour; the same last line
#   make check-release  the short path in a browser on the release build
#   make run PROFILE=dev    quicker to build, slower to run; run and test share one target folder
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help run build test matrix check check-release bench e2e image fmt setup

# `make run` builds what ships; the tests choose the dev profile by themselves, which compiles in a third of the time.
export PROFILE
override cargo_profile := $(patsubst debug,dev,$(or $(PROFILE),release))
override out := target/$(patsubst dev,debug,$(cargo_profile))
override site_flags := $(if $(filter dev,$(cargo_profile)),--dev)
override with := xtask/with-toolchain.sh

help:
	@sed -n 's/^# \{0,1\}//p' Makefile | head -6

setup:
	@xtask/setup.sh build

# One cargo call for the server and xtask together, so that both share their dependencies' features and nothing is built twice.
build: setup
	@$(with) cargo build --profile $(cargo_profile)
	@$(with) $(out)/xtask site $(site_flags)

run: build
	@exec $(out)/pgsteward serve $(if $(filter-out 0,$(DEMO)),--demo)

test:
	@exec xtask/test.sh

matrix:
	@exec xtask/matrix.sh

e2e:
	@exec xtask/test.sh browser

check: setup
	@$(with) cargo fmt --check
	@$(with) cargo clippy --all-targets --features engine/test-jobs,server/test-jobs -- -D warnings
	@$(with) cargo check -p contract -p frontend --target wasm32-unknown-unknown
	@if $(with) cargo deny --version >/dev/null 2>&1; then $(with) cargo deny check; else echo "cargo-deny is not installed: licences are not checked"; fi

fmt: setup
	@$(with) cargo fmt

check-release: build
	@exec xtask/check-release.sh

bench: check-release
	@exec benches/run.sh

image:
	@exec xtask/image.sh
