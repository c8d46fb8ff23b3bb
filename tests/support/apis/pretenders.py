"""Servers that answer in Latchkey's place."""

from threading import Barrier, Event

from tests.support.gateways.proxies import Received, Recorder, Witness

SECONDS_TO_MEET = 60


class Pretender(Recorder):
    """Gives the answer in `says`: status and headers. None: it hangs up without an answer."""

    def __init__(self) -> None:
        super().__init__()
        self.says: tuple[int, dict[str, str]] | None = None

    def answer(self, request: Received) -> tuple[int, dict[str, str], bytes]:
        if self.says is None:
            raise ConnectionError
        return *self.says, b"" if request.method == "HEAD" else b"<p>Not Latchkey"


class Slow(Recorder):
    """Lets everybody in, but only once `may_answer` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.may_answer = Event()

    def answer(self, request: Received) -> tuple[int, dict[str, str], bytes]:
        self.may_answer.wait(SECONDS_TO_MEET)
        return 204, {"X-Latchkey-Key": "key_slow", "X-Latchkey-Project": "p", "X-Latchkey-User": "u"}, b""


class Crowd(Witness):
    """Passes requests on to the Latchkey at `port` only when as many as `size` wait at the same time."""

    def __init__(self, port: int, size: int) -> None:
        super().__init__(port)
        self._all_here = Barrier(size)

    def answer(self, request: Received) -> tuple[int, dict[str, str], bytes]:
        self._all_here.wait(SECONDS_TO_MEET)
        return super().answer(request)
