"""The projects, keys and files of the sample account, as facts."""

from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

from apikeys.bounds.restrictions import UNRESTRICTED, Limit, Restrictions, Window
from apikeys.demo.sample_usage import Rhythm, SampleUse
from apikeys.standing import KeyState

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
REHEARSAL = 5 * MINUTE


@dataclass(frozen=True)
class SampleKey:
    """`used` and `ended` are ages. A key reached its `state` at `ended`; a `leaked` key was paused by a report.

    `expires` is how far ahead the key's end lies, negative for an end that has come. `resumes` is how far ahead the end
    of a pause lies, and `note` its reason. `rehearsed` is the age of a rehearsal's beginning. The account of a `former`
    member is deactivated, so that person's key is rejected.

    `misses` are the ages of requests from an address that the `restrictions` do not hold. A key with a `rate` has had
    it, and a quota a month that is nearly used up, for `limited`.
    """

    name: str
    age: timedelta
    used: timedelta | None = None
    use: SampleUse | None = None
    state: KeyState = KeyState.ACTIVE
    ended: timedelta | None = None
    pauses: tuple[timedelta, ...] = ()
    leaked: bool = False
    expires: timedelta | None = None
    resumes: timedelta | None = None
    note: str = ""
    rehearsed: timedelta | None = None
    former: bool = False
    restrictions: Restrictions = UNRESTRICTED
    misses: tuple[timedelta, ...] = ()
    rate: Limit | None = None
    limited: timedelta = 20 * DAY


class SampleFile(NamedTuple):
    name: str
    content_type: str
    content: str
    age: timedelta


@dataclass(frozen=True)
class SampleProject:
    name: str
    age: timedelta
    keys: tuple[SampleKey, ...]
    files: tuple[SampleFile, ...] = ()
    shown_once_since: timedelta | None = None
    # Whether it has a developer and a viewer beside its owner.
    has_team: bool = False


# The richest first, also by name, because pages list projects by name.
PROJECTS = (
    SampleProject(
        "Acme Weather API",
        214 * DAY,
        has_team=True,
        keys=(
            SampleKey(
                *("Production server (old)", 214 * DAY, 123 * DAY, SampleUse(5_200, growth=1.9, retries=4)),
                state=KeyState.DELETED,
                ended=121 * DAY,
            ),
            SampleKey("Staging", 208 * DAY, 5 * HOUR, SampleUse(640, Rhythm.OFFICE, 1.4), pauses=(77 * DAY,)),
            SampleKey(
                *("Data import (old)", 190 * DAY, 37 * DAY, SampleUse(1_900, Rhythm.NIGHTLY, retries=1_150)),
                state=KeyState.PAUSED,
                ended=33 * DAY,
            ),
            SampleKey("Production server", 126 * DAY, 3 * MINUTE, SampleUse(9_800, growth=2.2)),
            SampleKey("Mobile backend", 96 * DAY, 41 * MINUTE, SampleUse(3_100, growth=3.0), pauses=(20 * DAY,)),
            SampleKey(
                *("Status page", 71 * DAY, 7 * MINUTE, SampleUse(1_200)),
                restrictions=Restrictions(read_only=True, networks=("198.51.100.0/24",)),
                misses=(3 * DAY, 2 * DAY),
            ),
            SampleKey(
                *("Map tiles", 58 * DAY, 19 * MINUTE, SampleUse(2_000, growth=1.5)), rate=Limit(600, Window.MINUTE)
            ),
            SampleKey("CI", 64 * DAY, 1 * DAY, SampleUse(420, Rhythm.OFFICE), expires=5 * DAY),
            SampleKey(
                *("Partner preview", 36 * DAY, 6 * DAY + 9 * MINUTE, SampleUse(160, Rhythm.OFFICE, retries=24)),
                expires=-6 * DAY,
            ),
            SampleKey(
                *("Billing export", 27 * DAY, 2 * HOUR + MINUTE, SampleUse(900, retries=300)),
                state=KeyState.PAUSED,
                ended=2 * HOUR,
                resumes=22 * HOUR,
                note="Trying a day without it before we delete it",
            ),
        ),
        files=(
            SampleFile("stations.csv", "text/csv", "id,name,lat,lon\n1,Harbour,53.54,9.98\n", 201 * DAY),
            SampleFile("forecast-north.json", "application/json", '{"high": 14, "low": 7}\n', 9 * DAY),
            SampleFile("forecast-south.json", "application/json", '{"high": 19, "low": 11}\n', 2 * DAY),
            SampleFile("alerts.txt", "text/plain", "No alerts.\n", 4 * HOUR),
        ),
    ),
    SampleProject(
        "Storefront",
        88 * DAY,
        keys=(
            SampleKey("Checkout service", 88 * DAY, 12 * MINUTE, SampleUse(2_400, growth=1.6)),
            SampleKey("Warehouse sync", 52 * DAY, 9 * HOUR, SampleUse(700, Rhythm.NIGHTLY), rehearsed=3 * HOUR),
            SampleKey("Newsletter", 40 * DAY, 8 * DAY, SampleUse(90, Rhythm.OFFICE), former=True),
            SampleKey(
                *("Load test", 30 * DAY, 26 * DAY, SampleUse(4_000, Rhythm.OFFICE)),
                state=KeyState.ENDED,
                ended=25 * DAY,
            ),
            SampleKey(
                *("Agency trial", 45 * DAY, 24 * DAY, SampleUse(180, Rhythm.OFFICE, retries=12)),
                state=KeyState.PAUSED,
                ended=21 * DAY,
                leaked=True,
            ),
        ),
        files=(SampleFile("price-list.csv", "text/csv", "sku,price\nA-100,12.50\n", 6 * DAY),),
    ),
    SampleProject("Internal tools", 12 * DAY, keys=(SampleKey("Laptop", 12 * DAY),), shown_once_since=11 * DAY),
)
