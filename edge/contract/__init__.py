"""What device and workstation agree on: types, layouts, preprocessing, bundles, errors.

Only numpy and PyYAML are imported here, so that training, calibration and the device
run the same code.
"""
