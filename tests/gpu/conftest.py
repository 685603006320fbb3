"""Skip these tests without a GPU, and say what is missing."""

import pytest

from edge.contract.errors import EngineError
from edge.engines.gpu import Gpu


def missing() -> str:
    """Why no engine can be built here; empty if one can."""
    try:
        import tensorrt  # noqa: F401

        Gpu()
    except ImportError as error:
        return f"{error} (TensorRT and pycuda come with JetPack, see docker/)"
    except EngineError as error:
        return str(error)
    return ""


@pytest.fixture(scope="session", autouse=True)
def gpu_machine() -> None:
    if why := missing():
        pytest.skip(why)
