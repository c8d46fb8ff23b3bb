"""Objects with plain defaults. A test states only the values that matter to it."""

from functools import cache
from typing import Any

import factory
from django.conf import settings
from django.contrib.auth.hashers import get_hasher, make_password
from django.core.files.base import ContentFile
from factory.django import DjangoModelFactory

from accounts.models import User
from apikeys.models import ApiKey, new_key_id
from apikeys.secrets import secret_format, vault
from projects.models import File, Membership, Project
from projects.permissions import Role

PASSWORD = "correct horse battery staple"


@cache
def hash_of(password: str, algorithm: str) -> str:
    """Hashing is slow on purpose. Tests that need it fast use another algorithm."""
    return make_password(password, hasher=algorithm)


class UserFactory(DjangoModelFactory[User]):
    """Cannot sign in with a password unless one is given."""

    class Meta:
        model = User

    email = factory.Sequence(lambda number: f"person{number}@example.com")
    password = None

    @classmethod
    def _create(cls, model_class: type[User], *args: Any, **fields: Any) -> User:
        password = fields.pop("password")
        user = User.objects.create_user(**fields)
        if password:
            user.password = hash_of(password, get_hasher().algorithm)
            user.save(update_fields=["password"])
        return user


class ProjectFactory(DjangoModelFactory[Project]):
    class Meta:
        model = Project

    name = factory.Sequence(lambda number: f"Project {number}")
    created_by = factory.SubFactory(UserFactory)


class MembershipFactory(DjangoModelFactory[Membership]):
    class Meta:
        model = Membership

    project = factory.SubFactory(ProjectFactory)
    user = factory.SubFactory(UserFactory)
    role = Role.OWNER


class ApiKeyFactory(DjangoModelFactory[ApiKey]):
    """A row as `create_key` writes it, without its event. `secret` may be given."""

    class Meta:
        model = ApiKey

    class Params:
        secret = factory.LazyFunction(lambda: secret_format.generate(settings.KEY_PREFIX))
        digest_pair = factory.LazyAttribute(lambda key: vault.new_digest(key.secret))
        cipher_pair = factory.LazyAttribute(
            lambda key: vault.encrypt(key.secret, key_id=key.public_id, project_id=key.project.public_id)
        )

    public_id = factory.LazyFunction(new_key_id)
    project = factory.SubFactory(ProjectFactory)
    responsible = factory.SelfAttribute("project.created_by")
    name = factory.Sequence(lambda number: f"Key {number}")
    mask = factory.LazyAttribute(lambda key: secret_format.mask(key.secret, settings.KEY_PREFIX))
    pepper_id = factory.LazyAttribute(lambda key: key.digest_pair[0])
    digest = factory.LazyAttribute(lambda key: key.digest_pair[1])
    ring_key_id = factory.LazyAttribute(lambda key: key.cipher_pair[0])
    ciphertext = factory.LazyAttribute(lambda key: key.cipher_pair[1])


class FileFactory(DjangoModelFactory[File]):
    """`content` becomes the file's bytes."""

    class Meta:
        model = File

    class Params:
        content = b"2024-01-01,21.5\n"

    project = factory.SubFactory(ProjectFactory)
    created_by = factory.SelfAttribute("project.created_by")
    name = factory.Sequence(lambda number: f"readings-{number}.csv")
    content_type = "text/csv"
    size = factory.LazyAttribute(lambda file: len(file.content))
    blob = factory.LazyAttribute(lambda file: ContentFile(file.content, name=file.name))
