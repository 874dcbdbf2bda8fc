"""The rows in the database before a run of Schemathesis, as its hooks know them."""

import json
import os
from dataclasses import asdict, dataclass

VARIABLE = "CONTRACT_GROUND"


@dataclass(frozen=True)
class Ground:
    """Ids that exist, so that valid data reaches the success branch of every operation, too."""

    #: Of the document's own examples.
    org_id: str
    env_id: str
    #: Of the key that the run may be authenticated with.
    key_id: str
    #: The owner's, who may authenticate the run.
    email: str
    password: str
    #: Addresses of people who have signed up, to be added to organizations.
    emails: list[str]
    #: Ids of members who may be taken out.
    members: list[str]
    #: Rotations under way: the key's id, and the rotation's.
    rotations: list[tuple[str, str]]

    def variable(self) -> dict[str, str]:
        """The environment variable by which a program gets to know it."""
        return {VARIABLE: json.dumps(asdict(self))}


def given() -> Ground:
    """What this program was told."""
    return Ground(**json.loads(os.environ[VARIABLE]))
