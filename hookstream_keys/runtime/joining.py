"""What a process demands of the database's other servers and nodes before it serves."""

from hookstream_keys.domain.signing import Signer
from hookstream_keys.settings import Settings
from hookstream_keys.store import Store


def join_others(store: Store, settings: Settings, signer: Signer) -> None:
    """Use a database together with its other servers and processes, where it has any.

    Raises StoreError where one of them lacks what the promises of this process need.
    """
    if not settings.single_database:
        store.run(store.require_standby())
    if settings.read_replicas:
        store.run(store.read_from(settings.read_replicas))
    store.run(store.join(signer.fingerprints()))
