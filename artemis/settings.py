"""Every setting of Artemis in one object, read from ``ARTEMIS_*`` variables."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings import SettingsError as PydanticSettingsError

from artemis.errors import SettingsError
from artemis.system.store import check_folder

Runtime = Literal["litert", "openvino", "tensorflow", "auto"]
"""What runs a network, see `artemis.models.network`."""

PREFIX: Final = "ARTEMIS_"
"""What the variables begin with."""

_NESTED: Final = "__"
_NO_SETTINGS: Final = frozenset({"ARTEMIS_TRACEBACK"})  # the command line's own
_ALIKE: Final = 0.8
_KUBERNETES: Final = re.compile(r".+_(SERVICE_(HOST|PORT\w*)|PORT_\d+_(TCP|UDP)\w*)")
"""What Kubernetes sets for a service, whose name may begin with artemis."""

_CRON_FIELD = re.compile(r"(?:[0-9*,/-]|[A-Za-z]{3})+")


class _Group(BaseModel):
    # A threshold that is misspelt would be one that silently does not hold.
    model_config = ConfigDict(extra="forbid")


class IngestSettings(_Group):
    """Limits of reading and of the quality checks, and what of it may be shown."""

    min_side: int = Field(48, ge=1, description="Smallest width and height in pixels.")
    max_side: int = Field(
        16_384, ge=1, description="Largest width or height of a frame, in pixels."
    )
    max_pixels: int = Field(64_000_000, ge=1, description="Largest number of pixels in one frame.")
    max_frames: int = Field(100_000, ge=1, description="Largest number of frames in one file.")
    max_volume_bytes: int = Field(
        1 << 36,
        ge=1,
        description="Largest volume in gzip, or deflated DICOM object, in bytes once unpacked. It "
        "is never held as a whole, but a small file may unpack to a thousandfold of itself.",
    )
    max_read_seconds: int = Field(
        300,
        ge=0,
        description="Seconds of a core, not of a clock, that a reader may take to open a file, or "
        "to read one of its frames; 0: any. Without readers there is no such limit.",
    )
    colour_spread: int = Field(
        24,
        ge=0,
        le=255,
        description="Difference between channels, of 255, that makes a pixel coloured.",
    )
    max_coloured_fraction: float = Field(
        0.05,
        ge=0,
        le=1,
        description="Share of coloured pixels above which a picture is a photograph.",
    )
    min_contrast: float = Field(
        12.0,
        ge=0,
        le=255,
        description="1st to 99th percentile range, of 255, below which a slice is blank.",
    )
    min_foreground: float = Field(
        0.04,
        ge=0,
        le=1,
        description="Share of pixels above the background below which a slice is blank.",
    )
    min_grey_levels: int = Field(
        12,
        ge=0,
        le=256,
        description="Distinct values below which a slice is a mask, not a picture.",
    )
    show_burnt_in: bool = Field(
        False,
        description="Show pictures of DICOM files that say that text is burnt into them (Burned In "
        "Annotation YES), which may name the patient; such slices are classified either way.",
    )


class ReviewSettings(_Group):
    """Thresholds that send a slice to a human, and what the order of the queue is made of."""

    min_confidence: float = Field(
        0.60, ge=0, le=1, description="Calibrated confidence below which a slice is reviewed."
    )
    max_set_size: int = Field(
        1, ge=1, description="Categories of the 90 % set above which a slice is reviewed."
    )
    max_ood_ratio: float = Field(
        1.0,
        gt=0,
        description="Out-of-distribution score, in units of the model's own threshold, above "
        "which a slice is reviewed and its confidence not shown.",
    )
    min_side: int = Field(
        96, ge=0, description="Shorter side, in pixels, below which quality is poor."
    )
    min_contrast: float = Field(
        40.0,
        ge=0,
        le=255,
        description="1st to 99th percentile range, of 255, below which quality is poor.",
    )
    others_weight: float = Field(
        0.1, ge=0, le=1, description="Weight of the other models' answers in the doubt of one."
    )
    plane_mismatch_doubt: float = Field(
        0.5, ge=0, le=1, description="Doubt that a plane other than the header's adds."
    )
    poor_quality_doubt: float = Field(
        0.25, ge=0, le=1, description="Doubt that a picture of poor quality adds."
    )


class ScheduleSettings(_Group):
    """When scheduled work is done, and on what."""

    inbox_interval: int = Field(
        60, ge=1, description="Seconds from one look into the inbox to the next."
    )
    quiet_period: float = Field(
        30.0,
        ge=0,
        description="Seconds that a batch must lie unchanged in the inbox before it is taken.",
    )
    retrain_cron: str = Field(
        "0 2 * * 6",
        description="When to retrain: minute, hour, day of the month, month, day of the week.",
    )
    retrain_data: Path | None = Field(
        None,
        description="Labelled data of a scheduled retraining, and of commands that take --data "
        "where it is not given; without it what `data fetch` left in the workspace.",
    )
    time_zone: str = Field("UTC", description="Time zone of the cron expression, by IANA name.")
    server_port: int = Field(
        4200, ge=1, le=65_535, description="Port of the Prefect server that `serve` starts."
    )

    @field_validator("retrain_cron")
    @classmethod
    def _check_cron(cls, value: str) -> str:
        fields = value.split()
        # Only what every cron agrees on: Prefect's parser reads L, # and a sixth field its own way.
        if len(fields) != 5 or not all(_CRON_FIELD.fullmatch(field) for field in fields):
            raise ValueError("five fields separated by spaces, such as 0 2 * * 6 (Saturday, 2:00)")
        try:
            CronSim(value, datetime.now(UTC))
        except CronSimError as error:
            raise ValueError(f"a cron expression such as 0 2 * * 6; {error}") from error
        return value

    @field_validator("time_zone")
    @classmethod
    def _check_time_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ValueError, OSError, KeyError) as error:
            raise ValueError("an IANA name such as Europe/Berlin or UTC") from error
        return value


class Settings(BaseSettings):
    """Settings of a run; every field can be set as ``ARTEMIS_<NAME>`` (nested: ``__``)."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter=_NESTED, env_ignore_empty=True
    )

    workspace: Path = Field(Path("data"), description="Everything Artemis writes is in it.")
    reports: Path | None = Field(
        None,
        description="Where the HTML reports go; without it reports/ beside the default "
        "workspace, and inside any other.",
    )
    chunk_slices: int = Field(256, ge=1, description="Slices per chunk; a task each model.")
    thumbnail_side: int = Field(112, ge=32, description="Longest side of a thumbnail in pixels.")
    max_chunks: int = Field(
        120, ge=1, description="Chunks of a run, as long as each holds at most 1,024 slices."
    )
    chunks_in_flight: int = Field(
        0,
        ge=0,
        description="Chunks worked on at the same time; 0: one for every two cores, and two more.",
    )
    readers: int | None = Field(
        None,
        ge=0,
        description="Processes that read, beside the command's own; 0: none. Without it: one for "
        "every two cores, and none for a batch of a single chunk.",
    )
    threads: int = Field(0, ge=0, description="Inference threads per model; 0: one for each core.")
    runtime: Runtime = Field(
        "litert",
        description="What runs the networks: litert; openvino, with its extra; tensorflow, with "
        "the extra `train`, for a GPU; auto, the fastest of them by a measurement at the start.",
    )
    imagenet_weights: Path | None = Field(
        None,
        description="Local MobileNetV2 weights without top; without it Keras downloads its own.",
    )
    ingest: IngestSettings = IngestSettings()
    review: ReviewSettings = ReviewSettings()
    schedule: ScheduleSettings = ScheduleSettings()


def load_settings(workspace: str | Path | None = None) -> Settings:
    """Return the settings of the environment, with another workspace if given.

    Raises
    ------
    SettingsError
        As `read_settings` does.
    StoreError
        If the workspace is a store, which only some commands take, see `artemis.system.store`.
    """
    settings = read_settings(workspace)
    check_folder(settings.workspace)
    return settings


def read_settings(workspace: str | Path | None = None) -> Settings:
    """Return the settings of the environment, whatever the workspace is.

    Raises
    ------
    SettingsError
        If a variable has a value that its setting cannot take, or a name that is nearly a
        setting's.
    """
    _check_names(os.environ)
    try:
        return Settings() if workspace is None else Settings(workspace=Path(workspace))
    except ValidationError as error:
        first = error.errors()[0]
        name = PREFIX + _NESTED.join(str(part).upper() for part in first["loc"])
        raise SettingsError(
            f"{name}: expected another value: {first['msg']}. Received {first['input']!r}. "
            "Correct or unset the variable."
        ) from error
    except PydanticSettingsError as error:
        raise SettingsError(
            f"ARTEMIS_*: expected values that can be read. Received: {error}. "
            "Correct or unset the variable."
        ) from error


@dataclass(frozen=True, slots=True)
class Variable:
    """A setting, as a variable of the environment sets it.

    Attributes
    ----------
    name : str
        Such as ``ARTEMIS_REVIEW__MIN_CONFIDENCE``.
    value, default : Any
        What holds, and what would if nobody had set it; None where that is decided by what is met.
    meaning : str
        In a sentence or two.
    """

    name: str
    value: Any
    default: Any
    meaning: str


def variables(settings: Settings | None = None) -> list[Variable]:
    """Return every setting in the order of its object; without one given, by their defaults."""
    return list(_variables(PREFIX, Settings, settings))


def _variables(prefix: str, kind: type[BaseModel], holds: BaseModel | None) -> Iterator[Variable]:
    for name, field in kind.model_fields.items():
        default = field.get_default()
        value = default if holds is None else getattr(holds, name)
        if isinstance(default, BaseModel):
            yield from _variables(f"{prefix}{name.upper()}{_NESTED}", type(default), value)
        else:
            yield Variable(prefix + name.upper(), value, default, field.description or "")


def _check_names(environment: Mapping[str, str]) -> None:
    """Refuse what was meant for a setting and is none: it would be passed over without a word.

    Other programs have variables of this prefix, too, so only a name that lies near a setting's,
    or in one of its groups, is refused.
    """
    known = {variable.name.removeprefix(PREFIX) for variable in variables()}
    groups = {name.split(_NESTED)[0] for name in known if _NESTED in name}
    for given in sorted(environment):
        name = given.upper().removeprefix(PREFIX)
        if not given.upper().startswith(PREFIX) or given.upper() in _NO_SETTINGS:
            continue
        if name in known | groups or not environment[given] or _KUBERNETES.fullmatch(name):
            continue
        near = get_close_matches(name, sorted(known), n=1, cutoff=_ALIKE)
        if near or name.split(_NESTED)[0] in groups:
            perhaps = f" Did you mean {PREFIX}{near[0]}?" if near else ""
            raise SettingsError(
                f"{given}: expected the name of a setting. Received one that sets nothing."
                f"{perhaps} `artemis-cli settings` lists all; correct or unset the variable."
            )
