"""The tables of all packages in one metadata, for Alembic and for the test that compares it with the database."""

from sqlmodel import SQLModel

import accounts.agreement_models
import accounts.alerts.models
import accounts.emissions.models
import accounts.energy_budgets.models
import accounts.enterprises.models
import accounts.issuance.models
import accounts.labels.models
import accounts.load_shedding.models
import accounts.metering.models
import accounts.models
import accounts.offsetting.models
import accounts.projects.models
import accounts.proofs.models
import accounts.registry.models
import accounts.scores.models
import accounts.standing.models
import accounts.teams.models
import accounts.units.models
import app.api.models
import app.auth.models
import app.auth.resident_models
import app.banking.desk_models
import app.banking.models
import app.certificates.models
import app.clocks.models
import app.credit_reports.models
import app.crediting.comparisons
import app.crediting.corroboration
import app.crediting.models
import app.crediting.precedence_choice
import app.crediting.settlements
import app.disputes.models
import app.events.models
import app.exchanges.models
import app.jobs.models
import app.lending.exchange_models
import app.lending.models
import app.market.models
import app.my_data.models
import app.neighbours.models
import app.offsets.models
import app.programmes.models
import app.quotas.models
import app.recalculation.models
import app.review.models
import app.versions.models
import app.versions.shadow_models
import app.webhooks.models
import dedup.models
import points.campaign_models
import points.models
import points.payments.models
import points.redemption_models

MODULES = (
    accounts.agreement_models,
    accounts.alerts.models,
    accounts.emissions.models,
    accounts.energy_budgets.models,
    accounts.enterprises.models,
    accounts.issuance.models,
    accounts.labels.models,
    accounts.metering.models,
    accounts.load_shedding.models,
    accounts.models,
    accounts.offsetting.models,
    accounts.registry.models,
    accounts.proofs.models,
    accounts.projects.models,
    accounts.scores.models,
    accounts.standing.models,
    accounts.teams.models,
    accounts.units.models,
    app.api.models,
    app.auth.models,
    app.auth.resident_models,
    app.banking.desk_models,
    app.banking.models,
    app.certificates.models,
    app.clocks.models,
    app.crediting.comparisons,
    app.crediting.corroboration,
    app.crediting.models,
    app.crediting.precedence_choice,
    app.crediting.settlements,
    app.disputes.models,
    app.events.models,
    app.jobs.models,
    app.credit_reports.models,
    app.lending.exchange_models,
    app.lending.models,
    app.market.models,
    app.my_data.models,
    app.neighbours.models,
    app.exchanges.models,
    app.offsets.models,
    app.programmes.models,
    app.quotas.models,
    app.recalculation.models,
    app.review.models,
    app.versions.models,
    app.versions.shadow_models,
    app.webhooks.models,
    dedup.models,
    points.campaign_models,
    points.models,
    points.payments.models,
    points.redemption_models,
)
METADATA = SQLModel.metadata
