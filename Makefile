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
	failed=; for script in $(filter-out %/registration_methods.py,$(wildcard Testing/benchmarks/*.py)); do \
	  $(BIN)/python $$script || failed="$$failed $$script"; done; test -z "$$failed" || { echo "Failed:$$failed"; exit 1; }

DATA ?= ../shared/data
EXAMPLE := $(DATA)/totalsegmentator/example_ct
DONORS := $(foreach name,lidc_0001 acrin_nsclc_042,$(if $(wildcard runs/donors/$(name).nii.gz),--ct runs/donors/$(name).nii.gz --labels Resources/donors/$(name)_liver.nii.gz))

NEGATIVES := $(EXAMPLE).nii.gz=non_contrast $(foreach scan,lidc_0001=arterial acrin_nsclc_042=non_contrast cptac_pda_00189=portal_venous,$(if $(wildcard runs/donors/$(firstword $(subst =, ,$(scan))).nii.gz),runs/donors/$(subst =,.nii.gz=,$(scan))))

train: setup  ## make the training data and train the liver networks and those of the multi-sensitivity cascade; takes hours, resumes
	@test -n "$(DONORS)" || echo "No CT in runs/donors: trained without them (see Resources/donors/README.md)"
	$(BIN)/python -m LiverTumorAILib.training.materials runs/materials --anatomies $(ANATOMIES) --ct $(EXAMPLE).nii.gz --labels $(EXAMPLE)_labels.nii.gz $(DONORS) --transfers 36 6
	$(BIN)/livertumorai train --model liver_coarse --data runs/materials
	$(BIN)/livertumorai train --model liver_fine --data runs/materials
	$(BIN)/python -m LiverTumorAILib.training.make_data runs/cases/training --first-seed 60000 --count 300 --anatomies $(ANATOMIES) --materials runs/materials
	$(BIN)/python -m LiverTumorAILib.training.make_data runs/cases/validation --first-seed 20000 --count 12
	$(BIN)/python -m LiverTumorAILib.training.real_negatives runs/cases/negatives --ct $(NEGATIVES) --materials runs/materials --transfers 4
	$(BIN)/livertumorai train --model base_unet --data runs/cases --start models/base_unet/model.onnx
	$(BIN)/livertumorai train --model base_unet_screening --data runs/cases --start models/base_unet/model.onnx
	$(BIN)/livertumorai train --model multi_sensitivity_reclassification --data runs/cases --start models/multi_sensitivity_reclassification/model.onnx
	$(BIN)/livertumorai train --model multi_sensitivity_reclassification_screening --data runs/cases --start models/base_unet_screening/model.onnx

clean:  ## remove what the other targets made, training runs excepted
	rm -rf .venv demo-output .pytest_cache .ruff_cache
