"""The targets: what `targets.toml` wants of a figure, and whether it is reached."""

import tomllib
from dataclasses import dataclass

from harness.places import BENCH


@dataclass(frozen=True, kw_only=True)
class Target:
    """What is wanted of a figure: one of the bounds, and perhaps a harder one."""

    figure: str
    unit: str
    at_least: float | None = None
    at_most: float | None = None
    moonshot: float | None = None

    def wanted(self) -> str:
        """The bound in words."""
        sign, bound = ("≥", self.at_least) if self.at_least is not None else ("≤", self.at_most)
        text = f"{sign} {bound:g}{self.unit}"
        return text if self.moonshot is None else f"{text}, moonshot {self.moonshot:g}{self.unit}"

    def reached(self, value: float) -> str:
        """Whether `value` is within the bound, and whether within the harder one."""
        if not self._within(value, self.at_least, self.at_most):
            return "**no**"
        if self.moonshot is None:
            return "yes"
        # A moonshot is a bound of the same kind.
        harder = (self.moonshot, None) if self.at_least is not None else (None, self.moonshot)
        return "yes, moonshot too" if self._within(value, *harder) else "yes, not the moonshot"

    def found(self, value: float) -> str:
        """The value as a reader wants it."""
        return number(value) + self.unit

    @staticmethod
    def _within(value: float, least: float | None, most: float | None) -> bool:
        return (least is None or value >= least) and (most is None or value <= most)


def targets() -> dict[str, Target]:
    """All targets, by the figure that each is about."""
    text = (BENCH / "targets.toml").read_text("utf-8")
    return {entry["figure"]: Target(**entry) for entry in tomllib.loads(text)["target"]}


def number(value: float) -> str:
    """A number to three significant digits, with all digits before the point."""
    if value >= 100:  # noqa: PLR2004 - three digits
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"  # noqa: PLR2004
