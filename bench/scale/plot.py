"""The figures as a picture."""

from pathlib import Path

from harness import plots
from matplotlib.axes import Axes

from scale.measure import Series

_MILLI, _MICRO = 1e3, 1e6


def draw(keys: Series, connections: Series, workers: Series, file: Path) -> None:
    """Draw the three series side by side into an SVG file."""
    figure, axes = plots.subplots(12, 3.8, columns=3)
    _keys(axes[0], keys)
    _connections(axes[1], connections)
    _workers(axes[2], workers)
    plots.save(figure, file)


def _keys(axes: Axes, series: Series) -> None:
    axes.set(title="Answer time against keys", xlabel="keys", ylabel="median, ms", xscale="log")
    for work, samples in series.items():
        times = [sample.p50 * _MILLI for sample in samples.values()]
        axes.plot(list(samples), times, marker="o", markersize=4, label=work)
    _finish(axes)


def _connections(axes: Axes, series: Series) -> None:
    axes.set(title="Requests per second against connections", xlabel="connections", ylabel="1/s")
    axes.set_xscale("log", base=2)
    numbers = list(series["verify"])
    axes.set_xticks(numbers, [str(number) for number in numbers])
    for work, samples in series.items():
        rates = [sample.per_second for sample in samples.values()]
        axes.plot(list(samples), rates, marker="o", markersize=4, label=work)
    _finish(axes)


def _workers(axes: Axes, series: Series) -> None:
    axes.set(title="CPU per verification against workers", xlabel="workers", ylabel="µs")
    samples = series["verify"]
    cpu = [sample.cpu * _MICRO for sample in samples.values()]
    axes.bar([str(number) for number in samples], cpu, width=0.5)
    axes.set_ylim(bottom=0)
    axes.grid(axis="y", alpha=0.3)


def _finish(axes: Axes) -> None:
    # From nothing, so that heights compare; and with room for the legend.
    axes.set_ylim(bottom=0, top=axes.get_ylim()[1] * 1.3)
    axes.grid(alpha=0.3)
    axes.legend(loc="upper left", ncols=2)
