"""Who may call what: one table over every method of every service."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType


class Role(IntEnum):
    """What a user may do. Each may do what the one before may; the numbers are the wire's."""

    VIEWER = 1
    """Looks at jobs and engines."""
    ARTIST = 2
    """Creates jobs, and changes their own."""
    ADMIN = 3
    """Changes everybody's jobs, and runs the service."""

    @property
    def word(self) -> str:
        """Its name as people write it."""
        return self.name.lower()


_V1 = "/overscan.v1"

LEAST_ROLES: Mapping[str, Role] = MappingProxyType(
    {
        f"{_V1}.GenerationService/PlanJob": Role.ARTIST,  # reads whatever its plate names
        f"{_V1}.GenerationService/CreateJob": Role.ARTIST,
        f"{_V1}.GenerationService/GetJob": Role.VIEWER,
        f"{_V1}.GenerationService/ListJobs": Role.VIEWER,
        f"{_V1}.GenerationService/WatchJob": Role.VIEWER,
        f"{_V1}.GenerationService/CancelJob": Role.ARTIST,
        f"{_V1}.GenerationService/RetryJob": Role.ARTIST,
        f"{_V1}.GenerationService/PauseJob": Role.ARTIST,
        f"{_V1}.GenerationService/ResumeJob": Role.ARTIST,
        f"{_V1}.GenerationService/MoveJob": Role.ARTIST,
        f"{_V1}.GenerationService/VerifyOutput": Role.ARTIST,  # reads whatever it is told to
        f"{_V1}.EngineService/ListEngines": Role.VIEWER,
        f"{_V1}.EngineService/GetEngine": Role.VIEWER,
        f"{_V1}.FrameService/CreateUpload": Role.ARTIST,
        f"{_V1}.FrameService/GetUpload": Role.ARTIST,
        f"{_V1}.FrameService/UploadFrames": Role.ARTIST,
        f"{_V1}.FrameService/DeleteUpload": Role.ARTIST,
        f"{_V1}.FrameService/ListResultFiles": Role.ARTIST,  # viewers see previews
        f"{_V1}.FrameService/DownloadFrame": Role.ARTIST,
        f"{_V1}.FrameService/DeleteResult": Role.ARTIST,
        f"{_V1}.AdminService/GetCaller": Role.VIEWER,
        f"{_V1}.AdminService/GetStatus": Role.ADMIN,
        f"{_V1}.AdminService/Drain": Role.ADMIN,
        f"{_V1}.AdminService/Purge": Role.ADMIN,
        "/grpc.health.v1.Health/Check": Role.VIEWER,
        "/grpc.health.v1.Health/List": Role.VIEWER,
        "/grpc.health.v1.Health/Watch": Role.VIEWER,
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": Role.VIEWER,
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo": Role.VIEWER,
    }
)
"""The least role that may call a method, by its full name. A method that is not here is refused."""

CHANGES = frozenset(
    method
    for method in LEAST_ROLES
    if method.rpartition("/")[2]
    in {
        *("CreateJob", "CancelJob", "RetryJob", "PauseJob", "ResumeJob", "MoveJob"),
        *("CreateUpload", "UploadFrames", "DeleteUpload", "DeleteResult", "Drain", "Purge"),
    }
)
"""The methods that change something, each call of which the audit log has."""

ANNOUNCED = frozenset(
    method for method in CHANGES if method.rpartition("/")[2] not in {"CreateJob", "CreateUpload", "UploadFrames"}
)
"""Those whose beginning the audit log has, too: where the service is killed amid one, nothing else says who made it.
What a call has created has its user (`security.audit_gaps`)."""
