"""Image references: what the grammar takes, what it refuses, and with which sentence."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from builders import a_task
from spacecloud.errors import InvalidSpec
from spacecloud.model.image import ImageReference, parse_image
from spacecloud.model.lenient_reading import STORED
from spacecloud.model.service import Service
from spacecloud.model.validation.mistakes import validate

SHA = "sha256:" + "0123456789abcdef" * 4

WORDS = st.from_regex(r"[a-z0-9]{1,6}((\.|_|__|-{1,3})[a-z0-9]{1,6}){0,2}", fullmatch=True)
DOMAINS = st.sampled_from(
    ["", "localhost", "localhost:5000", "registry.example.com", "R:1", "[2001:db8::1]:443"]
)
REFERENCES = st.builds(
    ImageReference,
    DOMAINS,
    st.lists(WORDS, min_size=1, max_size=4)
    .map("/".join)
    .filter(lambda path: "/" not in path or not {".", "l"} & set(path.partition("/")[0])),
    st.one_of(st.just(""), st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}", fullmatch=True)),
    st.sampled_from(["", SHA, "sha512:" + "f" * 128]),
)
NEAR_REFERENCES = st.text(alphabet="aA0.:/@-_%?~ é\n" + SHA[:9], max_size=40)


def mistakes(image: Any) -> list[str]:
    with pytest.raises(InvalidSpec) as caught:
        validate(Service, {"tasks": [a_task(docker={"image": image})]}, "spec")
    return [str(mistake) for mistake in caught.value.mistakes]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("nginx", ("", "nginx", "", "")),
        ("nginx:1.27-alpine_3", ("", "nginx", "1.27-alpine_3", "")),
        ("shop/api", ("", "shop/api", "", "")),
        ("localhost/api", ("localhost", "api", "", "")),
        ("localhost:5000/api:1", ("localhost:5000", "api", "1", "")),
        ("127.0.0.1:5000/a/b:1", ("127.0.0.1:5000", "a/b", "1", "")),
        ("[::1]:5000/a", ("[::1]:5000", "a", "", "")),
        ("Registry/api:V1", ("Registry", "api", "V1", "")),
        (f"ghcr.io/a/b__c--d:1@{SHA}", ("ghcr.io", "a/b__c--d", "1", SHA)),
        (SHA, ("", "sha256", SHA[7:], "")),
    ],
)
def test_a_reference_is_taken_apart(text: str, parts: tuple[str, str, str, str]) -> None:
    assert parse_image(text) == ImageReference(*parts)
    assert str(parse_image(text)) == text


@pytest.mark.attack
@pytest.mark.parametrize(
    ("image", "sentence"),
    [
        ("MyApp:1", "no upper-case letters: write myapp:1"),
        ("ghcr.io/Shop/API", "no upper-case letters: write ghcr.io/shop/api"),
        (":", "needs a name"),
        ("", "must not be empty"),
        (":1", "needs a name"),
        ("a:", "the tag here is empty"),
        ("a:" + "1" * 129, "at most 128 characters"),
        ("a:.1", "the tag of an image is letters"),
        ("a@", "the digest here is empty"),
        ("a@sha256:zz", "64 hexadecimal digits in lower case (the digest here is 'sha256:zz')"),
        (f"a@{SHA.upper()}", "64 hexadecimal digits"),
        ("a" * 500, "at most 255 characters (this has 500)"),
        ("a" * 513, "at most 512 characters"),
        ("f" * 64, "64 hexadecimal digits are an image's id"),
        ("a b", "an image reference holds no blanks"),
        ("a\n", "no blanks"),
        ("a\x1b[31m", "only printable ASCII, and no '\\x1b'"),
        ("a\x00", "only printable ASCII, and no '\\x00'"),
        ("café", "only printable ASCII, and no '\\xe9'"),
        ("../info?x=", "the registry's host"),
        ("../containers/json?x=", "the registry's host"),
        ("./a", "the registry's host"),
        ("a/../b", "lower-case letters and digits, with single"),
        ("a//b", "lower-case letters and digits, with single"),
        ("/a", "lower-case letters and digits, with single"),
        ("a/", "lower-case letters and digits, with single"),
        ("x%2fy:1", "lower-case letters and digits, with single"),
        ("https://ghcr.io/a", "the registry's host"),
        ("a___b", "lower-case letters and digits, with single"),
        ("-a", "lower-case letters and digits, with single"),
    ],
)
def test_a_wrong_reference_is_a_mistake_at_its_place(image: str, sentence: str) -> None:
    (mistake,) = mistakes(image)

    assert mistake.startswith("spec.tasks[0].docker.image: ")
    assert sentence in mistake
    assert mistake.isprintable()


@given(REFERENCES)
def test_what_the_grammar_makes_is_parsed_to_the_same(reference: ImageReference) -> None:
    assert parse_image(str(reference)) == reference


@pytest.mark.attack
@given(st.one_of(st.text(max_size=600), NEAR_REFERENCES))
@example("a@a@a")
@example("[/a")
def test_any_text_round_trips_or_is_a_mistake(text: str) -> None:
    try:
        parsed = parse_image(text)
    except ValueError as error:
        assert str(error).isprintable()
        return
    assert str(parsed) == text
    assert parse_image(str(parsed)) == parsed


def test_what_an_earlier_release_has_stored_is_read_as_it_is() -> None:
    task = a_task(docker={"image": "MyApp:1"})

    kept = Service.model_validate({"tasks": [task]}, context=STORED)

    assert kept.tasks[0].docker.image == "MyApp:1"
