"""The command line: flags and YAML from dataclasses, console output, exit codes, signals."""
