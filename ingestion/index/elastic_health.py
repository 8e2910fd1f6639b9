"""What the doctor tells of a server and of the index that it serves."""

from __future__ import annotations

from dataclasses import dataclass

from elasticsearch import ApiError, Elasticsearch

from ingestion.index.elastic_client import address_of, connect
from ingestion.index.elastic_errors import mapped_errors
from ingestion.index.elastic_mapping import layout_of, metadata_of
from ingestion.index.elastic_server import Version, knows_analyzer, version_of
from ingestion.index.served import REBUILD
from ingestion.settings import IndexSettings


@dataclass(frozen=True, slots=True)
class ServerHealth:
    """A server, or a cluster of them.

    Attributes:
        version: The oldest node's, or None where the credentials may not look.
        nodes: How many, likewise.
        status: green, yellow or red, of the served index where there is one, likewise.
        notes: What isn't as the settings wish, each with its mend.
    """

    address: str
    version: Version | None
    nodes: int | None
    status: str | None
    notes: tuple[tuple[str, str], ...]


def server_health(settings: IndexSettings) -> ServerHealth:
    """Return how a server is; nothing is changed.

    Raises:
        IndexUnavailableError: It can't be reached, is too old, or refuses.
    """
    address = address_of(settings)
    with connect(settings) as client, mapped_errors(address):
        version = version_of(client, address)
        served = bool(client.indices.exists_alias(name=settings.name))
        nodes, status = _cluster(client, settings.name if served else None)
        notes = []
        language = settings.language
        if language and not knows_analyzer(client, language, settings.name):
            notes.append(_without(language))
            language = ""
        if served:
            notes.extend(_served(client, settings, language))
        return ServerHealth(address, version, nodes, status, tuple(notes))


def _cluster(client: Elasticsearch, index: str | None) -> tuple[int | None, str | None]:
    try:
        health = client.cluster.health(index=index)
    except ApiError as error:
        if error.status_code != 403:
            raise
        return None, None
    # That of other people's indexes is none of ours.
    return int(health["number_of_nodes"]), str(health["status"]) if index else None


def _without(language: str) -> tuple[str, str]:
    problem = f"The server has no analyzer {language}, so words are compared without it."
    return problem, "Name one that it has in index.language, or leave it empty."


def _served(client: Elasticsearch, settings: IndexSettings, language: str) -> list[tuple[str, str]]:
    """Compare the served index with what a new one would be."""
    notes = []
    for index in client.indices.get_mapping(index=settings.name).values():
        if metadata_of(index["mappings"]) is None:
            continue  # the check of the index tells it
        layout = layout_of(index["mappings"])
        for name, there, wanted in (
            ("index.vectors", layout.vectors, settings.vectors),
            ("index.language", layout.analyzer, language),
        ):
            if there != wanted:
                notes.append((f'The index was made with {name} = "{there}".', REBUILD))
    return notes
