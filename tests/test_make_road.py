"""The bundle of `make road` runs with every pose estimator, whatever dataset it was trained on."""

from pathlib import Path

import pytest
import yaml

from edge.contract.layouts import LAYOUTS, layout, mapping

CONFIGS = Path(__file__).parents[1] / "configs" / "road"


@pytest.mark.parametrize("step", ["teacher", "student"])
@pytest.mark.parametrize("source", LAYOUTS)
def test_datasets_and_estimators_have_the_joints_that_it_trains_on(step: str, source: str) -> None:
    joints = yaml.safe_load((CONFIGS / f"{step}.yaml").read_text())["data"]["pairs"]["layout"]
    assert None not in mapping(layout(source), layout(joints))
