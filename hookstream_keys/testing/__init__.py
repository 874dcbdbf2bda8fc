"""Tests of clients in Python: starts a sandbox as a process, and controls it.

`plugin.py` has the fixtures for pytest. Only the standard library is imported here, and no other
room: every run of pytest loads the plugin, also in suites that do not use it.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hookstream_keys.testing.control import SandboxError
    from hookstream_keys.testing.process import running_sandbox
    from hookstream_keys.testing.records import (
        Environment,
        Key,
        PendingFault,
        RecordedRequest,
        RotatedKey,
    )
    from hookstream_keys.testing.sandbox import KeyState, RotationState, Sandbox, SessionState

#: The module of each public name, which is imported at the first use.
_MODULES = {
    "Environment": "records",
    "Key": "records",
    "KeyState": "sandbox",
    "PendingFault": "records",
    "RecordedRequest": "records",
    "RotatedKey": "records",
    "RotationState": "sandbox",
    "Sandbox": "sandbox",
    "SandboxError": "control",
    "SessionState": "sandbox",
    "running_sandbox": "process",
}

__all__ = [  # noqa: RUF022 - the class first that the fixtures return
    "Sandbox",
    "running_sandbox",
    "Key",
    "RotatedKey",
    "Environment",
    "RecordedRequest",
    "PendingFault",
    "KeyState",
    "RotationState",
    "SessionState",
    "SandboxError",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 - only where it is needed

    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
