"""The Python client of the Overscan service.

`connect` finds the service or starts one, `Client` has a method for each thing it does, `load_job_file`, `parse_job`
and `dump_job` turn job files into the wire's `JobSpec` and back, `load_camera` and `load_tracks` read what a host has
exported. The messages themselves are in `overscan.v1`.
"""

from overscan.client._client import ENDED, Client, connect
from overscan.client._controlfiles import load_camera, load_tracks
from overscan.client._discovery import PROTOCOL, Endpoint, announced_endpoint, given_endpoint, home_folder, refusal
from overscan.client._enums import enum_word, enum_words
from overscan.client._errors import JobFileError, ServiceError, ServiceUnreachableError, describe, make_problem
from overscan.client._frame_files import FrameFiles
from overscan.client._frames import count_frames, frames_from_numbers, frames_from_text, frames_of, frames_to_text
from overscan.client._jobfile import dump_job, load_job_file, parse_job
from overscan.client._private import service_command
from overscan.client._writing import to_plain

__all__ = [
    "ENDED",
    "PROTOCOL",
    "Client",
    "Endpoint",
    "FrameFiles",
    "JobFileError",
    "ServiceError",
    "ServiceUnreachableError",
    "announced_endpoint",
    "connect",
    "count_frames",
    "describe",
    "dump_job",
    "enum_word",
    "enum_words",
    "frames_from_numbers",
    "frames_from_text",
    "frames_of",
    "frames_to_text",
    "given_endpoint",
    "home_folder",
    "load_camera",
    "load_job_file",
    "load_tracks",
    "make_problem",
    "parse_job",
    "refusal",
    "service_command",
    "to_plain",
]
