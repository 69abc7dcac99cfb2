"""Positions in the write-ahead log."""


def parse(text: str) -> int:
    """The byte position of `"0/3000148"`. Raises ValueError."""
    high, slash, low = text.partition("/")
    if not slash:
        raise ValueError(f"expected a position such as 0/3000148, not {text!r}")
    return (int(high, 16) << 32) + int(low, 16)


def text(position: int) -> str:
    """The inverse of `parse`."""
    return f"{position >> 32:X}/{position & 0xFFFFFFFF:X}"
