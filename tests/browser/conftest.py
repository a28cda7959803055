"""One set of proofs and one server for all tests of the pages; a browser with scripts and one without."""

from collections.abc import Iterator

import httpx2
import pytest
from selenium.webdriver import Chrome

from tests.browser import chromium
from tests.browser.site import Proofs, serving


@pytest.fixture(scope="session")
def proofs() -> Iterator[Proofs]:
    """Proofs of a region, and the server that shows them."""
    with serving() as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Chrome]:
    with chromium.browser() as found:
        yield found


@pytest.fixture(scope="module")
def plain_browser() -> Iterator[Chrome]:
    """A browser that runs no scripts."""
    with chromium.browser(scripts=False) as found:
        yield found


@pytest.fixture(scope="module")
def client(proofs: Proofs) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=proofs.base) as client:
        yield client
