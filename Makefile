# Everything sets itself up: a virtual environment in .venv, the pinned packages, the dataset.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DEMO ?=
WORKERS ?= 2
# An interrupted search ended by signal 6 once, while other tests ran beside it.
ALONE := tests/test_tune.py
RUNS ?= 1000000
READERS ?= idx config onnx tflite report picture photo
KEPT ?= .fuzz

.PHONY: help demo system test faults fuzz check audit forgeries wheel models docs format setup clean

help:            ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:[^#]*##/:/'

setup: $(READY)  ## make the virtual environment with everything in it

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else f"Python 3.11 to 3.13 is needed, this is {v[0]}.{v[1]}; next: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: $(READY)   ## walk the whole path on the real data, ending in a report (DEMO="--epochs 15" for the real thing)
	$(BIN)/fmnist-edge demo $(DEMO)

system:          ## install what some tests need beyond pip: an emulator of ARM, a C compiler, a browser, systemd and openssl (Debian, as root)
	apt-get update --quiet --quiet
	apt-get install --quiet --quiet --yes --no-install-recommends qemu-user gcc g++ libc6-dev chromium systemd openssl

test: $(READY)   ## run the tests, in two processes (WORKERS=4 for more of them)
	TF_NUM_INTRAOP_THREADS=1 $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal --ignore=$(ALONE)
	$(BIN)/python -m pytest $(ALONE)

faults: $(READY) ## kill, starve and flood it for an hour: 200 kills, 100,000 predictions each, 10,000 pictures
	FMNIST_EDGE_KILLS=201 FMNIST_EDGE_PREDICTIONS=100000 FMNIST_EDGE_FLOOD=10000 FMNIST_EDGE_FLOOD_KILLS=10 \
		$(BIN)/python -m pytest tests/faults -rP

check: $(READY) audit ## run the linter, the formatter's check, the type checker and the audit
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@mkdir -p .typecheck && ln -sfn .. .typecheck/fmnist_edge
	$(BIN)/mypy -p fmnist_edge --exclude '(^|/)tests/'

models: $(READY) ## make models in the box of finished runs, the others stay: DATASET_RUN=runs/a PHOTO_RUN=runs/b STRONG_RUN=runs/c
	$(BIN)/fmnist-edge box $(if $(DATASET_RUN),--dataset-run $(DATASET_RUN)) $(if $(PHOTO_RUN),--photo-run $(PHOTO_RUN)) \
		$(if $(STRONG_RUN),--strong-run $(STRONG_RUN)) --photos tests/data/photos

audit: $(READY)  ## are the installed packages known to be vulnerable? (where the database can be reached)
	$(BIN)/python tests/audit.py

forgeries: $(READY) ## try 10,000 flipped bits and 1,000 cuts of a model file of either format (a quarter of an hour)
	FMNIST_EDGE_FLIPS=10000 FMNIST_EDGE_CUTS=1000 $(BIN)/python -m pytest tests/runtime/test_integrity.py -k "flipped_bit or cut_file"

wheel: $(READY)  ## build a wheel that is the same to the last byte wherever this commit is built
	rm -rf build
	chmod -R u=rwX,go=rX *.py py.typed LICENSE README.md pyproject.toml common commands dataset runtime benchmarks train export models
	umask 022 && SOURCE_DATE_EPOCH=$${SOURCE_DATE_EPOCH:-$$(git log -1 --pretty=%ct)} $(BIN)/python -m build --wheel

fuzz: $(READY)   ## try a million inputs on each reader of files, guided by coverage (docs/fuzzing.md)
	@for reader in $(READERS); do \
		mkdir -p $(KEPT)/$$reader; \
		$(BIN)/python -m tests.fuzz.guided $$reader -runs=$(RUNS) -artifact_prefix=$(KEPT)/$$reader- $(KEPT)/$$reader || exit 1; \
	done

docs: $(READY)   ## write docs/cli.md from the commands' own --help
	FMNIST_EDGE_WRITE_DOCS=1 $(BIN)/python -m pytest --quiet tests/test_docs.py -k page_of_commands

format: $(READY) ## format the code and mend what the linter can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:           ## remove what the other targets made, but no runs, exports or reports
	rm -rf $(VENV) $(KEPT) .typecheck .mypy_cache .ruff_cache .pytest_cache build dist *.egg-info
