"""One file, driven by the environment. docs/settings.md lists every variable."""

import os
from pathlib import Path

from csp.constants import NONE, SELF
from django.urls import reverse_lazy

from apikeys.bounds import scopes
from config.environment import (
    branding,
    cache_url,
    database_url,
    email_url,
    given_addresses,
    local_secrets,
    production,
    single_sign_on,
)
from config.environment import variables as env
from config.environment.variables import DATA_DIR, PRODUCTION
from config.logs import LOGGING  # noqa: F401  Django reads it

production.refuse_unsafe()
# In every entry: commands, serve, its workers and any other WSGI server. private_files.py mends what is there.
UMASK = env.umask("UMASK")
os.umask(UMASK)
env.make_folder(DATA_DIR, parents=True)

BASE_DIR = Path(__file__).resolve().parent.parent

# Who may talk to us
DEBUG = env.flag("DEBUG", False)
SECRET_KEY = env.secret("SECRET_KEY", "secret_key", local_secrets.new_secret_key)
# Keys from before: they open sessions and links, and sign nothing new.
SECRET_KEY_FALLBACKS = env.listed("SECRET_KEY_FALLBACKS")
ALLOWED_HOSTS = given_addresses.host_names("ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = given_addresses.origins("CSRF_TRUSTED_ORIGINS")
THREADS = env.whole_number("THREADS", 8, least=1, most=512)
METRICS_TOKEN = env.token("METRICS_TOKEN")
# How long a server goes on after SIGTERM, so that load balancers see that it is not ready (config/serving/shutdown.py).
SHUTDOWN_DELAY_SECONDS = env.whole_number("SHUTDOWN_DELAY_SECONDS", 3 if PRODUCTION else 0, least=0, most=60)
CLIENT_SECONDS = env.seconds("CLIENT_SECONDS", 60.0)
TRUSTED_PROXIES = env.whole_number("TRUSTED_PROXIES", 0, least=0, most=100)
DEFAULT_EXCEPTION_REPORTER_FILTER = "config.errors.SecretsHidden"

# Keys
KEY_PREFIX = env.given("KEY_PREFIX") or "lk_"
KEY_PEPPERS = env.secret("KEY_PEPPERS", "key_peppers", local_secrets.new_ring)
KEY_RING = env.secret("KEY_RING", "key_ring", local_secrets.new_ring)
# What a key can be allowed, in the words of the operator's API: name and description
SCOPES = env.read("SCOPES", scopes.read)
MAX_KEYS_PER_PROJECT = env.whole_number("MAX_KEYS_PER_PROJECT", 100, least=1)
# 0: a key may work without end. The most is what a key's end may lie ahead (apikeys/keys/end_limits.py).
MAX_KEY_DAYS = env.whole_number("MAX_KEY_DAYS", 0, least=0, most=3650)
FAILED_KEYS_PER_MINUTE = env.whole_number("FAILED_KEYS_PER_MINUTE", 60, least=0)
# A check may judge the row of a key again for a fifth of a second (docs/decisions/0001-the-lease.md).
VERDICT_LEASE = env.flag("VERDICT_LEASE", False)
LEASED_ROWS = env.whole_number("LEASED_ROWS", 10_000, least=2, most=1_000_000)
USAGE_FLUSH_SECONDS = env.seconds("USAGE_FLUSH_SECONDS", 1.0)
CALLER_DAYS = env.whole_number("CALLER_DAYS", 30, least=0, most=3650)
BASE_URL = given_addresses.base_url("BASE_URL")
# Locally, what a page shows is the address that the browser asked for; the Host header of a production is not believed.
API_URL = given_addresses.web_address("API_URL") or (
    f"{BASE_URL}/api/v1" if PRODUCTION or env.given("BASE_URL") else ""
)
# GitHub's own document of the keys with which its secret scanning signs; none: its reports are not taken.
GITHUB_PUBLIC_KEYS = env.given("GITHUB_PUBLIC_KEYS")
# Whom to tell of a weakness of this server, as /.well-known/security.txt says (RFC 9116).
SECURITY_CONTACT = given_addresses.contacts("SECURITY_CONTACT")

# What pages, emails and snippets call the product, with its logo, colour and links
BRAND = branding.brand()

# What one account, project or address can create (docs/security.md, "Limits")
MAX_PROJECTS_PER_USER = env.whole_number("MAX_PROJECTS_PER_USER", 50, least=1)
MAX_DELETED_PROJECTS_PER_USER = env.whole_number("MAX_DELETED_PROJECTS_PER_USER", 1_000, least=1)
MAX_NEW_KEYS_PER_DAY = env.whole_number("MAX_NEW_KEYS_PER_DAY", 500, least=1)
MAX_DELETED_KEYS_PER_PROJECT = env.whole_number("MAX_DELETED_KEYS_PER_PROJECT", 100_000, least=1)
MAX_FILES_PER_PROJECT = env.whole_number("MAX_FILES_PER_PROJECT", 10_000, least=1)
USER_QUOTA = env.whole_number("USER_QUOTA", 10 * 1024 * 1024 * 1024, least=1)
REPORTS_PER_MINUTE = env.whole_number("REPORTS_PER_MINUTE", 60, least=0)

# Files
MAX_FILE_SIZE = env.whole_number("MAX_FILE_SIZE", 25 * 1024 * 1024, least=1)
PROJECT_QUOTA = env.whole_number("PROJECT_QUOTA", 1024 * 1024 * 1024, least=1)
MEDIA_ROOT = DATA_DIR / "files"
# Uploads at hand. Not the system's folder: what a killed server leaves here, sweepfiles finds.
FILE_UPLOAD_TEMP_DIR = env.make_folder(DATA_DIR / "uploads")
FILE_UPLOAD_PERMISSIONS = 0o666 & ~UMASK
FILE_UPLOAD_DIRECTORY_PERMISSIONS = 0o777 & ~UMASK
DATA_UPLOAD_MAX_MEMORY_SIZE = 256 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 1000  # a list of the admin sends one for each ticked row, of which it shows 200
DATA_UPLOAD_MAX_NUMBER_FILES = 1

INSTALLED_APPS = [
    "config",  # for its command, serve
    "apikeys",
    "projects",
    "accounts",
    "common.outbox",
    "common.housekeeping",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    # For its tables. Its pages are taken away (accounts/urls.py), and its provider is called by ours.
    "allauth.socialaccount",
    "accounts.sessions.session_list_app.SessionList",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "config.staticfiles.ServedStaticFiles",
    "csp",
    "django_htmx",
    "django_structlog",
    "heroicons",
    "ninja",
    "template_partials",
]

MIDDLEWARE = [
    "config.middleware.static_files.StaticFiles",
    "config.middleware.every_request.request_id",
    "config.middleware.every_request.no_features_no_embedding",
    "config.middleware.every_request.api_over_https_only",
    "config.middleware.pasted_secrets.PastedSecrets",
    "django.middleware.security.SecurityMiddleware",
    "django_structlog.middlewares.RequestMiddleware",
    "apikeys.leases.answers_held.AnswersHeld",
    "django.middleware.gzip.GZipMiddleware",
    "config.middleware.every_request.never_cached",
    "csp.middleware.CSPMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "config.middleware.every_request.nul_refused",
    "config.middleware.every_request.health_by_any_name",
    "config.middleware.every_request.bodies_bounded",
    "config.middleware.every_request.bodies_read_by_few",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "config.middleware.every_request.own_405",
    "config.middleware.every_request.htmx_pages",
    "config.middleware.sign_in.WaysIn",
    "config.middleware.sign_in.LoginRequired",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "config.middleware.request_lines.refusals_logged",
    "config.middleware.every_request.Limits",
    "config.middleware.sign_in.PendingSignIns",
    "accounts.sign_in.hashing.FewAtOnce",
    "accounts.sign_in.double_submission.DoubleSubmission",
    "config.middleware.sign_in.AdminAsks",
    "config.middleware.every_request.AdminInput",
    "config.middleware.every_request.Deleted",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
FORM_RENDERER = "common.answers.withheld.WithoutSecrets"
TEMPLATES = [
    {
        "BACKEND": "common.branding.branded_templates.BrandedTemplates",
        "NAME": "django",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "projects.context_processors.navigation",
            ],
            "builtins": [
                "template_partials.templatetags.partials",
                "common.page_tags",
            ],
        },
    },
]

# Database
DATABASES = {"default": database_url.parse(env.given("DATABASE_URL") or f"sqlite:///{DATA_DIR}/latchkey.sqlite3")}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
# Limits hold for all processes together, hence a cache that they share.
CACHES = {"default": cache_url.parse(env.given("CACHE_URL"))}

# People
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    # It alone looks at passwords. The others are there for permissions and for the sessions that name them.
    "accounts.backends.AddressBackend",
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
# Django's default algorithm and form of storage, by a few at once.
PASSWORD_HASHERS = ["accounts.sign_in.hashing.PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "accounts.sign_in.passwords.StolenPasswordValidator"},
]
# Who may get an account (accounts/sign_up/sign_up_policy.py)
SIGN_UP = env.one_of("SIGN_UP", "open", "invited", "closed")
SIGN_UP_DOMAINS = given_addresses.mail_domains("SIGN_UP_DOMAINS")
SIGN_IN = single_sign_on.ways("SIGN_IN")
OIDC_ISSUER = single_sign_on.issuer("OIDC_ISSUER")
OIDC_CLIENT_ID = env.given("OIDC_CLIENT_ID")
OIDC_CLIENT_SECRET = env.given("OIDC_CLIENT_SECRET")
OIDC_NAME = single_sign_on.provider_name("OIDC_NAME")
# Whether a verified address of the provider may open the account here that has it.
OIDC_TRUST_EMAIL = env.flag("OIDC_TRUST_EMAIL", False)
OIDC_SECONDS = env.seconds("OIDC_SECONDS", 4.0)
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
ACCOUNT_ADAPTER = "accounts.adapter.AccountAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_SIGNUP_REDIRECT_URL = "home"
ACCOUNT_EMAIL_VERIFICATION = "mandatory" if PRODUCTION else env.one_of("EMAIL_VERIFICATION", "none", "mandatory")
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = ACCOUNT_EMAIL_VERIFICATION == "mandatory"
# Sent again, but not to another address: that is offered to new people alone, and so tells which address is taken.
ACCOUNT_EMAIL_VERIFICATION_SUPPORTS_RESEND = True
ACCOUNT_PASSWORD_RESET_BY_CODE_ENABLED = True
ACCOUNT_PASSWORD_RESET_BY_CODE_TIMEOUT = ACCOUNT_EMAIL_VERIFICATION_BY_CODE_TIMEOUT = 15 * 60
ACCOUNT_CHANGE_EMAIL = True
# A signed-in person who confirms a new address goes back to the page where the change began.
ACCOUNT_EMAIL_CONFIRMATION_AUTHENTICATED_REDIRECT_URL = reverse_lazy("account_email")
ACCOUNT_FORMS = {
    "add_email": "accounts.sign_in.forms.AddEmailForm",
    "change_password": "accounts.sign_in.forms.ChangePasswordForm",
    "confirm_password_reset_code": "accounts.sign_in.forms.ConfirmPasswordResetCodeForm",
    "login": "accounts.sign_in.forms.LoginForm",
    "reauthenticate": "accounts.sign_in.forms.ReauthenticateForm",
    "reset_password": "accounts.sign_in.forms.ResetPasswordForm",
    "reset_password_from_key": "accounts.sign_in.forms.ResetPasswordKeyForm",
    "set_password": "accounts.sign_in.forms.SetPasswordForm",
    "signup": "accounts.sign_in.forms.SignupForm",
}
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_REAUTHENTICATION_REQUIRED = True
# Less than a minute could have passed by the time the page comes that was asked for.
ACCOUNT_REAUTHENTICATION_TIMEOUT = env.whole_number("REAUTHENTICATION_SECONDS", 2 * 60 * 60, least=60)
ACCOUNT_EMAIL_NOTIFICATIONS = True
# Beside allauth's own. "key" is the account from one address; login_failed_account's and the mails' is the account.
# A hundred guesses an hour from many addresses find no password (NIST SP 800-63B, 5.2.2), and a reset by mail ends it.
ACCOUNT_RATE_LIMITS = {
    "login_failed": "10/m/ip,5/5m/key",
    "login_failed_account": "100/h/key",
    "mailed_code": "20/m/ip",
    "own_code": "1/10s/key",
    # "key" is the expired invitation, and its project.
    "invitation_asked": "1/d/key",
    "invitations_asked": "20/d/key",
    "single_sign_on": "30/m/ip",
    # "key" is the client's network.
    "single_sign_on_failed": "5/m/key",
    "single_sign_on_failed_site": "20/m/key",
}
ACCOUNT_SESSION_REMEMBER = True
MFA_ADAPTER = "accounts.adapter.MFAAdapter"
# Where addresses are not confirmed at sign-up, a second factor does not demand it either.
MFA_ALLOW_UNVERIFIED_EMAIL = ACCOUNT_EMAIL_VERIFICATION != "mandatory"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
# Who has left the operator's organization keeps a passkey, and could sign in past the provider.
MFA_PASSKEY_LOGIN_ENABLED = "password" in SIGN_IN
MFA_FORMS = {
    "activate_totp": "accounts.second_factors.totp.ActivateTOTPForm",
    "add_webauthn": "accounts.sign_in.forms.AddWebAuthnForm",
    "authenticate": "accounts.second_factors.totp.AuthenticateForm",
    "authenticate_webauthn": "accounts.sign_in.forms.AuthenticateWebAuthnForm",
    "edit_webauthn": "accounts.sign_in.forms.EditWebAuthnForm",
    "login_webauthn": "accounts.sign_in.forms.LoginWebAuthnForm",
    "reauthenticate": "accounts.second_factors.totp.ReauthenticateForm",
    "reauthenticate_webauthn": "accounts.sign_in.forms.ReauthenticateWebAuthnForm",
}
MFA_TOTP_ISSUER = BRAND.name
# One step of 30 seconds each way, for clocks and for the time it takes to type (RFC 6238, 5.2).
MFA_TOTP_TOLERANCE = 1
SESSION_ENGINE = "accounts.sessions.store"
SESSION_COOKIE_AGE = 14 * 24 * 60 * 60
# Who comes every working day stays signed in; a browser that was left somewhere does not (accounts/sessions/store.py).
SESSION_IDLE_SECONDS = env.whole_number("SESSION_IDLE_SECONDS", 24 * 60 * 60, least=300)

# Mail
vars().update(email_url.parse(env.given("EMAIL_URL")))
# What EMAIL_URL says is for the threads that send. Everybody else only writes emails into the outbox.
MAIL_SENT_BY = vars()["EMAIL_BACKEND"]
EMAIL_BACKEND = "common.outbox.enqueueing.EmailBackend"
DEFAULT_FROM_EMAIL = given_addresses.sender("DEFAULT_FROM_EMAIL", BRAND.sender)
EMAIL_SUBJECT_PREFIX = f"[{BRAND.name}] "
# A mail server that does not answer must not hold a thread that sends for long; EMAIL_URL may say otherwise.
EMAIL_TIMEOUT = vars().get("EMAIL_TIMEOUT") or 10
MAIL_RETRY_SECONDS = env.seconds("MAIL_RETRY_SECONDS", 10.0)

# How often a process looks for work that is due without a request (config/housekeeping.py)
HOUSEKEEPING_SECONDS = env.seconds("HOUSEKEEPING_SECONDS", 60.0)

# Static files
STATIC_URL = "static/"
# An image has them beside its code: a volume at DATA_DIR would keep those of an earlier release.
STATIC_ROOT = Path(env.given("STATIC_ROOT") or DATA_DIR / "static").resolve()
WHITENOISE_ALLOW_ALL_ORIGINS = False
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "config.staticfiles.ModuleManifestStorage"},
}

# What a browser may do with our pages
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "base-uri": [NONE],
        "connect-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "img-src": [SELF, "data:"],
        "script-src": [SELF],
        "style-src": [SELF],
    }
}
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
CSRF_FAILURE_VIEW = "config.csrf.csrf_failure"
MESSAGE_STORAGE = "common.answers.announcements.AnnouncementStorage"
MESSAGE_COOKIE_NAME = "messages"
if PRODUCTION:
    SECURE_SSL_REDIRECT = True
    # Programs are refused instead, by config.middleware.every_request.api_over_https_only: a redirect would hide that
    # they have already sent their key in the clear.
    SECURE_REDIRECT_EXEMPT = [r"^api/", r"^health/"]
    SECURE_HSTS_SECONDS = env.whole_number("HSTS_SECONDS", 365 * 24 * 60 * 60, least=0)
    # They reach hosts that are not Latchkey, so that an operator has to ask for them.
    SECURE_HSTS_INCLUDE_SUBDOMAINS, SECURE_HSTS_PRELOAD = production.hsts_beyond_this_host(SECURE_HSTS_SECONDS)
    SILENCED_SYSTEM_CHECKS = ["security.W004", "security.W005", "security.W021"]
    SESSION_COOKIE_SECURE = True
    SESSION_COOKIE_NAME = "__Host-session"
    CSRF_COOKIE_SECURE = True
    CSRF_COOKIE_NAME = "__Host-csrf"
    MESSAGE_COOKIE_NAME = "__Host-messages"
    if TRUSTED_PROXIES:
        SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

# Words and times
LANGUAGE_CODE = "en-us"
USE_I18N = False
FORMAT_MODULE_PATH = "config.formats"
TIME_ZONE = "UTC"
USE_TZ = True

DJANGO_STRUCTLOG_USER_ID_FIELD = ""  # LoginRequired binds it; the library would load the session of every API call
DJANGO_STRUCTLOG_IP_LOGGING_ENABLED = False
