"""Timings, each as a ratio to a reference in the same run: on a shared machine absolute times mean little."""
