"""Connecting to the primary, where the URL names several hosts.

The driver tries one host after another within one timeout: a host that hangs, as after a power
failure, would hide all others. Here each host has a part of that time, and a standby is passed
over.
"""

from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import asyncpg

from hookstream_keys.store.errors import StoreUnavailable
from hookstream_keys.store.postgresql.errors import FAILURES, told

#: Whatever a role or a database has: with another isolation, statements fail that would wait here,
#: and that a wait for the standby was cancelled is a warning, which must be heard. Commits wait
#: until they are durable ($1), or what was acknowledged could be lost. What is durable already is
#: not set: the connection would not follow the server's settings, which read replicas need.
_SETTINGS = """
    select set_config('default_transaction_isolation', 'read committed', false)
    union all select set_config('client_min_messages', 'warning', false)
    union all select set_config('synchronous_commit', 'on', false)
        where $1 and current_setting('synchronous_commit') not in ('on', 'remote_apply')
"""
_IS_STANDBY = "select pg_is_in_recovery()"


def urls_of_hosts(url: str) -> list[str]:
    """The URL once for each of its hosts, which are separated by commas, as libpq reads them.

    Hosts are before the database's name, `HOST1:PORT,HOST2:PORT`, or in `host=` and `port=`.
    """
    parts = urlsplit(url)
    user, at, hosts = parts.netloc.rpartition("@")
    if hosts:
        return [urlunsplit(parts._replace(netloc=f"{user}{at}{host}")) for host in hosts.split(",")]
    query = parse_qsl(parts.query, keep_blank_values=True)
    named = dict(query)
    names, ports = named.get("host", "").split(","), named.get("port", "").split(",")
    if len(names) == 1:
        return [url]
    others = [(name, value) for name, value in query if name not in ("host", "port")]
    # One port is that of each host.
    of_hosts = zip(names, ports * len(names) if len(ports) == 1 else ports, strict=False)
    return [
        urlunsplit(
            parts._replace(
                query=urlencode(
                    [*others, ("host", host), *([("port", port)] if port else [])], safe="/"
                )
            )
        )
        for host, port in of_hosts
    ]


def host_of(url: str) -> str:
    """The first host of a URL and its port, for a log: not its user, who may have a password."""
    parts = urlsplit(url)
    named = dict(parse_qsl(parts.query, keep_blank_values=True))
    _, at, after = parts.netloc.rpartition("@")
    if "@" in url.removeprefix(f"{parts.scheme}://{parts.netloc}") and not at:
        # What looks like a host may be a part of a password.
        return "a URL that cannot be read"
    host = after or named.get("host", "the default host")
    return f"{host} port {named['port']}" if "port" in named else host


def _unreadable() -> StoreUnavailable:
    return StoreUnavailable(
        "the database's URL cannot be read: write postgresql://USER:PASSWORD@HOST:PORT/NAME, with "
        "special characters of the password percent-encoded, such as %2F for /"
    )


class Hosts:
    """The hosts of a URL; the last one that was the primary is tried first."""

    def __init__(self, url: str) -> None:
        #: A URL for each of them.
        try:
            self.urls = urls_of_hosts(url)
        except ValueError:
            raise _unreadable() from None

    async def connect(self, *_: Any, timeout: float, **options: Any) -> asyncpg.Connection:
        """A connection to the primary, within `timeout` seconds.

        `options` are those of asyncpg. Its commits are durable, unless these set
        `synchronous_commit`. Raises StoreUnavailable, which has the failure of each host.
        """
        failures: dict[str, BaseException] = {}
        for url in tuple(self.urls):
            try:
                driver = await self._to(url, timeout / len(self.urls), options)
            except asyncpg.InsufficientPrivilegeError as refused:
                failures[url] = refused
            except asyncpg.SyntaxOrAccessError:
                # Its text may have a part of the URL.
                raise StoreUnavailable(
                    "the database's URL has a parameter that the driver and the server do not know"
                ) from None
            except FAILURES as failed:
                failures[url] = failed
            except (ValueError, OverflowError):
                # Its text may have a part of a password. The latter is a port over 65535.
                raise _unreadable() from None
            else:
                self.prefer(url)
                return driver
        each = [f"the database at {host_of(url)} {told(error)}" for url, error in failures.items()]
        raise StoreUnavailable("; ".join(each)) from next(iter(failures.values()))

    def prefer(self, url: str) -> None:
        """Try this one first from now on."""
        self.urls.remove(url)
        self.urls.insert(0, url)

    async def _to(self, url: str, timeout: float, options: dict[str, Any]) -> asyncpg.Connection:
        driver = await asyncpg.connect(url, timeout=timeout, **options)
        is_durable = "synchronous_commit" not in options.get("server_settings", {})
        await driver.execute(_SETTINGS, is_durable, timeout=timeout)
        encoding = driver.get_settings().server_encoding
        if encoding != "UTF8":
            await driver.close(timeout=timeout)
            raise StoreUnavailable(
                f"the database's encoding is {encoding}, which has not every character: use one "
                "that was made with UTF8 (create database NAME encoding 'UTF8' template template0)"
            )
        if len(self.urls) > 1 and await driver.fetchval(_IS_STANDBY, timeout=timeout):
            await driver.close(timeout=timeout)
            raise asyncpg.CannotConnectNowError("this is a standby")
        return driver
