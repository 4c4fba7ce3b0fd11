"""A deterministic simulation of delivery: see docs/reliability.md."""
