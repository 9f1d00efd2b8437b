"""Files at addresses, such as ``s3://bucket/clip.mp4``: their bytes, and what tells whether they have changed.

Task: what `fsspec` opens becomes encoded bytes in memory, so that nothing is left behind when a process is killed.
Conventions: an address is ``scheme://...`` with a scheme that `fsspec` knows.
"""

from __future__ import annotations

import re
import threading
import time
from dataclasses import replace
from typing import Any

from vqe_core.errors import PROGRAMMING_ERRORS, MediaError, MissingPackageError
from vqe_core.types import MediaSource

MOST_BYTES = 2**30  # of one file, which is held in memory
TRIES, PAUSE = 3, 0.5  # of what may be a moment's failure; seconds before the second, doubled for the third
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)
# What tells one content from another, by the names that file systems have for it. A time alone may stay the same.
_VERSIONS = ("ETag", "etag", "md5Hash", "md5", "content_md5", "Content-MD5", "checksum", "generation", "VersionId",
             "version_id", "blob_id")  # fmt: skip
_TIMES = ("LastModified", "Last-Modified", "last_modified", "last_commit", "updated", "mtime", "created")


def is_address(value: Any) -> bool:
    """Tell whether a value names a file that `fsspec` would open elsewhere.

    Example:
        >>> is_address("s3://bucket/clip.mp4"), is_address("clips/a.mp4"), is_address("rtmp://host/live")
        (True, False, False)
    """
    from fsspec import available_protocols

    found = _SCHEME.match(value) if isinstance(value, str) else None
    return found is not None and found[1].lower() in available_protocols() and found[1].lower() not in ("file", "local")


def file_system(url: str) -> tuple[Any, str]:
    """Return the file system of an address, and the path in it.

    Raises:
        MissingPackageError: the package of the file system is not installed.
        MediaError: code ``unreachable``, the address is none.
    """
    import fsspec

    try:
        system, path = fsspec.core.url_to_fs(url)
    except ImportError as error:
        raise MissingPackageError(f"{url!r} cannot be read: {' '.join(str(error).split())}") from error
    except PROGRAMMING_ERRORS:
        raise
    except Exception as error:  # whatever the file systems behind the opener raise
        raise _unreachable(url, error) from error
    return system, path


def read_address(url: str) -> bytes:
    """Return what a file elsewhere holds.

    Raises:
        MediaError: code ``not_found``, ``unreachable``, ``too_large`` or ``empty_file``.
        MissingPackageError: the package of the file system is not installed.
    """
    system, path = file_system(url)
    size = _asked(url, lambda: system.info(path)).get("size")
    if size is not None and size > MOST_BYTES:
        raise MediaError(
            f"{url!r} has {size / 1e9:.1f} GB, and files elsewhere are read into memory up to "
            f"{MOST_BYTES / 1e9:.1f} GB; download it",
            code="too_large",
        )
    data = bytes(_asked(url, lambda: system.cat_file(path)))
    if not data:
        raise MediaError(f"{url!r} is empty; the upload was probably cut off", code="empty_file")
    return data


def address_stamp(url: str) -> str | None:
    """Return what no change of a file elsewhere leaves as it was: its ETag or version, else time and size; None where
    the store tells neither.

    Raises:
        MediaError: code ``not_found`` or ``unreachable``.
        MissingPackageError: the package of the file system is not installed.
    """
    system, path = file_system(url)
    told = _asked(url, lambda: system.info(path))
    version = next((f"{name}={told[name]}" for name in (*_VERSIONS, *_TIMES) if told.get(name)), None)
    return None if version is None else f"{url}|{version}|{told.get('size')}"


_LAST = threading.local()


def at_hand(source: MediaSource) -> MediaSource:
    """Return a source with its bytes where it is at an address; else the source itself.

    The last file of each thread is kept until it asks for another: its digest and its images are one read.
    """
    if source.url is None:
        return source
    if getattr(_LAST, "url", None) != source.url:
        _LAST.url, _LAST.data = None, b""
        _LAST.data = read_address(source.url)
        _LAST.url = source.url
    return replace(source, url=None, data=_LAST.data)


def _asked(url: str, ask: Any) -> Any:
    for number in range(TRIES):
        try:
            return ask()
        except PROGRAMMING_ERRORS:
            raise
        except Exception as error:  # whatever the file systems behind the opener raise
            if isinstance(error, FileNotFoundError) and not _hides_another(error):
                raise MediaError(f"no file at {url!r}; check the address", code="not_found") from error
            if number == TRIES - 1 or isinstance(error, PermissionError):
                raise _unreachable(url, error) from error
            time.sleep(PAUSE * 2**number)
    raise AssertionError("unreachable")


def _hides_another(error: FileNotFoundError) -> bool:
    """Tell whether a file system says that there is no file where in truth nobody answered, as that of http does."""
    cause = error.__cause__
    if getattr(cause, "status", None) is not None:
        return cause.status not in (404, 410)  # type: ignore[union-attr]
    return isinstance(cause, OSError | TimeoutError) and not isinstance(cause, FileNotFoundError)


def _unreachable(url: str, error: Exception) -> MediaError:
    words = " ".join(str(error).split())[:300]
    return MediaError(
        f"{url!r} cannot be read ({type(error).__name__}: {words}); look at the address, the network and the rights, "
        "or leave the row out",
        code="unreachable",
    )
