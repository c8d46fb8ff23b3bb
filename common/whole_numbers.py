"""Whole numbers that people, programs and the environment write."""


def read_whole(text: str, most: int) -> int | None:
    """The number from 0 to `most` that the text writes in the digits 0 to 9 alone; None for any other text.

    int() alone also takes signs, spaces, underscores (1_000) and the digits of every script, and refuses to parse
    thousands of digits.
    """
    if not (text.isascii() and text.isdigit() and len(text) <= max(len(str(most)), 20)):
        return None
    number = int(text)
    return number if number <= most else None
