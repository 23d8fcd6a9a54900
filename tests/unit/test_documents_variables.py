"""``--env`` and ``--env-file``: where values of ``${NAME}`` come from."""

import pytest

from spacecloud.documents.variables import assignment, env_file
from spacecloud.errors import InvalidSpec


def test_an_assignment_keeps_everything_behind_the_first_equals() -> None:
    assert assignment("A=b=c d") == ("A", "b=c d")
    assert assignment("A=") == ("A", "")


@pytest.mark.parametrize("text", ["A", "=x", "1A=x", "a b=x", ""])
def test_what_is_no_assignment_is_refused(text: str) -> None:
    with pytest.raises(InvalidSpec, match="NAME=value"):
        assignment(text)


def test_a_file_of_variables_is_read_as_shells_write_it() -> None:
    text = "# comment\n\nexport A=1\nB='two words'\nC=\"x\"\n  D = 4 \nE='open\n"

    assert env_file(text, ".env") == {
        "A": "1",
        "B": "two words",
        "C": "x",
        "D": "4",
        "E": "'open",
    }


def test_a_wrong_line_is_told_by_number_and_not_repeated() -> None:
    with pytest.raises(InvalidSpec) as caught:
        env_file("A=1\nhunter2\n", ".env")

    assert str(caught.value) == "line 2: .env: a line is NAME=value"
