"""For every test of the training room."""

import pytest
import torch


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> None:
    """Networks this small wait longer for a second thread than they compute."""
    torch.set_num_threads(1)
