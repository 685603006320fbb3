"""Teachers, students and pose networks, one per file; see :mod:`train.networks.registry`."""
