"""``space-cli generate``: a document of a kind to start from."""

from pathlib import Path

import click

from spacecloud.errors import InvalidSpec

SKELETONS = {
    "project": """\
type: project
meta: {project: shop}
spec: {name: Shop}
""",
    "secret": """\
type: secret
meta: {project: shop, id: db}
spec:
  type: env  # or file, with rootPath: /etc/app; or docker, with username, password and url
  data: {DB_PASSWORD: change-me}
""",
    "service": """\
type: service
meta: {project: shop, serviceId: api, version: v1}
spec:
  tasks:
    - id: main
      docker: {image: nginx:1.27}
      ports: [{port: 80}]
      env: {}
      secrets: []
  autoScale: {minReplicas: 1, maxReplicas: 1}
  whitelists: [{projectId: shop, service: "*"}]  # who may call it
  upstreams: [{projectId: shop, service: "*"}]  # whom it calls
""",
    "service-route": """\
type: service-route
meta: {project: shop, id: api}
spec:
  routes:
    - source: {port: 80}
      targets: [{type: version, version: v1, port: 80, weight: 100}]
""",
    "service-role": """\
type: service-role
meta: {project: shop, serviceId: api, roleId: reader}
spec:
  type: project
  rules: [{apiGroups: [""], resources: [pods], verbs: [get, list]}]
""",
    "ingress-routes": """\
type: ingress-routes
meta: {project: shop, id: api}
spec:
  source: {hosts: ["*"], methods: ["*"], url: /, type: prefix}
  targets: [{host: api.shop.svc.cluster.local, port: 80, weight: 100}]
  rule: {rule: allow}
""",
    "ingress-global": """\
type: ingress-global
meta: {project: shop}
spec:
  resHeaders: [{key: x-frame-options, value: DENY, op: set}]
""",
}
"""By the name of the kind."""


@click.command()
@click.argument("thing")
@click.argument("file", required=False)
def generate(thing: str, file: str | None) -> None:
    """
    Print a document to start from, or append it to a file: project, secret, service,
    service-route, service-role, ingress-routes, ingress-global.
    """
    from spacecloud.model.kinds import kind_named
    from spacecloud.model.validation.mistakes import did_you_mean

    kind = kind_named(thing)
    if kind is None or kind.name not in SKELETONS:
        hint = did_you_mean(thing, SKELETONS)
        raise InvalidSpec(f"there is nothing to start from for {thing}; {hint}")
    if file is None:
        click.echo(SKELETONS[kind.name], nl=False)
        return
    path = Path(file)
    try:
        is_first = not path.exists() or not path.stat().st_size
        with path.open("a", encoding="utf-8") as stream:
            stream.write(("" if is_first else "---\n") + SKELETONS[kind.name])
    except OSError as error:
        raise InvalidSpec(f"cannot write to {file}: {error.strerror}") from error
    click.echo(f"{kind.name} in {file}")
