"""
What became of a version's latest revision, in the row of the version.

``confirmed`` is the number of the last one that was; ``serving_since`` and ``failed`` (the
generation that it was given up for) are about the latest, and begin anew with the next one.
"""

import json
from dataclasses import asdict
from datetime import datetime

from spacecloud.model.declared import Change
from spacecloud.model.refs import ServiceRef
from spacecloud.model.revision import RevisionFailure
from spacecloud.store.database import Transaction

OF_THIS_VERSION = " WHERE project = ? AND service = ? AND version = ?"
STILL_LATEST = OF_THIS_VERSION + " AND generation = ? AND resolved = ? AND revision = ?"


def begin(db: Transaction, ref: ServiceRef) -> None:
    """A new revision was recorded."""
    db.run("UPDATE versions SET serving_since = NULL, failed = 0" + OF_THIS_VERSION, *ref)


def serving(
    db: Transaction, ref: ServiceRef, generation: int, number: int, since: datetime
) -> None:
    db.run(
        "UPDATE versions SET serving_since = ?" + STILL_LATEST,
        since.isoformat(),
        *ref,
        generation,
        generation,
        number,
    )


def confirm(db: Transaction, ref: ServiceRef, generation: int, number: int) -> None:
    db.run(
        "UPDATE versions SET confirmed = revision, failed = 0" + STILL_LATEST,
        *ref,
        generation,
        generation,
        number,
    )


def fail(
    db: Transaction, ref: ServiceRef, generation: int, number: int, failure: RevisionFailure
) -> None:
    """Its ports may be others than those of what is returned to: that is a change to watchers."""
    if db.run(
        "UPDATE versions SET failed = generation, failure = ?, serving_since = NULL" + STILL_LATEST,
        json.dumps(asdict(failure)),
        *ref,
        generation,
        generation,
        number,
    ):
        db.notify(Change("service", *ref.key))


def failure_from(text: str) -> RevisionFailure:
    return RevisionFailure(**json.loads(text))
