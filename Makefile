# The front door. `make demo` and `make test` set up whatever they need; `make help` lists the rest.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
# Two installations into one environment would disturb each other.
.NOTPARALLEL:

VENV := .venv
# The first of these that runs and is a supported version is used.
PYTHON ?= python3.12 python3.11 python3.10 python3
RUN := $(VENV)/bin/python
# Tested versions. To keep your own PyTorch on a workstation with a GPU: make setup CONSTRAINTS=
CONSTRAINTS ?= constraints.txt
PIP_INSTALL := $(RUN) -m pip install --disable-pip-version-check --quiet $(if $(CONSTRAINTS),--constraint $(CONSTRAINTS))

# make soak
MINUTES ?= 10

# make road: DATA is a folder with a dataset; without it clips are generated.
DATA ?=
DATASET ?= $(if $(DATA),penn_action,kinematic)
ROAD := runs/road/$(DATASET)
ROAD_CONFIGS := configs/$(if $(filter video_pairs,$(DATASET)),own,road)
DATA_FLAGS = --data.dataset $(DATASET) $(if $(DATA),--data.folder "$(DATA)")

# make int8: if agreement with FP32 on held-out training clips misses the budget, the student is fine-tuned in INT8.
# Test clips influence no decision; they are reported, within the budget or not.
INT8 := runs/int8/$(DATASET)
# Another student, with its own folder and page: STUDENT_FLAGS="--width 16" INT8=runs/int8/small PAGE=runs/small.md
STUDENT_FLAGS ?=
PAGE := benchmarks/int8.md
INT8_VERIFY = $(RUN) -m calibrate verify --bundle $(INT8)/bundle

# make pairs: another cheap estimator, for example PAIR_FLAGS="--low.name trt_pose --low.network pose.onnx"
VIDEOS ?=
PAIRS ?= runs/pairs
PAIR_FLAGS ?=

# make engine, make verify, make measure: on a board these use JetPack's Python (see docker/).
BUNDLE ?= bundles/everyday
CLIPS ?=
# Another precision, a DLA core, more people at once: python -m calibrate engine --help
ENGINE_FLAGS ?=
DEVICE_PYTHON ?= $(if $(wildcard $(VENV)/bin/python),$(RUN),python3)

.PHONY: help demo soak test road pairs ablation int8 bench-peers engine verify measure setup image-check docs format clean given-VIDEOS given-DATA

help: ## This list
	@grep -E '^[a-z0-9-]+:.*## ' Makefile | sed -E 's/^([a-z0-9-]+):[^#]*## /  make \1\t/' | expand -t 20

demo: $(VENV)/edge.stamp ## A real video through pose estimator and INT8 student; results in runs/demo
	$(RUN) -m edge demo --out runs/demo

# Tests of one file share trained networks, so they stay in one process. With more threads for linear algebra than cores,
# each waits for the others, at full load.
test: $(VENV)/all.stamp ## Linters, types, layering, tests
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports --no-cache
	OPENBLAS_NUM_THREADS=1 $(RUN) -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

road: $(VENV)/all.stamp ## The whole pipeline, from training to labels on a video: DATA=folder [DATASET=penn_action|utd_mhad|ui_prmd|ntu60|...]
	$(RUN) -m train teacher --config $(ROAD_CONFIGS)/teacher.yaml --out $(ROAD)/teacher $(DATA_FLAGS)
	$(RUN) -m train student --config $(ROAD_CONFIGS)/student.yaml --out $(ROAD)/student --teacher $(ROAD)/teacher $(DATA_FLAGS)
	$(RUN) -m train export --run $(ROAD)/student --bundle $(ROAD)/bundle --workdir $(ROAD) $(if $(DATA),--data "$(DATA)")
	$(RUN) -m calibrate student --bundle $(ROAD)/bundle --clips $(ROAD)/calibration.npz --test $(ROAD)/test.npz
	$(RUN) -m calibrate verify --bundle $(ROAD)/bundle --clips $(ROAD)/test.npz --report $(ROAD)/verify.json --min_agreement 95 --max_top1_drop 2
	$(RUN) -m calibrate gate --onnx $(ROAD)/bundle/student.int8.onnx
	$(RUN) -m edge demo --bundle $(ROAD)/bundle --out $(ROAD)/demo

pairs: given-VIDEOS $(VENV)/all.stamp ## Skeletons for teacher and student from your own videos, one subfolder per class: VIDEOS=folder [PAIRS=folder] [PAIR_FLAGS=...]
	$(RUN) -m train pairs --videos "$(VIDEOS)" --out "$(PAIRS)" $(PAIR_FLAGS)

ablation: given-DATA $(VENV)/all.stamp ## Compare distillation methods over five seeds, under an hour: DATA=folder DATASET=penn_action|utd_mhad|ui_prmd
	$(RUN) -m train ablation --config configs/ablation/$(DATASET).yaml --data.folder "$(DATA)"

int8: given-DATA $(VENV)/all.stamp ## INT8 against FP32 on a dataset, with its section of benchmarks/int8.md: DATA=folder DATASET=penn_action|utd_mhad
	$(RUN) -m train teacher --config configs/int8/$(DATASET)/teacher.yaml --out $(INT8)/teacher --data.folder "$(DATA)"
	$(RUN) -m train student --config configs/int8/$(DATASET)/student.yaml --out $(INT8)/student --teacher $(INT8)/teacher --data.folder "$(DATA)" $(STUDENT_FLAGS)
	$(RUN) -m train export --run $(INT8)/student --bundle $(INT8)/bundle --workdir $(INT8) --data "$(DATA)"
	$(RUN) -m calibrate student --bundle $(INT8)/bundle --clips $(INT8)/calibration.npz --test $(INT8)/test.npz
	$(INT8_VERIFY) --clips $(INT8)/calibration.npz --held_out || { test $$? -eq 1 && echo "over budget on held-out training clips: fine-tuning in INT8" && $(RUN) -m train quantise-aware --run $(INT8)/student --teacher $(INT8)/teacher --bundle $(INT8)/bundle --out $(INT8)/eight-bits --data "$(DATA)"; }
	$(INT8_VERIFY) --clips $(INT8)/test.npz --report $(INT8)/verify.json || test $$? -eq 1
	$(RUN) -m calibrate gate --onnx $(INT8)/bundle/student.int8.onnx
	$(RUN) -m calibrate report --bundle $(INT8)/bundle --verified $(INT8)/verify.json --page $(PAGE)

bench-peers: $(VENV)/openvino.stamp ## Compare with MediaPipe, continual-inference, OpenVINO, other networks: [DATA=folder trains them]
	$(RUN) -m benchmarks.peers $(if $(DATA),--data "$(DATA)")

engine: ## On the device: build and time FP32, FP16 and INT8 engines, keep the best: [BUNDLE=folder] [CLIPS=test.npz] [ENGINE_FLAGS="--precision fp16"]
	$(DEVICE_PYTHON) -m calibrate engine --bundle "$(BUNDLE)" $(if $(CLIPS),--clips "$(CLIPS)") $(ENGINE_FLAGS)

verify: ## Compare INT8 and engines with FP32 under the bundle's budget: [BUNDLE=folder] [CLIPS=test.npz]
	$(DEVICE_PYTHON) -m calibrate verify --bundle "$(BUNDLE)" --report runs/verify.json $(if $(CLIPS),--clips "$(CLIPS)")

measure: ## On the device: checks, engines, accuracy, latency, endurance as one report in runs/measure: [BUNDLE=folder] [CLIPS=test.npz]
	$(DEVICE_PYTHON) -m calibrate measure --bundle "$(BUNDLE)" $(if $(CLIPS),--clips "$(CLIPS)")

soak: $(VENV)/edge.stamp ## Endurance test: ten minutes of the loop with a camera that disconnects at random; MINUTES=480 on a board
	$(RUN) -m edge soak --minutes $(MINUTES) --report runs/soak.json

image-check: $(VENV)/all.stamp ## Lint the Dockerfiles, then build and run arm64 images under emulation (root)
	$(VENV)/bin/hadolint docker/Dockerfile.*
	docker/check-arm64

docs: $(VENV)/all.stamp ## Build the documentation as a site in runs/docs, reference included
	PYTHONPATH=. $(VENV)/bin/mkdocs build

setup: $(VENV)/all.stamp ## Install everything for training, calibration and development into .venv

format: $(VENV)/all.stamp ## Format the code and fix what ruff can fix
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

clean: ## Remove the virtual environment; results in runs/ stay
	rm -rf $(VENV)

# Checked before anything is installed.
given-VIDEOS:
	$(if $(VIDEOS),@:,$(error give the folder of your videos, one subfolder per class: make pairs VIDEOS=folder))

given-DATA:
	$(if $(DATA),@:,$(error give the folder of the dataset: make $(firstword $(MAKECMDGOALS)) DATA=folder DATASET=penn_action))

$(VENV)/bin/python:
	@for python in $(PYTHON); do \
	  if $$python -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null; then \
	    exec $$python -m venv $(VENV); \
	  fi; \
	done; echo "error: none of $(PYTHON) is Python 3.10 to 3.12; choose one with make PYTHON=..." >&2; exit 2

$(VENV)/edge.stamp: pyproject.toml $(CONSTRAINTS) | $(VENV)/bin/python
	@echo "installing what the device side needs into $(VENV)"
	$(PIP_INSTALL) --editable ".[edge]"
	@touch $@

$(VENV)/all.stamp: pyproject.toml $(CONSTRAINTS) | $(VENV)/bin/python
	@echo "installing everything into $(VENV), with PyTorch; this takes a minute or more"
	$(PIP_INSTALL) --editable ".[edge,train,calibrate,dev]"
	@touch $@ $(VENV)/edge.stamp

$(VENV)/openvino.stamp: $(VENV)/all.stamp
	$(PIP_INSTALL) --editable ".[openvino]"
	@touch $@
