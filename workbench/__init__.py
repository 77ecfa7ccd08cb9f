"""One PyMC declaration: maximum likelihood and MAP, checked, and related to cross-entropy and KL."""
