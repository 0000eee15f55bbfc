"""The whole server in one process, on two real slides."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from pathserve.access import Role
from pathserve.config import Settings
from pathserve.ingest import IngestOptions, ingest_scan
from pathserve.server import create_app
from pathserve.server.services import Services


@dataclass(frozen=True)
class Site:
    """A running server: a client without any sign-in, a token for each role, the ids of its two slides."""

    anonymous: TestClient
    services: Services
    tokens: dict[str, str]
    slide: str
    field: str

    def client(self, role: str = "admin") -> TestClient:
        """Give a client that sends the token of a role."""
        client = TestClient(self.anonymous.app, raise_server_exceptions=False, follow_redirects=False)
        client.headers["authorization"] = f"Bearer {self.tokens[role]}"
        return client


@pytest.fixture(scope="session")
def ingested(tmp_path_factory, sample_slide: Path, sample_field: Path) -> Path:
    """A data folder with both samples, ingested once; tests work on copies."""
    folder = tmp_path_factory.mktemp("ingested") / "data"
    services = Services.open(Settings(data=folder))
    for path, name in ((sample_slide, "slide"), (sample_field, "field")):
        ingest_scan(
            path,
            settings=services.settings,
            catalog=services.catalog,
            options=IngestOptions(name=name, workers=2, keep_label=name == "slide"),
            progress=lambda _: None,
        )
    services.close()
    return folder


@pytest.fixture
def site(ingested: Path, tmp_path: Path) -> Iterator[Site]:
    data = tmp_path / "data"
    shutil.copytree(ingested, data)
    app = create_app(Settings(data=data, max_body_bytes=2_000_000, max_features=5000, max_output_pixels=4_000_000))
    services: Services = app.state.services
    tokens = {role.value: services.accounts.create_token(role.value, role=role).secret for role in Role}
    by_name = {slide.name: slide.id for slide in services.catalog.slides()[0]}
    with TestClient(app, raise_server_exceptions=False, follow_redirects=False) as client:
        yield Site(client, services, tokens, by_name["slide"], by_name["field"])
