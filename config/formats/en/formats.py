"""As pages and emails write dates (common/instants.py). Django would write "Nov. 29, 2026, 1:35 p.m.", without the zone."""

DATE_FORMAT = SHORT_DATE_FORMAT = "j F Y"
TIME_FORMAT = r"H:i \U\T\C"
DATETIME_FORMAT = SHORT_DATETIME_FORMAT = r"j F Y, H:i \U\T\C"
