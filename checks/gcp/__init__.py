"""Checks of a Google Cloud project: asked through its APIs, with credentials that can only look."""
