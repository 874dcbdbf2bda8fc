"""Immutable records that are cheap to create."""

import dataclasses
from typing import TypeVar, dataclass_transform

Value = TypeVar("Value")


@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field,))
def record(cls: type[Value]) -> type[Value]:
    """Make a dataclass with slots and a hash, to which the type checker allows no assignment.

    A frozen dataclass also refuses it while the program runs, by setting each field through a
    method of its own: a record with 18 fields takes 1.3 µs instead of 0.15 µs (Python 3.11),
    and a request makes a dozen.
    """
    return dataclasses.dataclass(slots=True, unsafe_hash=True)(cls)
