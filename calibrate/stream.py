"""``python -m calibrate stream``: quantise a bundle's streaming networks to INT8."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from calibrate.calibration_set import Method, clips_for, stratified
from calibrate.configuration import StreamConfig
from calibrate.evaluation.compare import accuracies
from calibrate.quantisation.method_choice import TRIED_METHODS, evaluation_clips, least_error_method
from calibrate.quantisation.onnx_graph import Graph
from calibrate.quantisation.qdq_placement import remove_pairs
from calibrate.quantisation.quantise import Quantiser
from calibrate.recording_engine import RecordingEngine
from calibrate.stream_cost import frames_per_clip
from edge.cli.console import console
from edge.contract.bundle import read_bundle, write_manifest
from edge.contract.errors import BundleError
from edge.contract.files import require_writable, temporary_folder
from edge.contract.manifest import StreamForm, accuracy_text
from edge.contract.types import Float32
from edge.engines.registry import open_engine
from edge.recognition.recogniser import STUDENTS, Precision
from edge.recognition.streaming.network import PERIODS, StreamNetwork, open_stream, stream_file


def quantise_stream(config: StreamConfig) -> None:
    """Write ``stream.*.int8.onnx``, measure both precisions and update the manifest.

    Raises BundleError if clips do not match the bundle, OutputError early if a file cannot be written.
    """
    bundle = read_bundle(config.bundle)
    form = bundle.manifest.stream or StreamForm(bundle.manifest.preprocessing)
    # Recordings become clips as the stream normalises them.
    streamed = replace(bundle, manifest=replace(bundle.manifest, preprocessing=form.preprocessing))
    given = clips_for(streamed, config.clips)
    test = None if config.test is None else clips_for(streamed, config.test)
    require_writable(*(config.bundle / stream_file(period, "int8") for period in _networks(config.bundle)))
    chosen = stratified(given.labels, config.samples, config.seed)
    method = _chosen_method(config.bundle, given.clips, chosen) if config.method == "auto" else config.method
    accuracy: Mapping[str, Any] = {name: found for name, found in form.accuracy.items() if name != "int8"}
    with temporary_folder() as made:
        written = write_int8_stream(config.bundle, given.clips[chosen], method, made)
        if test is not None:
            fp32, int8 = _logits(config.bundle, "fp32", test.clips), _logits(made, "int8", test.clips)
            accuracy = accuracies(accuracy, fp32, int8, test.labels)
        form = replace(form, accuracy=accuracy)
        write_manifest(config.bundle, lambda present: replace(present, stream=form), made)
    bundle = read_bundle(config.bundle)
    precisions: list[Precision] = [p for p in ("fp32", "int8") if (config.bundle / STUDENTS[p]).is_file()]
    costs: dict[str, float] = {p: frames_per_clip(bundle, p) for p in precisions}
    form = replace(form, frames_per_clip=costs)
    write_manifest(config.bundle, lambda present: replace(present, stream=form))
    console.print(f"{config.bundle}: {', '.join(path.name for path in written)}, ranges by {method}")
    measured = [f"{name}: {accuracy_text(found)}" for name, found in accuracy.items() if isinstance(found, dict)]
    frames = ", ".join(f"{cost:.1f} in {precision}" for precision, cost in costs.items())
    console.print("; ".join([*measured, f"new frames that cost as much as a clip: {frames}"]))


def _logits(folder: Path, precision: Precision, clips: Float32) -> Float32:
    """Return logits (N, K) of clips (N, C, T, V, 1), each streamed from fresh states."""
    with closing(open_stream(folder, precision, threads=1)) as stream:
        return stream.logits(clips)


def _chosen_method(folder: Path, clips: Float32, drawn: NDArray[np.int64]) -> Method:
    """Try every method: ranges from the clips ``drawn``, evaluated on others."""
    evaluated_on = clips[evaluation_clips(len(clips), drawn)]
    given: dict[Method, Float32] = {}
    with temporary_folder() as trial:
        for method in TRIED_METHODS:
            write_int8_stream(folder, clips[drawn], method, trial)
            given[method] = _logits(trial, "int8", evaluated_on)
    return least_error_method(_logits(folder, "fp32", evaluated_on), given)


def _networks(folder: Path) -> dict[int, Path]:
    found = {period: folder / stream_file(period) for period in PERIODS if (folder / stream_file(period)).is_file()}
    if not found:
        wanted = stream_file(PERIODS[-1])
        raise BundleError(f"there is no {wanted} to quantise", where=folder, hint="export a student that streams")
    return found


def write_int8_stream(folder: Path, clips: Float32, method: Method, out: Path) -> list[Path]:
    """Write INT8 networks of a folder's FP32 ones to ``out``, calibrated on clips (N, C, T, V, 1) as one stream."""
    found = _networks(folder)
    engines = {period: RecordingEngine(open_engine(path, threads=1)) for period, path in found.items()}
    network = StreamNetwork(engines)
    stream = network.new_stream()  # of all clips in turn: with a past, like most of what a device sees
    for clip in clips:
        for first in range(0, clip.shape[1], network.frames):
            network.step(stream, clip[None, :, first : first + network.frames])
    network.close()
    written = []
    for period, path in found.items():
        # A window's frames are concatenated from several copies each: quantising the result does it once.
        quantiser = Quantiser(path, engines[period].recorded, method, concat_in_int8=False)
        model = quantiser.quantised(_float_layers(quantiser.model), quantiser.samples)
        # Only additions read the sums, so none is quantised.
        model = remove_pairs(model, lambda graph, pair: True)
        _unquantise_states(model)
        written.append(out / stream_file(period, "int8"))
        quantiser.save(model, written[-1])
    return written


def _unquantise_states(model: onnx.ModelProto) -> None:
    """Let each Slice, which cuts a state, read the value before its Q/DQ pair, and remove the pair."""
    graph = Graph(model)
    for node in graph.nodes("Slice"):
        dequantize = graph.producer_of_type(node.input[0], "DequantizeLinear")
        if dequantize is not None:
            quantize = graph.producer[dequantize.input[0]]
            node.input[0] = quantize.input[0]
            model.graph.node.remove(dequantize)
            model.graph.node.remove(quantize)


def _float_layers(model: onnx.ModelProto) -> list[str]:
    """Return all layers but the Gemms without a bias: those are the convolutions over time, 90 % of the weights.

    In the other layers quantising and dequantising takes longer than INT8 saves.
    """
    return [n.name for n in model.graph.node if n.op_type == "Add" or (n.op_type == "Gemm" and len(n.input) > 2)]
