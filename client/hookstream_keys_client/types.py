"""The bodies of `openapi.yaml` as types. Generated: `tox -e codegen`."""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypeAlias, TypedDict


class CreatedApiKey(TypedDict):
    id: str
    name: str
    key: str
    key_prefix: str
    scopes: str
    created_at: str


KeyState: TypeAlias = Literal["active", "disabled", "expired", "revoked"]


RevocationReason: TypeAlias = Literal[
    "unspecified",
    "keyCompromise",
    "affiliationChanged",
    "superseded",
    "cessationOfOperation",
    "privilegeWithdrawn",
]


KeyRevocationReason: TypeAlias = (
    Literal[
        "unspecified",
        "keyCompromise",
        "affiliationChanged",
        "superseded",
        "cessationOfOperation",
        "privilegeWithdrawn",
    ]
    | None
)


ExternalId: TypeAlias = str | None


RestrictingRole: TypeAlias = str


RefusalCode: TypeAlias = (
    Literal[
        "REVOKED", "DISABLED", "EXPIRED", "IP_NOT_ALLOWED", "INSUFFICIENT_SCOPE", "RATE_LIMITED"
    ]
    | str
)


RotationState: TypeAlias = Literal["pending", "grace"]


RequiredScopes: TypeAlias = str


VerificationCode: TypeAlias = (
    Literal[
        "VALID",
        "MALFORMED",
        "NOT_FOUND",
        "REVOKED",
        "DISABLED",
        "EXPIRED",
        "IP_NOT_ALLOWED",
        "INSUFFICIENT_SCOPE",
        "RATE_LIMITED",
    ]
    | str
)


FailedRule: TypeAlias = (
    Literal["revoked", "enabled", "expired", "address", "scopes", "limit"] | str | None
)


class RateLimitState(TypedDict):
    remaining: int
    reset_seconds: int
    retry_after_seconds: int


PrincipalType: TypeAlias = Literal["api_key", "session"]


Secret: TypeAlias = str


MetadataValue: TypeAlias = str


class RateLimitRequest(TypedDict):
    requests: int
    window_seconds: int


class RateLimit(TypedDict):
    requests: int
    window_seconds: int


Network: TypeAlias = str


Expiry: TypeAlias = str | None


CallbackUrl: TypeAlias = str


RememberMe: TypeAlias = bool


class User(TypedDict):
    id: str
    name: str
    email: str
    emailVerified: bool
    image: str | None
    createdAt: str
    updatedAt: str


class Session(TypedDict):
    id: str
    token: str
    userId: str
    expiresAt: str
    createdAt: str
    updatedAt: str
    ipAddress: str | None
    userAgent: str | None
    activeOrganizationId: str | None


class SignedUp(TypedDict):
    token: str | None
    user: User


class SignedIn(TypedDict):
    redirect: bool
    token: str
    url: NotRequired[str]
    user: User


class SignedOut(TypedDict):
    success: Literal[True]


class CurrentSession(TypedDict):
    session: Session
    user: User


class CreateOrganizationRequest(TypedDict):
    name: str
    slug: NotRequired[str]


class UpdateOrganizationRequest(TypedDict):
    name: NotRequired[str]
    slug: NotRequired[str]


class Organization(TypedDict):
    id: str
    name: str
    slug: str
    role: str | None
    created_at: str


class OrganizationEnvelope(TypedDict):
    organization: Organization


Role: TypeAlias = Literal["owner", "admin", "member"]


class UpdateMemberRequest(TypedDict):
    role: Role


class Member(TypedDict):
    id: str
    org_id: str
    user_id: str
    name: str
    email: str
    role: str
    created_at: str


class MemberEnvelope(TypedDict):
    member: Member


class MemberKeys(TypedDict):
    not_covered: int
    revoked: int
    rotated: int


class UpdateEnvironmentRequest(TypedDict):
    name: NotRequired[str]
    slug: NotRequired[str]


EnvironmentMode: TypeAlias = Literal["live", "test"]


Email: TypeAlias = str


NextCursor: TypeAlias = str | None


HasMore: TypeAlias = bool


class AuditLogEntry(TypedDict):
    id: str
    org_id: str
    user_id: str | None
    api_key_id: str | None
    action: str
    resource_type: str
    resource_id: str | None
    details: dict[str, Any] | None
    ip_address: str | None
    request_id: str
    created_at: str


class Health(TypedDict):
    status: Literal["ok"]


class Readiness(TypedDict):
    status: Literal["ready"]


class OpenapiDocument(TypedDict):
    openapi: Literal["3.0.3"]
    info: dict[str, Any]
    paths: dict[str, Any]


Id: TypeAlias = str


RequestId: TypeAlias = str


ErrorCode: TypeAlias = (
    Literal[
        "bad_request",
        "unauthorized",
        "forbidden",
        "insufficient_scope",
        "untrusted_origin",
        "not_found",
        "environment_not_found",
        "api_key_not_found",
        "organization_not_found",
        "member_not_found",
        "rotation_not_found",
        "user_not_found",
        "request_timeout",
        "conflict",
        "email_not_verified",
        "idempotency_key_reused",
        "quota_exceeded",
        "method_not_allowed",
        "precondition_failed",
        "content_too_large",
        "uri_too_long",
        "unsupported_media_type",
        "rate_limited",
        "header_fields_too_large",
        "internal_error",
        "unavailable",
        "EMAIL_PASSWORD_DISABLED",
        "EMAIL_PASSWORD_SIGN_UP_DISABLED",
        "EMAIL_NOT_VERIFIED",
        "BANNED_USER",
        "TWO_FACTOR_REQUIRED",
        "INVALID_EMAIL_OR_PASSWORD",
        "INVALID_CALLBACK_URL",
        "USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL",
    ]
    | str
)


class ErrorDetail(TypedDict):
    location: str
    message: str


AllowedIps: TypeAlias = list[Network]


class RestrictedBy(TypedDict):
    scopes: NotRequired[RestrictingRole]
    role: NotRequired[RestrictingRole]
    enabled: NotRequired[RestrictingRole]
    expires_at: NotRequired[RestrictingRole]
    allowed_ips: NotRequired[RestrictingRole]
    rate_limit: NotRequired[RestrictingRole]
    secret: NotRequired[RestrictingRole]


class FailedAttempts(TypedDict):
    reason: RefusalCode
    count: int
    last_at: str
    last_ip: str | None


class RotateRequest(TypedDict):
    grace_period_seconds: int
    expires_at: NotRequired[Expiry | None]


class Rotation(TypedDict):
    id: str
    state: RotationState
    key_prefix: str
    grace_period_seconds: int
    expires_at: str | None
    created_at: str
    activated_at: str | None


class RevokeBySecretRequest(TypedDict):
    key: Secret
    reason: NotRequired[RevocationReason]


class VerifyRequest(TypedDict):
    key: Secret
    scopes: NotRequired[RequiredScopes]
    ip: NotRequired[str]
    env_id: NotRequired[str]
    explain: NotRequired[bool]


class VerifyBatchRequest(TypedDict):
    requests: list[VerifyRequest]


class Whoami(TypedDict):
    type: PrincipalType
    key_id: NotRequired[str]
    org_id: NotRequired[str]
    env_id: NotRequired[str]
    scopes: NotRequired[str]
    role: NotRequired[str | None]
    expires_at: NotRequired[str | None]
    user_id: NotRequired[str]
    session_id: NotRequired[str]


Metadata: TypeAlias = dict[str, MetadataValue]


class SignUpRequest(TypedDict):
    name: str
    email: Email
    password: str
    image: NotRequired[str]
    callbackURL: NotRequired[CallbackUrl]
    rememberMe: NotRequired[RememberMe]


class SignInRequest(TypedDict):
    email: Email
    password: str
    callbackURL: NotRequired[CallbackUrl]
    rememberMe: NotRequired[RememberMe]


class SignOutRequest(TypedDict):
    callbackURL: NotRequired[CallbackUrl]
    disableRedirect: NotRequired[bool]


class OrganizationPage(TypedDict):
    organizations: list[Organization]
    cursor: NextCursor | None
    has_more: HasMore


class AddMemberRequest(TypedDict):
    email: Email
    role: Role


class ChangedMember(TypedDict):
    member: Member
    api_keys: MemberKeys


class MemberPage(TypedDict):
    members: list[Member]
    cursor: NextCursor | None
    has_more: HasMore


class CreateEnvironmentRequest(TypedDict):
    name: str
    slug: str
    mode: NotRequired[EnvironmentMode]
    org_id: NotRequired[str]


class KeyEnvironment(TypedDict):
    id: str
    org_id: str
    name: str
    slug: str
    mode: EnvironmentMode
    created_at: str


class EnvironmentEnvelope(TypedDict):
    environment: KeyEnvironment


class EnvironmentPage(TypedDict):
    environments: list[KeyEnvironment]
    cursor: NextCursor | None
    has_more: HasMore


class AuditLogPage(TypedDict):
    audit_log: list[AuditLogEntry]
    cursor: NextCursor | None
    has_more: bool
    next_cursor: str | None


class ErrorResponse(TypedDict):
    error: str
    status: int
    request_id: str
    code: ErrorCode
    message: NotRequired[str]
    details: NotRequired[list[ErrorDetail]]


class CreateApiKeyRequest(TypedDict):
    name: str
    org_id: str
    env_id: str
    scopes: NotRequired[str]
    role: NotRequired[Role]
    expires_at: NotRequired[Expiry | None]
    allowed_ips: NotRequired[AllowedIps]
    metadata: NotRequired[Metadata]
    external_id: NotRequired[ExternalId | None]
    rate_limit: NotRequired[RateLimitRequest | None]


class UpdateApiKeyRequest(TypedDict):
    name: NotRequired[str]
    scopes: NotRequired[str]
    role: NotRequired[Role]
    enabled: NotRequired[bool]
    expires_at: NotRequired[Expiry | None]
    allowed_ips: NotRequired[AllowedIps]
    metadata: NotRequired[Metadata]
    external_id: NotRequired[ExternalId | None]
    rate_limit: NotRequired[RateLimitRequest | None]


class ApiKey(TypedDict):
    id: str
    org_id: str
    env_id: str
    name: str
    prefix: str
    key_prefix: str
    scopes: str
    role: str | None
    restricted_by: RestrictedBy
    state: KeyState
    enabled: bool
    expires_at: str | None
    allowed_ips: list[str]
    metadata: Metadata
    external_id: str | None
    rate_limit: RateLimit | None
    rotations: list[Rotation]
    request_count: int
    last_used_at: str | None
    last_used_ip: str | None
    failed_attempts: list[FailedAttempts]
    created_by: str | None
    created_at: str
    revoked: Literal[0, 1]
    revoked_at: str | None
    revocation_reason: KeyRevocationReason | None


class ApiKeyEnvelope(TypedDict):
    api_key: ApiKey


class ApiKeyPage(TypedDict):
    api_keys: list[ApiKey]
    cursor: NextCursor | None
    has_more: HasMore


class RotatedApiKey(TypedDict):
    rotation: Rotation
    key: str


class VerifiedApiKey(TypedDict):
    id: str
    org_id: str
    env_id: str
    name: str
    key_prefix: str
    scopes: str
    expires_at: str | None
    metadata: Metadata
    external_id: str | None
    rate_limit: RateLimit | None


class Verification(TypedDict):
    valid: bool
    code: VerificationCode
    api_key: NotRequired[VerifiedApiKey]
    rate_limit: NotRequired[RateLimitState]
    failed_rule: NotRequired[FailedRule | None]


class VerificationBatch(TypedDict):
    results: list[Verification]
