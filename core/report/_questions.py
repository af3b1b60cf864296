"""The five questions that productions ask, answered from records.

A record is a receipt, a rights card or the ledger. What no record says is unknown, and stays so: a statement that
somebody answers for by name (`overscan rights state`) is a record, too, and is shown as one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from overscan.core.ledger import Answer, Asset, Consent, Question, Statement
from overscan.core.report._facts import Answered, JobEntry, Known, ShotEntry
from overscan.core.rights import TrainingData

WORDS: Mapping[Question, str] = {
    Question.REPLICATES: "Does the output replicate identifiable material?",
    Question.STORED: "Are inputs or outputs stored, or trained on?",
    Question.SECURED: "Is it run in a secured environment?",
    Question.TEMPORARY: "Is it temporary?",
    Question.PERFORMER: "Is a performer replaced?",
}
_NONE = TrainingData.NONE.value


def answer(
    *,
    show: str,
    shot: str,
    jobs: Sequence[JobEntry],
    statements: Sequence[Statement],
    assets: Mapping[str, Asset],
) -> tuple[Answered, ...]:
    """The answers for one shot, by those of its jobs that still count."""
    said = {
        statement.question: statement
        for statement in sorted(statements, key=lambda item: (bool(item.show), bool(item.shot)))
        if statement.speaks_of(show=show, shot=shot)
    }  # the latest of the most particular
    return (
        _with(_doubted(_replicates(jobs), jobs), said),
        _with(_doubted(_stored(jobs), jobs), said),
        _with(_secured(jobs), said),
        _doubted(_temporary(jobs), jobs),
        _with(_performer(jobs, assets), said),
    )


def combine(shots: Sequence[ShotEntry]) -> tuple[Answered, ...]:
    """The answers for all shots together."""
    if len(shots) == 1:
        return shots[0].answers
    return tuple(_combined(index, shots) for index in range(len(WORDS)))


def _combined(index: int, shots: Sequence[ShotEntry]) -> Answered:
    given = [(shot, shot.answers[index]) for shot in shots]
    first = given[0][1]
    if all(item == first for _, item in given):
        return first
    kinds = {item.known for _, item in given}
    differing = Known.UNKNOWN if Known.UNKNOWN in kinds else Known.PARTLY
    known = first.known if len(kinds) == 1 else differing
    groups: dict[str, list[str]] = {}
    for shot, item in given:
        groups.setdefault(item.short, []).append(shot.shot or shot.name)
    if len(groups) == 1:
        why = f"So in all {len(shots)} shots; the page of each says what that rests on."
        return Answered(question=first.question, known=known, short=first.short, why=why)
    listed = "; ".join(f"{', '.join(names)}: {short}" for short, names in groups.items())
    why = f"{listed}. The page of each shot says what that rests on."
    return Answered(question=first.question, known=known, short=_SHORT[known], why=why)


_SHORT = {
    Known.YES: "yes, in all shots",
    Known.NO: "no, in all shots",
    Known.PARTLY: "some shots",
    Known.UNKNOWN: "not known of all shots",
}


def _with(found: Answered, said: Mapping[Question, Statement]) -> Answered:
    """`found` with what somebody has stated: it fills in what is unknown, and a graver answer always counts."""
    statement = said.get(found.question)
    if statement is None:
        return found
    about = f"{statement.by} stated on {statement.on}: {statement.answer.value}. {statement.evidence.rstrip('.')}."
    fills = found.known is Known.UNKNOWN and statement.answer is not Answer.UNKNOWN
    # To be secured is good; all the others are asked in fear of a yes.
    graver = Answer.NO if found.question is Question.SECURED else Answer.YES
    contradicts = found.known in (Known.YES, Known.NO) and statement.answer.value != found.known.value
    if fills or (contradicts and statement.answer is graver):
        short = f"{statement.answer.value}, as stated"
        return Answered(
            question=found.question, known=Known(statement.answer.value), short=short, why=f"{about} {found.why}"
        )
    return Answered(question=found.question, known=found.known, short=found.short, why=f"{found.why} {about}")


def _doubted(found: Answered, jobs: Sequence[JobEntry]) -> Answered:
    """`found`, or unknown where a receipt that it rests on is not what was signed."""
    broken = [job.receipt.run.job_id[:8] for job in jobs if job.seal.is_broken]
    if not broken:
        return found
    why = f"The receipt of job {', '.join(broken)} is not what was signed, so that what it says answers nothing."
    return Answered(question=found.question, known=Known.UNKNOWN, short="unknown", why=why)


def _learned(job: JobEntry) -> str:
    """What was trained and may have made the job's pixels, in words; empty where nothing was."""
    receipt = job.receipt
    for kind, facts in (("model", receipt.model), ("engine", receipt.engine)):
        if facts is None:
            continue
        data = str(facts.card.get("training_data", TrainingData.UNDISCLOSED.value))
        if data != _NONE:
            return f"the {kind} {facts.name} {facts.version} (training data: {data})"
    return ""


def _replicates(jobs: Sequence[JobEntry]) -> Answered:
    def said(known: Known, short: str, why: str) -> Answered:
        return Answered(question=Question.REPLICATES, known=known, short=short, why=why)

    if not jobs:
        return said(Known.UNKNOWN, "unknown", "No job counts.")
    learned = _each(_learned(job) for job in jobs)
    if learned:
        return said(
            Known.UNKNOWN,
            "unknown",
            f"Made with {' and '.join(learned)}; no record says whether the result resembles anything it learned from.",
        )
    silent = sum(job.unknown_frames for job in jobs)
    if silent:
        return said(Known.UNKNOWN, "unknown", f"{silent} frames do not say how they are made up.")
    foreign = _each(pattern for job in jobs for pattern in job.unregistered)
    if foreign:
        return said(
            Known.UNKNOWN,
            "unknown",
            f"Some light may come from pictures that are in no clearance ledger: {', '.join(foreign)}.",
        )
    assets = _each(asset for job in jobs for asset in job.assets)
    beside = f", or from the asset{'s' * (len(assets) != 1)} {', '.join(assets)}" if assets else ""
    return said(
        Known.NO,
        "no, beyond its own plate" + (" and listed assets" if assets else ""),
        f"Every generated pixel was taken from other parts and frames of the shot's own plate{beside}; no trained "
        "model was used. What the plate itself shows is repeated, and is not judged here.",
    )


def _stored(jobs: Sequence[JobEntry]) -> Answered:
    learned = _each(_learned(job) for job in jobs)
    where = _each(str(job.folder) for job in jobs)
    stored = (
        f"Results are stored in {', '.join(where)}; until they are removed, what was measured on the plate and small "
        "pictures of it are in the home folder of the service. "
    )
    if not jobs:
        return Answered(question=Question.STORED, known=Known.UNKNOWN, short="unknown", why="No job counts.")
    if learned:
        return Answered(
            question=Question.STORED,
            known=Known.UNKNOWN,
            short="stored; trained on: unknown",
            why=f"{stored}No record says whether {' or '.join(learned)} keeps or learns from what it is given.",
        )
    return Answered(
        question=Question.STORED,
        known=Known.PARTLY,
        short="stored on own disks, not trained on",
        why=f"{stored}The engine's rights card says that it learns from nothing.",
    )


def _secured(jobs: Sequence[JobEntry]) -> Answered:
    machines = _each(job.receipt.run.machine.kind for job in jobs)
    decided = bool(jobs) and all(job.receipt.policy is not None for job in jobs)
    network = "The policies that let the jobs in allow engines no network. " if decided else ""
    return Answered(
        question=Question.SECURED,
        known=Known.UNKNOWN,
        short="unknown",
        why=f"Run on {len(machines)} kind{'s' * (len(machines) != 1)} of machine ({'; '.join(machines)}). {network}"
        "No receipt says whether the place is secured or certified.",
    )


def _temporary(jobs: Sequence[JobEntry]) -> Answered:
    uses = {job.receipt.job.use for job in jobs}
    known = {frozenset({"temp"}): Known.YES, frozenset({"final"}): Known.NO}.get(
        frozenset(uses), Known.PARTLY if uses else Known.UNKNOWN
    )
    short = {
        Known.YES: "yes, temp",
        Known.NO: "no, may be final",
        Known.PARTLY: "temp and final",
        Known.UNKNOWN: "unknown",
    }[known]
    counts = [f"{sum(job.receipt.job.use == use for job in jobs)} for {use} use" for use in sorted(uses)]
    made = f"every job for {min(uses)} use" if len(uses) == 1 else " and ".join(counts) or "nothing that counts"
    silent = sum("use" not in job.receipt.job.spec for job in jobs)
    default = f" {silent} of {len(jobs)} named none, which counts as temp." if silent else ""
    return Answered(
        question=Question.TEMPORARY,
        known=known,
        short=short,
        why=f"By what was asked for: {made}.{default} Nothing here says what was delivered.",
    )


def _performer(jobs: Sequence[JobEntry], assets: Mapping[str, Asset]) -> Answered:
    used = [assets[name] for name in _each(name for job in jobs for name in job.assets) if name in assets]
    people = [asset for asset in used if asset.people]
    shown = " ".join(
        f"The asset {asset.id} shows {', '.join(asset.people)}; consent: {asset.consent.value}"
        f"{f' ({asset.consent_evidence})' if asset.consent is Consent.GIVEN else ''}."
        for asset in people
    )
    return Answered(
        question=Question.PERFORMER,
        known=Known.UNKNOWN,
        short="unknown",
        why=f"No receipt says who is in the picture and what became of them. {shown}".strip(),
    )


def _each(texts: Iterable[str]) -> list[str]:
    """Every text once, without empty ones, in their order."""
    return [text for text in dict.fromkeys(texts) if text]
