"""Checks what a spec asks of an engine against the engine's card: task, controls, parameters."""

from __future__ import annotations

from google.protobuf.struct_pb2 import Value

from overscan.core.engines import EngineCard, Parameter
from overscan.core.errors import ErrorRecord, InvalidJobError, OverscanError
from overscan.core.jobs import ParameterValue, Task
from overscan.service._errors import InvalidParameterError, UnsupportedControlError
from overscan.v1.controls_pb2 import Controls
from overscan.v1.job_pb2 import JobSpec


def check_request(spec: JobSpec, *, card: EngineCard) -> tuple[dict[str, ParameterValue], list[ErrorRecord]]:
    """The engine's parameters that were set, by their own types, and every problem found."""
    found: list[OverscanError] = []
    task = Task(spec.WhichOneof("task"))
    if task not in card.tasks:
        found.append(
            InvalidJobError(
                f"the engine '{card.name}' does not do {task.value}.",
                next_step=f"It does: {', '.join(known.value for known in card.tasks)}. Choose another engine.",
                field="engine",
                expected=task.value,
                actual=card.name,
            )
        )
    found.extend(_check_controls(spec.controls, card))
    known = {parameter.name: parameter for parameter in card.parameters}
    values: dict[str, ParameterValue] = {}
    for name, value in sorted(spec.controls.parameters.items()):
        try:
            values[name] = _read_parameter(name, value, known.get(name), card)
        except OverscanError as error:
            found.append(error)
    return values, [error.record for error in found]


def _check_controls(controls: Controls, card: EngineCard) -> list[OverscanError]:
    found: list[OverscanError] = []
    for descriptor, _ in controls.ListFields():
        name, field = descriptor.name, f"controls.{descriptor.name}"
        if name == "parameters":
            continue
        if name not in card.controls:
            found.append(
                UnsupportedControlError(
                    f"the engine '{card.name}' does not take '{name}'.",
                    next_step=f"Leave it out; the engine takes: {', '.join(card.controls) or 'no controls'}.",
                    field=field,
                    actual=name,
                )
            )
    return found


def _read_parameter(name: str, value: Value, parameter: Parameter | None, card: EngineCard) -> ParameterValue:
    if parameter is None:
        names = ", ".join(sorted(known.name for known in card.parameters)) or "none"
        raise _wrong(name, f"the engine '{card.name}' has no parameter '{name}'.", f"Its parameters: {names}.")
    given = _plain(value)
    wanted = type(parameter.default)
    read: ParameterValue | None = None
    if wanted is bool:
        read = given if isinstance(given, bool) else None
    elif wanted is int:
        whole = isinstance(given, (int, float)) and not isinstance(given, bool) and float(given).is_integer()
        read = int(given) if whole and given is not None else None
    elif wanted is float:
        number = isinstance(given, (int, float)) and not isinstance(given, bool)
        read = float(given) if number and given is not None else None
    elif isinstance(given, str):
        read = given
    if read is None:
        kind = {bool: "true or false", int: "a whole number", float: "a number"}.get(wanted, "text")
        raise _wrong(name, f"the parameter '{name}' is {_say(given)}.", f"Give {kind}.", kind, _say(given))
    if isinstance(read, (int, float)) and not isinstance(read, bool):
        low, high = parameter.minimum, parameter.maximum
        # written so that NaN, which compares with nothing, is refused
        if not ((low is None or read >= low) and (high is None or read <= high) and read == read):
            bounds = f"{'any' if low is None else f'{low:g}'} to {'any' if high is None else f'{high:g}'}"
            unit = f" {parameter.unit}" if parameter.unit else ""
            raise _wrong(name, f"the parameter '{name}' is {read}.", f"Give {bounds}{unit}.", bounds, str(read))
    if parameter.choices and read not in parameter.choices:
        choices = ", ".join(parameter.choices)
        raise _wrong(name, f"the parameter '{name}' is {_say(read)}.", f"Choose one of: {choices}.", choices, str(read))
    return read


def _plain(value: Value) -> ParameterValue | None:
    kind = value.WhichOneof("kind")
    if kind == "bool_value":
        return value.bool_value
    if kind == "number_value":
        return value.number_value
    if kind == "string_value":
        return value.string_value
    return None


def _say(value: ParameterValue | None) -> str:
    return "null, a list or a table" if value is None else repr(value)


def _wrong(name: str, message: str, next_step: str, expected: str = "", actual: str = "") -> InvalidParameterError:
    return InvalidParameterError(
        message, next_step=next_step, field=f"controls.parameters.{name}", expected=expected, actual=actual
    )
