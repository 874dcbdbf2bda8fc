"""Where things are."""

import sys
from pathlib import Path

#: The folder `bench`.
BENCH = Path(__file__).parents[1]

PEERS = BENCH / "peers"
LUA = BENCH / "lua"

#: Everything that a run makes and the next may use again: environments, databases, logs.
WORK = BENCH / ".cache"

#: The installed command of the environment that the benchmark runs in.
COMMAND = Path(sys.executable).with_name("hookstream-keys")
