"""Measures the service on this machine; figures go into `bench.json`."""
