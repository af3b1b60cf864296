"""What the host can ask for: each method of the wire, carried out by the client."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from overscan.client._discovery import Endpoint, given_endpoint, home_folder, refusal
from overscan.client._enums import enum_number, enum_words
from overscan.client._errors import JobFileError, ServiceError, make_problem
from overscan.client._jobfile import parse_job
from overscan.client._private import live_endpoint
from overscan.client._reading import Reader
from overscan.client._tree import tree_of_value
from overscan.client._writing import to_plain
from overscan.client.bridge._faults import INVALID_PARAMETERS, invalid
from overscan.client.bridge._parameters import Parameters
from overscan.client.bridge._requests import Request
from overscan.v1.job_pb2 import Job, JobSpec, JobState, Labels

_LIST_LIMIT = 100
_SOMEWHERE = Path(Path.cwd().anchor)

Method = Callable[[Request, Parameters], dict[str, Any]]


def _open_service(request: Request, parameters: Parameters) -> dict[str, Any]:
    parameters.end()
    was_there = _running() is not None
    with request.client() as client:
        client.engines()  # a client lent again may hold a connection to a service that has ended
        return {**_endpoint(client.open()), "started": not was_there}


def _service_status(_: Request, parameters: Parameters) -> dict[str, Any]:
    parameters.end()
    endpoint = _running()
    return {"running": False} if endpoint is None else {"running": True, **_endpoint(endpoint)}


def _list_engines(request: Request, parameters: Parameters) -> dict[str, Any]:
    parameters.end()
    with request.client() as client:
        return {"engines": [to_plain(engine, defaults=True) for engine in client.engines()]}


def _plan_job(request: Request, parameters: Parameters) -> dict[str, Any]:
    job, folder = parameters.need("job", dict), parameters.get("base_folder", str)
    parameters.end()
    spec = _spec(job, folder=folder)
    with request.client() as client:
        return dict(to_plain(client.plan(spec=spec), defaults=True))


def _create_job(request: Request, parameters: Parameters) -> dict[str, Any]:
    job, request_id = parameters.need("job", dict), parameters.need("request_id", str)
    folder = parameters.get("base_folder", str)
    parameters.end()
    spec = _spec(job, folder=folder)
    # Broken off, nobody would know whether there is a job now: so it is carried through, and undone.
    with request.client(finishes=True) as client:
        created = client.create(spec=spec, request_id=request_id)
        if request.given_up:
            client.cancel(job_id=created.id)
        return _job(created)


def _get_job(request: Request, parameters: Parameters) -> dict[str, Any]:
    job_id, brief = parameters.need("job_id", str), parameters.get("brief", bool)
    parameters.end()
    with request.client() as client:
        return _job(client.get(job_id=job_id), brief=bool(brief))


def _list_jobs(request: Request, parameters: Parameters) -> dict[str, Any]:
    words, labels = parameters.get("states", list) or [], parameters.get("labels", dict) or {}
    limit = parameters.get("limit", int)
    parameters.end()
    states = [_state(word) for word in words]
    wanted = Labels()
    reader = Reader(folder=home_folder(), source="")
    reader.fill(wanted, tree_of_value(labels), path="labels")
    if reader.problems:
        raise ServiceError(reader.problems)
    with request.client() as client:
        found = client.list(states=states, labels=wanted, limit=_LIST_LIMIT if limit is None else limit)
        return {"jobs": [_job(job, brief=True) for job in found]}


def _cancel_job(request: Request, parameters: Parameters) -> dict[str, Any]:
    job_id = parameters.need("job_id", str)
    parameters.end()
    with request.client() as client:
        return _job(client.cancel(job_id=job_id), brief=True)


def _retry_job(request: Request, parameters: Parameters) -> dict[str, Any]:
    job_id = parameters.need("job_id", str)
    parameters.end()
    with request.client() as client:
        return _job(client.retry(job_id=job_id), brief=True)


def _verify_output(request: Request, parameters: Parameters) -> dict[str, Any]:
    path, plate_path = parameters.need("path", str), parameters.get("plate_path", str) or ""
    parameters.end()
    with request.client() as client:
        *_, last = client.verify(path=path, plate_path=plate_path)
        return {"verification": to_plain(last.verification, defaults=True)}


METHODS: dict[str, Method] = {
    "service.open": _open_service,
    "service.status": _service_status,
    "engine.list": _list_engines,
    "job.plan": _plan_job,
    "job.create": _create_job,
    "job.get": _get_job,
    "job.list": _list_jobs,
    "job.cancel": _cancel_job,
    "job.retry": _retry_job,
    "output.verify": _verify_output,
}
"""By their names; those about the bridge itself are in `_serve`."""


def _spec(job: dict[str, Any], *, folder: str | None) -> JobSpec:
    """The job; relative paths start from `folder`, and are errors without it: the bridge's own means nothing."""
    if folder is not None:
        return parse_job(job, folder=folder)
    spec, other = parse_job(job, folder=_SOMEWHERE), parse_job(job, folder=_SOMEWHERE / "else")
    if spec != other:
        raise JobFileError(
            [make_problem("INVALID_JOB", "A path of the job is relative.", next_step="Give absolute paths.")]
        )
    return spec


def _running() -> Endpoint | None:
    given = given_endpoint()
    if given is not None:
        return None if refusal(given) else given
    return live_endpoint(home=home_folder())


def _endpoint(endpoint: Endpoint) -> dict[str, Any]:
    return {"address": endpoint.address, "version": endpoint.version, "pid": endpoint.pid}


def _job(job: Job, *, brief: bool = False) -> dict[str, Any]:
    """A job as data; its spec says only what was said, so that it can be sent again as it is."""
    spec = to_plain(job.spec)
    if brief:
        for field in ("steps", "frames"):
            job.ClearField(field)
        job.plan.ClearField("steps")
    return {**to_plain(job, defaults=True), "spec": spec}


def _state(word: object) -> JobState.ValueType:
    number = enum_number(JobState.DESCRIPTOR, word) if isinstance(word, str) else None
    if not number:
        there = ", ".join(enum_words(JobState.DESCRIPTOR))
        raise invalid(
            INVALID_PARAMETERS, f"job.list: '{word}' is no state of a job; there are: {there}.", field="states"
        )
    return JobState.ValueType(number)
