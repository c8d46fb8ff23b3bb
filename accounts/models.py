from typing import Any, ClassVar, Self

from django.contrib.auth.models import AbstractUser, UserManager
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower

from accounts.addresses import canonical, canonical_or_none, spellings, validate
from common.names import MAX_LENGTH
from common.public_ids import new_public_id


def new_user_id() -> str:
    return new_public_id("usr")


class EmailUserManager(UserManager["User"]):
    """Creates users by email address and finds them by it, always in its canonical form (accounts/addresses.py)."""

    def _user(self, email: str, password: str | None, **fields: Any) -> "User":
        """Raises ValidationError for an address that has no canonical form."""
        user = self.model(email=canonical(email), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":  # type: ignore[override]
        return self._user(email, password, **fields)

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":  # type: ignore[override]
        return self._user(email, password, is_staff=True, is_superuser=True, **fields)

    def having(self, address: str) -> "User | None":
        """The account that has the address."""
        forms = spellings(address)
        found = {user.email: user for user in self.filter(email__in=forms)}
        return next((found[form] for form in forms if form in found), None)

    def sharing(self, address: str) -> "list[User]":
        """The account that has the address, then the accounts whose former spelling has the same canonical form."""
        forms = spellings(address)
        found = self.filter(Q(email__in=forms) | Q(former_email__in=forms)).order_by("pk")
        same = [user for user in found if (canonical_or_none(user.email) or user.email) == forms[0]] if forms else []
        return sorted(same, key=lambda user: forms.index(user.email) if user.email in forms else len(forms))

    def get_by_natural_key(self, username: str | None) -> "User":
        if user := self.having(username or ""):
            return user
        raise self.model.DoesNotExist(f"No user has the address {username!r}.")


class User(AbstractUser):
    """A person. The email address identifies them; there is no user name."""

    username = None  # type: ignore[assignment]
    public_id = models.CharField(max_length=20, unique=True, default=new_user_id, editable=False)
    # In canonical form, except for accounts that lost a clash (accounts/address_clashes.py).
    email = models.EmailField("email", unique=True, validators=[validate])
    # What people call the person; empty if they did not say.
    name = models.CharField(max_length=MAX_LENGTH, blank=True, default="", db_default="")
    # When the person deleted their account. Its row stays, because keys and events name it, with another address.
    deleted_at = models.DateTimeField(null=True, editable=False)
    # The spelling before addresses had a canonical form; None if nothing was changed.
    former_email = models.EmailField(null=True, editable=False, db_index=True)

    # The address with which the row was read; None for a row that was not read with it.
    email_as_read: str | None = None

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    objects: ClassVar[EmailUserManager] = EmailUserManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(Lower("email"), name="user_email_unique_whatever_its_case"),
        ]

    def __str__(self) -> str:
        """How pages, emails and commands name the account."""
        return f"A deleted account ({self.public_id})" if self.deleted_at else self.email

    @classmethod
    def from_db(cls, *args: Any, **kwargs: Any) -> Self:
        user = super().from_db(*args, **kwargs)
        user.email_as_read = user.__dict__.get("email")
        return user

    @property
    def with_name(self) -> str:
        """The person's name, if they have said one, with the address: anybody can choose the name of somebody else."""
        return f"{self.name} ({self})" if self.name else str(self)
