"""Files of other programs, recognized as a whole: one sentence, and what to write instead."""

from spacecloud.documents.tree import Tree

LONGEST_NAME = 60
IMAGE = "nginx:1.27"


def foreign(tree: Tree) -> str | None:
    """What a mapping is that is no document; None where it may be meant as one."""
    given = tree.value
    if not isinstance(given, dict) or "type" in given or {"meta", "spec"} <= given.keys():
        return None
    if "apiVersion" in given and "kind" in given:
        return f"this is a Kubernetes manifest ({_text(given['kind'])}): {_instead(tree)}"
    if _is_mapping(given.get("services")):
        return f"this is a Compose file: {_instead(given['services'])}"
    if "projects" in given:
        return (
            "this is a configuration file of the original's gateway, which one process read at its "
            f"start: what it declares are documents here, {_example('web', IMAGE)}"
        )
    return None


def _instead(services: Tree) -> str:
    """With the first service's name and image, where the file has them."""
    name, image = "web", IMAGE
    for key, service in services.value.items() if isinstance(services.value, dict) else ():
        if not _is_mapping(service):
            continue
        given = service.value.get("image") if isinstance(service.value, dict) else None
        if given is not None and _text(given):
            name, image = key[:LONGEST_NAME], _text(given)
            break
    return f"a service is declared {_example(name, image)}"


def _example(name: str, image: str) -> str:
    return (
        f"as in {{type: service, meta: {{project: shop, serviceId: {name}, version: v1}}, "
        f"spec: {{tasks: [{{id: main, docker: {{image: {image}}}, ports: [{{port: 80}}]}}]}}}}"
    )


def _is_mapping(tree: Tree | None) -> bool:
    return tree is not None and isinstance(tree.value, dict)


def _text(tree: Tree) -> str:
    return tree.value[:LONGEST_NAME] if isinstance(tree.value, str) else ""
