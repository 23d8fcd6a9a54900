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


def test_a_file_of_variables_is_read_as_dotenv_writes_it() -> None:
    text = """\N{BOM}# comment

export A=1
B='two words'
C="x" # the note
  D = 4 \t
E=plain # a note
F=a#b=c
G="say \\"hi\\"\\tthere"
H='a \\n b'
I="-----BEGIN
MIIE
-----END"
J=
K="$HOME ${HOME}"
"""

    assert env_file(text, ".env") == {
        "A": "1",
        "B": "two words",
        "C": "x",
        "D": "4",
        "E": "plain",
        "F": "a#b=c",
        "G": 'say "hi"\tthere',
        "H": "a \\n b",
        "I": "-----BEGIN\nMIIE\n-----END",
        "J": "",
        "K": "$HOME ${HOME}",
    }


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("A=1\nhunter2\n", 2, "a line is NAME=value"),
        ("A=1\n\n\n1X=hunter2\n", 4, "a line is NAME=value"),
        ('A=1\n\nKEY="hunter2\nsecond=2\n', 3, "the quote is not closed"),
        ("KEY='hunter2\n", 1, "the quote is not closed"),
        ('A="1" hunter2\n', 1, "more than a comment is behind it"),
        ('A="x\nB="hunter2"\n', 1, "more than a comment is behind it"),
    ],
)
def test_a_wrong_line_is_told_by_number_and_not_repeated(text: str, line: int, said: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        env_file(text, ".env")

    assert str(caught.value).startswith(f"line {line}: .env: ")
    assert said in str(caught.value)
    assert "hunter2" not in str(caught.value)
