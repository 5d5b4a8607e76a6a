"""What a holder may grant a bank: purposes, and scopes that include each other."""

import enum


class Purpose(enum.StrEnum):
    """What a bank asks for. A grant serves one purpose; for another one it counts as none."""

    LOAN_APPLICATION = "loan_application"
    PRE_SCREENING = "pre_screening"
    WHITE_LIST = "white_list"
    POST_LOAN_MONITORING = "post_loan_monitoring"


class Scope(enum.StrEnum):
    """How much a bank may see: a wider scope includes the narrower ones."""

    TIER = "tier"
    SCORE = "score"
    REPORT = "report"

    def covers(self, wanted: "Scope") -> bool:
        """Whether a grant of this scope lets a bank see what asks for `wanted`."""
        return _WIDTH[self] >= _WIDTH[wanted]


_WIDTH = {Scope.TIER: 0, Scope.SCORE: 1, Scope.REPORT: 2}


class Refusal(enum.StrEnum):
    """Why a bank was refused: told to the holder, never to the bank."""

    NO_CONSENT = "no_consent"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    PURPOSE = "wrong_purpose"
    SCOPE = "wider_scope"
    OTHER_BANK = "other_bank"
    SIGN_IN = "no_sign_in"
