"""Rights: what engines and models come with, what a show lets in, and why. Docs: docs/rights.md."""

from overscan.core.rights._approvals import ALLOWABLE, Approval
from overscan.core.rights._card import Quote, RightsCard, TrainingData, WeightFile, card_content, card_digest
from overscan.core.rights._cards import CardFile, cards_of, load_cards, shipped_cards
from overscan.core.rights._clearance import Clearance, clear, refusal, refusal_record
from overscan.core.rights._decide import decide
from overscan.core.rights._decision import AssetStanding, Decision, Objection
from overscan.core.rights._lock import LOCK_FILE, Lock
from overscan.core.rights._policy import Policy, PolicyFile, load_policy, policy_root, shots, shows
from overscan.core.rights._rules import Rules
from overscan.core.rights._weights import ModelFiles, SealedFiles, files_in, know_hashes, known_hashes, seal

__all__ = [
    "ALLOWABLE",
    "LOCK_FILE",
    "Approval",
    "AssetStanding",
    "CardFile",
    "Clearance",
    "Decision",
    "Lock",
    "ModelFiles",
    "Objection",
    "Policy",
    "PolicyFile",
    "Quote",
    "RightsCard",
    "Rules",
    "SealedFiles",
    "TrainingData",
    "WeightFile",
    "card_content",
    "card_digest",
    "cards_of",
    "clear",
    "decide",
    "files_in",
    "know_hashes",
    "known_hashes",
    "load_cards",
    "load_policy",
    "policy_root",
    "refusal",
    "refusal_record",
    "seal",
    "shipped_cards",
    "shots",
    "shows",
]
