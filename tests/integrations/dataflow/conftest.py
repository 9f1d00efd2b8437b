"""Tests that need open-dataflow are run in an environment that has it, by ``test_in_dataflow.py``."""

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("dataflow") else ["inside_*.py"]
