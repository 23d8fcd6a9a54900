"""
Image references, by the grammar of the distribution project.

Its source is ``reference/reference.go`` and ``reference/regexp.go`` of
https://github.com/distribution/reference, and ``digest.go`` of
https://github.com/opencontainers/go-digest:

    reference        := name [ ":" tag ] [ "@" digest ]
    name             := [ domain "/" ] path
    domain           := host [ ":" port ]
    host             := component { "." component } | "[" IPv6 address "]"
    component        := letter or digit, and "-" inside
    path             := path-component { "/" path-component }
    path-component   := [a-z0-9]+ { separator [a-z0-9]+ }
    separator        := "." | "_" | "__" | "-"+
    tag              := [A-Za-z0-9_] [A-Za-z0-9_.-]{0,127}
    digest           := algorithm ":" lower-case hexadecimal digits of the algorithm's length

What stands before the first slash is a domain when it holds a dot, a colon or an upper-case
letter, or is ``localhost``. A name has at most 255 characters. 64 hexadecimal digits alone are
an id and no name.
"""

import re
from dataclasses import dataclass

LONGEST_NAME = 255
LONGEST_TAG = 128
DIGEST_DIGITS = {"sha256": 64, "sha384": 96, "sha512": 128}
LONGEST_SHOWN = 60

_HOST = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_DOMAIN = re.compile(rf"(?:{_HOST}(?:\.{_HOST})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?")
_PATH_COMPONENT = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_ID = re.compile(r"[a-f0-9]{64}")


@dataclass(frozen=True, slots=True)
class ImageReference:
    """``str`` of it is what was parsed."""

    domain: str
    """Of the registry, with its port; empty where none is written."""

    path: str
    tag: str
    digest: str
    """With its algorithm. Tag and digest are empty where they are not written."""

    @property
    def name(self) -> str:
        return f"{self.domain}/{self.path}" if self.domain else self.path

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return self.name + tag + (f"@{self.digest}" if self.digest else "")


def parse_image(text: str) -> ImageReference:
    """``ValueError`` with a sentence that says what is wrong, and what to write instead."""
    odd = next((c for c in text if not "!" <= c <= "~"), None)
    if odd is not None:
        what = "no blanks" if odd.isspace() else f"only printable ASCII, and no {odd!a}"
        raise ValueError(f"an image reference holds {what}")
    rest, has_digest, digest = text.partition("@")
    name, has_tag, tag = _split_tag(rest)
    domain, path = _split_domain(name)
    _check_name(text, domain, path)
    if has_tag and not _TAG.fullmatch(tag):
        raise ValueError(
            f"the tag of an image is letters, digits, _, . and -, begins with none of the last "
            f"two and has at most {LONGEST_TAG} characters, as in {_shown(name)}:1.27 "
            f"(the tag here is {_quoted(tag)})"
        )
    if has_digest:
        _check_digest(digest)
    return ImageReference(domain, path, tag, digest)


def _split_tag(rest: str) -> tuple[str, bool, str]:
    """A colon before the last slash belongs to a port."""
    folder, slash, last = rest.rpartition("/")
    name, colon, tag = last.partition(":")
    return folder + slash + name, bool(colon), tag


def _split_domain(name: str) -> tuple[str, str]:
    first, slash, others = name.partition("/")
    is_domain = "." in first or ":" in first or first == "localhost" or first != first.lower()
    return (first, others) if slash and is_domain else ("", name)


def _check_name(text: str, domain: str, path: str) -> None:
    name = f"{domain}/{path}" if domain else path
    if not path:
        raise ValueError("an image reference needs a name, as in nginx:1.27")
    if len(name) > LONGEST_NAME:
        raise ValueError(
            f"the name of an image has at most {LONGEST_NAME} characters (this has {len(name)})"
        )
    if domain and not _DOMAIN.fullmatch(domain):
        raise ValueError(
            f"what stands before the first / is the registry's host, as in "
            f"registry.example.com:5000/shop/api:1 (the host here is {_quoted(domain)})"
        )
    if _ID.fullmatch(name):
        raise ValueError("64 hexadecimal digits are an image's id: write its name")
    if all(map(_PATH_COMPONENT.fullmatch, path.split("/"))):
        return
    lower = path.lower()
    if lower != path and all(map(_PATH_COMPONENT.fullmatch, lower.split("/"))):
        meant = text.replace(path, lower, 1)
        raise ValueError(f"the name of an image has no upper-case letters: write {_shown(meant)}")
    raise ValueError(
        "the name of an image is lower-case letters and digits, with single . _ - or / between "
        f"them, as in shop/api:1 (the name here is {_quoted(path)})"
    )


def _check_digest(digest: str) -> None:
    algorithm, _, digits = digest.partition(":")
    length = DIGEST_DIGITS.get(algorithm)
    if length is None or not re.fullmatch(rf"[a-f0-9]{{{length}}}", digits):
        raise ValueError(
            "the digest of an image is sha256: and 64 hexadecimal digits in lower case "
            f"(the digest here is {_quoted(digest)})"
        )


def _quoted(text: str) -> str:
    return f"'{_shown(text)}'" if text else "empty"


def _shown(text: str) -> str:
    return text if len(text) <= LONGEST_SHOWN else text[: LONGEST_SHOWN - 1] + "…"
