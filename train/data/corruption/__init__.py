"""Low quality from high quality: what a cheap estimator does to a skeleton. One way a file."""

from train.data.corruption.drop import drop as drop
from train.data.corruption.estimator_errors import EstimatorErrors as EstimatorErrors
from train.data.corruption.estimator_errors import estimate_badly as estimate_badly
