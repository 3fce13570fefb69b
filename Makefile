# Everything a person runs. Each target sets up what it needs; `make` alone lists them.
BIN := .venv/bin
READY := .venv/.ready
KITS := nangate45

.DEFAULT_GOAL := help
.PHONY: help setup report report-full test check rtl rtl-check wheel-check bench verify verify-full calibrate calibration-check documents memory-tracked gpu-check clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

setup: ## install what is missing (the other targets do this by themselves)
	@scripts/setup.sh

$(READY): scripts/setup.sh constraints.txt pyproject.toml setup.py
	@scripts/setup.sh

report: $(READY) ## a first page in minutes: build/report/index.html; what takes long is named on it
	@$(BIN)/consilico report

report-full: $(READY) ## the same page with everything measured (an hour, goes on where it stopped)
	@$(BIN)/consilico report --full

test: $(READY) ## the test suite; ARGS="..." goes to pytest
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -m "not exhaustive" $(ARGS)

check: $(READY) ## style and types
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@rm -rf build/types && mkdir -p build/types/consilico # as it is installed: mypy knows no package-dir
	@ln -sfn $(CURDIR)/golden $(CURDIR)/hw $(CURDIR)/sim $(CURDIR)/reports $(CURDIR)/consilico/* build/types/consilico/
	@$(BIN)/mypy

rtl: $(READY) ## write rtl/ anew from the generators
	@$(BIN)/python -m consilico.sim.units.rtl_files

rtl-check: $(READY) ## fail if rtl/ is not what the generators write
	@$(BIN)/python -m consilico.sim.units.rtl_files --check

wheel-check: $(READY) ## build the wheel, install it elsewhere and run it, with and without the extras
	@scripts/wheel-check.sh

bench: $(READY) ## speed of harness and ledger; training runs (an hour, goes on where it stopped)
	@$(BIN)/python -m consilico.sim.rtlsim.bench
	@$(BIN)/python -m consilico.sim.memory.bench
	@$(BIN)/python -m consilico.sim.silicon.bench
	@$(BIN)/python -m consilico.sim.estimate.operators.bench
	@OMP_NUM_THREADS=1 $(BIN)/python -m consilico.sim.training.bench

verify: $(READY) ## every unit in its default configuration on Icarus; what passed before is not run again
	@$(BIN)/consilico regress --configs default --sim icarus --resume $(ARGS)

verify-full: $(READY) ## the long exhaustive tests, and every unit at the edges of its fields on both simulators
	@scripts/setup.sh router
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -m exhaustive
	@$(BIN)/consilico regress --resume $(ARGS)

calibrate: $(READY) ## measure anew what estimates are fitted to; KITS="..." (two hours a kit, goes on where it stopped)
	@for kit in $(KITS); do \
	  OMP_NUM_THREADS=1 $(BIN)/python -m consilico.sim.estimate.operators.calibrate $$kit && \
	  OMP_NUM_THREADS=1 $(BIN)/python -m consilico.sim.estimate.operators.ladder_measure $$kit && \
	  $(BIN)/python -m consilico.sim.estimate.operators.judge $$kit && \
	  $(BIN)/python -m consilico.sim.estimate.memories.calibration $$kit || exit; \
	done

calibration-check: $(READY) ## which tables were measured on other Verilog or code than the tree's
	@$(BIN)/python -m consilico.reports.calibration_check

documents: $(READY) ## write the figures of README.md and docs/ from their data; ARGS=--measure first measures
	@$(BIN)/python -m consilico.sim.memory.evidence.kept_peaks
	@$(BIN)/python scripts/documents.py $(ARGS)

memory-tracked: $(READY) ## track our training steps at full size anew (half an hour, no GPU)
	@OMP_NUM_THREADS=1 $(BIN)/python -m consilico.sim.memory.execution.fake_table

gpu-check: $(READY) ## measure real steps on a CUDA GPU: peak, reserved, context, time (ten minutes)
	@$(BIN)/python -m consilico.sim.memory.execution.gpu_check

clean: ## remove what was generated; .venv stays
	rm -rf build .mypy_cache .pytest_cache .ruff_cache .hypothesis
