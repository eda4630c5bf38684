"""Measure this machine: the whole path, its stages, what else a user would write, the limit."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Final

from artemis.batches.batch import model_records, plan_chunks
from artemis.batches.versions import versions
from artemis.benchmark.path import WholePath
from artemis.benchmark.peer_process import PeerProcess
from artemis.benchmark.record import BenchmarkRecord, Check, Timing
from artemis.benchmark.rounds import Measured, in_turn, median_ratio
from artemis.benchmark.stages import Stages, roofline
from artemis.errors import NothingUsableError
from artemis.ingest.discover import located
from artemis.predictions import read_table
from artemis.runs import ModelRecord, read_record
from artemis.settings import Settings
from artemis.system.cores import usable_cores

PATH: Final = "classify-batch"
_SUFFIXES: Final = {"jpeg": ".jpg", "png": ".png"}  # TensorFlow reads no grey BMP
_STAGE_IMAGES: Final = 256
_SAME: Final = 1e-5


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is measured: pictures at most, rounds, and whether with peers."""

    images: int = 2000
    rounds: int = 3
    peers: bool = True


def run_benchmark(
    source: Path,
    settings: Settings,
    models: list[str],
    extent: Extent,
    on_round: Callable[[str, int, int], None] | None = None,
) -> BenchmarkRecord:
    """Measure everything in turn on pictures of a folder, in a workspace that is then removed.

    Parameters
    ----------
    source : Path
        Folder of scans; JPEG and PNG pictures of it are taken, which peers read too, as far as
        a batch classifies them.
    settings : Settings
        Tell which models are the champions, and the limits.
    models : list of str
        Names of the models.
    extent : Extent
        How much.
    on_round : callable, optional
        See `artemis.benchmark.rounds.in_turn`.

    Raises
    ------
    NothingUsableError
        If there is no such picture, or none that can be classified.
    BenchmarkError
        If ``classify-batch`` fails.
    """
    records = model_records(settings.workspace, models)
    with ExitStack() as stack:
        scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="artemis-benchmark-"))
        whole, count, unusable = _untimed(source, settings, Path(scratch), models, extent.images)
        run = read_record(whole.runs[0])
        settings = settings.model_copy(update={"runtime": run.settings.runtime})
        stages = Stages(whole.batch, settings, records, min(count, _STAGE_IMAGES))
        stages.prepare(whole.runs[0])
        others, checks, left_out = _peers(stack, whole.batch, records, count if extent.peers else 0)
        kinds = {
            "path": [Measured(PATH, count, whole)],
            "stage": list(stages.measured(whole.runs[0], count)),
            "peer": others,
        }
        seconds = in_turn(
            [one for group in kinds.values() for one in group], extent.rounds, on_round
        )
        checks += _own_checks(whole, stages, models)
    timings = [
        Timing(name=one.name, kind=kind, images=one.images, seconds=seconds[one.name])
        for kind, group in kinds.items()
        for one in group
    ]
    per_image = {one.name: one.median / one.images for one in timings if one.kind == "stage"}
    floor = count * roofline(per_image, models)
    return BenchmarkRecord(
        created=datetime.now(UTC),
        machine={**_machine(), "networks run by": run.runtime},
        models={record.name: record.version for record in records},
        images=count,
        unusable=unusable,
        rounds=extent.rounds,
        timings=timings,
        ratios={one.name: median_ratio(seconds[one.name], seconds[PATH]) for one in others},
        roofline=floor,
        of_roofline=floor / median(seconds[PATH]),
        start=median(whole.starts),
        checks=checks,
        left_out=left_out,
    )


def _untimed(
    source: Path, settings: Settings, scratch: Path, models: list[str], limit: int
) -> tuple[WholePath, int, int]:
    """Run the whole path once: what is read from disk first is then in memory for all.

    Return it with that run, the number of pictures that it classifies, and of those left out.
    """
    batch, workspace = scratch / "batch", scratch / "workspace"
    count = _gather(source, settings, batch, limit)
    workspace.mkdir()
    if (own := settings.workspace / "models").is_dir():
        (workspace / "models").symlink_to(own.resolve())
    whole = WholePath(batch, workspace, models)
    whole()
    if unusable := _remove_unusable(batch, whole.runs[0]):
        if unusable == count:
            raise NothingUsableError(
                f"{source}: expected pictures that can be classified. Received none; "
                "`artemis-cli classify-batch` says why."
            )
        whole.runs.clear()
        whole()
    whole.starts.clear()
    return whole, count - unusable, unusable


def _gather(source: Path, settings: Settings, batch: Path, limit: int) -> int:
    """Copy the pictures that all contestants read; return how many there are."""
    batch.mkdir()
    chunks, count = plan_chunks(source, settings), 0
    entries = (entry for chunk in chunks for entry in chunk)
    usable = (e for e in entries if e.format in _SUFFIXES and e.reason_code is None)
    for count, entry in enumerate(islice(usable, limit), 1):
        suffix = _SUFFIXES[entry.format or ""]
        shutil.copyfile(located(source, entry.path), batch / f"{count - 1:06d}{suffix}")
    if not count:
        raise NothingUsableError(
            f"{source}: expected JPEG or PNG pictures, which every way of doing it reads. "
            f"Received none among {sum(map(len, chunks))} scans. Give another folder."
        )
    return count


def _remove_unusable(batch: Path, run_dir: Path) -> int:
    """Remove the pictures that a run did not classify; return how many there were.

    Keras cannot open a truncated one, and answers for one that Artemis refuses.
    """
    slices = read_table(run_dir, "slices", ("path", "status"))
    unusable = slices.loc[slices["status"] != "ok", "path"]
    for path in unusable:
        (batch / path).unlink()
    return len(unusable)


def _peers(
    stack: ExitStack, batch: Path, records: list[ModelRecord], count: int
) -> tuple[list[Measured], list[Check], str | None]:
    """Start the peers if they are asked for and can run; else say why there are none."""
    if not count:
        return [], [], "`--no-peers` was given."
    if importlib.util.find_spec("tensorflow") is None:
        return [], [], "TensorFlow is not installed; the extra `train` brings it."
    peers = stack.enter_context(PeerProcess(batch, records))
    return peers.measured(count), peers.checks(), None


def _own_checks(whole: WholePath, stages: Stages, models: list[str]) -> list[Check]:
    between = Check(name=f"{PATH}: one run and another", difference=whole.difference(), limit=_SAME)
    return [
        between,
        *(
            Check(
                name=f"{name}: its stage and {PATH}",
                difference=stages.difference(whole.runs[0], name),
                limit=_SAME,
            )
            for name in models
        ),
        *stages.runtime_checks(),
    ]


def _machine() -> dict[str, str]:
    return {
        "processor": _processor(),
        "cores": str(usable_cores()),
        "load before the end": f"{os.getloadavg()[0]:.1f}",
        "system": f"{platform.system()} {platform.release()}",
        **versions(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
