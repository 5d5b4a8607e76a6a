"""The tables of all packages in one metadata, for Alembic and for the test that compares it with the database."""

from sqlmodel import SQLModel

import accounts.models
import app.api.models
import app.auth.models
import app.crediting.models
import app.jobs.models
import app.recalculation.models
import app.versions.models
import app.versions.shadow_models
import dedup.models
import points.models

MODULES = (
    accounts.models,
    app.api.models,
    app.auth.models,
    app.crediting.models,
    app.jobs.models,
    app.recalculation.models,
    app.versions.models,
    app.versions.shadow_models,
    dedup.models,
    points.models,
)
METADATA = SQLModel.metadata
