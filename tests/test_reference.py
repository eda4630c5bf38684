"""docs/reference.md says what the code does, of every command, setting and code."""

from __future__ import annotations

from artemis.answers.review import ReviewReason
from artemis.columns import TABLES
from artemis.ingest.reasons import Reason
from artemis.schemas import SCHEMAS
from tests.make_reference import REFERENCE, reference
from tests.test_cli import COMMANDS


def test_reference_is_what_the_code_says() -> None:
    assert REFERENCE.read_text(encoding="utf-8") == reference(), "run `make reference`"


def test_reference_names_every_command_and_code() -> None:
    text = reference()
    assert all(f"\n### artemis-cli {' '.join(command)}\n" in text for command in COMMANDS)
    assert all(f"\n| `{reason}` | {reason.status} |" in text for reason in Reason)
    assert all(f"\n| `{reason}` | " in text for reason in ReviewReason)
    assert "Error" not in text.split("## Settings")[0]


def test_every_column_of_every_table_has_a_meaning() -> None:
    assert {name: list(meanings) for name, meanings in TABLES.items()} == {
        name: schema.names for name, schema in SCHEMAS.items()
    }
