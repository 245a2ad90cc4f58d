# Every target sets up what it needs; a fresh machine has Python 3.11 (or newer) and make.
PYTHON ?= python3.11
BIN := .venv/bin
ANATOMIES ?= ../shared/data/anatomies
export LIVERTUMORAI_MODELS := $(CURDIR)/models

.PHONY: help setup demo test lint bench train clean

help:  ## show the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

.venv/.complete: pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is missing: install Python 3.11 or 3.12, or run make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet torch==2.13.0
	$(BIN)/python -m pip install --quiet --editable '.[training,window,test]'
	@touch $@

setup: .venv/.complete  ## make .venv with everything

demo: setup  ## sample study through the whole pipeline, then the module's window (pictures without a display)
	@rm -rf demo-output
	$(BIN)/livertumorai demo --out demo-output $(DEMO_OPTIONS)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

test: lint  ## style and the whole test suite
	$(BIN)/python -m pytest -q -n 2 --dist loadfile

bench: setup  ## figures of README and Docs; takes hours, see Testing/benchmarks
	for script in Testing/benchmarks/*.py; do $(BIN)/python $$script || exit 1; done

train: setup  ## make the training cases and train the base network; takes hours, resumes where it stopped
	@mkdir -p runs/anatomies; cp $(ANATOMIES)/btcv_*.nii.gz runs/anatomies/ 2>/dev/null || echo "No real organ maps at $(ANATOMIES): synthetic anatomies only"
	$(BIN)/python -m LiverTumorAILib.training.make_data runs/data/training --first-seed 10000 --count 200 --anatomies runs/anatomies
	$(BIN)/python -m LiverTumorAILib.training.make_data runs/data/validation --first-seed 20000 --count 12
	$(BIN)/livertumorai train --model base_unet --data runs/data

clean:  ## remove what the other targets made, training runs excepted
	rm -rf .venv demo-output .pytest_cache .ruff_cache
