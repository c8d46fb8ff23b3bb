"""The forms that hand a key over and remove a member."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.forms import BoundField

from accounts.models import User
from apikeys.hand_over.dependents import Dependent
from apikeys.hand_over.removal_choices import Choice, choices_of
from apikeys.models import ApiKey
from apikeys.pages.lifetimes.rolls import Choices
from projects.forms import FormTokenField, PageForm
from projects.permissions import Permission


class How(StrEnum):
    """The two ways to hand a key over; the value is the word in forms."""

    TAKE = "take"
    OFFER = "offer"


_HOW = {How.TAKE: "Take it over myself", How.OFFER: "Offer it to a member, who can accept or decline"}
# What the form says, and its button, where only one way is possible.
_ONLY = {
    How.TAKE: ("You become responsible for it.", "Take over"),
    How.OFFER: ("You offer it to a member, who can accept or decline.", "Offer"),
}
# The page says above the keys what each of these does: a closed list on a phone has no place for it.
_THEN = {Choice.ROLL: "Roll now", Choice.PAUSE: "Pause now", Choice.LEAVE: "Leave as it is"}


class HandOverForm(PageForm):
    """Takes `key`, and `by`, the owner who hands it over."""

    id_prefix = "hand-over"
    how = forms.ChoiceField(
        label="Responsible from now on",
        widget=Choices,
        error_messages=dict.fromkeys(("required", "invalid_choice"), "Choose one of these."),
    )
    to = forms.ChoiceField(label="Member", required=False, error_messages={"invalid_choice": "Choose a member."})

    def __init__(self, *args: Any, key: ApiKey, by: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        able = key.project.memberships.that(Permission.MANAGE_KEYS).filter(user__is_active=True)
        members = able.exclude(user__in=[by, key.responsible]).select_related("user").order_by("user__email")
        self.members = {member.user.public_id: member.user for member in members}
        self.ways = [*([How.TAKE] if key.responsible != by else []), *([How.OFFER] if self.members else [])]
        self.fields["how"].choices = [(way.value, _HOW[way]) for way in self.ways]  # type: ignore[attr-defined]
        if self.initial.get("how") not in self.ways:
            self.initial["how"] = self.ways[0].value if self.ways else None
        people = [("", "Choose a member"), *((public_id, user.with_name) for public_id, user in self.members.items())]
        self.fields["to"].choices = people  # type: ignore[attr-defined]

    def only_way(self) -> str:
        """What happens, in words, if there is nothing to choose."""
        return _ONLY[self.ways[0]][0] if len(self.ways) == 1 else ""

    def press(self) -> str:
        """The words of the button. They are true for both ways where there are two."""
        return _ONLY[self.ways[0]][1] if len(self.ways) == 1 else "Hand over"

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or self.cleaned_data
        if given.get("how") == How.OFFER and not given.get("to") and not self.has_error("to"):
            self.add_error("to", ValidationError("Choose a member.", code="required"))
        return given

    def chosen_person(self) -> User | None:
        """The member to whom the key is to be offered; None if the owner takes it over."""
        return self.members[self.cleaned_data["to"]] if self.cleaned_data["how"] == How.OFFER else None


@dataclass(frozen=True)
class Line:
    """A key in the form that removes a member, with its choice."""

    dependent: Dependent
    field: BoundField

    @property
    def has_choices(self) -> bool:
        """Whether something else can happen to the key than nothing."""
        return len(self.field.field.choices) > 1  # type: ignore[attr-defined]  # a ChoiceField


class RemoveMemberForm(PageForm):
    """Has a choice for each of the `dependents`. A key that came to them after the page was shown is left as it is."""

    id_prefix = "remove-member"
    form_token = FormTokenField()

    def __init__(self, *args: Any, dependents: Sequence[Dependent], leave: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.dependents = dependents
        for dependent in dependents:
            choices = choices_of(dependent, leave=leave)
            self.fields[dependent.key.public_id] = forms.ChoiceField(
                label=f"What happens to {dependent.key.name}",
                required=False,
                choices=[(choice.value, words) for choice, words in _THEN.items() if choice in choices],
                initial=choices[0].value,
                error_messages={"invalid_choice": "Choose one of these."},
            )

    def lines(self) -> Iterator[Line]:
        return (Line(dependent, self[dependent.key.public_id]) for dependent in self.dependents)

    def offered(self) -> set[str]:
        """What can be chosen for any of the keys."""
        return {value for line in self.lines() for value, _ in line.field.field.choices}  # type: ignore[attr-defined]

    def chosen(self) -> dict[ApiKey, Choice]:
        """What happens to each key."""
        keys = (dependent.key for dependent in self.dependents)
        return {key: Choice(self.cleaned_data[key.public_id] or Choice.LEAVE) for key in keys}
