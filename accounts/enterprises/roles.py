"""What a member of an enterprise is to it."""

import enum


class Role(enum.StrEnum):
    """Each may what the one after it may, and more: `app.auth.scopes.ROLES` says what."""

    OWNER = "owner"
    ENERGY_MANAGER = "energy_manager"
    VIEWER = "viewer"
