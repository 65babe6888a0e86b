"""What the REST API takes and answers.

Written by `plaza dev client` from docs/openapi.json.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal, TypeAlias
from uuid import UUID

from msgspec import UNSET, Struct, UnsetType

ExportStatus: TypeAlias = Literal[
    "queued",
    "running",
    "done",
    "failed",
]

Has: TypeAlias = Literal[
    "link",
    "attachment",
    "mention",
    "reaction",
    "reply",
    "pin",
]
"""What a message has besides its words."""

Kind: TypeAlias = Literal[
    "direct",
    "group",
]

Posting: TypeAlias = Literal[
    "everybody",
    "admins",
]
"""Who may write in a group."""

ReportAction: TypeAlias = Literal[
    "none",
    "delete_message",
    "ban",
]

ReportState: TypeAlias = Literal[
    "open",
    "resolved",
]

ScheduledState: TypeAlias = Literal[
    "waiting",
    "sent",
    "failed",
    "cancelled",
]

Status: TypeAlias = Literal[
    "online",
    "away",
    "dnd",
    "invisible",
    "offline",
]
"""What somebody chose while there; `invisible` and `offline` look alike to others."""

UserStatus: TypeAlias = Literal[
    "pending",
    "waitlisted",
    "active",
    "deactivated",
    "banned",
]

Way: TypeAlias = Literal[
    "password",
    "email",
    "phone",
    "passkey",
    "device_key",
    "linked_account",
]
"""Kinds of ways to log in."""


class AddressInput(Struct, frozen=True, kw_only=True):
    """`country` is ISO 3166-1 alpha-2. A default takes the place of the one that there was."""

    city: str
    company: str | UnsetType = UNSET
    country: str
    is_default_billing: bool | UnsetType = UNSET
    is_default_shipping: bool | UnsetType = UNSET
    label: str | UnsetType = UNSET
    line1: str
    line2: str | UnsetType = UNSET
    phone: str | UnsetType | None = UNSET
    postal_code: str | UnsetType = UNSET
    recipient: str
    region: str | UnsetType = UNSET


class AddressPatch(Struct, frozen=True, kw_only=True):
    city: str | UnsetType = UNSET
    company: str | UnsetType = UNSET
    country: str | UnsetType = UNSET
    is_default_billing: bool | UnsetType = UNSET
    is_default_shipping: bool | UnsetType = UNSET
    label: str | UnsetType = UNSET
    line1: str | UnsetType = UNSET
    line2: str | UnsetType = UNSET
    phone: str | UnsetType | None = UNSET
    postal_code: str | UnsetType = UNSET
    recipient: str | UnsetType = UNSET
    region: str | UnsetType = UNSET


class AddressView(Struct, frozen=True, kw_only=True):
    city: str
    company: str
    country: str
    created_at: datetime
    id: UUID
    is_default_billing: bool
    is_default_shipping: bool
    label: str
    line1: str
    line2: str
    phone: str | None
    postal_code: str
    recipient: str
    region: str


class Alive(Struct, frozen=True, kw_only=True):
    status: str = "ok"


class ApiKeyView(Struct, frozen=True, kw_only=True):
    """`last_used_at` is right to a few minutes."""

    created_at: datetime
    expires_at: datetime | None
    id: UUID
    last_used_at: datetime | None
    name: str
    prefix: str
    scopes: list[str]


class AppleInput(Struct, frozen=True, kw_only=True):
    """Apple tells the name to the app alone, at the first login; `nonce` as for Google."""

    id_token: str
    name: str | UnsetType | None = UNSET
    nonce: str | UnsetType | None = UNSET


class AssertionResponse(Struct, frozen=True, kw_only=True):
    authenticatorData: str
    clientDataJSON: str
    signature: str
    userHandle: str | None = None


class AttestationResponse(Struct, frozen=True, kw_only=True):
    attestationObject: str
    clientDataJSON: str
    transports: list[str] = []


class AuditEntryView(Struct, frozen=True, kw_only=True):
    """`position` in the chain is null for some seconds. Of an erased entry `ip`, `user_agent`, `before` and `after` are null."""

    action: str
    actor_id: UUID | None
    after: dict[str, Any] | None
    api_key_id: UUID | None
    at: datetime
    before: dict[str, Any] | None
    correlation_id: str
    erased: bool
    id: UUID
    impersonator_id: UUID | None
    ip: str | None
    organization_id: UUID | None
    position: int | None
    session_id: UUID | None
    subject_id: str
    subject_type: str
    user_agent: str | None
    user_id: UUID | None


class AuthorizationUrl(Struct, frozen=True, kw_only=True):
    """Where to send the browser, within ten minutes."""

    url: str


class Badge(Struct, frozen=True, kw_only=True):
    """Unread are text messages of others after the reader's marker; `mentions` are those of them that name the reader."""

    conversation_id: UUID
    mentions: int
    unread: int


class BanInput(Struct, frozen=True, kw_only=True):
    """Without `until` the ban has no end."""

    reason: str
    until: datetime | UnsetType | None = UNSET


class BlockView(Struct, frozen=True, kw_only=True):
    """Of somebody whom its reader has blocked."""

    avatar_url: str | None
    created_at: datetime
    display_name: str
    user_id: UUID


class Card(Struct, frozen=True, kw_only=True):
    """What anybody signed in may see of a person."""

    avatar_url: str | None
    bio: str
    display_name: str
    id: UUID
    username: str | None


class ChangePasswordInput(Struct, frozen=True, kw_only=True):
    """`old` is left out only where no password was set."""

    end_other_sessions: bool | UnsetType = UNSET
    new: str
    old: str | UnsetType | None = UNSET


class CodeInput(Struct, frozen=True, kw_only=True):
    code: str


class ConversationView(Struct, frozen=True, kw_only=True):
    """A conversation as one of its people sees it."""

    created_at: datetime
    created_by: UUID | None
    id: UUID
    kind: str
    last_message: MessageView | None
    last_message_at: datetime | None
    last_seq: int
    my: MyPart
    participant_count: int
    peer: Peer | None
    posting: str
    slow_mode_s: int
    title: str | None


class DeactivateInput(Struct, frozen=True, kw_only=True):
    reason: str | UnsetType = UNSET


class Device(Struct, frozen=True, kw_only=True):
    name: str
    platform: str
    user_agent: str


class DeviceChallenge(Struct, frozen=True, kw_only=True):
    """`challenge` is base64 of 32 bytes: good for one try within `expires_in` seconds."""

    challenge: str
    expires_in: int


class DeviceChallengeInput(Struct, frozen=True, kw_only=True):
    """Either of them."""

    email: str | UnsetType | None = UNSET
    user_id: UUID | UnsetType | None = UNSET


class DeviceKeyInput(Struct, frozen=True, kw_only=True):
    """`public_key` is of the curve P-256, in DER (SubjectPublicKeyInfo).

    `signature` is its ECDSA with SHA-256, in DER, over the 32 bytes of the challenge.
    """

    challenge: str
    device_name: str
    end_other_sessions: bool | UnsetType = UNSET
    public_key: str
    signature: str


class DeviceKeyRemoval(Struct, frozen=True, kw_only=True):
    """Without a `key_id` all of them."""

    end_other_sessions: bool | UnsetType = UNSET
    key_id: UUID | UnsetType | None = UNSET


class DeviceKeyStatus(Struct, frozen=True, kw_only=True):
    """The own one."""

    enabled: bool
    keys: list[DeviceKeyView]


class DeviceKeyView(Struct, frozen=True, kw_only=True):
    created_at: datetime
    device_name: str
    id: UUID
    last_used_at: datetime | None


class DeviceLogin(Struct, frozen=True, kw_only=True):
    """Either of `email` and `user_id`; `signature` as with the enrolment."""

    challenge: str
    email: str | UnsetType | None = UNSET
    signature: str
    user_id: UUID | UnsetType | None = UNSET


class DraftText(Struct, frozen=True, kw_only=True):
    content: str


class DraftView(Struct, frozen=True, kw_only=True):
    content: str
    conversation_id: UUID
    updated_at: datetime


class EarlierContent(Struct, frozen=True, kw_only=True):
    """What the message said before its edit `number`, counted from 1."""

    content: str
    edited_at: datetime
    number: int


class EmailInput(Struct, frozen=True, kw_only=True):
    email: str


class ErasureView(Struct, frozen=True, kw_only=True):
    """`id` is that of the certificate to come."""

    id: UUID
    status: str = "queued"


class ExchangeInput(Struct, frozen=True, kw_only=True):
    """`code_verifier` where the login was begun with a `code_challenge`."""

    code: str
    code_verifier: str | UnsetType | None = UNSET


class ExportProblem(Struct, frozen=True, kw_only=True):
    code: str
    detail: str


class ExportView(Struct, frozen=True, kw_only=True):
    """`url` once it is done: good for some hours, and asked for anew as long as the export is kept. `problem` where it failed."""

    id: UUID
    problem: ExportProblem | None = None
    status: str
    url: str | None = None


class GoogleInput(Struct, frozen=True, kw_only=True):
    """`nonce` as the app gave it to the provider, or the text whose SHA-256 it gave."""

    id_token: str
    nonce: str | UnsetType | None = UNSET


class GrantInput(Struct, frozen=True, kw_only=True):
    """Of a role that is held already it changes when it ends; without `expires_at` it does not end."""

    expires_at: datetime | UnsetType | None = UNSET
    role: str


class GrantView(Struct, frozen=True, kw_only=True):
    """`assigned_by` is null where an operator did it on the command line."""

    assigned_by: UUID | None
    created_at: datetime
    expires_at: datetime | None
    role: str


class GroupChange(Struct, frozen=True, kw_only=True):
    """What is left out stays. `slow_mode_s` is the pause between two messages of one member, 0 for none."""

    posting: Posting | UnsetType = UNSET
    slow_mode_s: int | UnsetType = UNSET
    title: str | UnsetType | None = UNSET


class Health(Struct, frozen=True, kw_only=True):
    """`degraded`: Redis is down; reading, writing and REST go on."""

    database: str
    redis: str
    status: str


class ImpersonationView(Struct, frozen=True, kw_only=True):
    """An access token and nothing to renew it with. It is over after `expires_in` seconds, or by logout with it."""

    access_token: str
    expires_in: int
    session_id: UUID
    token_type: str = "Bearer"
    user: UserView


class InviteLinkView(Struct, frozen=True, kw_only=True):
    code: str
    conversation_id: UUID
    created_at: datetime
    created_by: UUID | None
    expires_at: datetime | None
    max_uses: int | None
    role: str
    uses: int


class InviteView(Struct, frozen=True, kw_only=True):
    """A group that its reader was asked into: `role` is what he would be there."""

    conversation_id: UUID
    created_at: datetime
    invited_by: UUID | None
    invited_by_name: str
    participant_count: int
    role: str
    title: str


class KeySet(Struct, frozen=True, kw_only=True):
    keys: list[PublicKey]


class LinkAccountInput(Struct, frozen=True, kw_only=True):
    """As for a login."""

    next: str | UnsetType | None = UNSET
    redirect_to: str | UnsetType | None = UNSET


class LinkInput(Struct, frozen=True, kw_only=True):
    """The token of a mailed link."""

    token: str


class LinkedAccountView(Struct, frozen=True, kw_only=True):
    created_at: datetime
    email: str | None
    id: UUID
    last_used_at: datetime | None
    provider: str


class LoginInput(Struct, frozen=True, kw_only=True):
    """`identifier` is an e-mail address, a phone number or a username."""

    identifier: str
    password: str


class LookupInput(Struct, frozen=True, kw_only=True):
    """Exactly one of them; only an exact match is found."""

    email: str | UnsetType | None = UNSET
    phone: str | UnsetType | None = UNSET
    username: str | UnsetType | None = UNSET


class MadeApiKey(Struct, frozen=True, kw_only=True):
    """`key` is shown this once: only its hash is kept."""

    created_at: datetime
    expires_at: datetime | None
    id: UUID
    key: str
    last_used_at: datetime | None
    name: str
    prefix: str
    scopes: list[str]


class MagicLinkConfirmation(Struct, frozen=True, kw_only=True):
    """`verifier` is left out only where the link was asked for without a challenge."""

    token: str
    verifier: str | UnsetType | None = UNSET


class MagicLinkInput(Struct, frozen=True, kw_only=True):
    """`challenge` is the unpadded base64url of a verifier's SHA-256 (S256 of RFC 7636): only who has the verifier can use the link."""

    challenge: str | UnsetType | None = UNSET
    email: str


class MessageBody(Struct, frozen=True, kw_only=True):
    """A message as everybody sees it: what a frame carries."""

    attachments: list[UUID] = []
    client_id: UUID | None
    content: str
    conversation_id: UUID
    created_at: datetime
    deleted_at: datetime | None = None
    edit_count: int = 0
    edited_at: datetime | None = None
    id: UUID
    mentions: list[UUID]
    parent_id: UUID | None
    pinned: bool = False
    reactions: dict[str, int] = {}
    reply_count: int
    sender_id: UUID | None
    seq: int
    system: SystemEvent | None
    type: str


class MessageView(Struct, frozen=True, kw_only=True):
    """A message as one person sees it."""

    attachments: list[UUID] = []
    client_id: UUID | None
    content: str
    conversation_id: UUID
    created_at: datetime
    deleted_at: datetime | None = None
    edit_count: int = 0
    edited_at: datetime | None = None
    id: UUID
    mentions: list[UUID]
    my_reactions: list[str] = []
    parent_id: UUID | None
    pinned: bool = False
    reactions: dict[str, int] = {}
    reply_count: int
    saved: bool = False
    sender_id: UUID | None
    seq: int
    system: SystemEvent | None
    type: str


class MfaVerifyInput(Struct, frozen=True, kw_only=True):
    """`mfa_token` came with MFA_REQUIRED. Either `code`, of the app, or `recovery_code`."""

    code: str | UnsetType | None = UNSET
    mfa_token: str
    recovery_code: str | UnsetType | None = UNSET


class MfaView(Struct, frozen=True, kw_only=True):
    """With an authenticator app every login of a single factor asks for a code. A login by passkey is of two factors by itself."""

    recovery_codes_left: int
    totp: bool
    totp_confirmed_at: datetime | None


class Mute(Struct, frozen=True, kw_only=True):
    """Without `until` for good. `notifications`: whether mentions still reach one."""

    notifications: Literal["mentions", "none"] | UnsetType = UNSET
    until: datetime | UnsetType | None = UNSET


class MyPart(Struct, frozen=True, kw_only=True):
    """`notifications` is what reaches one who is not looking while it is muted: `mentions` or `none`; otherwise `all`."""

    archived_at: datetime | None = None
    last_read_seq: int
    mentions: int
    muted_until: datetime | None = None
    notifications: str
    role: str
    unread: int


class NewApiKey(Struct, frozen=True, kw_only=True):
    """`scopes` are `<context>:read` and `<context>:write`. Without `expires_at` the key is good until it is revoked."""

    expires_at: datetime | UnsetType | None = UNSET
    name: str
    scopes: list[str]


class NewBlock(Struct, frozen=True, kw_only=True):
    user_id: UUID


class NewContent(Struct, frozen=True, kw_only=True):
    content: str


class NewConversation(Struct, frozen=True, kw_only=True):
    """`member_ids` are the others: exactly one for a direct conversation."""

    kind: Kind
    member_ids: list[UUID] | UnsetType = UNSET
    title: str | UnsetType | None = UNSET


class NewCredential(Struct, frozen=True, kw_only=True):
    """`RegistrationResponseJSON`: what `navigator.credentials.create()` gave, by its `toJSON()`."""

    id: str
    rawId: str
    response: AttestationResponse
    type: str


class NewInviteLink(Struct, frozen=True, kw_only=True):
    """Without `expires_at` and `max_uses` it holds until it is revoked."""

    expires_at: datetime | UnsetType | None = UNSET
    max_uses: int | UnsetType | None = UNSET
    role: str | UnsetType = UNSET


class NewMessage(Struct, frozen=True, kw_only=True):
    """`client_id` names the message for its sender for ever: sending it again gives the first one back."""

    attachments: list[str] | UnsetType | None = UNSET
    client_id: UUID
    content: str
    parent_id: UUID | UnsetType | None = UNSET


class NewOwner(Struct, frozen=True, kw_only=True):
    user_id: UUID


class NewParticipant(Struct, frozen=True, kw_only=True):
    role: str | UnsetType = UNSET
    user_id: UUID


class NewReaction(Struct, frozen=True, kw_only=True):
    emoji: str


class NewReport(Struct, frozen=True, kw_only=True):
    """Exactly one of a message and a person."""

    message_id: UUID | UnsetType | None = UNSET
    reason: str
    user_id: UUID | UnsetType | None = UNSET


class NewRole(Struct, frozen=True, kw_only=True):
    description: str | UnsetType = UNSET
    name: str
    permissions: list[str] | UnsetType = UNSET


class NewScheduled(Struct, frozen=True, kw_only=True):
    content: str
    conversation_id: UUID
    send_at: datetime


class NewStatus(Struct, frozen=True, kw_only=True):
    status: Status


class ParticipantView(Struct, frozen=True, kw_only=True):
    """`joined_at` is null of somebody who was asked and has not answered yet."""

    avatar_url: str | None
    display_name: str
    joined_at: datetime | None
    last_read_seq: int
    role: str
    user_id: UUID


class PasskeyInput(Struct, frozen=True, kw_only=True):
    """Without a `name` it is called after the browser."""

    challenge_id: str
    credential: NewCredential
    end_other_sessions: bool | UnsetType = UNSET
    name: str | UnsetType | None = UNSET


class PasskeyLogin(Struct, frozen=True, kw_only=True):
    challenge_id: str
    credential: UsedCredential


class PasskeyOptions(Struct, frozen=True, kw_only=True):
    """`options` are for `PublicKeyCredential.parseCreationOptionsFromJSON()` or `parseRequestOptionsFromJSON()`.

    `challenge_id` goes back with the answer, which is looked at once.
    """

    challenge_id: str
    options: dict[str, Any]


class PasskeyPatch(Struct, frozen=True, kw_only=True):
    name: str


class PasskeyView(Struct, frozen=True, kw_only=True):
    """A `backed_up` one lives in its owner's cloud, on several devices. `aaguid` names the kind of authenticator."""

    aaguid: UUID
    backed_up: bool
    created_at: datetime
    id: UUID
    last_used_at: datetime | None
    name: str
    transports: list[str]


class Peer(Struct, frozen=True, kw_only=True):
    """The other one of a direct conversation."""

    avatar_url: str | None
    display_name: str
    user_id: UUID


class PermissionView(Struct, frozen=True, kw_only=True):
    description: str
    name: str


class PhoneCodeInput(Struct, frozen=True, kw_only=True):
    code: str
    phone: str


class PhoneInput(Struct, frozen=True, kw_only=True):
    phone: str


class Preferences(Struct, frozen=True, kw_only=True):
    """`discoverable` people are found by lookup; the others only by those who have their id.

    `group_invites`: whether anybody may add one to a group, or has to ask first. `last_seen`: whether those who see one's presence see
    since when, too.
    """

    discoverable: bool = True
    email_frequency: str = "immediate"
    group_invites: str = "everybody"
    language: str = "en"
    last_seen: str = "everybody"
    theme: str = "system"


class PreferencesPatch(Struct, frozen=True, kw_only=True):
    discoverable: bool | UnsetType = UNSET
    email_frequency: Literal["immediate", "daily", "weekly", "never"] | UnsetType = UNSET
    group_invites: Literal["everybody", "ask"] | UnsetType = UNSET
    language: str | UnsetType = UNSET
    last_seen: Literal["everybody", "nobody"] | UnsetType = UNSET
    theme: Literal["system", "light", "dark"] | UnsetType = UNSET


class PresenceQuestion(Struct, frozen=True, kw_only=True):
    user_ids: list[UUID]


class PresenceView(Struct, frozen=True, kw_only=True):
    """As the asker may see it. `last_seen_at` is the last heartbeat; null where there was none, or none that the asker may know of."""

    last_seen_at: datetime | None
    status: str
    user_id: UUID


class Problem(Struct, frozen=True, kw_only=True):
    """`errors` maps a field of the request to what is wrong with it."""

    code: str
    correlation_id: str
    detail: str
    errors: dict[str, list[str]] = {}
    status: int
    title: str
    type: str


class ProfilePatch(Struct, frozen=True, kw_only=True):
    """`preferences` are merged: what is left out stays."""

    bio: str | UnsetType = UNSET
    birth_date: date | UnsetType | None = UNSET
    display_name: str | UnsetType = UNSET
    first_name: str | UnsetType = UNSET
    last_name: str | UnsetType = UNSET
    locale: str | UnsetType = UNSET
    preferences: PreferencesPatch | UnsetType = UNSET
    timezone: str | UnsetType = UNSET
    username: str | UnsetType | None = UNSET


class ProfileView(Struct, frozen=True, kw_only=True):
    """For its owner."""

    avatar_url: str | None
    bio: str
    birth_date: date | None
    display_name: str
    first_name: str
    last_name: str
    locale: str
    preferences: Preferences
    storage_quota_bytes: int
    timezone: str
    username: str | None


class ProviderView(Struct, frozen=True, kw_only=True):
    """An outside account that can be logged in with: `name` as in the routes, `title` to be shown."""

    name: str
    title: str


class PublicKey(Struct, frozen=True, kw_only=True):
    """A JSON Web Key (RFC 7517)."""

    alg: str = "ES256"
    crv: str
    kid: str
    kty: str
    use: str = "sig"
    x: str
    y: str


class Reacted(Struct, frozen=True, kw_only=True):
    """`count` is how many react with this emoji by now."""

    count: int
    emoji: str


class ReactionView(Struct, frozen=True, kw_only=True):
    created_at: datetime
    display_name: str
    emoji: str
    user_id: UUID


class ReadState(Struct, frozen=True, kw_only=True):
    """`last_read_seq` is the marker."""

    conversation_id: UUID
    last_read_seq: int
    mentions: int
    unread: int


class ReasonInput(Struct, frozen=True, kw_only=True):
    """Why: it stands in the audit log."""

    reason: str


class ReceiptView(Struct, frozen=True, kw_only=True):
    """`delivered`: it was written to a device of this person; whatever is read was delivered."""

    avatar_url: str | None
    delivered: bool
    display_name: str
    read: bool
    user_id: UUID


class RecoveryCodes(Struct, frozen=True, kw_only=True):
    """Shown this once. Each gets somebody in once who has lost the app."""

    recovery_codes: list[str]


class RefreshInput(Struct, frozen=True, kw_only=True):
    """Left out where the cookie holds it."""

    refresh_token: str | UnsetType | None = UNSET


class RegistrationInput(Struct, frozen=True, kw_only=True):
    """Either of `email` and `phone`."""

    display_name: str | UnsetType | None = UNSET
    email: str | UnsetType | None = UNSET
    password: str | UnsetType | None = UNSET
    phone: str | UnsetType | None = UNSET


class ReportReceipt(Struct, frozen=True, kw_only=True):
    """For whoever reported."""

    created_at: datetime
    id: UUID
    state: str


class ReportView(Struct, frozen=True, kw_only=True):
    """For staff. `content` is what the message said when it was reported; null for people, and once its author is erased."""

    action: str | None
    content: str | None
    conversation_id: UUID | None
    created_at: datetime
    id: UUID
    message_id: UUID | None
    reason: str
    reported_id: UUID | None
    reporter_id: UUID | None
    resolved_at: datetime | None
    resolved_by: UUID | None
    state: str


class ResetPasswordInput(Struct, frozen=True, kw_only=True):
    """`token` is that of the mailed link."""

    password: str
    token: str


class Resolution(Struct, frozen=True, kw_only=True):
    action: ReportAction


class RoleChange(Struct, frozen=True, kw_only=True):
    role: str | UnsetType | None = UNSET


class RolePatch(Struct, frozen=True, kw_only=True):
    """`permissions` are all that it holds from now on."""

    description: str | UnsetType = UNSET
    permissions: list[str] | UnsetType = UNSET


class RoleView(Struct, frozen=True, kw_only=True):
    """`permissions` of the superuser are empty: that role needs none. `holders` counts those whose grant has not expired."""

    description: str
    holders: int
    is_builtin: bool
    name: str
    permissions: list[str]


class ScheduledView(Struct, frozen=True, kw_only=True):
    """`problem` is the code of what kept it from being sent."""

    content: str
    conversation_id: UUID
    created_at: datetime
    id: UUID
    problem: str | None
    send_at: datetime
    state: str


class ScopeView(Struct, frozen=True, kw_only=True):
    """`name` is `<context>:read` or `<context>:write`."""

    name: str


class SeqMarker(Struct, frozen=True, kw_only=True):
    seq: int


class SessionPatch(Struct, frozen=True, kw_only=True):
    name: str


class SessionView(Struct, frozen=True, kw_only=True):
    created_at: datetime
    current: bool
    device: Device
    id: UUID
    ip: str
    last_used_at: datetime


class StaffSessionView(Struct, frozen=True, kw_only=True):
    """`methods` are what proved who it was (RFC 8176); `impersonator_id` is the member of staff whose session it is in truth."""

    created_at: datetime
    device: Device
    expires_at: datetime
    id: UUID
    impersonation_reason: str | None
    impersonator_id: UUID | None
    ip: str
    last_used_at: datetime
    methods: list[str]


class StaffUserView(Struct, frozen=True, kw_only=True):
    """`roles` are those that have not expired."""

    ban_reason: str | None
    banned_until: datetime | None
    created_at: datetime
    display_name: str
    email: str | None
    email_verified: bool
    first_name: str
    id: UUID
    is_staff: bool
    is_superuser: bool
    last_login_at: datetime | None
    last_name: str
    phone: str | None
    phone_verified: bool
    roles: list[GrantView]
    status: str
    username: str | None
    waitlisted_until: datetime | None


class SystemEvent(Struct, frozen=True, kw_only=True):
    data: dict[str, Any]
    event: str


class Ticket(Struct, frozen=True, kw_only=True):
    """Opens one socket within `expires_in` seconds."""

    expires_in: int
    ticket: str


class Toggled(Struct, frozen=True, kw_only=True):
    added: bool


class TokenPair(Struct, frozen=True, kw_only=True):
    """`expires_in` seconds is the access token's life. `refresh_token` is null where the cookie holds it, or where it

    stays the one that the session has.
    """

    access_token: str
    expires_in: int
    refresh_token: str | None
    token_type: str = "Bearer"
    user: UserView


class TotpConfirmInput(Struct, frozen=True, kw_only=True):
    code: str
    end_other_sessions: bool | UnsetType = UNSET


class TotpSetup(Struct, frozen=True, kw_only=True):
    """For an authenticator app: `secret` (base32) by hand, `uri` (otpauth:) by link, `qr_svg` (an SVG document) by camera."""

    qr_svg: str
    secret: str
    uri: str


class UnreadSummary(Struct, frozen=True, kw_only=True):
    """Conversations with nothing unread are left out."""

    conversations: list[Badge]
    mentions: int
    unread: int


class UsedCredential(Struct, frozen=True, kw_only=True):
    """`AuthenticationResponseJSON`: what `navigator.credentials.get()` gave, by its `toJSON()`."""

    id: str
    rawId: str
    response: AssertionResponse
    type: str


class UserPatch(Struct, frozen=True, kw_only=True):
    display_name: str | UnsetType = UNSET
    username: str | UnsetType | None = UNSET


class UserView(Struct, frozen=True, kw_only=True):
    """For its owner."""

    created_at: datetime
    display_name: str
    email: str | None
    email_verified: bool
    id: UUID
    is_staff: bool
    phone: str | None
    phone_verified: bool
    status: str
    username: str | None


class VerificationSent(Struct, frozen=True, kw_only=True):
    """The same for every address."""

    status: str = "verification_sent"


class VerifyEmailInput(Struct, frozen=True, kw_only=True):
    """`email` and `code`, or the `token` of the mailed link."""

    code: str | UnsetType | None = UNSET
    email: str | UnsetType | None = UNSET
    token: str | UnsetType | None = UNSET


class WayView(Struct, frozen=True, kw_only=True):
    """`id` is that of the passkey, device key or linked account, `provider` that of the linked account."""

    id: UUID | None
    provider: str | None
    way: str
