"""Every reason there is, as one closed union. ``docs/reasons.md`` lists them with what to do."""

from typing import get_args

from spacecloud.reasons.base import BaseReason
from spacecloud.reasons.images import ImageReason
from spacecloud.reasons.notices import Notice
from spacecloud.reasons.platform import PlatformReason
from spacecloud.reasons.scale_requests import ScaleRequestReason
from spacecloud.reasons.scaling import MemoryShort, ScalingReason
from spacecloud.reasons.services import ServiceReason
from spacecloud.reasons.steps import StepReason
from spacecloud.reasons.tasks import TaskReason

FailureReason = TaskReason | ImageReason | PlatformReason | MemoryShort
"""What a driver's error carries, and what keeps an operation from being begun."""

Reason = FailureReason | ServiceReason | ScalingReason | StepReason | ScaleRequestReason | Notice

ALL: tuple[type[BaseReason], ...] = get_args(Reason)
