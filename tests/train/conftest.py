"""For every test of the training room."""

from pathlib import Path

import pytest
import torch

from tests.train.tiny_runs import student_config, teacher_config


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> None:
    """Networks this small wait longer for a second thread than they compute."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A teacher that was trained in one go."""
    from train.teach import train_teacher  # as it takes seconds, only for those who ask for a run

    out = tmp_path_factory.mktemp("runs") / "teacher"
    train_teacher(teacher_config(out))
    return out


@pytest.fixture(scope="session")
def student(teacher: Path) -> Path:
    """A student that was distilled in one go."""
    from train.teach import train_student

    out = teacher.parent / "student"
    train_student(student_config(out, teacher))
    return out
