"""The paths of everything in a run, and readers of its published tables.

<run>/rankings/train-00003-of-00100.parquet    committed shards only
<run>/.rankgen/                                 plan, commits, attempts, claims, journal, batches,
                                                events
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pyarrow as pa

from rankgen.manifests.errors import IntegrityProblem, UsageError, reason_of
from rankgen.manifests.records import Candidates
from rankgen.manifests.run.candidate_rows import candidates_in
from rankgen.manifests.schema import SCHEMA_MINOR_VERSION, SCHEMA_VERSION
from rankgen.manifests.storage.hub_runs import hub_folder, is_hub
from rankgen.manifests.storage.object_store import open_root
from rankgen.manifests.storage.shard import OtherColumns, completed, parse_parquet, read_parquet

# Every small file costs a round trip, above all in a store.
READ_THREADS = 4
# Files that a job may publish beside its tables: judgements, and its result as a TREC run.
QRELS, TREC_RUN = "qrels.tsv", "run.trec"


class RunDirectory:
    """The paths of one run, whose root is a folder on a disk or `s3://bucket/folder`.

    Args:
        root: The folder, or `hf:USER/NAME[@REVISION]` for a published data set, whose files are
            then downloaded into the Hub's cache.

    Raises:
        RankgenError: See `open_root` and `hub_folder`.
    """

    def __init__(self, root: Path | str) -> None:
        self.root = hub_folder(root) if is_hub(root) else open_root(root)
        # The folder of a download says little to the user who named a data set.
        self._named = str(root) if is_hub(root) else str(self.root)
        self.state = self.root / ".rankgen"
        self.plan = self.state / "plan.json"
        self.commits = self.state / "commits"
        self.attempts = self.state / "attempts"
        self.claims = self.state / "claims"
        self.journal = self.state / "journal"
        self.batches = self.state / "batches"
        self.events = self.state / "events"
        self.progress = self.state / "progress"
        self.manifest = self.root / "manifest.json"

    def shard_path(self, table: str, shard: int, shards: int) -> Path:
        """Returns a shard's public path, such as rankings/train-00003-of-00100.parquet."""
        return self.root / table / f"train-{shard:05d}-of-{shards:05d}.parquet"

    def name_of(self, path: Path) -> str:
        """Returns a path of the run relative to its folder."""
        return str(path.relative_to(self.root))

    def record_path(self, shard: int, revision: int) -> Path:
        """Returns the path of the commit record of a shard's revision."""
        return self.commits / f"{shard:05d}.{revision}.json"

    def journal_of(self, shard: int) -> Path:
        """Returns the folder for a shard's work in progress."""
        return self.journal / f"{shard:05d}"

    def shard_paths(self, table: str) -> list[Path]:
        """Returns the published shards of a table, in order."""
        return sorted((self.root / table).glob("train-*.parquet"))

    def loose_files(self) -> list[Path]:
        """Returns the published files outside the tables: judgements and a TREC run."""
        return [path for name in (QRELS, TREC_RUN) if (path := self.root / name).exists()]

    def has_table(self, table: str) -> bool:
        """Tells whether at least one shard of the table is published."""
        return bool(self.shard_paths(table))

    def read(self, table: str, columns: list[str] | None = None) -> pa.Table:
        """Reads all published shards of a table.

        Raises:
            UsageError: The run has no such table.
            IntegrityProblem: A shard cannot be read or has other columns.
        """
        return pa.concat_tables(self.parts(table, columns))

    def parts(self, table: str, columns: list[str] | None = None) -> list[pa.Table]:
        """Returns the published shards of a table, all of them at once; see `read`."""
        with ThreadPoolExecutor(READ_THREADS) as pool:
            read = partial(read_shard, table=table, columns=columns)
            return list(pool.map(read, self._present(table)))

    def shards(self, table: str, columns: list[str] | None = None) -> Iterator[pa.Table]:
        """Yields the published shards of a table one by one; see `read`."""
        paths = self._present(table)
        with ThreadPoolExecutor(READ_THREADS) as pool:
            # Read a few ahead, as each costs a round trip, but never all of them.
            ahead: deque[Future[pa.Table]] = deque()
            for path in paths:
                ahead.append(pool.submit(read_shard, path, table, columns))
                if len(ahead) > READ_THREADS:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()

    def texts(self, table: str, ids: AbstractSet[str] | None = None) -> dict[str, str]:
        """Returns id -> text of `queries`, or id -> "title text" of `documents`.

        Args:
            table: `queries` or `documents`.
            ids: Leaves out all others; None keeps all.
        """
        return self.texts_and_titles(table, ids)[0]

    def texts_and_titles(
        self, table: str, ids: AbstractSet[str] | None = None
    ) -> tuple[dict[str, str], dict[str, str]]:
        """Returns `texts`, and id -> title of the documents that have one."""
        key = "query_id" if table == "queries" else "doc_id"
        texts: dict[str, str] = {}
        titles: dict[str, str] = {}
        for shard in self.shards(table):
            if ids is not None:
                is_kept = [name in ids for name in shard[key].to_pylist()]
                shard = shard.filter(pa.array(is_kept, pa.bool_()))
            for row in shard.to_pylist():
                texts[row[key]] = row["text"]
                if title := row.get("title"):
                    texts[row[key]] = f"{title} {row['text']}"
                    titles[row[key]] = title
        return texts, titles

    def candidates(self) -> Iterator[Candidates]:
        """Yields the candidates of every query, by shard and then by query id."""
        for shard in self.shards("candidates"):
            yield from candidates_in(shard)

    def _present(self, table: str) -> list[Path]:
        paths = self.shard_paths(table)
        if not paths:
            raise self.lacks(table)
        return paths

    def lacks(self, table: str) -> UsageError:
        """Returns the error that the run lacks a table."""
        if table in ("queries", "documents") and not self.plan.exists() and self.manifest.exists():
            source = f"{self._named}:rankings"
            if not is_hub(self._named):
                source = f"{self.root} --config rankings"
            return UsageError(
                f"{self._named} has no texts: it was published without its {table}",
                f"make a run that has them: rankgen import lists {source} --collection COLLECTION "
                "--out RUN",
            )
        if table in ("queries", "documents") and self.has_table("rankings"):
            return UsageError(
                f"{self.root} has rankings but no texts of its {table}",
                "repeat its command to finish it; if it was imported without texts, import it into "
                "another folder with --collection",
            )
        hint = f"name the folder that holds {table}/train-*.parquet"
        if table == "rankings" and self.has_table("candidates"):
            hint = f"they are candidates so far: rankgen label --candidates {self.root} --out RUN"
        is_gone = "://" not in self._named and not self.root.exists()
        gone = ": there is no such folder" if is_gone else ""
        return UsageError(f"{self._named} has no {table}{gone}", hint)


def read_shard(
    path: Path, table: str, columns: list[str] | None = None, content: bytes | None = None
) -> pa.Table:
    """Reads one Parquet shard and checks its columns.

    Columns that the shard's minor version lacks are null.

    Args:
        path: The shard.
        table: A name in `TABLES`.
        columns: The columns to read; None reads all.
        content: The shard's bytes, if the caller has read them already.

    Raises:
        IntegrityProblem: The file cannot be read, or its columns are not those of the schema or
            of an earlier minor version.
    """
    try:
        read = read_parquet(path, columns) if content is None else parse_parquet(content, columns)
    except (OSError, pa.ArrowException) as error:
        raise IntegrityProblem(
            f"{path} cannot be read: {reason_of(error)}",
            "check what else is damaged: rankgen verify RUN",
        ) from None
    try:
        return completed(read, table, columns)
    except OtherColumns as problem:
        raise IntegrityProblem(
            f"{path} is not a shard of {table} version {SCHEMA_VERSION}.{SCHEMA_MINOR_VERSION} or "
            f"earlier: it {problem}",
            "was it written by another version of rankgen?",
        ) from None
