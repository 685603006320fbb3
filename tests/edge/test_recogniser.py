"""The student in the loop, against ONNX Runtime used directly."""

from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
import tiny_bundle

from edge.contract.bundle import read_bundle, write_manifest
from edge.contract.errors import EngineError
from edge.engines.engine import TensorSpec, describe_cpu_engine
from edge.recognition.recogniser import MAX_BATCH, Recogniser, RecogniserConfig, open_recogniser, softmax, student_file

PLAIN = RecogniserConfig(threads=1)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return read_bundle(tiny_bundle.make(tmp_path_factory.mktemp("bundle")))


def clips(count, seed=0):
    rng = np.random.default_rng(seed)
    made = rng.standard_normal((count, 3, 32, 13, 1)) + 2 * rng.standard_normal((count, 3, 1, 1, 1))
    return made.astype(np.float32)


def reference(bundle, given):
    """Softmax of the student's logits, one clip at a time."""
    session = ort.InferenceSession(str(bundle.folder / "student.onnx"))
    rows = []
    for clip in given:
        logits = session.run(None, {"clip": clip[None]})[0][0].astype(np.float64)
        powers = np.exp(logits - logits.max())
        rows.append(powers / powers.sum())
    return np.array(rows)


class Fixed:
    """A network built for one batch size, like an engine; remembers the batches it was given."""

    def __init__(self, batch, classes=4, answer=None):
        self.inputs = (TensorSpec("clip", (batch, 3, 32, 13, 1), np.dtype(np.float32)),)
        self.outputs = (TensorSpec("logits", (batch, classes), np.dtype(np.float32)),)
        self.batches, self.answer = [], answer

    def describe(self):
        return "engine of this test"

    def run(self, inputs):
        self.batches.append(len(inputs["clip"]))
        if self.answer is not None:
            return {"logits": np.full((len(inputs["clip"]), 4), self.answer, np.float32)}
        return {"logits": inputs["clip"][:, 0, :4, 0, 0].copy()}

    def close(self):
        pass


@pytest.mark.parametrize("count", [1, 3, MAX_BATCH, MAX_BATCH + 3])
def test_a_batch_gives_the_same_probabilities_as_single_clips(bundle, count):
    recogniser, given = open_recogniser(bundle, PLAIN), clips(count)
    np.testing.assert_allclose(recogniser.recognise(list(given)), reference(bundle, given), atol=1e-4)
    assert recogniser.network_s > 0 and "1 thread" in recogniser.describe()


@pytest.mark.parametrize(("batch", "runs"), [(1, [1] * 5), (2, [2, 2, 2]), (4, [4, 4])])
def test_a_network_with_a_fixed_batch_gets_full_batches(bundle, batch, runs):
    engine, given = Fixed(batch), clips(5)
    logits = Recogniser(bundle, engine).logits(given)
    assert engine.batches == runs
    np.testing.assert_array_equal(logits, given[:, 0, :4, 0, 0])


def test_softmax_of_large_logits_is_finite():
    np.testing.assert_allclose(softmax(np.array([[1000, 1000], [-1000, 0]], np.float32)), [[0.5, 0.5], [0, 1]])


def test_the_self_test_passes_for_the_bundles_network_and_fails_for_another(bundle, tmp_path):
    test = open_recogniser(bundle, PLAIN).self_test(bundle)
    assert (test.clips, test.agreement) == (16, 1.0) and test.error < 1e-5
    open_recogniser(bundle, PLAIN).self_test(bundle).require("the student")
    other = read_bundle(tiny_bundle.make(tmp_path / "other", seed=4))
    with pytest.raises(EngineError, match=r"on only \d+ % of 16 clips"):
        open_recogniser(other, PLAIN).self_test(bundle).require("the student")


@pytest.mark.parametrize("answer", [np.nan, np.inf, -np.inf])
def test_logits_that_are_not_finite_raise_instead_of_giving_a_decision(bundle, answer):
    with pytest.raises(EngineError, match="NaN or infinite"):
        Recogniser(bundle, Fixed(4, answer=answer)).recognise([clips(1)[0]])


def test_a_network_that_does_not_fit_the_manifest_is_refused(bundle):
    with pytest.raises(EngineError, match=r"output is \(4, 7\), the manifest has 4 classes"):
        Recogniser(bundle, Fixed(4, classes=7))
    wrong = Fixed(4)
    wrong.inputs = (TensorSpec("clip", (4, 3, 32, 17, 1), np.dtype(np.float32)),)
    with pytest.raises(EngineError, match="the manifest says"):
        Recogniser(bundle, wrong)
    wrong.inputs = (TensorSpec("images", (4, 3, 32, 13, 1), np.dtype(np.float32)),)
    with pytest.raises(EngineError, match="images"):
        Recogniser(bundle, wrong)
    wrong.inputs = (TensorSpec("clip", (4, 3, 32, 13, 1), np.dtype(np.uint8)),)
    with pytest.raises(EngineError, match="input is uint8"):
        Recogniser(bundle, wrong)
    for name, shape in (("scores", (4, 4)), ("logits", (4,)), ("logits", (4, 4, 1))):
        wrong = Fixed(4)
        wrong.outputs = (TensorSpec(name, shape, np.dtype(np.float32)),)
        with pytest.raises(EngineError, match=r"outputs \['scores'\]|output is \(4,"):
            Recogniser(bundle, wrong)


def test_an_engine_beside_the_network_is_preferred(tmp_path):
    bundle = read_bundle(tiny_bundle.make(tmp_path))
    assert student_file(bundle, "int8").name == "student.int8.onnx"
    (tmp_path / "student.int8.engine").write_bytes(b"engine")
    assert student_file(bundle, "int8").name == "student.int8.engine"
    assert student_file(bundle, "fp32").name == "student.onnx"
    (tmp_path / "student.engine").write_bytes(b"engine of any precision")
    assert student_file(bundle, "int8").name == "student.int8.engine"


def test_the_engine_selected_on_this_device_is_used_for_both_precisions(tmp_path):
    bundle = read_bundle(tiny_bundle.make(tmp_path))
    (tmp_path / "student.engine").write_bytes(b"engine")
    assert {student_file(bundle, precision).name for precision in ("int8", "fp32")} == {"student.engine"}


def test_the_self_test_runs_the_first_sixteen_reference_clips(tmp_path):
    folder = tiny_bundle.make(tmp_path)
    given = clips(40)
    session = ort.InferenceSession(str(folder / "student.onnx"))
    logits = np.concatenate([session.run(None, {"clip": clip[None]})[0] for clip in given])
    logits[16:] *= -1
    np.savez(folder / "reference.npz", clips=given, logits=logits)
    write_manifest(folder, read_bundle(folder).manifest)
    bundle = read_bundle(folder)
    recogniser = open_recogniser(bundle, RecogniserConfig(precision="fp32", threads=1))
    result = recogniser.self_test(bundle)
    recogniser.close()
    assert (result.clips, result.agreement) == (16, 1.0) and result.error < 1e-4


class Limited(Fixed):
    """A network for every batch up to one, like an engine built for so many people."""

    def __init__(self, most):
        super().__init__(None)
        self.inputs = (TensorSpec("clip", (None, 3, 32, 13, 1), np.dtype(np.float32), max_batch=most),)


@pytest.mark.parametrize(("most", "batches"), [(1, [1] * 5), (2, [2, 2, 1]), (8, [5])])
def test_batches_are_as_large_as_the_engine_allows(bundle, most, batches):
    engine, given = Limited(most), clips(5)
    found = Recogniser(bundle, engine).logits(given)
    assert engine.batches == batches
    np.testing.assert_array_equal(found, given[:, 0, :4, 0, 0])


def test_threads_are_described_in_singular_and_plural():
    described = [describe_cpu_engine("LiteRT 2", Path("pose.tflite"), n) for n in (0, 1, 2)]
    assert described == [f"LiteRT 2, CPU, FP32, {threads}" for threads in ("all threads", "1 thread", "2 threads")]
