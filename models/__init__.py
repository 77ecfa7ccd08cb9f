"""Outcomes declared in PyMC, one file per kind."""
