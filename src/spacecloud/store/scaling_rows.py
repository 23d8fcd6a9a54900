"""What was decided last about how many replicas a version has, in the row of the version."""

import json
from datetime import datetime

from spacecloud.model.declared import Change
from spacecloud.model.refs import ServiceRef
from spacecloud.model.scaling import Scaling
from spacecloud.store.database import Transaction

OF_THIS_VERSION = " WHERE project = ? AND service = ? AND version = ?"


def record(db: Transaction, ref: ServiceRef, scaling: Scaling) -> None:
    kept = json.dumps(
        {
            "replicas": scaling.replicas,
            "since": scaling.since.isoformat(),
            "asleep": scaling.asleep,
            "pinned": scaling.pinned,
        }
    )
    update = "UPDATE versions SET scaling = ?" + OF_THIS_VERSION + " AND scaling <> ?"
    if db.run(update, kept, *ref, kept):
        db.notify(Change("service", *ref.key))


def scaling_from(text: str) -> Scaling | None:
    if not text:
        return None
    kept = json.loads(text)
    return Scaling(
        kept["replicas"], datetime.fromisoformat(kept["since"]), kept["asleep"], kept["pinned"]
    )
