from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

import msgspec

from plaza.core.clock import Clock
from plaza.core.crypto import Vault
from plaza.core.settings import PlazaSettings, SettingsError, find_root
from plaza.core.storage.local import LocalStorage
from plaza.core.storage.port import Storage, checked_key

FOLDER = ".plaza/storage"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    name: str
    prefix: str = ""
    region: str = "us-east-1"
    endpoint: str | None = None
    public_endpoint: str | None = None
    access_key_id: str | None = None
    secret_access_key: str | None = field(default=None, repr=False)


class StorageSettings(msgspec.Struct, frozen=True):
    """PLAZA_STORAGE_*.

    `url` is file:///folder, one that all processes see, or s3://bucket[/prefix]. Empty: `.plaza/storage` of the working folder, and
    production does not start. `endpoint` names an S3 that is not Amazon's, `public_endpoint` the same one as people reach it. Without
    keys S3 is asked with what the machine has (environment, instance role).
    """

    url: str = ""
    endpoint: str = ""
    public_endpoint: str = ""
    region: str = "us-east-1"
    access_key_id: str = ""
    secret_access_key: str = ""

    def __post_init__(self) -> None:
        for name in ("endpoint", "public_endpoint"):
            if (given := getattr(self, name)) and not given.startswith(("http://", "https://")):
                raise ValueError(f"{name} must begin with http:// or https://")
        if bool(self.access_key_id) != bool(self.secret_access_key):
            raise ValueError("access_key_id and secret_access_key belong together")
        if self.url:
            self.target()

    def target(self) -> Path | Bucket:
        """Raises ValueError."""
        parts = urlsplit(self.url)
        path = unquote(parts.path)
        if parts.scheme == "file" and not parts.netloc and Path(path).is_absolute():
            return Path(path)
        if parts.scheme == "s3" and parts.netloc:
            return Bucket(
                name=parts.netloc,
                prefix=checked_key(path.strip("/")) if path.strip("/") else "",
                region=self.region,
                endpoint=self.endpoint or None,
                public_endpoint=self.public_endpoint or self.endpoint or None,
                access_key_id=self.access_key_id or None,
                secret_access_key=self.secret_access_key or None,
            )
        raise ValueError("url must be file:///folder or s3://bucket[/prefix]")


def storage_for(settings: StorageSettings, plaza: PlazaSettings, vault: Vault, clock: Clock) -> Storage:
    """Raises SettingsError: production says where files are kept, or it does not start."""
    if not settings.url and plaza.is_production:
        raise SettingsError(
            "PLAZA_STORAGE_URL must say in production where files are kept: s3://bucket or file:///folder"
        )
    target = settings.target() if settings.url else find_root() / FOLDER
    if isinstance(target, Path):
        return LocalStorage(target, vault, clock, plaza.base_url)
    from plaza.core.storage.s3 import S3Storage  # aioboto3 makes every start 0.2 s longer

    return S3Storage(target)
