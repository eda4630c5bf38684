"""The named errors of Artemis.

Each message names the file or setting, what was expected, what was received
and what to do. `exit_code` is what the command line returns.
"""

from __future__ import annotations

from typing import ClassVar


class ArtemisError(Exception):
    """Base of every error that Artemis raises on purpose."""

    exit_code: ClassVar[int] = 1


class SettingsError(ArtemisError):
    """A setting has a value that it cannot take."""


class ScanError(ArtemisError):
    """A scan, or one slice of it, that yields no classifiable picture.

    Parameters
    ----------
    reason_code : str
        Short machine-readable code; one of `artemis.ingest.reasons.Reason`.
    message : str
        One sentence: what was expected, what was received, what to do.
    """

    def __init__(self, reason_code: str, message: str) -> None:
        super().__init__(message)
        self.reason_code = reason_code

    def again(self) -> ScanError:
        """Return the same error without what it came from, which may hold an image, to be kept."""
        return type(self)(self.reason_code, str(self))


class ScanRefusedError(ScanError):
    """A readable input that Artemis should not classify (row status ``refused``)."""


class ScanReadError(ScanError):
    """An input that cannot be read (row status ``failed``)."""


class ModelError(ArtemisError):
    """A model, its manifest or one of its files is missing or does not match."""


class WorkspaceError(ArtemisError):
    """A workspace or run folder is missing, not writable, or would be overwritten."""


class StoreError(ArtemisError):
    """An object store cannot be used as a workspace, or an object of it was not written whole."""


class RunRecordError(ArtemisError):
    """A run's tables or its ``run.json`` are missing or do not have the expected schema."""


class MergeError(ArtemisError):
    """Runs that are not the shards of one batch, each exactly once and made alike."""


class BenchmarkError(ArtemisError):
    """A benchmark whose command failed, or whose outputs are not alike."""


class ProcessEndedError(ArtemisError):
    """A process of Artemis' own ended where an answer of it was expected."""


class RunEndedError(ArtemisError):
    """A step of a run that was ended meanwhile."""


class TrainingDataError(ArtemisError):
    """A training set is missing, mislabelled, or its split would leak."""


class DivergedError(ArtemisError):
    """A network, being trained or trained before, that gives answers which are not finite."""


class PrefectServerError(ArtemisError):
    """The Prefect API cannot be reached or the embedded server did not start."""


class EngineError(ArtemisError):
    """The workers that chunks are sent to cannot be reached, or cannot do the work."""


class MissingExtraError(ArtemisError):
    """A command needs an optional dependency that is not installed."""


class ExportError(ArtemisError):
    """A run could not be given in another form; the message says what is missing or failed."""


class NothingUsableError(ArtemisError):
    """A batch holds no slice that could be classified."""

    exit_code = 4


class InputsRefusedError(ArtemisError):
    """A batch is done, but ``--strict`` was given and some inputs were refused or failed."""

    exit_code = 3


class DownloadError(ArtemisError):
    """A download failed, or what it brought is not what was expected."""


class LabelsError(ArtemisError):
    """Reviewed labels that cannot be taken as they are; nothing of them was imported."""


class BusyError(ArtemisError):
    """Another process is doing what only one may do at a time."""


class InboxError(ArtemisError):
    """Batches of the inbox that could not be classified; they lie where the message says."""
