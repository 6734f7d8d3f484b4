from __future__ import annotations

import sys
from pathlib import Path

import pytest

from rankgen.manifests.errors import EnvironmentProblem
from rankgen.manifests.trec import read_qrels
from rankgen.retrieval.collections.docstrings import DocString, read_docstrings, summary_and_body
from rankgen.retrieval.collections.open_collection import open_collection
from rankgen.retrieval.collections.python_docs import (
    SPLITS,
    PythonDocsSummary,
    known_items,
    split_of,
    write_python_docs,
)

BODY = "Eight words and more explain what it does at length."


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> PythonDocsSummary:
    return write_python_docs(tmp_path_factory.mktemp("docs") / "python-docs", passages=3000)


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_it_has_the_size_of_the_quickstart(written: PythonDocsSummary) -> None:
    # How many strings serve hangs on the interpreter's version and packaging.
    assert 2000 <= written.passages <= 3000
    assert sum(written.queries.values()) == round(written.passages / 2)
    assert min(written.queries.values()) > 150


def test_it_is_the_same_each_time(written: PythonDocsSummary, tmp_path: Path) -> None:
    again = write_python_docs(tmp_path, passages=3000)
    assert files(tmp_path) == files(written.folder)
    assert again.queries == written.queries


def test_the_seed_chooses_among_more_than_are_taken() -> None:
    strings = [DocString(f"m.f{n}", f"This is the summary {n}.", f"{BODY} {n}") for n in range(50)]
    taken = {seed: known_items(strings, 20, seed) for seed in (0, 1)}
    assert known_items(reversed(strings), 20, 0) == taken[0]
    assert taken[0] != taken[1]
    assert [len(items) for items in taken.values()] == [20, 20]


def test_no_query_stands_in_its_passage_and_every_answer_is_its_own(
    written: PythonDocsSummary,
) -> None:
    collection = open_collection(str(written.folder))
    texts = {document.doc_id: document.contents for document in collection.documents()}
    queries = {query.query_id: query.text for query in collection.queries()}
    assert len(set(queries.values())) == len(queries)
    assert len(set(texts.values())) == len(texts)
    answers = {}
    for split in SPLITS:
        answers |= read_qrels(written.folder / "qrels" / f"{split}.tsv")
    assert answers.keys() == queries.keys()
    for query_id, judged in answers.items():
        (doc_id,) = judged
        assert queries[query_id].lower().rstrip(".") not in texts[doc_id].lower()


def test_splits_share_no_query_and_hang_on_the_id_alone(written: PythonDocsSummary) -> None:
    members = [set(read_qrels(written.folder / "qrels" / f"{split}.tsv")) for split in SPLITS]
    assert sum(map(len, members)) == len(set.union(*members))
    for split, queries in zip(SPLITS, members, strict=True):
        assert {split_of(query, 0) for query in queries} == {split}


def test_modules_are_parsed_and_not_imported(tmp_path: Path) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text('"""The package. It is here."""\n1 / 0\n')
    (tmp_path / "broken.py").write_text('"""Not Python."""\n)\n')
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "skipped.py").write_text('"""Not documentation. It is a test."""\n')
    (tmp_path / "mod.py").write_text(
        "class A:\n"
        '    """Sums up.\n\n    And goes\n    on."""\n'
        "    if True:\n"
        "        async def f(self):\n"
        '            """Only a summary"""\n'
    )
    assert list(read_docstrings(tmp_path)) == [
        DocString("mod.A", "Sums up.", "And goes on."),
        DocString("mod.A.f", "Only a summary", ""),
        DocString("package", "The package.", "It is here."),
    ]
    assert "package" not in sys.modules


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One line", ("One line", "")),
        ("One. Two.\n\nThree.", ("One.", "Two. Three.")),
        ("Over\n  two lines\n\n  rest", ("Over two lines", "rest")),
        ("Version 1.5 of it. Then more.", ("Version 1.5 of it.", "Then more.")),
    ],
)
def test_first_sentences(text: str, expected: tuple[str, str]) -> None:
    assert summary_and_body(text) == expected


def test_what_is_ambiguous_or_trivial_is_left_out() -> None:
    strings = [
        DocString("a.kept", "Sorts a list by its keys.", BODY),
        DocString("a.same_query_1", "Does the same as that.", BODY + " One."),
        DocString("a.same_query_2", "Does the same as THAT", BODY + " Two."),
        DocString("a.same_body_1", "Says one thing about it.", BODY + " Three."),
        DocString("a.same_body_2", "Says another thing about it.", BODY + " Three."),
        DocString("a.repeats", "Opens the window again.", BODY + " It opens the window again."),
        DocString("a.short_query", "Sorts.", BODY + " Four."),
        DocString("a.short_body", "Sorts a list by hand.", "Too short."),
        DocString("a.kept", "Is defined a second time.", BODY + " Five."),
    ]
    assert [item.document.doc_id for item in known_items(strings, 10, 0)] == ["a.kept"]


def test_a_library_without_docstrings(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentProblem, match="has 0 usable documentation strings"):
        write_python_docs(tmp_path / "out", passages=3000, library=tmp_path)
    assert not (tmp_path / "out").exists()
