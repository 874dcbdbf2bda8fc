"""Pact's libraries report their use over the network unless they are told not to."""

import os

os.environ["PACT_DO_NOT_TRACK"] = "true"
