"""The tables of all packages in one metadata, for Alembic and for the test that compares it with the database."""

from sqlmodel import SQLModel

import accounts.agreement_models
import accounts.models
import app.api.models
import app.auth.models
import app.auth.resident_models
import app.crediting.models
import app.jobs.models
import app.my_data.models
import app.recalculation.models
import app.versions.models
import app.versions.shadow_models
import app.webhooks.models
import dedup.models
import points.models
import points.payments.models
import points.redemption_models

MODULES = (
    accounts.agreement_models,
    accounts.models,
    app.api.models,
    app.auth.models,
    app.auth.resident_models,
    app.crediting.models,
    app.jobs.models,
    app.my_data.models,
    app.recalculation.models,
    app.versions.models,
    app.versions.shadow_models,
    app.webhooks.models,
    dedup.models,
    points.models,
    points.payments.models,
    points.redemption_models,
)
METADATA = SQLModel.metadata
