"""Uploads a finished student to the Hugging Face Hub."""

from __future__ import annotations

from pathlib import Path

from rankgen.manifests.errors import EnvironmentProblem, UsageError, reason_of
from rankgen.students.training.hub_files import hub_files


def push_student(out: Path, name: str, *, is_private: bool = True) -> str:
    """Uploads the student's files, without the state of its training, in one commit.

    The uploaded card names the repository, and no file contains a path on this machine.

    Args:
        out: The folder of a finished student.
        name: The repository, such as "somebody/monoelectra"; created if missing.
        is_private: Whether a new repository is private.

    Returns:
        The URL of the commit.

    Raises:
        UsageError: The name is not a valid repository name.
        EnvironmentProblem: The Hub cannot be reached or refuses the upload.
        IntegrityProblem: A file of the student is damaged.
    """
    from huggingface_hub import CommitOperationAdd, HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    api = HfApi()
    files = hub_files(out, name)
    try:
        api.create_repo(name, private=is_private, exist_ok=True)
        commit = api.create_commit(
            repo_id=name,
            operations=[
                CommitOperationAdd(path_in_repo=path, path_or_fileobj=content)
                for path, content in files.items()
            ],
            commit_message="A student trained by rankgen",
        )
    except HFValidationError as error:
        raise UsageError(
            f"'{name}' is not a repository name: {reason_of(error)}", "write it as USER/NAME"
        ) from None
    except (HfHubHTTPError, OSError) as error:
        raise EnvironmentProblem(
            f"the student {out} cannot be pushed to {name}: {reason_of(error)}",
            "log in with `hf auth login` and repeat the command; the student is kept",
        ) from None
    return str(commit.commit_url)
