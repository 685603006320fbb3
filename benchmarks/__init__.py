"""Scripts behind the measurements in this folder, and comparisons with other projects."""
