"""`rankgen publish`: a run becomes a data set that others load in one line."""

from __future__ import annotations

from rankgen.generator.api.sets import PublishOptions
from rankgen.generator.commands.options import Printing
from rankgen.generator.commands.reporting import say
from rankgen.manifests.counted import counted


def publish(options: PublishOptions, printing: Printing) -> None:
    """Publishes a run, or prints what would be published."""
    from rankgen.manifests.publishing.publish import Publication
    from rankgen.manifests.run.run_directory import RunDirectory

    publication = Publication(RunDirectory(options.run), options)
    done = publication.planned() if options.dry_run else publication.publish()
    values: dict[str, object] = {
        "where": done.where,
        "was_published": done.was_there,
        "replaces_another": done.replaces,
        "files": dict(done.files),
        "bytes": sum(done.files.values()),
    }
    total = f"{counted(len(done.files), 'file')}, {_size(sum(done.files.values()))}"
    if options.dry_run:
        values["card"] = publication.card
        listed = [f"{_size(size):>10}  {name}" for name, size in done.files.items()]
        text = "\n".join([*listed, f"about {total} -> {done.where}", "", publication.card])
    elif done.was_there:
        text = f"published before, and unchanged -> {done.where}"
    else:
        text = f"published: {total} -> {done.where}"
        if done.replaces:
            text += "\nnote: it replaces another data set that was published there"
    say(text, values, printing)


def _size(count: int) -> str:
    return f"{count / 1e6:,.1f} MB" if count >= 100_000 else f"{count / 1e3:,.1f} kB"
