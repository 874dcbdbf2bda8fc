"""Tenants that a test makes, and what deletes them."""

from typing import Any

from hookstream_keys.testing.control import Control


class Tenants:
    """The tenants of a sandbox, or of a tenant: those have its name before theirs, `gw0-other`.

    So a suite makes the same tenants without pytest-xdist and with it, where the sandbox of a
    worker is a tenant itself.
    """

    def __init__(self, control: Control, prefix: str = "") -> None:
        # Only the sandbox's own control URL makes tenants.
        self._control = control
        self._prefix = prefix
        #: Those that are to be deleted, by name.
        self._made: dict[str, Tenants] = {}

    def create(self, name: str) -> tuple[dict[str, Any], "Tenants"]:
        """Make a tenant: its facts, and the tenants that it makes. Raises SandboxError."""
        whole = self._prefix + name
        facts: dict[str, Any] = self._control.call("POST", "/tenants", {"name": whole})
        self._made[name] = Tenants(self._control, f"{whole}-")
        return facts, self._made[name]

    def delete(self, name: str) -> None:
        """Delete a tenant, and those that it has made. Raises SandboxError if there is none."""
        if name in self._made:
            self._made.pop(name).delete_all()
        self._control.call("DELETE", f"/tenants/{self._prefix}{name}")

    def delete_all(self) -> None:
        """Delete those that were made here and still exist. Raises SandboxError."""
        if not self._made:
            return
        existing: list[str] = self._control.call("GET", "/tenants")["tenants"]
        for name, made in self._made.items():
            made.delete_all()
            if self._prefix + name in existing:
                self._control.call("DELETE", f"/tenants/{self._prefix}{name}")
        self._made.clear()
