"""Hits made by hand."""

from ingestion.documents import EVERYONE, Chunk, Hit


def hit(text: str, path: str = "page.md", ordinal: int = 0, dense: float = 0.8) -> Hit:
    document = f"docs:{path}"
    chunk = Chunk(
        id=f"{document}#{ordinal}",
        document_id=document,
        source="docs",
        path=path,
        title="Page",
        url=f"https://docs.example/{path}",
        heading_path=("Part",),
        ordinal=ordinal,
        chunk_count=ordinal + 1,
        text=text,
        acl=(EVERYONE,),
        content_hash="c",
        acl_hash="a",
    )
    return Hit(chunk, score=dense, bm25=1.0, dense=dense)
