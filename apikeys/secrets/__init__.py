"""A key's secret: its format, digests and encryption, rotation, and the integrity check. Knows no page."""
