"""People who change keys, projects and files through the real server, and remember its answers."""

import itertools
import re
from dataclasses import dataclass, field

from tests.faults.calls import Caller, Timed

GOOD = {200, 201, 204, 302}


@dataclass
class Remembered:
    """A key or a project: the state of the last answer, and the state that was asked for since without an answer."""

    state: str
    asked: str | None = None

    @property
    def allowed(self) -> set[str]:
        return {self.state, self.asked or self.state}


@dataclass
class Person:
    caller: Caller
    name: str
    keys: dict[str, Remembered] = field(default_factory=dict)
    projects: dict[str, Remembered] = field(default_factory=dict)
    changes: int = 0

    def go_on(self, is_over) -> None:
        """Makes projects and changes their keys until `is_over()`. Abandons a project with an unanswered change."""
        for number in itertools.count():
            if is_over():
                return
            self._live_through(f"{self.name} {number}")

    def _live_through(self, name: str) -> None:
        made = self.caller.post("new project", "/projects/new/", name=name)
        if made.status != 302:
            return
        project = made.location.split("/")[2]
        self.projects[project] = Remembered("alive")
        kept, deleted = [self._create(project, f"Key {number}") for number in range(2)]
        if not kept or not deleted:
            return
        steps = [(kept, "pause", "paused"), (kept, "resume", "active"), (deleted, "pause", "paused")]
        for key, action, state in [*steps, (deleted, "delete", "deleted"), (kept, "pause", "paused")]:
            if not self._change(self.keys[key], state, f"/projects/{project}/keys/{key}/{action}/"):
                return
        self.keys[kept].asked = "deleted"
        if self._change(self.projects[project], "deleted", f"/projects/{project}/delete/", confirmation=name):
            self.keys[kept] = Remembered("deleted")

    def _create(self, project: str, name: str) -> str | None:
        made = self.caller.post("new key", f"/projects/{project}/keys/new/", name=name)
        if made.status != 302:
            return None
        key = made.location.partition("created=")[2].partition("#")[0]
        self.keys[key] = Remembered("active")
        return key

    def _change(self, remembered: Remembered, state: str, path: str, **form: str) -> bool:
        remembered.asked = state
        answer: Timed = self.caller.post("change", path, **form)
        if answer.status != 302:
            return False
        assert "reauthenticate" not in answer.location, "a question is no change"
        remembered.state, remembered.asked = state, None
        self.changes += 1
        return True


def upload_and_delete(caller: Caller, is_over) -> None:
    """Uploads and deletes files. The test looks at the rest in the end."""
    while not is_over():
        uploaded = caller.upload()
        found = re.search(rb"file_\w{16}", uploaded.body)
        if uploaded.status == 201 and found:
            caller.delete_file(found[0].decode())
