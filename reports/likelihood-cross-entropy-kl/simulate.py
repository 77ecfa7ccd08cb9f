"""Writes waits.csv: waiting times whose distribution is known, so that its distance can be, too."""

from pathlib import Path

import numpy as np
import pandas as pd

HERE = Path(__file__).parent
TRAINING, HELDOUT = 500, 1000


def waits() -> pd.DataFrame:
    """Each wait is the sum of two independent exponential ones of one minute: Gamma(2, 1)."""
    uniform = np.random.default_rng(20261126).random((TRAINING + HELDOUT, 2))
    minutes = -np.log(uniform).sum(axis=1).round(9)
    heldout = np.arange(minutes.size) >= TRAINING
    return pd.DataFrame({"minutes": minutes, "heldout": heldout.astype(int)})


if __name__ == "__main__":
    waits().to_csv(HERE / "waits.csv", index=False, float_format="%.9f")
