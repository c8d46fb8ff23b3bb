"""A key's whole life in any order: the services on one side, a model of the expected result on the other.

`Key` and `Place` are the model. Each rule calls a service and changes both alike. A new service is a new rule: most are
`self.switch(...)`, and a service that changes all keys of a project is a method of `Place`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, precondition, rule

from accounts.models import User
from apikeys.keys import pausing, secret_storage, services
from apikeys.keys.key_errors import KeyGone, ShownOnce
from apikeys.models import ApiKey
from apikeys.verify.verification import verify
from projects.locks import ProjectGone
from projects.models import Project
from projects.services import delete_project
from tests.support.factories import MembershipFactory, ProjectFactory, UserFactory

ACTIVE, PAUSED, DELETED = "active", "paused", "deleted"
NAMES = ["Server", "sERVER", "Straße", "STRASSE", " Staging  ", "staging"]
MOST_KEYS = 4
ADDRESSES = st.sampled_from([None, "203.0.113.7", "2001:db8::1"])
Event = tuple[str, int | None, str | None]


@dataclass(eq=False)
class Key:
    """The expected state of a key. `row` is as old as the key, because services may be given stale rows."""

    row: ApiKey
    secret: str
    name: str
    creator: User
    place: "Place"
    state: str = ACTIVE
    can_be_shown: bool = True
    is_reported: bool = False
    events: list[Event] = field(default_factory=list)

    @property
    def code(self) -> str | None:
        """The code of the refusal of its requests."""
        if self.state != ACTIVE:
            return f"key_{self.state}"
        return None if self.creator.is_active else "forbidden"

    def enters(self, state: str, event: Event) -> None:
        self.state = state
        self.can_be_shown = self.can_be_shown and state != DELETED
        self.is_reported = event[0] == "reported"
        self.events.append(event)


@dataclass(eq=False)
class Place:
    """The expected state of a project."""

    row: Project
    keys: list[Key] = field(default_factory=list)
    is_deleted: bool = False
    shows_once: bool = False

    @property
    def living(self) -> list[Key]:
        return [key for key in self.keys if key.state != DELETED]

    def refuses(self, name: str) -> type[Exception] | None:
        """The error that creating a key with that name raises."""
        if self.is_deleted:
            return ProjectGone
        is_taken = name.casefold() in {key.name.casefold() for key in self.living}
        return ValidationError if is_taken or len(self.living) >= MOST_KEYS else None


class LifeCycle(RuleBasedStateMachine):
    """Everything happens in one transaction that is rolled back at the end."""

    keys: Bundle[Key] = Bundle("keys")

    def __init__(self) -> None:
        super().__init__()
        self._transaction = transaction.atomic()
        self._transaction.__enter__()
        self.people = [UserFactory() for _ in range(2)]
        self.places = [Place(ProjectFactory(created_by=self.people[0])) for _ in range(2)]
        for place in self.places:
            for user in self.people:
                MembershipFactory(project=place.row, user=user)

    def teardown(self) -> None:
        try:
            # Constraints that a database checks only when a transaction ends.
            connection.check_constraints()
        finally:
            transaction.set_rollback(True)
            self._transaction.__exit__(None, None, None)

    # Actions of people

    @rule(target=keys, place=st.integers(0, 1), name=st.sampled_from(NAMES), by=st.integers(0, 1), address=ADDRESSES)
    def create(self, place: int, name: str, by: int, address: str | None) -> Any:
        there, user = self.places[place], self.people[by]
        name = " ".join(name.split())
        if self.may_nothing(by, there):
            return multiple()
        if refusal := there.refuses(name):
            with pytest.raises(refusal):
                services.create_key(project=there.row, name=name, by=user, address=address)
            return multiple()
        new = services.create_key(project=there.row, name=name, by=user, address=address)
        key = Key(new.key, new.secret, name, user, there, events=[("created", user.pk, address)])
        key.can_be_shown = not there.shows_once
        there.keys.append(key)
        return key

    def may_nothing(self, by: int, place: Place) -> bool:
        """Whether the person's account is deactivated. Another test holds that every service then changes nothing."""
        return not self.people[by].is_active and not place.is_deleted

    @rule(key=keys, by=st.integers(0, 1), address=ADDRESSES)
    def pause(self, key: Key, by: int, address: str | None) -> None:
        self.switch(pausing.pause_key, key, [ACTIVE], PAUSED, ("paused", self.people[by].pk, address))

    @rule(key=keys, by=st.integers(0, 1), address=ADDRESSES)
    def resume(self, key: Key, by: int, address: str | None) -> None:
        """A key that was reported as leaked stays paused."""
        before = [] if key.is_reported else [PAUSED]
        self.switch(pausing.resume_key, key, before, ACTIVE, ("resumed", self.people[by].pk, address))

    @rule(key=keys, by=st.integers(0, 1), address=ADDRESSES)
    def resume_although_reported(self, key: Key, by: int, address: str | None) -> None:
        service = partial(pausing.resume_key, although_reported=True)
        kind = "resumed_reported" if key.is_reported else "resumed"
        self.switch(service, key, [PAUSED], ACTIVE, (kind, self.people[by].pk, address))

    @rule(key=keys, by=st.integers(0, 1), address=ADDRESSES)
    def delete(self, key: Key, by: int, address: str | None) -> None:
        self.switch(services.delete_key, key, [ACTIVE, PAUSED], DELETED, ("deleted", self.people[by].pk, address))

    def switch(self, service: Callable[..., bool], key: Key, before: Iterable[str], after: str, event: Event) -> None:
        """Calls `service`, which moves a key from one of the states `before` to `after` and tells whether it did."""
        _, by, address = event
        if self.may_nothing([user.pk for user in self.people].index(by), key.place):
            return
        options = {"key": key.row, "by": User.objects.get(pk=by) if by else None, "address": address}
        if key.place.is_deleted or (key.state == DELETED and after != DELETED):
            with pytest.raises(ProjectGone if key.place.is_deleted else KeyGone):
                service(**options)
            return
        assert service(**options) is (key.state in before)
        if key.state in before:
            key.enters(after, event)

    @rule(key=keys, copies=st.booleans(), by=st.integers(0, 1), address=ADDRESSES)
    def read(self, key: Key, copies: bool, by: int, address: str | None) -> None:
        service: services.ReadSecret = services.copy_secret if copies else services.reveal_secret
        options = {"key": key.row, "by": self.people[by], "address": address}
        if self.may_nothing(by, key.place):
            return
        if not key.can_be_shown:
            gone = ProjectGone if key.place.is_deleted else KeyGone
            with pytest.raises(gone if key.state == DELETED else ShownOnce):
                service(**options)  # type: ignore[arg-type]
            return
        assert service(**options) == key.secret  # type: ignore[arg-type]
        key.events.append(("copied" if copies else "revealed", self.people[by].pk, address))

    @rule(key=keys, address=ADDRESSES)
    def report(self, key: Key, address: str | None) -> None:
        """Anybody with the secret may report it. The caller does not see the key's row."""
        reported = services.report_leak(secret=key.secret, address=address)
        if key.state == DELETED or key.is_reported:
            assert reported is None
            return
        assert reported == key.row
        key.enters(PAUSED, ("reported", None, address))

    @rule(place=st.integers(0, 1), by=st.integers(0, 1), address=ADDRESSES)
    def show_once(self, place: int, by: int, address: str | None) -> None:
        there, user = self.places[place], self.people[by]
        if self.may_nothing(by, there):
            return
        if there.is_deleted:
            with pytest.raises(ProjectGone):
                secret_storage.show_secrets_once(project=there.row, by=user, address=address)
            return
        shown = [key for key in there.living if key.can_be_shown]
        assert secret_storage.show_secrets_once(project=there.row, by=user, address=address) == len(shown)
        there.shows_once = True
        for key in shown:
            key.can_be_shown = False
            key.events.append(("forgotten", user.pk, address))

    @rule(place=st.integers(0, 1), by=st.integers(0, 1))
    def keep_secrets(self, place: int, by: int) -> None:
        there = self.places[place]
        if self.may_nothing(by, there):
            return
        if there.is_deleted:
            with pytest.raises(ProjectGone):
                secret_storage.keep_secrets(project=there.row, by=self.people[by])
            return
        secret_storage.keep_secrets(project=there.row, by=self.people[by])
        there.shows_once = False

    @precondition(lambda self: any(place.living for place in self.places))
    @rule(place=st.integers(0, 1), by=st.integers(0, 1), address=ADDRESSES)
    def delete_project(self, place: int, by: int, address: str | None) -> None:
        there = self.places[place]
        if self.may_nothing(by, there):
            return
        delete_project(project=there.row, by=self.people[by], address=address)
        there.is_deleted = True
        for key in there.living:
            key.enters(DELETED, ("deleted", self.people[by].pk, address))

    @rule(person=st.integers(0, 1), is_active=st.booleans())
    def let_a_person_go_or_come_back(self, person: int, is_active: bool) -> None:
        self.people[person].is_active = is_active
        self.people[person].save(update_fields=["is_active"])

    @rule(key=consumes(keys))
    def forget(self, key: Key) -> None:
        """No later rule uses the key; everything that is true of it stays true."""

    # Rules that always hold

    @invariant()
    def verdicts_are_as_they_should_be(self) -> None:
        for key in self._all():
            verdict = verify(f"Bearer {key.secret}")
            assert verdict.code == key.code
            if verdict.identity:
                whose = (verdict.identity.key_id, verdict.identity.project_id, verdict.identity.user_id)
                assert whose == (key.row.public_id, key.place.row.public_id, key.creator.public_id)

    @invariant()
    def rows_and_events_are_as_they_should_be(self) -> None:
        rows = ApiKey.objects.prefetch_related("events").in_bulk([key.row.pk for key in self._all()])
        for key in self._all():
            row = rows[key.row.pk]
            events = sorted(row.events.all(), key=lambda event: event.pk)
            assert [(event.kind, event.by_id, event.address) for event in events] == key.events
            assert (row.state, row.name) == (key.state, key.name)
            assert (row.ciphertext is not None) == bool(row.ring_key_id) == key.can_be_shown
            assert (row.paused_at is not None) == (key.state == PAUSED)
            assert row.is_reported == bool(row.pause_reason) == key.is_reported
            assert (row.deleted_at is not None) == (key.state == DELETED)

    @invariant()
    def names_are_unique_among_the_living(self) -> None:
        for place in self.places:
            names = [name.casefold() for name in place.row.api_keys.alive().values_list("name", flat=True)]
            assert sorted(names) == sorted({key.name.casefold() for key in place.living})

    def _all(self) -> list[Key]:
        return [key for place in self.places for key in place.keys]
