"""As pages and emails write dates (common/instants.py). Django's own form names no zone: "Nov. 29, 2026, 1:35 p.m."."""

DATE_FORMAT = SHORT_DATE_FORMAT = "j F Y"
TIME_FORMAT = r"H:i \U\T\C"
DATETIME_FORMAT = SHORT_DATETIME_FORMAT = r"j F Y, H:i \U\T\C"
