"""Published cases: their records, and how each is declared in PyMC."""
