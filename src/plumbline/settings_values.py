"""Types of single settings: what a value has to look like before anything is started with it.

They know forms, not what is at the other end: no name is resolved and nobody is asked. Values that are refused are not
repeated, for one in the wrong place may be a secret.
"""

from __future__ import annotations

import re
from ipaddress import ip_network
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator

AE_TITLE_CHARACTERS = 16
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*(%\w+)?")
_FIELD_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
DATABASES = ("sqlite", "postgresql+psycopg")
BROKERS = ("redis", "rediss")


def _ae_title(title: str) -> str:
    """Value Representation AE (PS3.5 6.2): of the default repertoire, no backslash, not of spaces alone."""
    if not title.strip() or len(title) > AE_TITLE_CHARACTERS:
        raise ValueError(f"it should be an AE Title of 1 to {AE_TITLE_CHARACTERS} characters, and not of spaces alone")
    if not title.isascii() or "\\" in title or _CONTROL.search(title):
        raise ValueError("it should be an AE Title of ASCII characters, without backslashes and control characters")
    return title


def _network(address: str) -> str:
    try:
        ip_network(address, strict=False)
    except ValueError:
        raise ValueError("it should be an IP address or a network, such as 10.1.2.3 or 10.1.0.0/16") from None
    return address


def _host(host: str) -> str:
    if not _HOST.fullmatch(host):
        raise ValueError("it should be a name or an IP address, without scheme, port and path")
    return host


def _split(url: str) -> SplitResult | None:
    """Parts of an absolute address; None where it is none, or has blanks or a port that cannot be."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return None if re.search(r"\s", url) or _CONTROL.search(url) else parts


def _http_url(url: str) -> str:
    parts = _split(url)
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("it should be an address such as http://HOST:8042 or https://HOST/path")
    return url


def _base_url(url: str) -> str:
    parts = urlsplit(_http_url(url))
    if parts.query or parts.fragment:
        raise ValueError("it should be a base address to which paths are added, without ? and #")
    return url


def _redis_url(url: str) -> str:
    parts = _split(url)
    if parts is None or parts.scheme not in BROKERS or not parts.hostname:
        raise ValueError("it should be an address such as redis://HOST:6379/0, or rediss:// for TLS")
    if not re.fullmatch(r"/?\d*", parts.path):
        raise ValueError("it should end with the number of a database, such as redis://HOST:6379/0")
    return url


def _database_url(url: str) -> str:
    if url.partition("://")[0] not in DATABASES or "://" not in url:
        raise ValueError(f"it should begin with one of {', '.join(f'{each}://' for each in DATABASES)}")
    if not url.startswith("sqlite") and _split(url) is None:
        raise ValueError("it should be an address such as postgresql+psycopg://USER@HOST:5432/NAME")
    return url


def _header(name: str) -> str:
    if not _FIELD_NAME.fullmatch(name):
        raise ValueError("it should be the name of an HTTP header, such as X-Remote-User")
    return name


def _message_type(kind: str) -> str:
    if not re.fullmatch(r"[A-Z][A-Z0-9]{2}\^[A-Z][A-Z0-9]{2}", kind):
        raise ValueError("it should be a type of message as in MSH-9, such as SIU^S12")
    return kind


AeTitle = Annotated[str, AfterValidator(_ae_title)]
"""An AE Title."""
Network = Annotated[str, AfterValidator(_network)]
"""An IP address, or a network of them."""
Host = Annotated[str, AfterValidator(_host)]
"""A host's name or address."""
HttpUrl = Annotated[str, AfterValidator(_http_url)]
"""An address of HTTP or HTTPS."""
BaseUrl = Annotated[str, AfterValidator(_base_url)]
"""An address of HTTP or HTTPS to which paths are added."""
RedisUrl = Annotated[str, AfterValidator(_redis_url)]
"""Where Redis is."""
DatabaseUrl = Annotated[str, AfterValidator(_database_url)]
"""SQLAlchemy URL of a database that is supported."""
HeaderName = Annotated[str, AfterValidator(_header)]
"""Name of an HTTP header."""
MessageType = Annotated[str, AfterValidator(_message_type)]
"""Message code and trigger event of HL7 v2."""
