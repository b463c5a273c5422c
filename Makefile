# make demo    score the sample film in a light environment of its own (no torch)
# make test    every test, in a full environment of its own
# make help    all targets

PYTHON ?=
DEMO_VENV ?= .venv-demo
VENV ?= .venv
# A CPU build of torch is a tenth of the one with CUDA that PyPI has for Linux; where it cannot be had, PyPI's is taken.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
# Test processes; each holds torch, about half a gigabyte.
JOBS ?= 2
PYTEST_ARGS ?=
# benchmarks/guard.py needs a built manifest: see its first lines.
BENCHMARKS ?= near_duplicates end_to_end serving loader

POOL := runs/pool/manifest.parquet
VIEWED := runs/viewed/manifest.parquet
# Whole and cut films, transplants of which either view has as many, also such whose two lungs come from two films, and drawn
# opacities.
MADE := level-adults level-portable transplants-children opacities halves-adults halves-portable
LAST_FILMS = --manifest $(VIEWED) --root $(DATA) $(foreach made,$(MADE),--manifest runs/$(made)/manifest.parquet --root runs/$(made))

LAST := runs/pneumoscope-lite0-last
CALIBRATED := kermany kermany-original covid19-radiography

SOURCES := $(shell find src -type f -not -name '*.pyc' | sed 's/ /\\ /g')

# The first Python of at least 3.11 that can make virtual environments, or a sentence saying what to install.
define find_python
bare=; found=; \
for python in $(or $(PYTHON),python3 python3.11 python3.12 python3.13 python3.14); do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
	if "$$python" -c 'import ensurepip, venv' 2>/dev/null; then found="$$python"; break; fi; \
	bare="$$python"; \
done; \
if [ -z "$$found" ]; then \
	if [ -n "$$bare" ]; then echo "$$bare cannot make virtual environments. On Debian or Ubuntu: sudo apt-get install python3-venv" >&2; \
	else echo "No Python 3.11 or newer was found. Install one, or name it: make PYTHON=/path/to/python3" >&2; fi; \
	exit 1; \
fi
endef

.DEFAULT_GOAL := help
.PHONY: help demo test lint format bench bundle results readme-picture screenshots constraints clean

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{printf "%-24s %s\n", $$1, $$2}'

demo: $(DEMO_VENV)/installed ## Score the sample film and draw its evidence into demo/
	@$(DEMO_VENV)/bin/pneumoscope predict --sample --overlay-dir demo
	@echo "The film beside its evidence: demo/RG1_UNCR.png"

test: $(VENV)/installed ## Run every test (JOBS=2 processes; PYTEST_ARGS=... for pytest)
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest -n $(JOBS) $(PYTEST_ARGS)

lint: $(VENV)/installed ## Check style, types and the direction of imports
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

format: $(VENV)/installed ## Put every file into shape
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

bench: $(VENV)/installed $(DEMO_VENV)/installed ## Run the benchmarks that need no films, on a quiet machine
	@for benchmark in $(BENCHMARKS); do echo "== $$benchmark"; \
		$(VENV)/bin/python benchmarks/$$benchmark.py || exit 1; done
	@echo "== cold_start"; $(DEMO_VENV)/bin/python benchmarks/cold_start.py

bundle: $(VENV)/installed ## Make the shipped bundle in runs/bundle from the data sets under DATA=DIR
	@test -d "$(DATA)" || { echo "name the folder of the data sets: make bundle DATA=DIR" >&2; exit 2; }
	@mkdir -p runs
	# Films, teachers and trainings, one after the other, as docs/results.yaml names them; what is there already is not made again.
	$(VENV)/bin/pneumoscope results --films $(DATA) --commands --entry $(notdir $(LAST)) > runs/bundle.sh
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" sh -ex runs/bundle.sh
	$(VENV)/bin/pneumoscope data guard --manifest $(POOL) --root $(DATA) --not-films $(DATA)/not-chest-xray \
		--out runs/guard.json
	$(VENV)/bin/pneumoscope export $(LAST) $(LAST_FILMS) $(addprefix --calibrate-source ,$(CALIBRATED)) \
		--out runs/bundle --guard runs/guard.json --name pneumoscope-lite0 --version 0.8.0 \
		$(addprefix --evaluate ,$(addsuffix :test,kermany covid19-radiography rsna-lungs nih-chestxray14 all))

results: $(VENV)/installed ## Write docs/results.md, after training and measuring what runs/ lacks (DATA=DIR)
	@test -d "$(DATA)" || { echo "name the folder of the data sets: make results DATA=DIR" >&2; exit 2; }
	@mkdir -p runs
	$(VENV)/bin/pneumoscope results --films $(DATA) --commands > runs/results.sh
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" sh -ex runs/results.sh
	$(VENV)/bin/pneumoscope results --out docs/results.md --keep docs/results-kept.json.gz

readme-picture: $(DEMO_VENV)/installed ## Redraw docs/img/overlay-rg1.png with the shipped bundle
	@$(DEMO_VENV)/bin/pneumoscope predict --sample --overlay-dir demo
	@mkdir -p docs/img
	@$(DEMO_VENV)/bin/python -c 'from PIL import Image; \
		Image.open("demo/RG1_UNCR.png").resize((1296, 729), Image.Resampling.LANCZOS).save("docs/img/overlay-rg1.png", optimize=True)'

screenshots: $(VENV)/installed ## Take the pictures of the web page again, with the shipped bundle and Chromium
	$(VENV)/bin/python docs/screenshots.py

constraints: $(VENV)/installed ## Write the versions installed in .venv into constraints.txt
	@{ head -n 2 constraints.txt; $(VENV)/bin/python -m pip freeze --exclude-editable \
		| sed 's/+cpu$$//' | grep -vE '^(pneumoscope|cuda-|nvidia-|triton)'; } > constraints.new
	@mv constraints.new constraints.txt

clean: ## Remove the environments, the demo's output and all caches
	rm -rf $(VENV) $(DEMO_VENV) demo build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

# The light environment holds a copy of the package, as a user would install it.
$(DEMO_VENV)/installed: pyproject.toml constraints.txt $(SOURCES)
	@$(find_python); \
	if [ ! -x $(DEMO_VENV)/bin/python ]; then "$$found" -m venv $(DEMO_VENV); fi
	@echo "Installing into $(DEMO_VENV), without torch ..."
	@$(DEMO_VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt '.[sample]'
	@touch $@

# The full one points to the sources, so that only a change of dependencies installs again.
$(VENV)/installed: pyproject.toml constraints.txt
	@$(find_python); \
	if [ ! -x $(VENV)/bin/python ]; then "$$found" -m venv $(VENV); fi
	@echo "Installing into $(VENV), with torch ..."
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --retries 0 --no-deps -c constraints.txt \
		--index-url $(TORCH_INDEX) torch torchvision 2>/dev/null \
		|| echo "There is no torch at $(TORCH_INDEX) for this machine; taking the one from PyPI."
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@
