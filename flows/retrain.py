"""The flow ``retrain``: collect, audit, train each model, judge each, report."""

from __future__ import annotations

import concurrent.futures
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import httpx
from prefect import flow, get_run_logger, runtime, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.exceptions import PrefectException
from prefect.futures import PrefectConcurrentFuture, PrefectFuture
from prefect.task_runners import ThreadPoolTaskRunner
from pydantic import Field

from artemis import RESEARCH_USE
from artemis.errors import ArtemisError, DivergedError
from artemis.models.decisions import Verdict
from artemis.models.registry import MODEL_NAMES, check_names
from artemis.models.retrainings import RetrainingRecord, damaged, retrainings_root
from artemis.report.audit.page import build_audit_page
from artemis.report.model_card import publish_card
from artemis.report.retraining.page import write_retraining_report
from artemis.runs import reports_root
from artemis.settings import load_settings
from artemis.system.cores import usable_cores
from artemis.system.ending import end, go_on
from artemis.system.locks import exclusive
from artemis.training.jobs import AUDITS, labelled_data, require_tensorflow
from flows.artifacts import linked

_CORES_FOR_TWO = 4  # below it, two trainings at once take longer than one after the other
_LOCK = ".retraining"
_STEP: dict[str, Any] = {"cache_policy": NO_CACHE, "persist_result": False}


@task(name="collect", **_STEP)
def collect(arguments: dict[str, Any]) -> str:
    """Read everything labelled so far, and divide it."""
    from artemis.training import retraining

    return retraining.collect(_inputs(arguments))


@task(name="audit", task_run_name="audit of {retraining_id}", **_STEP)
def audit(arguments: dict[str, Any], retraining_id: str) -> str:
    """Say what is wrong with the data, before anyone trains on it."""
    from artemis.training import retraining

    inputs = _inputs(arguments)
    folder = retraining.audit(inputs, retraining_id)
    page = reports_root(inputs.settings) / AUDITS / folder.name / "index.html"
    return str(build_audit_page(folder, page))


@task(name="train", task_run_name="train-{model} of {retraining_id}", **_STEP)
def train(arguments: dict[str, Any], retraining_id: str, model: str) -> str:
    """Train one model, or find it trained; its card is written as a page too."""
    from artemis.training import retraining

    inputs = _inputs(arguments)
    version = retraining.train(inputs, retraining_id, model)
    publish_card(inputs.workspace / "models" / model / version, inputs.settings)
    return version


@task(name="judge", task_run_name="judge-{model} of {retraining_id}", **_STEP)
def judge(arguments: dict[str, Any], retraining_id: str, model: str) -> str:
    """Compare a model with the champion; promote it if the gate lets it pass."""
    from artemis.training.judging import judge as decide

    return str(decide(_inputs(arguments), retraining_id, model).decision.verdict)


@task(name="report", task_run_name="report of {retraining_id}", **_STEP)
def report(arguments: dict[str, Any], retraining_id: str) -> str:
    """Write the retraining's HTML report."""
    settings = _inputs(arguments).settings
    folder = retrainings_root(settings.workspace) / retraining_id
    return str(write_retraining_report(settings.workspace, folder, reports_root(settings)))


def _flow_run_name() -> str:
    return f"retrain {runtime.flow_run.scheduled_start_time:%Y-%m-%d %H:%M:%S} UTC"


@flow(
    name="retrain",
    flow_run_name=_flow_run_name,
    task_runner=ThreadPoolTaskRunner(  # type: ignore[arg-type]
        max_workers=2 if usable_cores() >= _CORES_FOR_TWO else 1
    ),
    persist_result=False,
    result_serializer="json",  # of the error of a failed run; else it is a pickle
)
def retrain(
    data: str | None = None,
    workspace: str | None = None,
    start: Literal["champion", "imagenet"] = "champion",
    models: list[str] | None = None,
    epochs: Annotated[int, Field(ge=1)] | None = None,
) -> dict[str, str]:
    """Train models on everything labelled so far, and promote what is shown to be no worse.

    A retraining that was ended goes on where it was: finished stages are not repeated, and
    training goes on from the last finished epoch. A model whose training diverges is kept out,
    and the others are judged.

    Parameters
    ----------
    data : str, optional
        Folder or manifest of labelled pictures; by default the one of the settings, else
        what ``artemis-cli data fetch`` left in the workspace. Reviewed labels of the
        workspace are always taken.
    workspace : str, optional
        Where everything is written; as set in the environment by default.
    start : {'champion', 'imagenet'}
        What the networks start from.
    models : list of str, optional
        Which models; all by default.
    epochs : int, optional
        Epochs instead of the recipe's.

    Returns
    -------
    dict of str to str
        The retraining's ``id``, the ``report``'s path, and each model's verdict.
    """
    settings = load_settings(Path(workspace) if workspace else None)
    require_tensorflow()
    arguments = {
        "data": str(labelled_data(Path(data) if data else None, settings)),
        "workspace": str(settings.workspace),
        "start": start,
        "models": check_names(models or list(MODEL_NAMES)),
        "epochs": epochs,
    }
    with exclusive(settings.workspace / "models" / _LOCK, "a retraining"):
        return _retrain(arguments)


def _retrain(arguments: dict[str, Any]) -> dict[str, str]:
    from artemis.training import retraining

    inputs, models = _inputs(arguments), arguments["models"]
    for error in damaged(inputs.workspace):
        get_run_logger().warning("Passed over: %s", error)
    identity = collect(arguments)
    go_on(identity)
    try:
        audited = audit.submit(arguments, identity)
        trained = {model: train.submit(arguments, identity, model) for model in models}
        _finished(audited)
        verdicts = {}
        for model in models:  # the first model is judged while the second is trained
            try:
                _finished(trained[model])
                verdicts[model] = judge(arguments, identity, model)
            except DivergedError as error:  # the next try would alike, and others go on
                get_run_logger().warning("%s", error)
                verdicts[model] = str(Verdict.KEEP)
    except Exception as error:
        words = str(error) if isinstance(error, ArtemisError) else type(error).__name__
        record = retraining.finish(inputs, identity, reason=words)
        _publish(record, Path(report(arguments, identity)))
        raise
    except BaseException:  # a signal: the flow waits for its steps, which stop at their next one
        end(identity)
        retraining.finish(inputs, identity, reason="Interrupted by the user.")
        raise
    record = retraining.finish(inputs, identity)
    page = report(arguments, identity)
    _publish(record, Path(page))
    return {"id": identity, "report": page, **verdicts}


def _finished(step: PrefectFuture[Any]) -> None:
    """Wait for a step, and raise what it raised.

    The wait is looked up from each second: Python runs the handler of a signal when the main
    thread wakes, and one that came just before it fell asleep would wait for the training's end.
    """
    running = cast(PrefectConcurrentFuture[Any], step).wrapped_future
    while not running.done():
        concurrent.futures.wait([running], timeout=1.0)
    step.result()


def _publish(record: RetrainingRecord, page: Path) -> None:
    """Leave the outcome in Prefect: figures and verdicts, no name of any file of the data."""
    rows = "".join(
        f"| {model} | {outcome.version} | {outcome.evaluation.metrics['macro_f1'].value:.3f} "
        f"| {outcome.decision.verdict} | {outcome.decision.reason} |\n"
        for model, outcome in record.outcomes.items()
    ) + "".join(
        f"| {model} | | | {Verdict.KEEP} | {reason} |\n"
        for model, reason in record.diverged.items()
    )
    markdown = (
        f"# Retraining {record.id}: {record.status}\n\n"
        + "| model | version | macro F1 | verdict | why |\n|---|---|---:|---|---|\n"
        + f"{rows}\nReport: {linked(page.as_uri())}\n\n{RESEARCH_USE}\n"
    )
    try:
        create_markdown_artifact(
            key="retrain", markdown=markdown, description=f"Outcome of retraining {record.id}"
        )
    except (httpx.HTTPError, PrefectException) as error:
        get_run_logger().warning("The artifact was not recorded: %s", error)


def _inputs(arguments: dict[str, Any]) -> Any:
    from artemis.training.inputs import Inputs

    return Inputs(
        data=Path(arguments["data"]),
        settings=load_settings(Path(arguments["workspace"])),
        start=arguments["start"],
        models=tuple(arguments["models"]),
        epochs=arguments["epochs"],
    )
