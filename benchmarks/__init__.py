"""Benchmarks. Each gives a ratio to a reference in the same run, because absolute times vary between machines."""
