"""Benchmarks, one command each: ``python -m benchmarks.end_to_end``. docs/speed.md says how to read them."""
