"""The sandbox: the application on a temporary database, for tests of clients.

Its clock and its random bytes are replaced, it can be made to fail, and it is reset in
milliseconds. `worlds.World` is one such application with its own data; the control API
(`control.yaml`) changes it.
"""
