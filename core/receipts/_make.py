"""Makes a job's receipt: each frame's part beside the making of the next, the whole when the last one is there."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TypeVar

from overscan.core.engines import EngineCard, load_engine
from overscan.core.errors import InvalidJobError, OverscanError, from_record
from overscan.core.jobs import Job
from overscan.core.orders import KeySource, ReceiptOrder
from overscan.core.plates import HashMemo, Sequence, sha256_of
from overscan.core.receipts._document import (
    FrameFacts,
    Input,
    InputFile,
    JobFacts,
    JobReceipt,
    ReceiptError,
    ResultFacts,
    Run,
    Times,
    read_receipt_file,
    write_receipt_file,
)
from overscan.core.receipts._places import archived, older_receipt_path
from overscan.core.receipts._record import FrameFiles, keep, kept, record
from overscan.core.receipts._rights import engine_facts, model_facts, policy_facts
from overscan.core.receipts._sign import Notary
from overscan.core.receipts._surroundings import machine, overscan_version, software
from overscan.core.result_names import receipt_path, signature_path
from overscan.core.results._beside import files_beside
from overscan.core.results._receipt import read_receipt
from overscan.core.rights import Decision, TrainingData, policy_root
from overscan.core.shots import Shot, survey
from overscan.core.temporaries import written_beside

_LOG = logging.getLogger(__name__)
_HASHES = "sha256.sqlite"
"""In the cache: hashes of files that have not changed since, so that a plate's are taken once and not for every job."""
_READERS = 2
_Item = TypeVar("_Item")
_Found = TypeVar("_Found")
_FILL, _LEFT_EMPTY = "fill", "none"
"""The parameter by which an engine leaves empty what it does not know."""


class Witness:
    """Takes down each frame as it is written, in a thread beside the making of the next, and signs it.

    Whatever it could not do is done when the receipt is made, where it also fails loudly.
    """

    def __init__(self, *, keys: KeySource) -> None:
        self._keys = keys
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="witness")
        self._pending: list[Future[None]] = []
        self._notary: Notary | None = None

    def offer(
        self,
        *,
        job: Job,
        decision: Decision | None,
        work_folder: Path,
        cache_folder: Path,
        frame: int,
        path: Path,
    ) -> None:
        """A frame has been written, by what `decision` let in."""
        self._pending = [future for future in self._pending if not future.done()]
        self._pending.append(self._pool.submit(self._take_down, job, decision, work_folder, cache_folder, frame, path))

    def signed(
        self, picture: bytes, *, media_type: str, job: Job, decision: Decision | None, frame: int, bytes_max: int
    ) -> bytes:
        """A preview with its signature inside; as it is where it cannot be signed, or would be larger than allowed."""
        try:
            card = load_engine(job.engine).card
            facts = {
                "receipt": "preview",
                "frame": frame,
                "engine": f"{card.name} {card.version}",
                "use": job.use.value,
            }
            title = f"preview of frame {frame}"
            model = _learned(card, decision)
            signed = self._ready().embed(picture, media_type=media_type, title=title, facts=facts, model=model)
        except Exception as error:  # a job does not fail for want of a picture
            _LOG.warning("the preview of frame %d is not signed: %s", frame, error)
            return picture
        return signed if len(signed) <= bytes_max else picture

    def wait(self) -> None:
        """Until all that was offered is taken down."""
        for future in self._pending:
            future.result()
        self._pending = []

    def _take_down(
        self, job: Job, decision: Decision | None, work_folder: Path, cache_folder: Path, frame: int, path: Path
    ) -> None:
        try:
            notary = self._ready()
            card = load_engine(job.engine).card
            files = FrameFiles.of(frame=frame, path=path, job=job)
            if kept(files, work_folder=work_folder) is None:
                _taken(files, job, card, model=_learned(card, decision), notary=notary, work_folder=work_folder)
            source = _plate_file(job, path)
            if source is not None:  # it has just been read, and lies in the system's cache
                _memo(cache_folder).hash(source)
        except Exception as error:  # it is tried again at the end
            _LOG.warning("frame %d could not be taken down yet: %s", frame, error)

    def _ready(self) -> Notary:
        if self._notary is None:
            self._notary = Notary(source=self._keys, version=overscan_version())
        return self._notary


def deliver_receipt(
    *, job: Job, order: ReceiptOrder, work_folder: Path, cache_folder: Path, tick: Callable[[], None]
) -> Path:
    """Make the receipt of a job whose frames are all there and checked, sign it, and put it beside them.

    `tick` is called between files, and may raise to stop. Returns the receipt's place; the archive of `order` gets a
    copy. Raises the errors of reading, `SigningKeyError` and OSError.
    """
    from overscan.core.ledger import asset_ids  # which reads receipts

    found = survey(job)
    if found.shot is None:
        raise from_record(found.problems[0])
    notary = Notary(source=order.keys, version=overscan_version())
    card = load_engine(job.engine).card
    learned = _learned(card, order.decision)
    inputs = _inputs(found.shot, _memo(cache_folder), tick)
    receipt = JobReceipt(
        job=_job_facts(job, order),
        inputs=inputs,
        assets=asset_ids(sha256s={file.sha256 for source in inputs for file in source.frames}, home=order.home),
        engine=engine_facts(card),
        model=model_facts(order.decision, name=job.model, root=policy_root()),
        policy=policy_facts(order.decision),
        seed=job.seed,
        parameters={entry.name: job.parameters.get(entry.name, entry.default) for entry in card.parameters},
        software=software(model=learned),
        result=_result(found.shot),
        frames=_frames(found.shot, card, model=learned, notary=notary, work_folder=work_folder, tick=tick),
        beside=tuple(
            InputFile(frame=None, path=path.name, sha256=sha256_of(path)) for path in files_beside(work_folder)
        ),
        run=Run(
            job_id=order.job_id,
            machine=machine(model=learned),
            times=Times(created=order.created, started=order.started, ended=_now()),
        ),
    )
    return _deliver(receipt, order, notary, pattern=job.output.path, model=learned)


def _frames(
    shot: Shot, card: EngineCard, *, model: bool, notary: Notary, work_folder: Path, tick: Callable[[], None]
) -> tuple[FrameFacts, ...]:
    target = Sequence.planned(pattern=shot.job.output.path, frames=shot.render)

    def taken(number: int) -> FrameFacts:
        files = FrameFiles.of(frame=number, path=target.path(number), job=shot.job)
        facts = kept(files, work_folder=work_folder)
        if facts is None or not signature_path(files.path).exists():
            facts = _taken(files, shot.job, card, model=model, notary=notary, work_folder=work_folder)
        return replace(facts, plate_frame=shot.moments[number].plate)

    return tuple(_each(taken, shot.render, tick))


def _taken(
    files: FrameFiles, job: Job, card: EngineCard, *, model: bool, notary: Notary, work_folder: Path
) -> FrameFacts:
    try:
        plate_frame = read_receipt(files.path).plate_frame
    except InvalidJobError:  # an engine that does not say it, or a format whose header cannot
        plate_frame = None
    facts = record(files, plate_frame=plate_frame, leaves_empty=job.parameters.get(_FILL) == _LEFT_EMPTY)
    said: dict[str, object] = {
        "frame": facts.frame,
        "plate": "" if job.plate is None else job.plate.named,
        "engine": f"{card.name} {card.version}",
        "model": job.model,
        "use": job.use.value,
        "pixels_sha256": facts.pixels_sha256,
        "job": work_folder.name,
        "receipt": receipt_path(job.output.path).name,
    }
    facts_said = {name: value for name, value in said.items() if value != ""}
    notary.sign_beside(files.path, facts=facts_said, model=model, owner=work_folder.name)
    keep(facts, files, work_folder=work_folder)
    return facts


def _inputs(shot: Shot, memo: HashMemo, tick: Callable[[], None]) -> tuple[Input, ...]:
    mattes = (("matte", shot.matte), ("movers", shot.movers), ("never_copy", shot.never_copy))
    sequences = [("plate", shot.plate, shot.frames)]
    sequences += [(role, matte.sequence, matte.sequence.frames) for role, matte in mattes if matte is not None]
    wanted: list[tuple[str, str, int | None, Path]] = [
        (role, sequence.pattern, number, sequence.path(number))
        for role, sequence, numbers in sequences
        for number in numbers
    ]
    wanted += [("clean_plate", str(clean.path), clean.number, clean.path) for clean in shot.clean_plates]
    wanted += [
        (picture.role, images.pattern, None if images.is_still else number, images.path(number))
        for picture, images in shot.pictures
        for number in images.frames
    ]
    hashes = _each(lambda entry: memo.hash(entry[3]), wanted, tick)
    found: dict[tuple[str, str], list[InputFile]] = {}
    for (role, pattern, number, path), digest in zip(wanted, hashes, strict=True):
        named = shot.job.named
        found.setdefault((role, named(pattern)), []).append(InputFile(frame=number, path=named(path), sha256=digest))
    return tuple(Input(role=role, pattern=pattern, frames=tuple(files)) for (role, pattern), files in found.items())


def _result(shot: Shot) -> ResultFacts:
    matte = shot.matte
    return ResultFacts(
        pattern=Path(shot.job.output.path).name,
        offset=shot.layout.offset,
        part=shot.part,
        channels=shot.colours,
        matte_part=0 if matte is None else matte.part,
        matte_channel="" if matte is None else matte.channel,
    )


def _job_facts(job: Job, order: ReceiptOrder) -> JobFacts:
    labels = {name: getattr(job.labels, name) for name in ("show", "sequence", "shot", "artist")}
    return JobFacts(
        task=job.kind.value,
        labels={name: label for name, label in labels.items() if label},
        use=job.use.value,
        spec=json.loads(order.spec),
    )


def _deliver(receipt: JobReceipt, order: ReceiptOrder, notary: Notary, *, pattern: str, model: bool) -> Path:
    path = receipt_path(pattern)
    _make_way(path, frames={facts.frame for facts in receipt.frames}, job_id=order.job_id)
    write_receipt_file(receipt, path, owner=order.job_id)
    facts = {"receipt": "job", "job": order.job_id, "frames": len(receipt.frames)}
    signature = notary.sign_beside(path, facts=facts, model=model, owner=order.job_id)
    own = archived(order.archive, job_id=order.job_id)
    write_receipt_file(receipt, own, owner=order.job_id)  # not read back: others may write where the frames are
    with written_beside(signature_path(own), owner=order.job_id) as temporary:
        shutil.copyfile(signature, temporary)
    return path


def _make_way(path: Path, *, frames: set[int], job_id: str) -> None:
    """Move the receipt of another job aside where it speaks of frames that this one has not written."""
    try:
        other = read_receipt_file(path)
    except ReceiptError:  # none, or one that nobody can read
        return
    if other.run.job_id == job_id or {facts.frame for facts in other.frames} <= frames:
        return
    aside = older_receipt_path(path, job_id=other.run.job_id)
    # The signature first: what is cut off in between is done again by whoever comes next.
    for source, target in ((signature_path(path), signature_path(aside)), (path, aside)):
        if source.exists():
            source.replace(target)


def _plate_file(job: Job, result: Path) -> Path | None:
    """The plate frame that a result frame was made from, if its header says so."""
    try:
        frame = read_receipt(result).plate_frame
        if job.plate is None or frame is None:
            return None
        return Sequence.find(pattern=job.plate.path, frames=(frame,)).path(frame)
    except OverscanError:
        return None


def _memo(cache_folder: Path) -> HashMemo:
    return HashMemo(database=cache_folder / _HASHES, digest=sha256_of)


def _learned(card: EngineCard, decision: Decision | None) -> bool:
    """Whether something trained makes what the engine makes: itself, or weights that it loads."""
    return card.rights.training_data is not TrainingData.NONE or (decision is not None and bool(decision.weights))


def _each(do: Callable[[_Item], _Found], items: Iterable[_Item], tick: Callable[[], None]) -> list[_Found]:
    """`do` of each item, two at once: hashing lets go of Python's lock."""
    with ThreadPoolExecutor(_READERS) as pool:
        found = []
        for result in pool.map(do, items):
            tick()
            found.append(result)
        return found


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")
