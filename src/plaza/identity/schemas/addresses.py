"""The address book."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from plaza.core.schemas import Input, Patch, View
from plaza.identity.schemas.fields import Line, PhoneNumber

Short = Annotated[str, Meta(max_length=20)]
Label = Annotated[str, Meta(max_length=50)]
Name = Annotated[str, Meta(max_length=100)]
Street = Annotated[str, Meta(min_length=1, max_length=200)]
MoreStreet = Annotated[str, Meta(max_length=200)]
Country = Annotated[str, Meta(min_length=2, max_length=2)]


class AddressInput(Input, frozen=True, kw_only=True):
    """`country` is ISO 3166-1 alpha-2. A default takes the place of the one that there was."""

    recipient: Line
    line1: Street
    city: Line
    country: Country
    label: Label = ""
    company: Name = ""
    line2: MoreStreet = ""
    region: Name = ""
    postal_code: Short = ""
    phone: PhoneNumber | None = None
    is_default_billing: bool = False
    is_default_shipping: bool = False


class AddressPatch(Patch, frozen=True, kw_only=True):
    recipient: Line | UnsetType = UNSET
    line1: Street | UnsetType = UNSET
    city: Line | UnsetType = UNSET
    country: Country | UnsetType = UNSET
    label: Label | UnsetType = UNSET
    company: Name | UnsetType = UNSET
    line2: MoreStreet | UnsetType = UNSET
    region: Name | UnsetType = UNSET
    postal_code: Short | UnsetType = UNSET
    phone: PhoneNumber | UnsetType | None = UNSET
    is_default_billing: bool | UnsetType = UNSET
    is_default_shipping: bool | UnsetType = UNSET


class AddressView(View, frozen=True, kw_only=True):
    id: UUID
    label: str
    recipient: str
    company: str
    line1: str
    line2: str
    city: str
    region: str
    postal_code: str
    country: str
    phone: str | None
    is_default_billing: bool
    is_default_shipping: bool
    created_at: datetime
