"""Numbers with their nouns."""


def counted(number: int, noun: str = "") -> str:
    """`1 key`, `1,204 keys`, `2 addresses`; without a noun `1,204`. It is a filter of all templates, too."""
    if not noun:
        return f"{number:,}"
    ending = "" if number == 1 else "es" if noun.endswith("s") else "s"
    return f"{number:,} {noun}{ending}"
