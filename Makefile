# The only list of commands. Each works on a fresh machine and again on a used one.
#
# Packages, Docker's engine and loop devices are root's. One account does it all, so that files
# and nodes have one owner: who is not root gets there through sudo.

SHELL := /bin/bash
MAKEFLAGS += --no-print-directory
export PATH := $(PATH):/usr/sbin:/sbin

# A run starts Python hundreds of times, and pytest prepares each test module for six processes: they
# keep what they compile, also where the environment says otherwise. `make clean` removes it.
unexport PYTHONDONTWRITEBYTECODE

TARGETS := demo test check audit unit contract acceptance alarms servers samples bench judge simulate mutants soak vm up down box deb report film clean
.PHONY: help tools prepare forget with-nodes without-nodes no-servers $(TARGETS)
# They share the nodes, .venv and build/. Only `test` knows what can run beside what.
ifndef BESIDE
.NOTPARALLEL:
endif

# docker, libvirt or virtualbox; when nothing is said provision/provider chooses.
ifdef PROVIDER
export VAGRANT_DEFAULT_PROVIDER := $(PROVIDER)
endif

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 12

ifneq ($(shell id -u),0)

PROXIES := http_proxy,https_proxy,no_proxy,HTTP_PROXY,HTTPS_PROXY,NO_PROXY
DATABASE := PIP_AUDIT_VULNERABILITY_SERVICE,PIP_AUDIT_OSV_URL
KEPT := $(PROXIES),$(DATABASE),VAGRANT_DEFAULT_PROVIDER,DEMO_BOX,DEMO_BOX_URL,SSH_AUTH_SOCK,SIGNING_KEY,GNUPGHOME
ASKED := PROVIDER TAGS NODES CEPH INVENTORY RELEASE HOURS MINUTES SEED DRIVER

# Without sudo the preflight says what to do.
$(TARGETS):
	@command -v sudo >/dev/null || exec python3 -m host check
	@exec sudo --preserve-env=$(KEPT) $(MAKE) $@ \
		$(foreach name,$(ASKED),$(if $($(name)),$(name)='$($(name))'))

else

HOST := python3 -m host
PYTEST := .venv/bin/python -m pytest
# Contract tests mostly wait. A file's tests share what its fixtures make, so one worker has them all.
SIDE_BY_SIDE := --tx '4*popen//python=tests/contract/worker' --dist loadfile --no-loadscope-reorder
BEHAVE := .venv/bin/python -m behave --junit --junit-directory build/junit \
	$(if $(INVENTORY),-D inventory='$(INVENTORY)')
TOLD := the app now: http://172.16.78.251 (node2); node1, where it came from: \
	http://172.16.78.250; take the nodes away: make down
# With INVENTORY=servers.yml scenarios make nodes of the servers themselves, after looking at them;
# alarms break nodes of Vagrant's.
SERVERS := .venv/bin/python -m acceptance
PREPARED := $(if $(INVENTORY),tools,prepare)
ALARMS := $(if $(INVENTORY),,alarms)
WITH_NODES := $(if $(INVENTORY),tools,up)
VAGRANTS_NODES := $(if $(INVENTORY),no-servers,up)
ifdef INVENTORY
TOLD := the app runs on node2 of $(INVENTORY); remove it: make down INVENTORY=$(INVENTORY)
endif
BOX_PROVIDER := $(or $(PROVIDER),libvirt)
TESTS_LOG := build/log/tests.log
# Machines that were there before this run stay; those it brings up go with it.
MACHINES := $(wildcard .vagrant/machines/*/*/id)

# Enough for whatever starts the engines it needs, or needs none.
tools:
	@$(HOST) tools

prepare:
	@$(HOST) prepare

# A run that fails early must not leave the results of an earlier one to be taken for its own.
forget:
	@$(HOST) forget

# They would change the servers first, and then use other nodes.
no-servers:
	@echo "make $(MAKECMDGOALS) uses the Vagrantfile's nodes only; type it without INVENTORY" >&2; exit 2

demo: forget $(WITH_NODES) ## set everything up, run the walkthrough, write the report; the nodes stay up
	@$(BEHAVE) --tags=@demo -D keep_nodes=yes; story=$$?; \
	$(MAKE) report; page=$$?; \
	if [ $$story = 0 ]; then echo "$(TOLD)"; fi; \
	exit $$((story || page))

# Goes on after a failure, so that one red run tells everything that is wrong.
test: forget $(PREPARED) ## run everything: unit, contract, acceptance; TAGS=@readme narrows to scenarios
	@status=0; \
	$(MAKE) --keep-going --jobs=2 BESIDE=yes with-nodes $(if $(TAGS),,without-nodes) || status=1; \
	$(MAKE) report || status=1; \
	$(if $(MACHINES)$(INVENTORY),,$(MAKE) down || status=1;) \
	exit $$status

# Scenarios mostly wait for nodes, which leaves time for the other tests. Those give way to them, so
# that a figure that a scenario measures is the nodes' own.
with-nodes:
	@$(MAKE) --keep-going acceptance $(if $(TAGS),,$(ALARMS)) BESIDE=

without-nodes:
	@mkdir -p build/log; echo "unit and contract tests run beside the scenarios: $(TESTS_LOG)"; \
	nice $(MAKE) --keep-going unit contract BESIDE= >$(TESTS_LOG) 2>&1; status=$$?; \
	cat $(TESTS_LOG); exit $$status

check: tools ## format, lint, types, plain sentences
	@.venv/bin/ruff format --check .
	@.venv/bin/ruff check .
	@.venv/bin/mypy
	@$(PYTEST) tests/unit/test_prose.py

audit: tools ## check the locked Python packages for known advisories
	@.venv/bin/python -m host.audit

unit: tools ## test the pure rules
	@$(PYTEST) -m "not contract and not nodes and not servers and not vm" --numprocesses 2 --dist loadfile --junit-xml=build/junit/unit.xml

contract: tools ## test against real btrfs, etcd, Ceph, Redis and engines
	@VAGRANT_DEFAULT_PROVIDER=docker $(HOST) tools # they start engines, whatever nodes are made of
	@$(PYTEST) tests/contract -m "contract and not vm" $(SIDE_BY_SIDE) --junit-xml=build/junit/contract.xml

acceptance: $(WITH_NODES) ## run the scenarios on the nodes; TAGS=@readme narrows them
	@$(BEHAVE) $(if $(TAGS),--tags='$(TAGS)') -D keep_nodes=yes

alarms: $(VAGRANTS_NODES) ## break driver and nodes on purpose, and check that the scenarios fail
	@$(PYTEST) tests/nodes -m nodes --junit-xml=build/junit/alarms.xml

# A seed draws requests and faults; the folder of the run has it in its name.
soak: $(VAGRANTS_NODES) ## run random requests and faults on the nodes, and judge the run; MINUTES=20 SEED=7
	@.venv/bin/python -m judge.nodes --minutes '$(or $(MINUTES),20)' --seed '$(or $(SEED),$(shell date +%s))'; \
	status=$$?; $(if $(MACHINES),,$(MAKE) down || status=1;) \
	exit $$status

vm: ## test the virtual machines: libvirt, Vagrant's view of it, the boxes' disks
	@VAGRANT_DEFAULT_PROVIDER=libvirt $(HOST) tools
	@$(PYTEST) -m vm --junit-xml=build/junit/vm.xml

servers: prepare ## test everything on plain Debian servers, which are containers
	@$(PYTEST) -m servers --junit-xml=build/junit/servers.xml

samples: prepare ## start one of everything that `make vm` and `make servers` test
	@VAGRANT_DEFAULT_PROVIDER=libvirt $(HOST) tools
	@$(PYTEST) -m sample --junit-xml=build/junit/samples.xml

bench: $(VAGRANTS_NODES) ## compare moves with today's methods; writes docs/benchmark.md
	@.venv/bin/python -m bench; status=$$?; \
	$(if $(MACHINES),,$(MAKE) down || status=1;) \
	exit $$status

simulate: tools ## run the driver on simulated nodes and judge it: HOURS=1 SEED=1, about 20 s an hour
	@.venv/bin/python -m tests.simulated --hours '$(or $(HOURS),1)' --seed '$(or $(SEED),1)'

mutants: tools ## break the driver in fifteen ways, and say which oracle of the judge notices
	@.venv/bin/python -m tests.simulated.mutants

judge: ## test a volume driver for 35 behaviours: DRIVER=features/drivers/local.yml
	@VAGRANT_DEFAULT_PROVIDER=docker $(HOST) tools # it starts an engine, whatever nodes are made of
	@.venv/bin/python -m judge.drivers '$(DRIVER)' \
		$(if $(INVENTORY),--inventory '$(INVENTORY)',$(if $(MACHINES),--nodes))

up: $(PREPARED) ## start the nodes; CEPH=yes: with a Ceph, PROVIDER=libvirt: machines, INVENTORY=servers.yml: yours
	@$(if $(INVENTORY),$(SERVERS) up '$(INVENTORY)',$(HOST) up)

down: ## remove the nodes and what was started for them; with INVENTORY only what scenarios left
	@$(if $(INVENTORY),$(SERVERS) down '$(INVENTORY)',$(HOST) down)

box: ## build the box of the virtual machines; PROVIDER=virtualbox builds VirtualBox's, not libvirt's
	@VAGRANT_DEFAULT_PROVIDER=$(BOX_PROVIDER) $(HOST) tools
	@python3 -m box vm --provider $(BOX_PROVIDER)

deb: ## build the driver's Debian package in build/deb
	@$(HOST) deb

report: tools ## write build/report/index.html from the last run; RELEASE=v1 keeps a copy in build/releases/v1
	@.venv/bin/python -m report $(if $(RELEASE),--release '$(RELEASE)')

film: tools ## make docs/images/film.gif from the last run of the walkthrough
	@.venv/bin/python -m report.film

clean: ## remove the nodes and everything else that was made in this checkout
	@$(HOST) clean

endif
