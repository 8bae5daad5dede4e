"""Benchmarks: what the speed claims rest on. `make bench` runs them all; figures are medians of several runs."""
