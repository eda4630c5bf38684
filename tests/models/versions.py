"""Versions of the shipped baseline in a workspace, each with answers of its own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from artemis.models.decisions import Check, Decision, ModelVersion, Verdict
from artemis.models.manifest import load_manifest
from artemis.models.registry import PRETRAINED, model_folder

SHIPPED = next((PRETRAINED / "baseline").glob("*/manifest.json")).parent
WHO = {"by": "A. Person", "reason": "It was measured elsewhere."}
"""Of a promotion."""


def in_use(workspace: Path) -> str:
    """Return the version of the baseline that is the champion."""
    return model_folder(workspace, "baseline").name


def make_version(workspace: Path, version: str, temperature: float = 1.0) -> Path:
    """Copy the shipped baseline under another version and temperature."""
    folder = workspace / "models" / "baseline" / version
    shutil.copytree(SHIPPED, folder)
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps(manifest | {"version": version, "temperature": temperature}))
    return folder


def verdict_for(
    workspace: Path, version: str, champion: str = SHIPPED.name, verdict: Verdict = Verdict.PROMOTE
) -> Decision:
    """Return a verdict of the gate on a version, against a champion."""
    sha256 = load_manifest(workspace / "models" / "baseline" / version).sha256
    passed = verdict is Verdict.PROMOTE
    check = Check(name="macro_f1", passed=passed, expected="no worse", received="measured")
    return Decision(
        model="baseline",
        challenger=ModelVersion(version=version, sha256=sha256),
        champion=ModelVersion(version=champion, sha256=sha256),
        verdict=verdict,
        reason="All passed." if passed else "Kept, since not passed: macro_f1.",
        checks=[check],
        figures={},
        inputs={"policy": "0" * 64, "locked_set": "1" * 64},
    )
