"""Writes the policies; see the package."""

from . import files

if __name__ == "__main__":
    for path, text in files.made().items():
        path.write_text(text, encoding="utf-8")
