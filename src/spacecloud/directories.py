"""The two folders of an instance: made ready, and taken away with nothing else in them."""

import shutil
from pathlib import Path

from spacecloud.errors import Unavailable
from spacecloud.files import temporaries_of
from spacecloud.model.defaults import PASSWORD_FILE
from spacecloud.settings import Settings

WRITTEN = ("secret.key", "jwt.key", PASSWORD_FILE, "installation", "adopted", "beginning")
OURS_IN_STATE = ("store.db*", *WRITTEN, *map(temporaries_of, WRITTEN), "space-cloud.log*")
OURS_IN_RUN = (
    "api.sock",
    "serve.lock",
    "supervisor.lock",
    "gateway",
    "names",
    "names.new",
    "upstreams",
)


def prepare(settings: Settings) -> None:
    for folder, mode in ((settings.state_dir, 0o700), (settings.run_dir, 0o750)):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(mode)
            _try_to_write(folder)
        except OSError as error:
            raise Unavailable(
                f"the folder {folder} cannot be used ({error.strerror}): run as root, or choose "
                "others with SPACE_CLOUD_STATE and SPACE_CLOUD_RUN"
            ) from error


def remove_run(settings: Settings) -> tuple[Path, ...]:
    """What is still there because it is not ours."""
    return _remove(settings.run_dir, OURS_IN_RUN)


def remove_state(settings: Settings) -> tuple[Path, ...]:
    """Everything that was declared, its secrets and their key. What is not ours stays."""
    return _remove(settings.state_dir, (*OURS_IN_STATE, "resolv"))


def _remove(folder: Path, ours: tuple[str, ...]) -> tuple[Path, ...]:
    """Only names that we give: a folder may have been chosen by mistake."""
    for path in (path for pattern in ours for path in folder.glob(pattern)):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    left = tuple(sorted(folder.iterdir())) if folder.is_dir() else ()
    if folder.is_dir() and not left:
        folder.rmdir()
    return left


def _try_to_write(folder: Path) -> None:
    probe = folder / ".writable"
    probe.write_bytes(b"")
    probe.unlink()
