"""Decides whether an engine may run a job, on what it would really load."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from overscan.core.errors import (
    ErrorRecord,
    ModelError,
    ModelsNotInstalledError,
    OverscanError,
    PolicyError,
    PolicyFileError,
    UnknownModelError,
)
from overscan.core.rights._card import RightsCard
from overscan.core.rights._cards import cards_of, load_cards
from overscan.core.rights._decide import decide
from overscan.core.rights._decision import AssetStanding, Decision, Objection
from overscan.core.rights._policy import Policy, load_policy
from overscan.core.rights._weights import SealedFiles, seal

if TYPE_CHECKING:
    from overscan.core.engines import Engine
    from overscan.core.jobs import Job

_UNREADABLE = "policy-file"
"""Kind of the objection that a policy, a lock or a card cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clearance:
    """A decision, and what it was made on."""

    decision: Decision
    card: RightsCard | None
    """The card that was judged; None where nothing could be judged."""
    policy: Policy | None
    """None where its files could not be read."""
    sealed: SealedFiles | None
    """The model's files; None where the engine loads none."""

    def require(self, *, stored: Decision | None) -> None:
        """Raise `PolicyError` unless the job may run now, and runs what the decision that it was `stored` with let in.

        A policy that has changed meanwhile does not matter where it still allows the job; other weights always do.
        """
        decision = self.decision
        if not decision.allowed:
            raise refusal(decision)
        if stored is None or not stored.allowed:
            raise PolicyError(
                "the job was never allowed by a policy, so that no step of it runs.",
                next_step="Create the job again.",
                field="engine",
            )
        was = {file.sha256 for file in stored.weights}
        now = {file.sha256 for file in decision.weights}
        if stored.card != decision.card or was != now:
            raise PolicyError(
                f"the job was allowed to run with other files of the model '{stored.card or decision.card}' than are "
                "there now.",
                next_step="Put those files back and retry the job, or create it again with these.",
                field="model",
            )


def refusal(decision: Decision) -> PolicyError | PolicyFileError:
    """The error that says what a decision says."""
    more = len(decision.objections) - 1
    also = f" (and {more} more: `overscan policy check`)" if more > 0 else ""
    unreadable = bool(decision.objections) and decision.objections[0].kind == _UNREADABLE
    kind = PolicyFileError if unreadable else PolicyError
    return kind(decision.reason + also, next_step=decision.remedy, field="engine", actual=decision.card)


def refusal_record(decision: Decision) -> ErrorRecord:
    """`refusal` as a plan's problem."""
    return refusal(decision).record


def clear(*, engine: Engine, job: Job, root: Path, today: date, assets: Sequence[AssetStanding] = ()) -> Clearance:
    """Decide on `job` with `engine` by the policies under `root`, as they are now.

    The weights are hashed here, as they are now. Whatever cannot be read (a policy, a card, the weights) is a refusal
    that says so. `assets` is what the clearance ledger says of the job's inputs. Raises `UnknownModelError`,
    `ModelError` and `ModelsNotInstalledError` where there is no model to decide on.
    """
    policy = None
    try:
        policy = load_policy(root=root, show=job.labels.show, shot=job.labels.shot)
        own = engine.card
        if own.name != job.engine:
            raise PolicyError(
                f"the engine that is installed as '{job.engine}' calls itself '{own.name}'.",
                next_step="Install engines under their own names.",
                field="engine",
                expected=job.engine,
                actual=own.name,
            )
        find = getattr(engine, "model", None)
        model = find(job) if callable(find) else None
        if model is None:
            cards: tuple[RightsCard, ...] = (own.rights,)
            sealed = None
        else:
            sealed = seal(model)
            cards = cards_of(name=model.name, weights=sealed.hashes, cards=load_cards(root=root))
            if not cards or not sealed.hashes:
                raise PolicyError(
                    f"no rights card says what the model '{model.name}' is.",
                    next_step="Put a card with the hashes of its files into the policies' folder `cards`.",
                    field="model",
                    actual=model.name,
                )
    except (UnknownModelError, ModelError, ModelsNotInstalledError):
        raise
    except OverscanError as error:
        return Clearance(decision=_refused(error, job, policy, today), card=None, policy=policy, sealed=None)
    judged = [
        (
            card,
            decide(
                policy=policy,
                card=card,
                engine=own.name,
                engine_version=own.version,
                weights=sealed.hashes if sealed else {},
                use=job.use,
                today=today,
                assets=assets,
            ),
        )
        for card in cards
    ]
    # Where several cards claim the same files, each of them must be allowed.
    card, decision = next(((card, found) for card, found in judged if not found.allowed), judged[0])
    return Clearance(decision=decision, card=card, policy=policy, sealed=sealed)


def _refused(error: OverscanError, job: Job, policy: Policy | None, today: date) -> Decision:
    record = error.record
    kind = _UNREADABLE if isinstance(error, PolicyFileError) else "model"
    reason = record.message[:1].upper() + record.message[1:] if not record.message.startswith("/") else record.message
    return Decision(
        allowed=False,
        reason=reason,
        remedy=record.next_step,
        policy=policy.name if policy else "",
        policy_sha256=policy.sha256 if policy else "",
        policy_files=policy.files if policy else (),
        use=job.use.value,
        objections=(Objection(kind=kind, reason=reason, remedy=record.next_step),),
        decided_on=today.isoformat(),
    )
