"""The operator's interface of the database: users, backups, restores, checks of the audit log."""

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from hookstream_keys.store.acceptance import Acceptance, AcceptedChange
from hookstream_keys.store.records import (
    AuditEvent,
    Backup,
    ChainCheck,
    Credential,
    DeletionEvents,
    Organization,
    Page,
    Progress,
    Pruned,
    RestoreChange,
    Restored,
    RevocationEvents,
    SealKeys,
    Session,
    User,
)
from hookstream_keys.store.state_check import StateCheck


class OperatorStore(Protocol):
    """A database, for its operator. Every method may raise StoreUnavailable."""

    async def list_users(self, page: Page) -> list[User]:
        """A page of all users, newest first."""

    async def list_all_organizations(self, page: Page) -> list[Organization]:
        """A page of all organizations, newest first, without a role."""

    async def create_user(self, user: User, credential: Credential, event: AuditEvent) -> None:
        """Store a user without an organization, with the audit event.

        Raises UniqueViolation when another user has their email address.
        """

    async def set_password(
        self, credential: Credential, event: AuditEvent, ended: Callable[[Session], AuditEvent]
    ) -> int:
        """Make the password that of the credential's user, who may have none, with the event.

        All their sessions end, each with the event that `ended` makes. Returns how many. Raises
        ForeignKeyViolation when the user was deleted.
        """

    async def end_sessions(self, user_id: str, ended: Callable[[Session], AuditEvent]) -> int:
        """End all sessions of the user, each with the event that `ended` makes; returns how many.

        No process accepts one of them afterwards.
        """

    def backup(self, path: Path, now: str, seal_key: bytes) -> tuple[Backup, StateCheck]:
        """Write a snapshot of the database to a new file, readable by its owner only.

        Others may write meanwhile. The copy has no session and nothing else that gives access by
        itself; it is checked, sealed with the key, and durable when this returns. Returns whether
        it is as its audit log says, too: `restore` refuses one that is not. Raises BackupRefused
        when the file exists, or the copy is not sound; then no file is created.
        """

    def restore(
        self,
        path: Path,
        now: str,
        recorded: Callable[[RestoreChange], AuditEvent],
        seal_keys: SealKeys,
        *,
        deletions: DeletionEvents,
        revocations: RevocationEvents,
        unsealed: bool = False,
        rehearse: bool = False,
    ) -> Restored:
        """Restore a backup in one transaction, and preserve all later revocations.

        What was revoked, narrowed or removed since stays so; the audit log is not restored, it
        continues, with the events that `recorded` makes. Pending deletions and revocations are
        completed first, with the events `deletions` and `revocations`. Users are not changed, and
        all sessions end. Without a database the backup becomes it, and later revocations are not
        known. Others may read and write meanwhile. With `rehearse` nothing is changed. Raises
        BackupRefused when the file is no sound backup of this database, has no seal by one of the
        keys, or is not as its own audit log says; the latter two are warnings if `unsealed`.
        """

    def check_audit_log(
        self,
        expected_head: str | None = None,
        *,
        archives: Sequence[Path] = (),
        progress: Progress | None = None,
    ) -> ChainCheck:
        """Verify a snapshot of the audit log's hash chain.

        `expected_head` is the hash, in hexadecimal, of an earlier head that the chain must contain.
        With `archives` of pruned rows the chain is verified from its first row, else from the first
        remaining one. Raises ArchiveRefused.
        """

    def check_state(
        self,
        now: str,
        expected_head: str | None = None,
        *,
        archives: Sequence[Path] = (),
        progress: Progress | None = None,
    ) -> StateCheck:
        """Check the audit log as `check_audit_log`, and compare the state with it.

        Both are of one snapshot. Returns the first faults, and how many there are. Where the chain
        is broken nothing is compared. Raises ArchiveRefused.
        """

    def accept_changes(
        self,
        now: str,
        recorded: Callable[[AcceptedChange], AuditEvent],
        *,
        only: Collection[str] = (),
        archives: Sequence[Path] = (),
        rehearse: bool = False,
        progress: Progress | None = None,
    ) -> Acceptance:
        """Record events for what better-auth changed in members and organizations.

        Differences from the log are found as by `check_state`; `recorded` makes the events, which
        are stored in one transaction. With ids in `only` just these rows are accepted, with
        `rehearse` nothing is stored. Raises AcceptRefused when the log is not as it was written,
        a row was changed meanwhile or an id cannot be accepted, and ArchiveRefused.
        """

    def prune_audit_log(
        self,
        before: str,
        to: Path | None,
        recorded: Callable[[Mapping[str, Any]], AuditEvent],
        *,
        progress: Progress | None = None,
    ) -> Pruned | None:
        """Remove the audit log's oldest rows, those before the first that is not older.

        They are first written to the new file `to`, if one is named. `recorded` makes the event
        that says so, which is stored with the first rows that go; the rest go in short
        transactions beside other writers. Returns None when no row is older. Raises PruneRefused
        when the log is not as it was written, and BackupRefused when the file cannot be written.
        """
