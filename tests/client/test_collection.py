"""What a program does with a collection, against the service itself."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest

import nearbit
from nearbit import AsyncClient, Client, Collection
from service.config import Settings
from service.web.app import create_app


def test_documents_are_added_in_batches_and_found_again(notes: Collection) -> None:
    seen: list[float | None] = []
    added = notes.add(
        [f"text {n}" for n in range(25)], batch_documents=10, progress=lambda stage, share: seen.append(share)
    )
    assert (len(added.ids), added.created, added.existing, seen) == (25, 25, 0, [0.4, 0.8, 1.0])
    assert [found.text for found in notes.get_many([str(id) for id in added.ids])] == [f"text {n}" for n in range(25)]
    assert len(list(notes.documents(page_size=10))) == 28
    assert notes.search("text 7", k=3, at_least_seq=added.seq)[0].text == "text 7"


def test_documents_that_exist_are_left_alone_if_asked(notes: Collection) -> None:
    added = notes.add([{"id": "bread", "text": "another"}, {"id": "new", "text": "new"}], if_absent=True)
    assert (added.ids, added.created, added.existing) == (["bread", "new"], 1, 1)
    assert notes.get("bread").text == "How to bake bread"


def test_a_search_takes_all_parameters(notes: Collection) -> None:
    found = notes.search("bread", filter={"kind": {"in": ["food"]}}, where=["kind:food"], facets=["kind"], explain=True)
    assert [match.id for match in found] == ["bread"]
    assert found.facets is not None
    assert found.facets["kind"]["values"] == [{"value": "food", "count": 1}]
    assert found[0].explain is not None
    many = notes.search_many(["bread", "boat"], k=1, filter={"kind": {"exists": True}})
    assert [answer[0].id for answer in many] == ["bread", "boat"]


def test_a_collection_that_was_created_anew_is_searched_all_the_same(client: Client, notes: Collection) -> None:
    client.delete(notes.name)
    client.create(notes.name)
    assert len(notes.search("bread")) == 0
    with pytest.raises(nearbit.SeqNotReached):
        notes.search("bread", at_least_seq=99)


def test_similar_documents_are_found_by_text_document_and_code(notes: Collection) -> None:
    by_text = notes.similar("How to bake bread", k=1)
    assert (by_text[0].id, by_text[0].distance) == ("bread", 0)
    assert notes.similar(code=by_text.code, k=1)[0].id == "bread"
    assert {match.id for match in notes.similar(id="a/b?c#d é")} == {"bread", "boat"}
    assert notes.similar_many(["How to sail a boat"], k=1)[0][0].id == "boat"
    assert "bread" not in {match.id for match in notes.recommend(["bread"], [{"text": "boat"}])}


def test_documents_are_patched_and_deleted(notes: Collection) -> None:
    assert notes.patch("a/b?c#d é", {"n": 1}) == 2
    assert notes.get("a/b?c#d é").metadata == {"n": 1}
    with pytest.raises(nearbit.RevisionDiffers) as refused:
        notes.patch("bread", {"n": 1}, revision=7)
    assert refused.value.problem["revisions"] == {"bread": 1}
    assert notes.delete("boat").deleted == 1
    assert notes.delete(filter={"n": 1}).deleted == 1
    assert notes.delete(["boat", "bread", "bread"]).deleted == 1
    with pytest.raises(nearbit.InvalidInput):
        notes.delete()
    assert list(notes.documents()) == []


@pytest.mark.parametrize("id", ["none", "a/b", ".."])
def test_what_is_not_there_is_not_found(notes: Collection, id: str) -> None:
    with pytest.raises(nearbit.NotFound):
        notes.get(id)
    with pytest.raises(nearbit.NotFound):
        notes.patch(id, {"a": 1})


def test_an_export_goes_in_again(client: Client, notes: Collection) -> None:
    lines = list(notes.export())
    copy = client.create(f"{notes.name}-copy")
    kept = ("id", "text", "title", "metadata")
    copy.add([{name: line[name] for name in kept if name in line} for line in lines])
    assert [(d.id, d.text, d.metadata) for d in copy.documents()] == [
        (d.id, d.text, d.metadata) for d in notes.documents()
    ]
    assert [sorted(line) for line in notes.export(codes=True, fields=["id"])] == [["code", "id"]] * 3


def test_an_export_may_be_left_before_its_end(notes: Collection) -> None:
    notes.add(["x" * 5_000] * 2_000)
    for _ in range(6):  # more than may run at once
        assert next(iter(notes.export()))["id"] == "bread"


def test_spaces_pairs_and_settings_are_at_hand(notes: Collection) -> None:
    assert [(space.version, space.state) for space in notes.spaces()] == [(1, "active")]
    with pytest.raises(nearbit.NearbitError):
        notes.roll_back()
    assert notes.add_pairs([("bread", "boat", False)]) == 1
    assert [(pair.a, pair.b, pair.similar) for pair in notes.pairs()] == [("boat", "bread", False)]
    notes.add_pairs([("boat", "a/b?c#d é", True)])
    notes.forget_pair("a/b?c#d é", "boat")
    assert len(notes.pairs()) == 1
    notes.forget_pairs()
    assert notes.pairs() == []
    with pytest.raises(nearbit.NotFound):
        notes.forget_pair("bread", "boat")
    with pytest.raises(nearbit.NotFound):
        notes.quality()
    preview = notes.preview(1)
    assert (preview.documents.n, preview.documents.overlap, preview.queries) == (3, 1.0, None)
    assert notes.change(synonyms=[["bread", "loaf"]]).name == notes.info().name == notes.name


def test_documents_that_pass_a_filter_are_patched_together(notes: Collection) -> None:
    assert notes.patch_where({"kind": {"in": ["food", "sport"]}}, {"seen": True}) == 2
    assert notes.get("bread").metadata == {"kind": "food", "seen": True}
    assert [match.id for match in notes.similar("bread", filter={"seen": True, "kind": "sport"})] == ["boat"]
    with pytest.raises(nearbit.InvalidInput):
        notes.patch_where({}, {"seen": True})


def test_kept_queries_are_listed_and_forgotten(notes: Collection) -> None:
    assert list(notes.kept_queries()) == []
    with pytest.raises(nearbit.NotFound):
        notes.forget_query(1)
    notes.forget_queries()


def test_collections_are_listed_and_deleted(client: Client, notes: Collection) -> None:
    assert notes.name in [collection.name for collection in client.collections()]
    with pytest.raises(nearbit.CollectionDiffers):
        client.create(notes.name, n_bits=128)
    client.delete(notes.name)
    with pytest.raises(nearbit.NotFound):
        notes.info()


@asynccontextmanager
async def served(path: Path) -> AsyncIterator[AsyncClient]:
    app = create_app(Settings(database_url=f"sqlite:///{path}", poll_interval_s=0.05))
    async with (
        app.router.lifespan_context(app),
        nearbit.connect_async("http://localhost", transport=httpx2.ASGITransport(app)) as client,
    ):
        yield client


def test_the_client_with_await_has_the_same_interface(migrated_file: Path, sqlite_url: str) -> None:
    async def run() -> None:
        async with served(Path(sqlite_url.removeprefix("sqlite:///"))) as client:
            notes = await client.create("notes")
            await notes.add(["How to bake bread", "How to sail a boat"])
            assert (await notes.search("bread", k=1))[0].text == "How to bake bread"
            assert [document.text async for document in notes.documents(page_size=1)][1] == "How to sail a boat"
            assert len([line async for line in notes.export()]) == 2
            assert (await notes.delete(filter={"x": {"exists": False}})).deleted == 2

    asyncio.run(run())


def test_keys_are_made_used_and_revoked(sqlite_url: str) -> None:
    async def run() -> None:
        async with served(Path(sqlite_url.removeprefix("sqlite:///"))) as client:
            made = await client.make_key("a program", ["admin"])
            with pytest.raises(nearbit.Unauthorized):
                await client.collections()
            transport = client._connection._http._transport
            other = nearbit.connect_async("http://localhost", key=made.key, transport=transport)
            assert [key.name for key in await other.keys()] == ["a program"]
            await other.revoke_key(made.id)

    asyncio.run(run())
