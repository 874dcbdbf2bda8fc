"""Connecting to the primary, where the URL names several hosts.

The driver tries one host after another within one timeout: a host that hangs, as after a power
failure, would hide all others. Here each host has a part of that time, and a standby is passed
over.
"""

from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import asyncpg

from hookstream_keys.store.errors import StoreUnavailable
from hookstream_keys.store.postgresql.errors import FAILURES

#: Lets commits wait until they are durable: a role or a database may have another setting, with
#: which what was acknowledged could be lost.
_DURABLE = """
    select set_config('synchronous_commit', 'on', false)
    where current_setting('synchronous_commit') not in ('on', 'remote_apply')
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
        """A connection to the primary, within `timeout` seconds; else the last host's error.

        `options` are those of asyncpg. Its commits are durable, unless these set
        `synchronous_commit`.
        """
        failures: list[Exception] = []
        for url in tuple(self.urls):
            try:
                driver = await self._to(url, timeout / len(self.urls), options)
            except asyncpg.InsufficientPrivilegeError as refused:
                failures.append(refused)
                continue
            except asyncpg.SyntaxOrAccessError:
                # Its text may have a part of the URL.
                raise StoreUnavailable(
                    "the database's URL has a parameter that the driver and the server do not know"
                ) from None
            except FAILURES as failed:
                failures.append(failed)
                continue
            except (ValueError, OverflowError):
                # Its text may have a part of a password. The latter is a port over 65535.
                raise _unreadable() from None
            self.prefer(url)
            return driver
        raise failures[-1]

    def prefer(self, url: str) -> None:
        """Try this one first from now on."""
        self.urls.remove(url)
        self.urls.insert(0, url)

    async def _to(self, url: str, timeout: float, options: dict[str, Any]) -> asyncpg.Connection:
        driver = await asyncpg.connect(url, timeout=timeout, **options)
        if "synchronous_commit" not in options.get("server_settings", {}):
            await driver.execute(_DURABLE, timeout=timeout)
        encoding = driver.get_settings().server_encoding
        if encoding != "UTF8":
            await driver.close(timeout=timeout)
            raise StoreUnavailable(
                f"the database's encoding is {encoding}, which has not every character: use one "
                "that was made with UTF8 (create database NAME encoding 'UTF8' template template0)"
            )
        if len(self.urls) > 1 and await driver.fetchval(_IS_STANDBY, timeout=timeout):
            await driver.close(timeout=timeout)
            raise asyncpg.CannotConnectNowError("the host is a standby")
        return driver
