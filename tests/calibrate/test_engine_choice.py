"""Which engine is kept, given speed and accuracy of each."""

import pytest

from calibrate.tensorrt.engine_choice import Candidate, choose
from edge.bench.query_times import QueryTimes
from edge.contract.errors import EngineError
from edge.contract.manifest import AccuracyBudget

BUDGET = AccuracyBudget(max_top1_drop=0.5, min_agreement=99.0)


def candidate(precision: str, ms: float, agreement: float = 100.0, drop: float | None = None) -> Candidate:
    """Of this median time. The faster it is, the longer a tenth of its runs."""
    return Candidate(precision, QueryTimes.of([ms] * 8 + [100 - ms] * 2, []), agreement, drop)


FP32, FP16 = candidate("fp32", 4.0, drop=0.0), candidate("fp16", 2.0, 99.9, 0.1)


def test_the_fastest_within_the_budget_is_kept_and_each_other_has_a_reason() -> None:
    choice = choose([FP32, FP16, candidate("int8", 1.6, 99.2, 0.5)], BUDGET)
    assert choice.kept == "int8"
    assert choice.reasons == {
        "fp32": "2.50 times the time of int8",
        "fp16": "1.25 times the time of int8",
        "int8": "kept: the fastest within the budget",
    }


@pytest.mark.parametrize(
    ("int8", "why"),
    [
        (candidate("int8", 1.0, 98.9, 0.0), "agrees on 98.90 %, 99 % are required"),
        (candidate("int8", 1.0, 99.5, 0.6), "top-1 drops by 0.60 points, 0.5 are allowed"),
        (candidate("int8", 3.0, 99.9, 0.0), "1.50 times the time of fp16"),
        (Candidate("int8", excluded="TensorRT refuses conv_7"), "TensorRT refuses conv_7"),
    ],
)
def test_int8_is_kept_only_if_faster_and_accurate_enough(int8: Candidate, why: str) -> None:
    choice = choose([FP32, FP16, int8], BUDGET)
    assert (choice.kept, choice.reasons["int8"]) == ("fp16", why)


def test_a_forced_precision_is_kept_with_its_loss_in_the_reason() -> None:
    choice = choose([FP32, FP16, candidate("int8", 1.0, 90.0, 3.0)], BUDGET, forced="int8")
    assert choice.kept == "int8"
    costs = "agrees on 90.00 %, 99 % are required; top-1 drops by 3.00 points, 0.5 are allowed"
    assert choice.reasons["int8"] == f"kept: forced, although it {costs}"
    assert choice.reasons["fp16"] == "int8 was forced"


def test_if_none_qualifies_the_error_has_every_reason() -> None:
    with pytest.raises(EngineError, match=r"fp16: agrees on 10\.00 %.*int8: no kernel"):
        choose([candidate("fp16", 1, 10.0), Candidate("int8", excluded="no kernel")], BUDGET)
    with pytest.raises(EngineError, match="there is no int8 engine: no kernel"):
        choose([FP32, Candidate("int8", excluded="no kernel")], BUDGET, forced="int8")
