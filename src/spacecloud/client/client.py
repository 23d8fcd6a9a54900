"""The API as a program sees it: one method per question, plain JSON values as answers."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import quote

from spacecloud.client.connection import Connection
from spacecloud.errors import Unavailable
from spacecloud.model.lines import visible

if TYPE_CHECKING:
    # The model costs a fifth of a second to import, and to ask for services it is not needed.
    from spacecloud.model.declared import Trial
    from spacecloud.model.envelope import Envelope

Document = dict[str, Any]
T = TypeVar("T")


class Client:
    """Raises the errors of ``spacecloud.errors``, the API's own or ``Unavailable``."""

    def __init__(self, base_url: str, token: str = "") -> None:
        self._connection = Connection(base_url, token)

    @property
    def url(self) -> str:
        return self._connection.url

    @property
    def host(self) -> str:
        return self._connection.host

    def login(self, user: str, key: str) -> str:
        """The token, which is used from now on."""
        body = {"user": user, "key": key}
        answer = self._connection.ask("POST", "/v1/config/login", body=body, repeat=True)
        token = answer.get("token") if isinstance(answer, dict) else None
        if not isinstance(token, str):
            raise Unavailable(f"what answers at {self.url} is not Space Cloud's API")
        self._connection.token = token
        return token

    def apply(self, envelope: "Envelope", trial: "Trial" = "once") -> Document:
        """
        What was accepted: ``notices``, and of a service its ``generation`` and ``change``.

        ``trial``: of a service, whether its new revision is started to be tried while it sleeps.
        """
        query = _verify(trial) if envelope.kind.is_deployed else None
        body = dict(envelope.document)
        answer = self._connection.ask("POST", _path(envelope), query, body=body)
        return answer if isinstance(answer, dict) else {}

    def delete(self, envelope: "Envelope") -> None:
        """Also succeeds when there is none, but of an ingress route: ``NotFound``."""
        emptied_by = envelope.kind.emptied_by
        if emptied_by is not None:
            self._connection.ask("POST", _path(envelope), body=dict(emptied_by))
        else:
            self._connection.ask("DELETE", quote(envelope.delete_path))

    def plan(
        self, envelopes: "Sequence[Envelope]", trial: "Trial" = "once", *, delete: bool = False
    ) -> Document:
        """A ``PlanView``. ``trial`` as in ``apply``."""
        body = {"documents": _documents(envelopes), "delete": delete}
        path, query = "/v1/config/plan", _verify(trial)
        answer = self._connection.ask("POST", path, query, body=body, repeat=True)
        return _visible(_result(answer, dict))

    def check(self, envelopes: "Sequence[Envelope]") -> None:
        """``InvalidSpec`` with the mistakes of all, each with the number of its document."""
        body = {"documents": _documents(envelopes)}
        self._connection.ask("POST", "/v1/config/check", body=body, repeat=True)

    def projects(self, id: str = "*") -> list[Document]:
        return self._list(f"/v1/config/projects/{quote(id, safe='*')}")

    def services(
        self, project: str, service: str | None = None, version: str | None = None
    ) -> list[Document]:
        """As they were declared, with ``id``, ``projectId`` and ``version``."""
        query = {"serviceId": service, "version": version}
        return self._list(f"/v1/runner/{quote(project)}/services", query)

    def status(
        self, project: str, service: str | None = None, version: str | None = None
    ) -> list[Document]:
        """One ``ServiceStatus`` per version."""
        query = {"serviceId": service, "version": version}
        return _visible(self._list(f"/v1/runner/{quote(project)}/services/status", query))

    def why(self, project: str, service: str, version: str | None = None) -> list[Document]:
        """``Finding``s, what to mend first comes first."""
        query = {"serviceId": service, "version": version}
        return _visible(self._list(f"/v1/runner/{quote(project)}/services/why", query))

    def scaling(
        self, project: str, service: str | None = None, version: str | None = None
    ) -> list[Document]:
        """One ``ScaleView`` per version."""
        query = {"serviceId": service, "version": version}
        return _visible(self._list(f"/v1/runner/{quote(project)}/scaling", query))

    def scale(self, project: str, service: str, version: str, replicas: int) -> Document:
        """A ``ScaleAnswer``: it holds until the next apply."""
        return self._order((project, service, version), {"replicas": replicas})

    def sleep(self, project: str, service: str, version: str, depth: str) -> Document:
        """A ``ScaleAnswer``: it falls asleep, ``frozen`` or ``stopped``."""
        return self._order((project, service, version), {"asleep": depth})

    def wake(self, project: str, service: str, version: str) -> Document:
        """A ``ScaleAnswer``, when it takes calls."""
        return self._order((project, service, version), {"asleep": None})

    def secrets(self, project: str, id: str | None = None) -> list[Document]:
        """Names; every value is ``********``."""
        return self._list(f"/v1/runner/{quote(project)}/secrets", {"id": id})

    def service_routes(self, project: str, service: str | None = None) -> list[Document]:
        return self._list(f"/v1/runner/{quote(project)}/service-routes", {"id": service})

    def service_roles(
        self, project: str, service: str | None = None, role: str | None = None
    ) -> list[Document]:
        query = {"serviceId": service, "roleId": role}
        return self._list(f"/v1/runner/{quote(project)}/service-roles", query)

    def ingress_routes(self, project: str, id: str | None = None) -> list[Document]:
        return self._list(f"/v1/config/projects/{quote(project)}/routing/ingress", {"id": id})

    def ingress_global(self, project: str) -> list[Document]:
        return self._list(f"/v1/config/projects/{quote(project)}/routing/ingress/global")

    def export(self, project: str = "", passphrase: str = "") -> list[Document]:
        """
        All documents of a project, or of all, in the order of applying.

        With a passphrase the values of secrets are sealed under it, else they are ``********``.
        """
        wanted = {"project": project, "passphrase": passphrase}
        body = {name: value for name, value in wanted.items() if value}
        answer = self._connection.ask("POST", "/v1/config/export", body=body, repeat=True)
        return _result(answer, list)

    def events(
        self, project: str | None = None, service: str | None = None, limit: int = 100
    ) -> list[Document]:
        """Newest first."""
        query = {"project": project, "service": service, "limit": limit}
        return _visible(self._list("/v1/config/events", query))

    def logs(self, project: str, replica: str, **query: Any) -> Iterator[str]:
        """
        Lines as they come, with all that a terminal obeys.

        ``query`` as the API names it: ``taskId follow tail since``.
        """
        wanted = {"replicaId": replica, **query}
        return self._connection.lines(f"/v1/runner/{quote(project)}/services/logs", wanted)

    def close(self) -> None:
        self._connection.close()

    def _order(self, ref: tuple[str, str, str], body: Document) -> Document:
        """Asked for twice it is what it is asked for once."""
        project, service, version = map(quote, ref)
        path = f"/v1/runner/{project}/scaling/{service}/{version}"
        answer = self._connection.ask("POST", path, body=body, repeat=True)
        return _visible(answer) if isinstance(answer, dict) else {}

    def _list(self, path: str, query: dict[str, Any] | None = None) -> list[Document]:
        return _result(self._connection.ask("GET", path, query), list)


def _visible(value: T) -> T:
    """What containers and the engine said reaches no terminal as they said it."""
    match value:
        case str():
            return cast(T, visible(value))
        case list():
            return cast(T, [_visible(each) for each in value])
        case dict():
            return cast(T, {name: _visible(each) for name, each in value.items()})
        case _:
            return value


def _verify(trial: "Trial") -> dict[str, str] | None:
    return {"verify": "false"} if trial == "skipped" else None


def _documents(envelopes: "Sequence[Envelope]") -> list[Document]:
    return [{"type": e.kind.name, "meta": dict(e.ids), "spec": dict(e.document)} for e in envelopes]


def _path(envelope: "Envelope") -> str:
    return quote(envelope.path)


def _result(answer: Any, kind: type[T]) -> T:
    result = answer.get("result") if isinstance(answer, dict) else None
    return result if isinstance(result, kind) else kind()
