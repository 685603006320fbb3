"""What PyTorch raises on files that are damaged, or that it did not write."""

from __future__ import annotations

import pickle

DAMAGED = (RuntimeError, pickle.UnpicklingError, EOFError, TypeError, ValueError, LookupError, AttributeError, OSError,
           AssertionError)  # fmt: skip
"""Of ``torch.load``: a damaged pickle fails wherever its reader happens to stumble."""
