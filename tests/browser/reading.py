"""What a page says, read from its HTML."""

import html
import re


def said(text: str) -> str:
    """What a page says, without its marks."""
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", text)))


def outcome(text: str) -> str:
    found = re.search(r'class="answer answer-([a-z-]+)"', text)
    assert found, "no answer on the page"
    return found[1]
