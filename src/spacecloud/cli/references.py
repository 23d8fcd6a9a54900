"""Names as people type them: ``shop/api``, ``api``, ``shop/api@v1``, ``api v1``."""

from typing import NamedTuple

from spacecloud.cli.session import Session
from spacecloud.client.client import Client
from spacecloud.errors import InvalidSpec, NotFound


class Reference(NamedTuple):
    project: str
    """Empty where none was typed."""

    service: str
    version: str
    """Empty for all versions."""

    def __str__(self) -> str:
        version = f"@{self.version}" if self.version else ""
        return f"{self.project}/{self.service}{version}"


def reference(text: str, version: str = "") -> Reference:
    name, at, typed = text.partition("@")
    project, slash, service = name.rpartition("/")
    if not service or (slash and not project) or "/" in project or (at and not typed):
        raise InvalidSpec(f"a service is named like shop/api, api or shop/api@v1 (got {text!r})")
    if typed and version and typed != version:
        raise InvalidSpec(f"which version: {typed} or {version}?")
    return Reference(project, service, typed or version)


def located(text: str, version: str, session: Session, client: Client) -> Reference:
    """With the project in which the command acts, where none was typed."""
    found = reference(text, version)
    return found if found.project else found._replace(project=session.project(client))


def one_version(ref: Reference, client: Client) -> Reference:
    """The version that is named, or the only one there is; ``NotFound`` for none."""
    versions = [str(each["version"]) for each in client.services(ref.project, ref.service)]
    if not versions:
        raise NotFound(f"there is no service {ref}")
    if not ref.version and len(versions) > 1:
        raise InvalidSpec(f"which version of {ref}? It has {', '.join(versions)}")
    version = ref.version or versions[0]
    if version not in versions:
        raise NotFound(f"there is no service {ref}; there is {', '.join(versions)}")
    return ref._replace(version=version)


def check_project(client: Client, project: str) -> None:
    """``NotFound`` for one that does not exist, with the one that may have been meant."""
    known = [str(each["id"]) for each in client.projects()]
    if project in known:
        return
    from difflib import get_close_matches

    from spacecloud.model.refs import PLATFORM_PROJECT

    if project == PLATFORM_PROJECT:
        return

    near = get_close_matches(project, known, 1)
    hint = f": did you mean {near[0]}?" if near else ""
    raise NotFound(f"there is no project {project}{hint}")
