# SPDX-License-Identifier: GPL-2.0-only
# The commands a person types.  Each is a script; "make" alone lists them.

MAKEFLAGS += --no-print-directory

.PHONY: help
help:
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 20

.PHONY: setup kernel headers tests demo bench check soak peer kunit style shell export check-export check-series

setup: ## install the Debian packages that are missing
	@scripts/setup

kernel: ## build the kernel; DEBUG=1: the one of the tests
	@scripts/kernel $(if $(filter-out 0,$(DEBUG)),--debug)

headers: ## install our uapi headers under build/headers/include
	@scripts/headers

tests: ## build the selftests under build/selftests
	@scripts/selftests

demo: ## drive an emulated NVMe disk and a DMA device from user space
	@scripts/demo

bench: ## compare type1 and iommufd; PROFILE=<regex>: where instructions go
	@scripts/bench $(if $(PROFILE),--profile "$(PROFILE)")

check: ## run every test; the last line is the sum
	@scripts/check

soak: ## everything at random at once; SECONDS=600, SEED=...
	@scripts/soak "$(SECONDS)" "$(SEED)"

peer: ## run the selftests of Linux 6.12's iommufd
	@scripts/check peer

kunit: ## run the KUnit suites in user-mode Linux
	@scripts/kunit

style: ## checkpatch, sparse, W=1, kernel-doc and shellcheck
	@scripts/style

shell: ## an interactive guest with the demo's devices
	@scripts/kernel
	@tools/testing/vm/run -s

export: ## DIR=...: write a patch series for a pristine 6.1
	@scripts/export "$(DIR)"

check-export: ## build the exported series on a pristine 6.1 as modules
	@scripts/check-export

check-series: ## build each step of the exported series; FROM=...: from that one on
	@scripts/check-series $(FROM)
