"""CUDA graph calls through ctypes, against a C library that records its arguments."""

import ctypes
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.contract.errors import EngineError
from edge.engines.cuda_graph import CudaGraph, driver_library

STREAM, GRAPH, EXECUTABLE = 0x7F12_3456_7890, 0x7F22_0000_0010, 0x7F33_FFFF_FFF0
"""As high as addresses are: a handle cut to 32 bits would be another."""

# Types as in cuda.h: handles are pointers, a CUresult is an int. `fails` names the function that fails.
LIBRARY = f"""
#include <string.h>
static void *const stream = (void *){STREAM}ULL, *const graph = (void *){GRAPH}ULL;
static void *const executable = (void *){EXECUTABLE}ULL;
int recording, graphs, executables, launches;
const char *fails = "";
#define CALL(name) if (!strcmp(fails, #name)) return 901;
int cuStreamBeginCapture_v2(void *s, int mode) {{
    CALL(begin) if (s != stream || mode != 1) return 1; recording++; return 0; }}
int cuStreamEndCapture(void *s, void **g) {{
    if (s != stream || !recording) return 1; recording--; *g = 0; CALL(end) *g = graph; graphs++; return 0; }}
int cuGraphInstantiateWithFlags(void **e, void *g, unsigned long long flags) {{
    CALL(instantiate) if (g != graph || flags) return 1; *e = executable; executables++; return 0; }}
int cuGraphUpload(void *e, void *s) {{ CALL(upload) return e != executable || s != stream; }}
int cuGraphLaunch(void *e, void *s) {{
    CALL(launch) if (e != executable || s != stream) return 1; launches++; return 0; }}
int cuGraphDestroy(void *g) {{ if (g != graph) return 1; graphs--; return 0; }}
int cuGraphExecDestroy(void *e) {{ if (e != executable) return 1; executables--; return 0; }}
int cuGetErrorName(int status, const char **text) {{
    *text = status == 901 ? "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED" : "CUDA_ERROR_INVALID_VALUE"; return 0; }}
"""


class Counts:
    """The library's counters; ``fails`` selects the function that fails."""

    def __init__(self, library) -> None:
        self._library = library

    def __getattr__(self, name: str) -> int:
        return ctypes.c_int.in_dll(self._library, name).value

    def fail(self, call: str) -> None:
        # The library keeps the pointer, so the bytes have to stay.
        self._call = call.encode()
        ctypes.c_char_p.in_dll(self._library, "fails").value = self._call


@pytest.fixture
def library(tmp_path: Path) -> Iterator[object]:
    if shutil.which("cc") is None:
        pytest.skip("needs a C compiler")
    (tmp_path / "driver.c").write_text(LIBRARY)
    built = tmp_path / "libcuda.so.1"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", built, tmp_path / "driver.c"], check=True)
    return driver_library(str(built))


def nothing() -> None:
    pass


def test_a_recording_is_launched_as_often_as_wanted_and_leaves_nothing(library) -> None:
    counts, during = Counts(library), []
    graph = CudaGraph(library, STREAM, lambda: during.append(counts.recording))
    assert (during, counts.recording, counts.graphs, counts.executables) == ([1], 0, 0, 1)
    graph.launch()
    graph.launch()
    assert counts.launches == 2
    graph.close()
    assert counts.executables == 0


@pytest.mark.parametrize("call", ["begin", "end", "instantiate", "upload"])
def test_where_the_driver_refuses_nothing_is_left_and_its_reason_is_reported(library, call: str) -> None:
    counts = Counts(library)
    counts.fail(call)
    with pytest.raises(EngineError, match=r"cu\w+: CUDA_ERROR_STREAM_CAPTURE_INVALIDATED \(901\)"):
        CudaGraph(library, STREAM, nothing)
    assert (counts.recording, counts.graphs, counts.executables) == (0, 0, 0)


def test_a_recording_that_goes_wrong_is_ended(library) -> None:
    def fails() -> None:
        raise EngineError("this cannot be recorded")

    counts = Counts(library)
    with pytest.raises(EngineError, match="cannot be recorded"):
        CudaGraph(library, STREAM, fails)
    assert (counts.recording, counts.graphs, counts.executables) == (0, 0, 0)


def test_a_launch_that_the_driver_refuses_is_an_error(library) -> None:
    counts, graph = Counts(library), CudaGraph(library, STREAM, nothing)
    counts.fail("launch")
    with pytest.raises(EngineError, match="cuGraphLaunch"):
        graph.launch()


def test_without_a_driver_or_with_one_too_old_there_are_no_graphs(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="no CUDA graphs"):
        driver_library(str(tmp_path / "libcuda.so.1"))
    if shutil.which("cc") is not None:
        (tmp_path / "old.c").write_text("int cuStreamEndCapture(void) { return 0; }\n")
        subprocess.run(["cc", "-shared", "-fPIC", "-o", tmp_path / "old.so", tmp_path / "old.c"], check=True)
        with pytest.raises(EngineError, match="cuStreamBeginCapture_v2"):
            driver_library(str(tmp_path / "old.so"))
