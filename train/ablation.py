"""``python -m train ablation``: compare distillation methods over several seeds on one dataset."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import Future, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from edge.cli.console import console
from edge.cli.progress_bar import ProgressBar
from edge.contract.errors import ConfigError
from train.ablation_report import TEACHER_HQ, TEACHER_LQ, Result, write_ablation
from train.checkpoint import load_checkpoint
from train.configuration import AblationConfig, StudentConfig, TeacherConfig
from train.data.pairs import PairConfig, PairDataset
from train.data.registry import read_dataset
from train.evaluate import accuracy, predict
from train.hardware import on_gpu
from train.progress import RESUMES
from train.report import read_report
from train.teach import train_student, train_teacher
from train.worker_pool import WorkerPool


def ablation(config: AblationConfig) -> None:
    """Train as configured, and write ablation.json, ablation.md and ablation.png into ``out``."""
    results: list[Result] = []
    students = list(_students(config))
    jobs = config.jobs or (1 if on_gpu(config.hardware) else os.cpu_count() or 1)
    with WorkerPool(jobs, _silence_console) as pool, ProgressBar(console) as progress:
        trainings = len(config.seeds) + len(students)
        bar = progress.add_task(f"{config.data.dataset}, trainings", total=trainings, status="")
        try:
            running: dict[Future[list[Result]], int | None] = {
                pool.submit(_train_teacher, _teacher(config, seed), config): seed for seed in config.seeds
            }
            while running:
                done = next(as_completed(running))
                seed = running.pop(done)
                results += done.result()
                progress.update(bar, advance=1)
                # A student needs the teacher of its seed.
                for drop, student in students:
                    if student.seed == seed:
                        running[pool.submit(_train_student, student, drop)] = None
        except BaseException as error:
            for worker in multiprocessing.active_children():
                worker.terminate()  # its training resumes from its last epoch
            if isinstance(error, KeyboardInterrupt):
                console.print(RESUMES)
            if isinstance(error, BrokenProcessPool):
                raise ConfigError(
                    "a training was killed, probably because memory ran out",
                    hint="give --jobs 1; the same command resumes",
                ) from error
            raise
    rows = (TEACHER_HQ, TEACHER_LQ, *config.methods)
    results.sort(key=lambda result: rows.index(result.method))
    write_ablation(config.out, config.page, _settings(config), results)


def _teacher(config: AblationConfig, seed: int) -> TeacherConfig:
    return TeacherConfig(
        out=config.out / "teacher" / f"seed{seed}",
        data=config.data,
        network=config.teacher,
        width=config.teacher_width,
        optimiser=config.optimiser,
        hardware=config.hardware,
        seed=seed,
    )


def _pairs(config: AblationConfig) -> Iterator[tuple[float | None, PairConfig]]:
    """Each kind of LQ skeletons, by its drop; None is ``data.pairs`` unchanged."""
    for drop in config.drops or (None,):
        yield drop, config.data.pairs if drop is None else replace(config.data.pairs, drop=drop)


def _students(config: AblationConfig) -> Iterator[tuple[float | None, StudentConfig]]:
    """Every training of a student and its drop; seed by seed, so that an interrupted ablation completes whole seeds."""
    for seed in config.seeds:
        for drop, pairs in _pairs(config):
            for name in config.methods:
                folder = config.out / ("recorded" if drop is None else f"drop{drop}") / name / f"seed{seed}"
                student = StudentConfig(
                    out=folder, teacher=_teacher(config, seed).out, data=replace(config.data, pairs=pairs),
                    network=config.network, width=config.width, method=name, optimiser=config.optimiser,
                    hardware=config.hardware, seed=seed,
                )  # fmt: skip
                yield drop, student


def _silence_console() -> None:
    """In worker processes: several progress bars would overwrite each other."""
    console.quiet = True


def _train_teacher(config: TeacherConfig, of: AblationConfig) -> list[Result]:
    """Train a teacher; return its accuracy on HQ skeletons, and on LQ skeletons of each drop."""
    result = partial(Result, seed=config.seed, seconds_per_epoch=float("nan"))
    top1 = train_teacher(config).top1
    network, data = load_checkpoint(config.out).rebuild(config.out), read_dataset(config.data)
    results = []
    for drop, pairs in _pairs(of):
        test = PairDataset(data, pairs, train=False, seed=0)
        results.append(result(drop=drop, method=TEACHER_HQ, top1=top1))
        on_lq = accuracy(predict(network, test, see="lq"), test.labels).top1
        results.append(result(drop=drop, method=TEACHER_LQ, top1=on_lq))
    return results


def _train_student(config: StudentConfig, drop: float | None) -> list[Result]:
    top1 = train_student(config).top1
    seconds = [epoch["seconds"] for epoch in read_report(config.out)["history"]]
    return [Result(drop, config.method, config.seed, top1, float(np.median(seconds)))]


def _settings(config: AblationConfig) -> dict[str, Any]:
    """The settings that the report lists."""
    optimiser = config.optimiser
    return {
        "dataset": config.data.dataset,
        "teacher": f"{config.teacher}, width {config.teacher_width}",
        "student": f"{config.network}, width {config.width}",
        "training": f"{optimiser.epochs} epochs, batches of {optimiser.batch}, learning rate "
        f"{optimiser.learning_rate} ({optimiser.schedule}), weight decay {optimiser.weight_decay}, "
        f"{config.hardware.precision}",
        "seeds": list(config.seeds),
    }
