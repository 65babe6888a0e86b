"""Files: kept in a local folder or in an S3 bucket, read by others through signed links that expire.

port       what contexts use                local      a folder that all processes see
settings   PLAZA_STORAGE_*                  s3         S3, or what speaks like it

Keys are relative paths of lower-case segments (`exports/018f...zip`), made by the application and never from a person's words.
Whatever is stored is streamed: no file is ever held in memory.
"""

from plaza.core.storage.errors import LinkInvalid, NoSuchFile
from plaza.core.storage.local import LocalStorage
from plaza.core.storage.port import Storage, StoredFile
from plaza.core.storage.settings import StorageSettings, storage_for

__all__ = [
    "LinkInvalid",
    "LocalStorage",
    "NoSuchFile",
    "Storage",
    "StorageSettings",
    "StoredFile",
    "storage_for",
]
