"""`EngineService`: what can be asked of this service."""

from __future__ import annotations

import grpc

from overscan.core.errors import InvalidJobError
from overscan.service.calls.rpc import Activity, answers, caller_stop
from overscan.service.wire.convert import engine_to_wire, task_from_wire
from overscan.service.workers.inspector import Inspector
from overscan.v1 import engine_service_pb2 as pb
from overscan.v1.engine_service_pb2_grpc import EngineServiceServicer


class EngineServicer(EngineServiceServicer):
    """Answers calls about engines."""

    def __init__(self, *, inspector: Inspector, activity: Activity) -> None:
        self.activity = activity
        self._inspector = inspector

    @answers
    def ListEngines(self, request: pb.ListEnginesRequest, context: grpc.ServicerContext) -> pb.ListEnginesResponse:  # noqa: N802
        """All engines, or those that do one task; engines that do not load do none."""
        try:
            task = task_from_wire(request.task)
        except KeyError:
            raise InvalidJobError(
                f"the task {request.task} is unknown.", next_step="Update the service.", field="task"
            ) from None
        entries = self._inspector.engines(stop=caller_stop(context))
        wanted = [entry for entry in entries if task is None or (entry.card and task in entry.card.tasks)]
        return pb.ListEnginesResponse(engines=[engine_to_wire(entry) for entry in wanted])

    @answers
    def GetEngine(self, request: pb.GetEngineRequest, context: grpc.ServicerContext) -> pb.GetEngineResponse:  # noqa: N802
        """One engine."""
        entry = self._inspector.engine(name=request.name, stop=caller_stop(context))
        return pb.GetEngineResponse(engine=engine_to_wire(entry))
