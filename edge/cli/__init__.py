"""The command line: flags and YAML from dataclasses, what is printed, exit codes, signals."""
