"""Which implementation holds the slides of a data folder."""

from importlib import import_module
from urllib.parse import urlsplit

from pathserve.config import Settings
from pathserve.errors import Invalid
from pathserve.pyramid.disk import DiskSlides
from pathserve.pyramid.storage import Slides


def open_slides(settings: Settings) -> Slides:
    """Give the published slides of a data folder; nothing is asked of an object store yet.

    Raises
    ------
    Invalid
        When the address of the store is none, or holds credentials.
    """
    if settings.store is not None:
        checked_url(settings.store)
    if settings.store is None or settings.store_folder is not None:
        return DiskSlides(settings.slides)
    # Loaded only now: those who have no object store, and processes that open scans, need 6 MB less.
    slides: Slides = import_module("pathserve.pyramid.objects").open_objects(settings.store)
    return slides


def checked_url(url: str) -> str:
    """Give an address that holds no credentials.

    Raises
    ------
    Invalid
        When it is none, or holds some.
    """
    try:
        parts = urlsplit(url)
        secret = parts.username is not None or parts.password is not None or "@" in parts.netloc
    except ValueError:
        raise Invalid("A store is given as s3://bucket/prefix, or as another address of an object store.") from None
    if (
        not parts.scheme
        or (parts.scheme == "file") != (not parts.netloc)
        or (parts.scheme == "file" and not parts.path)
    ):
        raise Invalid("A store is given as s3://bucket/prefix, or as another address of an object store.")
    if parts.scheme == "memory":
        raise Invalid("A store in memory keeps nothing.")
    if secret or parts.query or parts.fragment:
        raise Invalid(
            "The address of a store holds no credentials and no options: they are taken from the environment or the "
            "machine."
        )
    return url
