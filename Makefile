# SPDX-License-Identifier: GPL-2.0-only
# The commands a person types.  Each is a script; "make" alone lists them.

MAKEFLAGS += --no-print-directory

# The variables that a command takes, on its command line only: whatever else is
# given is a mistake, and what the environment has is meant for others.
takes.kernel := DEBUG
takes.bench := PROFILE
takes.check := PART
takes.check-configs := NAME
takes.soak := SECONDS SEED
takes.shell := FILES
takes.export := DIR
takes.options := CONFIG

goals := $(or $(MAKECMDGOALS),help)
given := $(foreach v,$(.VARIABLES),$(if $(filter command,$(origin $v)),$v))
unknown := $(filter-out $(foreach g,$(goals),$(takes.$g)),$(given))
ifneq ($(unknown),)
$(error make $(goals) takes $(or $(foreach g,$(goals),$(takes.$g)),no variable), \
not $(unknown))
endif
argument = $(if $(filter command,$(origin $1)),$($1))

ifeq ($(filter-out 0 n 1 y,$(call argument,DEBUG)),)
debug := $(filter 1 y,$(call argument,DEBUG))
else
$(error DEBUG is 1 or 0, not $(DEBUG))
endif

.PHONY: help
help:
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 20

.PHONY: setup kernel headers tests demo bench check soak peer kunit style docs shell options export check-configs check-export check-series check-long

setup: ## install the Debian packages that are missing
	@scripts/setup

kernel: ## build the kernel; DEBUG=1: the one of the tests
	@scripts/kernel $(if $(debug),--debug)

headers: ## install our uapi headers under build/headers/include
	@scripts/headers

tests: ## build the selftests under build/selftests
	@scripts/selftests

demo: ## drive an emulated NVMe disk and a DMA device from user space
	@scripts/demo

bench: ## compare type1 and iommufd; PROFILE=<regex>: where instructions go
	@scripts/bench $(if $(call argument,PROFILE),--profile "$(PROFILE)")

check: ## run every test; PART="vtd host ...": some; the last line is the sum
	@scripts/check $(call argument,PART)

soak: ## everything at random at once; SECONDS=600, SEED=...
	@scripts/soak "$(call argument,SECONDS)" "$(call argument,SEED)"

peer: ## run the selftests of Linux 6.12's iommufd and of the newest one's VFIO
	@scripts/check peer peer-vfio

kunit: ## run the KUnit suites in user-mode Linux
	@scripts/kunit

style: ## checkpatch, sparse, W=1, kernel-doc, Sphinx and shellcheck
	@scripts/style

docs: ## HTML of Documentation/, in build/docs/html
	@scripts/docs

shell: ## a guest with the demo's devices; FILES="...": what it has in /t
	@scripts/kernel
	@tools/testing/vm/run -s $(addprefix -f ,$(call argument,FILES))

options: ## CONFIG=...: our options, for a kernel with that configuration
	@scripts/options "$(call argument,CONFIG)"

export: ## DIR=...: write a patch series for a pristine 6.1
	@scripts/export "$(call argument,DIR)"

check-configs: ## compile in Debian's configurations; NAME="...": in others
	@scripts/check-configs $(call argument,NAME)

check-export: ## build the exported series on a pristine 6.1 as modules
	@scripts/check-export

check-series: ## compile each step of the exported series
	@scripts/check-series

check-long: ## what make check has no time for
	@scripts/check long
