"""Verify the pacts in folders with a sandbox: `python verify_pacts.py FOLDER …`."""

import os
import sys
from pathlib import Path

from pact import Verifier

from hookstream_keys.testing import running_sandbox


def main(folders: list[str]) -> None:
    """Verify all of them. Raises RuntimeError when the service breaks one."""
    # Pact's library reports its use over the network unless it is told not to.
    os.environ["PACT_DO_NOT_TRACK"] = "true"
    with running_sandbox() as sandbox:
        verifier = Verifier("hookstream-keys", host="127.0.0.1")
        verifier.add_transport(url=sandbox.base_url.removesuffix("/v1"))
        verifier.state_handler(f"{sandbox.control_url}/states", teardown=True, body=True)
        for folder in folders:
            verifier.add_source(Path(folder))
        verifier.verify()


if __name__ == "__main__":
    main(sys.argv[1:])
