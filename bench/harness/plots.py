"""Plots as SVG files, the same for the same figures."""

from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.figure import Figure


def subplots(width: float, height: float, rows: int = 1, columns: int = 1, **options: Any) -> Any:
    """A figure and its axes, as `matplotlib.pyplot.subplots` returns them; in inches."""
    # Text stays text.
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "", "font.size": 9})
    return plt.subplots(rows, columns, figsize=(width, height), layout="constrained", **options)


def save(figure: Figure, file: Path) -> None:
    """Write the figure into an SVG file, and forget it."""
    figure.savefig(file, metadata={"Date": None})
    plt.close(figure)
