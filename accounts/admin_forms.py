"""Forms of the admin that remember what they showed, so that a page that was open for long undoes nothing."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError


class SeenForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable at runtime
    """Carries each value that it showed, and refuses to save if somebody has changed one of them since.

    Requests that carry no such value, from scripts, mean whatever the row has.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        keys = {name: self.add_initial_prefix(name) for name, field in self.fields.items() if not field.disabled}
        # A choice of nothing is sent as no value, so one value tells that the form carries all of them.
        carries = any(key in self.data for key in keys.values())
        self._seen: dict[str, Any] = {}
        for name, key in keys.items() if self.instance.pk else ():
            field = self.fields[name]
            field.show_hidden_initial = carries or not self.is_bound
            if carries:
                self._seen[name] = field.hidden_widget().value_from_datadict(self.data, self.files, key)

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        for name, seen in self._seen.items():
            if self.fields[name].has_changed(self.initial.get(name), seen):
                self.add_error(name, self._changed(name))
        return cleaned

    def _changed(self, name: str) -> ValidationError:
        what = self.fields[name].label or name
        return ValidationError(
            f"Somebody changed this in the meantime: {str(what).lower()}. Nothing was changed. Reload the page and try "
            "again.",
            code="changed_meanwhile",
        )
