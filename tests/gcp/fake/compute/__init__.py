"""Compute Engine: https://cloud.google.com/compute/docs/reference/rest/v1."""
