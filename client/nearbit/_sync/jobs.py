# Derived from nearbit/_async by client/sync_from_async.py: change that, not this.
"""Jobs of the service: looking at them, and waiting for their end."""

import time

from nearbit._sync.connection import Connection
from nearbit.addresses import in_path
from nearbit.answers import Job
from nearbit.errors import JobFailed
from nearbit.progress import Progress, report_of

_PAUSE_S = (0.05, 1.0)


class Jobs:
    """The jobs of one service."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, id: str) -> Job:
        """The job of that id, as it is now."""
        return Job.model_validate(self._connection.read(f"/jobs/{in_path(id)}"))

    def cancel(self, id: str) -> Job:
        """Have a job end."""
        return Job.model_validate(self._connection.ask(f"/jobs/{in_path(id)}/cancel", {}))

    def wait(self, id: str, progress: Progress) -> Job:
        """Look at a job until it has ended, twenty times a second first, then once a second.

        Raises:
            JobFailed: it failed, or was cancelled.
        """
        report = report_of(progress)
        pause_s = _PAUSE_S[0]
        while not (job := self.get(id)).is_finished:
            report(_stage_of(job), _share_of(job))
            time.sleep(pause_s)
            pause_s = min(1.5 * pause_s, _PAUSE_S[1])
        if job.state != "succeeded":
            raise JobFailed(f"job {job.kind} {job.state}: {job.error or 'it was cancelled'}")
        report(job.kind, 1.0)
        return job


def _stage_of(job: Job) -> str:
    return f"{job.kind}: {job.progress.get('stage', job.state)}"


def _share_of(job: Job) -> float | None:
    """Which share of the present stage is done, if it says so; less than 1, since the job has not ended."""
    for done, total in (("done", "total"), ("epoch", "epochs")):
        n_total = job.progress.get(total)
        if n_total:
            return min(float(job.progress.get(done) or 0) / float(n_total), 0.99)
    return None
