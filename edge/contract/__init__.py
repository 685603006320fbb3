"""What device and workstation share: types, layouts, preprocessing, bundles, errors.

It depends only on numpy and PyYAML, so that training, calibration and the device run the same code.
"""
